"""The kinds of node that may stand in a statement's syntax tree, as ``json_serialize_sql`` names them.

Read from the trees of DuckDB 1.5. A kind that is not here is refused, so that syntax that a newer DuckDB
adds stays out until somebody has read what it does.
"""

from __future__ import annotations

from typing import Final

EXPRESSION_CLASSES: Final = frozenset(
    {
        "BETWEEN",
        "CASE",
        "CAST",
        "COLLATE",
        "COLUMN_REF",
        "COMPARISON",
        "CONJUNCTION",
        "CONSTANT",
        "FUNCTION",
        "LAMBDA",
        "OPERATOR",
        "PARAMETER",
        "POSITIONAL_REFERENCE",
        "STAR",
        "SUBQUERY",
        "WINDOW",
    }
)
"""Values of ``class``, which only expressions have."""

TREE_KINDS: Final = frozenset(
    {
        # Queries.
        "SELECT_NODE",
        "SET_OPERATION_NODE",
        "RECURSIVE_CTE_NODE",
        # What stands in FROM.
        "BASE_TABLE",
        "EMPTY",
        "EXPRESSION_LIST",
        "JOIN",
        "PIVOT",
        "SHOW_REF",
        "SUBQUERY",
        "TABLE_FUNCTION",
        # What follows a query, and the directions of an order.
        "DISTINCT_MODIFIER",
        "LIMIT_MODIFIER",
        "LIMIT_PERCENT_MODIFIER",
        "ORDER_MODIFIER",
        "ASCENDING",
        "DESCENDING",
        "ORDER_DEFAULT",
        # Types in a cast.
        "ARRAY_TYPE_INFO",
        "DECIMAL_TYPE_INFO",
        "ENUM_TYPE_INFO",
        "GENERIC_TYPE_INFO",
        "LIST_TYPE_INFO",
        "STRING_TYPE_INFO",
        "STRUCT_TYPE_INFO",
        "UNBOUND_TYPE_INFO",
    }
)
"""Values of ``type`` in nodes without a class."""
