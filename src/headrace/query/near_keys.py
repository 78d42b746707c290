"""The values of a column, where they are few: what a table far away is asked for by a join with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa

from headrace.query.condition import Test, asks, is_whole, tests
from headrace.query.literal import Cast, values
from headrace.query.parser import Tree

MOST_KEYS: Final = 100
"""Values beyond which the far table is not asked for them: as many as one BatchGetItem takes."""


class NearKeys:
    """Looks values up in the connection of one statement, so that they are those of its transaction."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, cast: Cast) -> None:
        self._cursor = cursor
        self._cast = cast

    def among(
        self, table: Tree, column: str, conditions: Sequence[Tree], type_: pa.DataType
    ) -> tuple[pa.Scalar, ...] | None:
        """The values other than NULL in ``column`` of the rows of ``table``, a node of FROM, that satisfy ``conditions``.

        Conditions on other columns than the table's, and those that DuckDB must compute for, are left out. None where there
        are more than MOST_KEYS values, where they are not of ``type_``, and where it cannot be asked.
        """
        name = str(table["alias"] or table["table_name"])
        types: dict[str, pa.DataType | None] = {}

        def compares(condition: Tree) -> bool:
            found = asks(condition)
            return (
                found is not None
                and is_whole(found)
                and all(self._is_plain(test, name, types, table) for test in tests(found))
            )

        own = self._type(table, name, column)
        if own is None or not alike(own, type_):
            return None
        kept = [condition for condition in conditions if compares(condition)]
        found = self._cursor.execute(self._text(_select(table, [name, column], kept, MOST_KEYS + 1)))
        return few_in(found.to_arrow_table().to_batches(), type_)

    def _is_plain(self, test: Test, name: str, types: dict[str, pa.DataType | None], table: Tree) -> bool:
        """Whether it compares a column with values of its own type: what fails would end the statement's transaction."""
        qualifier, *rest = test.column
        if qualifier.casefold() != name.casefold() or len(rest) != 1 or test.extracted:
            return False
        column = rest[0]
        if column not in types:
            types[column] = self._type(table, name, column)
        type_ = types[column]
        return type_ is not None and values(test.literals, type_, self._cast) is not None

    def _type(self, table: Tree, name: str, column: str) -> pa.DataType | None:
        """The type of a column of DuckDB's; None where there is none, or not one of that name."""
        try:
            found = self._cursor.execute(self._text(_select(table, [name, column], [], 0)))
        except duckdb.Error:
            # The statement itself will say what is wrong.
            return None
        return found.to_arrow_table().schema.field(0).type

    def _text(self, select: Tree) -> str:
        whole = json.dumps({"error": False, "statements": [{"node": select, "named_param_map": []}]})
        row = self._cursor.execute("SELECT json_deserialize_sql(?)", [whole]).fetchone()
        assert row is not None, "a scalar function gives a row"
        return str(row[0])


def few_in(batches: Iterable[pa.RecordBatch], type_: pa.DataType) -> tuple[pa.Scalar, ...] | None:
    """The values of ``type_`` other than NULL in the one column of ``batches``, each once; None where there are more than MOST_KEYS."""
    known: dict[pa.Scalar, None] = {}
    try:
        for batch in batches:
            column = batch.column(0)
            plain = column.cast(type_) if column.type != type_ else column
            known |= dict.fromkeys(plain.unique().drop_null())
            if len(known) > MOST_KEYS:
                return None
    finally:
        close = getattr(batches, "close", None)
        if close is not None:
            close()
    return tuple(known)


def alike(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether DuckDB compares values of these types by what is the same in both."""
    return bool(_plain(one) == _plain(other))


def _plain(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    return pa.int64() if pa.types.is_signed_integer(type_) else type_


def _select(table: Tree, column: Sequence[str], conditions: Sequence[Tree], limit: int) -> Tree:
    where: Any = {
        "class": "CONJUNCTION",
        "type": "CONJUNCTION_AND",
        "alias": "",
        "children": list(conditions),
    }
    if len(conditions) < 2:  # noqa: PLR2004  # AND joins two.
        where = next(iter(conditions), None)
    most = {"type": {"id": "INTEGER", "type_info": None}, "is_null": False, "value": limit}
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
