"""A query with its tables under names that DuckDB finds in the connection, whatever they were called in full."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from headrace.errors import QueryError, QueryFault
from headrace.namespace import CATALOGS, INFORMATION_SCHEMA, SCHEMA, SCHEMAS
from headrace.query.catalog import Reference
from headrace.query.leaf_names import NAME, TABLE, quoted
from headrace.query.outline import PLACE, outline
from headrace.query.parser import Parsed, Parser, Tree


def is_in_full(node: Tree) -> bool:
    """Whether DuckDB would look elsewhere for the table of this node."""
    return bool(node["catalog_name"]) or str(node["schema_name"]).casefold() not in ("", SCHEMA)


def in_short(parsed: Parsed, references: Sequence[Reference], parser: Parser) -> Parsed:
    """``parsed``, read anew from a text in which those of ``references`` that are in full have other names.

    What else there is stays: DuckDB must read the same tree but for those names. Raises QueryError where it does not.
    """
    tables = {id(one.node): one for one in references if is_in_full(one.node)}
    qualifiers = {_qualifier(one.node) for one in tables.values() if not one.node["alias"]}
    edits: list[tuple[int, int, str]] = []
    instead: dict[int, Any] = {}
    written = parsed.query.encode()
    for node in _nodes(parsed.tree):
        place = int(node[PLACE])
        if id(node) in tables:
            name, instead[id(node)] = _table(tables[id(node)])
            found = TABLE.match(written, place)
        else:
            dropped = _dropped(node, qualifiers)
            if not dropped:
                continue
            name = ""
            instead[id(node)] = outline(node) | {"column_names": node["column_names"][dropped:]}
            found = re.compile(rb"(?:%s\s*\.\s*){%d}" % (NAME, dropped)).match(written, place)
        if found is None:
            raise _unclear()
        edits.append((place, found.end(), name))
    for start, end, name in sorted(edits, reverse=True):
        written = written[:start] + name.encode() + written[end:]
    return _read(parsed, written, instead, parser)


def _read(parsed: Parsed, written: bytes, instead: Mapping[int, Any], parser: Parser) -> Parsed:
    try:
        text = written.decode()
        tree = parser.tree(text)
    except (QueryError, UnicodeDecodeError) as error:
        raise _unclear() from error
    if outline(tree) != outline(parsed.tree, instead):
        raise _unclear()
    return replace(parsed, query=text, tree=tree)


def _table(reference: Reference) -> tuple[str, Any]:
    """What is written for a table, and the outline of what the parser then reads."""
    node = reference.node
    own: Tree = outline(node)
    if str(node["schema_name"]).casefold() != INFORMATION_SCHEMA:
        # With the schema before it, it is never taken for a name of WITH.
        return f"{SCHEMA}.{quoted(node['table_name'])}", own | {"schema_name": SCHEMA, "catalog_name": ""}
    alias = node["alias"] or node["table_name"]
    named = {"table_name": reference.table, "schema_name": "", "catalog_name": "", "alias": alias}
    return quoted(reference.table) + ("" if node["alias"] else f" AS {quoted(alias)}"), own | named


def _qualifier(node: Tree) -> tuple[str, ...]:
    """How columns are written that name the table as it is named in FROM."""
    parts = (node["catalog_name"], node["schema_name"], node["table_name"])
    return tuple(str(part).casefold() for part in parts if part)


def _dropped(node: Tree, qualifiers: set[tuple[str, ...]]) -> int:
    """How many names at the front of a column are those of a catalog and a schema."""
    names = tuple(str(name).casefold() for name in node.get("column_names") or ())
    for length in (3, 2):
        front = names[: length - 1]
        known = front[-1:] and (front[-1] in SCHEMAS or front[-1] == INFORMATION_SCHEMA)
        known = known and all(name in CATALOGS for name in front[:-1])
        if known and len(names) > length and any(one[-length:] == names[:length] for one in qualifiers):
            return length - 1
    return 0


def _nodes(node: Any) -> Iterator[Tree]:
    """Tables and columns in the tree."""
    if isinstance(node, list):
        for child in node:
            yield from _nodes(child)
    elif isinstance(node, dict):
        if node.get("type") == "BASE_TABLE" or node.get("class") == "COLUMN_REF":
            yield node
        for child in node.values():
            yield from _nodes(child)


def _unclear() -> QueryError:
    return QueryError(
        QueryFault.INVALID,
        "the names in full cannot be told apart here; write the tables' bare names, and give each an alias",
    )
