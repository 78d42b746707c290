"""The answers to DESCRIBE, columns by the names of their Arrow types, and to EXPLAIN."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import pyarrow as pa

from headrace.arrow_name import arrow_name
from headrace.query.parser import Tree

DeclaredColumns = Callable[[str], Mapping[str, str]]
"""The columns of a dataset with the names of their types, as the dataset has them; empty where that is not known.

It may say more of a column than the engine's type does: a time column's zone, and its unit where the engine has
but one for instants.
"""

DESCRIBED: Final = pa.schema([(name, pa.string()) for name in ("column_name", "data_type", "is_nullable")])
"""The columns of the answer to DESCRIBE."""

EXPLAINED: Final = pa.schema([(name, pa.string()) for name in ("explain_key", "explain_value")])
"""Those of the answer to EXPLAIN."""


def described(schema: pa.Schema, declared: Mapping[str, str]) -> pa.Table:
    """One row for each column of ``schema``, named as ``declared`` does where that speaks of the same type."""
    types = [_name(field, declared) for field in schema]
    nullable = ["YES" if field.nullable else "NO" for field in schema]
    return pa.table([schema.names, types, nullable], schema=DESCRIBED)


def as_declared(declared: Mapping[str, str]) -> pa.Table:
    """The same where the types of ``declared`` are all that is known."""
    return pa.table([list(declared), list(declared.values()), ["YES"] * len(declared)], schema=DESCRIBED)


def explained(plan: pa.Table, scans: Sequence[str]) -> pa.Table:
    """DuckDB's answer to EXPLAIN, and a row for each scan of a table that is not its own."""
    rows = pa.table([["leaf_scan"] * len(scans), list(scans)], schema=plan.schema)
    return pa.concat_tables([plan, rows])


def is_plain(tree: Tree) -> bool:
    """Whether the query reads one table, and each column of the result is one of that table under its own name."""
    table = tree.get("from_table") or {}
    return (
        tree.get("type") == "SELECT_NODE"
        and table.get("type") == "BASE_TABLE"
        and not table.get("column_name_alias")
        and not (tree.get("cte_map") or {}).get("map")
        and all(_is_own(selected) for selected in tree.get("select_list", ()))
    )


def _is_own(selected: Tree) -> bool:
    match selected.get("class"):
        case "STAR":
            changing = ("replace_list", "rename_list", "expr", "columns", "alias")
            return not any(selected.get(key) for key in changing)
        case "COLUMN_REF":
            # Of two names, the second may be that of a struct's member.
            return not selected.get("alias") and len(selected.get("column_names", ())) == 1
        case _:
            return False


def _name(field: pa.Field, declared: Mapping[str, str]) -> str:
    name = arrow_name(field.type)
    own = declared.get(field.name, name)
    # What was declared a moment before or after the engine was asked may be another type.
    return own if _outline(own) == _outline(name) else name


def _outline(name: str) -> str:
    """A type's name without the unit and zone of a timestamp."""
    before, times, after = name.partition("Timestamp(")
    return before + times + after[after.find(")") :] if times else name
