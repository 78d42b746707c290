"""``SELECT count(*) FROM table WHERE ...`` without its WHERE, for a table that carries that out itself.

DuckDB would ask for the columns of WHERE to check it again, where the number of the rows is all that is wanted.
"""

from __future__ import annotations

from typing import Final

import duckdb

from headrace.errors import QueryError
from headrace.query.outline import outline
from headrace.query.parser import Parsed, Parser, Tree

_NOTHING_ELSE: Final = ("group_expressions", "group_sets", "having", "qualify", "sample", "modifiers")


def counts_alone(tree: Tree) -> bool:
    """Whether the query gives the number of a table's rows, and nothing else."""
    if tree["type"] != "SELECT_NODE" or tree["cte_map"]["map"] or any(tree[one] for one in _NOTHING_ELSE):
        return False
    return (
        tree["aggregate_handling"] == "STANDARD_HANDLING"
        and (tree["from_table"] or {}).get("type") == "BASE_TABLE"
        and [_is_count(one) for one in tree["select_list"]] == [True]
    )


def without_where(parsed: Parsed, parser: Parser) -> str | None:
    """The text of such a query, with which all parameters are still given; None where it cannot be changed so."""
    written = parsed.query.encode()
    keywords = [start for start, kind in duckdb.tokenize(parsed.query) if kind == duckdb.token_type.keyword]
    places = [start for start in keywords if written[start : start + 5].lower() == b"where"]
    if len(places) != 1:
        return None
    named = " AND ".join(f"(${number} IS NULL OR true)" for number in parsed.parameters)
    try:
        text = written[: places[0]].decode() + (f"WHERE {named}" if named else "")
        same = outline(parser.tree(text) | {"where_clause": None})
    except (QueryError, UnicodeDecodeError):
        return None
    return text if same == outline(parsed.tree | {"where_clause": None}) else None


def _is_count(selected: Tree) -> bool:
    return (
        selected["class"] == "FUNCTION"
        and selected["function_name"] == "count_star"
        and not (selected["filter"] or selected["distinct"])
    )
