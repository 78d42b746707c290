"""A condition evaluated over Arrow rows, by the DuckDB that answers statements, so that it means the same in both."""
# ruff: noqa: S608 - names are quoted, and the condition was checked

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, product
from typing import Final

import duckdb
import pyarrow as pa

from headrace.arrow_zone import without_nanosecond_zones
from headrace.column_type import ColumnType, Kind
from headrace.errors import QueryError, SelectionUnusable
from headrace.query.door import fault_of
from headrace.query.leaf_names import quoted
from headrace.query.row_query import RowCondition
from headrace.query.sandbox import Sandbox
from headrace.schema import Column, TableSchema

_ROWS: Final = "headrace_rows"

_NULLS: Final = (
    "NULL",
    "CAST(NULL AS TIMESTAMP)",
    "CAST(NULL AS VARCHAR)",
    "CAST(NULL AS DOUBLE)",
    "CAST(NULL AS VARCHAR[])",
    "CAST(NULL AS MAP(VARCHAR, VARCHAR))",
)
"""What may stand for something that no row has. Some functions must be told of which type it is not."""

_MOST_TRIED: Final = 200
_MOST_TYPED: Final = 8
"""Forms of it that are tried, and how many missing columns at once are given one that is not plain."""

Members = dict[str, "Members"]
"""Names that a condition asks for, each with those below it."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table as a condition needs them: ``source`` is a SELECT list over ``used``.

    ``plain``: they are columns of the table, as they are.
    """

    source: str
    used: tuple[str, ...]
    plain: bool


class RowMask:
    """``condition`` over rows of one schema or another. Any thread may ask. ``what`` is its name in messages."""

    def __init__(self, condition: RowCondition, what: str, sandbox: Sandbox) -> None:
        self._condition = condition
        self._what = what
        self._sandbox = sandbox
        self._last: tuple[TableSchema, Columns] | None = None

    def of(self, schema: TableSchema, rows: pa.RecordBatch, now: float) -> pa.BooleanArray:
        """True for the rows, of ``schema``, for which the condition holds at ``now`` (epoch seconds), else false.

        Raises SelectionUnusable where it cannot be evaluated over one of them.
        """
        columns = self.columns(schema)
        cursor = self._sandbox.cursor()
        try:
            cursor.register(_ROWS, _known(rows, columns.used))
            holds = cursor.execute(self._sql(columns, now)).to_arrow_table().column(0)
            return holds.combine_chunks()
        except duckdb.Error as error:
            raise self.unusable(fault_of(error, self._condition.text)) from error
        finally:
            cursor.close()

    def columns(self, schema: TableSchema) -> Columns:
        """How the condition is to be given the columns of ``schema``: those that are not there as NULL.

        Raises SelectionUnusable where it makes no sense over these columns.
        """
        last = self._last
        if last is not None and last[0] is schema:
            return last[1]
        columns = self._fitting(schema)
        self._last = (schema, columns)
        return columns

    def unusable(self, found: QueryError) -> SelectionUnusable:
        """The error for a condition of which this was found as it was evaluated."""
        return SelectionUnusable(f"{self._what} cannot be evaluated: {str(found).partition(chr(10))[0]}")

    def _fitting(self, schema: TableSchema) -> Columns:
        cursor = self._sandbox.cursor()
        first: duckdb.Error | None = None
        try:
            cursor.register(_ROWS, _known(schema.arrow().empty_table(), schema.arrow().names))
            for columns in self._attempts(schema):
                try:
                    cursor.execute(self._sql(columns, 0.0))
                except duckdb.BinderException as error:
                    first = first or error
                else:
                    return columns
        except duckdb.Error as error:
            first = first or error
        finally:
            cursor.close()
        assert first is not None, "there is at least one attempt"
        raise self.unusable(fault_of(first, self._condition.text)) from first

    def _attempts(self, schema: TableSchema) -> Iterator[Columns]:
        """The columns, with what stands for the missing ones in one form after the other."""
        by_name = {column.name.casefold(): column for column in schema.columns}
        asked = _asked(self._condition, by_name)
        missing = _Nulls(())
        for name, members in asked.items():
            _given(by_name.get(name), name, members, missing)
        for nulls in islice(product(_NULLS, repeat=min(missing.taken, _MOST_TYPED)), _MOST_TRIED):
            left = _Nulls(nulls)
            given = [_given(by_name.get(name), name, members, left) for name, members in asked.items()]
            used = tuple(by_name[name].name for name in asked if name in by_name)
            plain = all(sql == quoted(name) for sql, name in given)
            # A condition without columns still wants rows.
            source = ", ".join(f"{sql} AS {quoted(name)}" for sql, name in given) or "NULL AS headrace_none"
            yield Columns(source, used or (schema.columns[0].name,), plain)

    def _sql(self, columns: Columns, now: float) -> str:
        source = f"SELECT {columns.source} FROM {_ROWS}"
        condition = self._condition
        return f"SELECT ({condition.at(instant(now))}\n) IS TRUE FROM ({source}) AS {quoted(condition.alias)}"


