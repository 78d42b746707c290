"""The values of a column of DuckDB's own table, where they are few: what a table far away is asked for by a join with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa

from headrace.query.parser import Tree

MOST_KEYS: Final = 100
"""Values beyond which the far table is not asked for them: as many as one BatchGetItem takes."""

_BIGINT: Final = pa.int64()


class NearKeys:
    """Looks values up in the connection of one statement, so that they are those of its transaction."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def among(
        self, table: Tree, column: str, conditions: Sequence[Tree], type_: pa.DataType
    ) -> tuple[pa.Scalar, ...] | None:
        """The values other than NULL in ``column`` of the rows of ``table``, a node of FROM, that satisfy ``conditions``.

        None where there are more than MOST_KEYS, where they are not of ``type_``, and where it cannot be asked.
        """
        name = str(table["alias"] or table["table_name"])
        try:
            found = self._cursor.execute(self._text(_select(table, [name, column], conditions)))
            values = found.to_arrow_table().column(0).combine_chunks()
        except duckdb.Error:
            # The statement itself will say what is wrong.
            return None
        if _plain(values.type) != _plain(type_):
            return None
        known = values.drop_null()
        return tuple(known.cast(type_)) if len(known) <= MOST_KEYS else None

    def _text(self, select: Tree) -> str:
        whole = json.dumps({"error": False, "statements": [{"node": select, "named_param_map": []}]})
        row = self._cursor.execute("SELECT json_deserialize_sql(?)", [whole]).fetchone()
        assert row is not None, "a scalar function gives a row"
        return str(row[0])


def _plain(type_: pa.DataType) -> pa.DataType:
    """Types in which DuckDB compares equal values alike."""
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    return _BIGINT if pa.types.is_integer(type_) and pa.types.is_signed_integer(type_) else type_


def _select(table: Tree, column: Sequence[str], conditions: Sequence[Tree]) -> Tree:
    where: Any = {
        "class": "CONJUNCTION",
        "type": "CONJUNCTION_AND",
        "alias": "",
        "children": list(conditions),
    }
    if len(conditions) < 2:  # noqa: PLR2004  # AND joins two.
        where = next(iter(conditions), None)
    most = {"type": {"id": "INTEGER", "type_info": None}, "is_null": False, "value": MOST_KEYS + 1}
    return {
        "type": "SELECT_NODE",
        "modifiers": [
            {"type": "DISTINCT_MODIFIER", "distinct_on_targets": []},
            {
                "type": "LIMIT_MODIFIER",
                "limit": {"class": "CONSTANT", "type": "VALUE_CONSTANT", "alias": "", "value": most},
                "offset": None,
            },
        ],
        "cte_map": {"map": []},
        "select_list": [
            {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "column_names": list(column)}
        ],
        "from_table": table,
        "where_clause": where,
        "group_expressions": [],
        "group_sets": [],
        "aggregate_handling": "STANDARD_HANDLING",
        "having": None,
        "sample": None,
        "qualify": None,
    }
