"""The text of a query with other names for some of its tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from headrace.errors import QueryError
from headrace.query.outline import PLACE, outline
from headrace.query.parser import Parser, Tree

NAME: Final = rb'(?:"(?:[^"]|"")*"|[^\s".,;()]+)'
"""A name in the UTF-8 text of a statement."""

TABLE: Final = re.compile(rb"%s(?:\s*\.\s*%s){0,2}" % (NAME, NAME))
"""The name of a table there, in full or not."""


def renamed(text: str, tree: Tree, names: Mapping[int, str], parser: Parser) -> str | None:
    """``text``, whose tree is ``tree``, with the tables whose nodes have these ids under other names.

    Each keeps the name by which the rest of the query knows it, as its alias. None where the text cannot be changed
    so: what DuckDB reads in the new text must be the same tree but for those names. (Writing SQL from the tree
    would be simpler, but DuckDB 1.5 writes ``(a CROSS JOIN b) LEFT JOIN c`` without its parentheses.)
    """
    written = text.encode()
    for node in sorted(_nodes(tree, names), key=lambda node: int(node[PLACE]), reverse=True):
        start = int(node[PLACE])
        found = TABLE.match(written, start)
        if found is None:
            return None
        alias = "" if node["alias"] else f" AS {quoted(node['table_name'])}"
        written = written[:start] + (names[id(node)] + alias).encode() + written[found.end() :]
    try:
        changed = written.decode()
        instead = {id(node): _under(names[id(node)], node) for node in _nodes(tree, names)}
        return changed if outline(parser.tree(changed)) == outline(tree, instead) else None
    except (QueryError, UnicodeDecodeError):
        return None


def _nodes(node: Any, names: Mapping[int, str]) -> list[Tree]:
    if isinstance(node, list):
        return [found for child in node for found in _nodes(child, names)]
    if not isinstance(node, dict):
        return []
    own = [node] if id(node) in names else []
    return own + [found for child in node.values() for found in _nodes(child, names)]


def _under(name: str, node: Tree) -> Tree:
    """The outline of a table under another name."""
    own: Tree = outline(node)
    return own | {
        "table_name": name,
        "schema_name": "",
        "catalog_name": "",
        "alias": node["alias"] or node["table_name"],
    }


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
