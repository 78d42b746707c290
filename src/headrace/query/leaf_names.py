"""The text of a query with other names for some of its tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from headrace.errors import QueryError
from headrace.query.parser import Parser, Tree

_NAME: Final = rb'(?:"(?:[^"]|"")*"|[^\s".,;()]+)'
_TABLE: Final = re.compile(rb"%s(?:\s*\.\s*%s){0,2}" % (_NAME, _NAME))
_PLACE: Final = "query_location"


def renamed(text: str, tree: Tree, names: Mapping[int, str], parser: Parser) -> str | None:
    """``text``, whose tree is ``tree``, with the tables whose nodes have these ids under other names.

    Each keeps the name by which the rest of the query knows it, as its alias. None where the text cannot be changed
    so: what DuckDB reads in the new text must be the same tree but for those names. (Writing SQL from the tree
    would be simpler, but DuckDB 1.5 writes ``(a CROSS JOIN b) LEFT JOIN c`` without its parentheses.)
    """
    written = text.encode()
    for node in sorted(_nodes(tree, names), key=lambda node: int(node[_PLACE]), reverse=True):
        start = int(node[_PLACE])
        found = _TABLE.match(written, start)
        if found is None:
            return None
        alias = "" if node["alias"] else f" AS {_quoted(node['table_name'])}"
        written = written[:start] + (names[id(node)] + alias).encode() + written[found.end() :]
    try:
        changed = written.decode()
        return changed if _outline(parser.tree(changed), {}) == _outline(tree, names) else None
    except (QueryError, UnicodeDecodeError):
        return None


def _nodes(node: Any, names: Mapping[int, str]) -> list[Tree]:
    if isinstance(node, list):
        return [found for child in node for found in _nodes(child, names)]
    if not isinstance(node, dict):
        return []
    own = [node] if id(node) in names else []
    return own + [found for child in node.values() for found in _nodes(child, names)]


def _outline(node: Any, names: Mapping[int, str]) -> Any:
    """The tree without places in the text, and with other names of tables."""
    if isinstance(node, list):
        return [_outline(child, names) for child in node]
    if not isinstance(node, dict):
        return node
    outline = {key: _outline(child, names) for key, child in node.items() if key != _PLACE}
    if id(node) in names:
        outline |= {
            "table_name": names[id(node)],
            "schema_name": "",
            "catalog_name": "",
            "alias": node["alias"] or node["table_name"],
        }
    return outline


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