def instant(epoch: float) -> str:
    """A time (epoch seconds) as SQL writes it, to the microsecond."""
    return f"TIMESTAMPTZ '{datetime.fromtimestamp(epoch, UTC).isoformat(sep=' ')}'"


class _Nulls:
    """What stands for the missing ones, in their order: ``given``, then plain NULLs."""

    def __init__(self, given: tuple[str, ...]) -> None:
        self._given = given
        self.taken = 0

    def take(self) -> str:
        self.taken += 1
        return self._given[self.taken - 1] if self.taken <= len(self._given) else "NULL"


def _asked(condition: RowCondition, by_name: dict[str, Column]) -> Members:
    """The columns that the condition speaks of, in lower case and in one order, with the members that it asks for."""
    asked: Members = {}
    for path in sorted(condition.columns):
        whole = ".".join(path)
        if len(path) > 1 and path[0].casefold() not in by_name and whole.casefold() in by_name:
            raise SelectionUnusable(f'{whole} is one column, whose name has a dot; write "{whole}"')
        members = asked
        for name in path:
            members = members.setdefault(name.casefold(), {})
    return asked


def _given(column: Column | None, name: str, members: Members, nulls: _Nulls) -> tuple[str, str]:
    """SQL for a column, and its name."""
    if column is None:
        return _absent(members, nulls), name
    return _filled(quoted(column.name), column.type, members, nulls), column.name


def _filled(sql: str, type_: ColumnType, members: Members, nulls: _Nulls) -> str:
    """SQL for what ``sql`` is, with the members that it lacks."""
    if type_.kind is Kind.NULL:
        return _absent(members, nulls)
    if type_.kind is not Kind.STRUCT or not members:
        return sql
    known = {name.casefold(): (name, member.type) for name, member in type_.named()}
    added, changed = [], []
    for name, below in members.items():
        if name not in known:
            added.append(f"{quoted(name)} := {_absent(below, nulls)}")
            continue
        field, member = known[name]
        own = f"struct_extract({sql}, {_text(field)})"
        filled = _filled(own, member, below, nulls)
        if filled != own:
            changed.append(f"{quoted(field)} := {filled}")
    if not known:
        # Maps without members are stored as texts.
        return f"CASE WHEN {sql} IS NOT NULL THEN struct_pack({', '.join(added)}) END"
    if changed:
        sql = f"struct_update({sql}, {', '.join(changed)})"
    return f"struct_insert({sql}, {', '.join(added)})" if added else sql


def _absent(members: Members, nulls: _Nulls) -> str:
    """SQL for a value that is NULL, with these members."""
    if not members:
        return nulls.take()
    fields = ", ".join(f"{quoted(name)} := {_absent(below, nulls)}" for name, below in members.items())
    return f"CASE WHEN false THEN struct_pack({fields}) END"


def _known(rows: pa.RecordBatch | pa.Table, names: tuple[str, ...] | list[str]) -> pa.RecordBatch | pa.Table:
    """Columns as DuckDB takes them without loss."""
    chosen = rows.select(list(names))
    wanted = pa.schema([field.with_type(without_nanosecond_zones(field.type)) for field in chosen.schema])
    return chosen if wanted == chosen.schema else chosen.cast(wanted)


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
