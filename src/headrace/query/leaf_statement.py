"""A checked statement that reads leaves, in a connection of DuckDB's."""
# ruff: noqa: S608 - names are quoted or ours

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any, Final

import duckdb
import pyarrow as pa

from headrace.errors import QueryError
from headrace.leaf import AllOf, Condition, Fit, Leaf, LeafReading, Predicate, RemoteReading
from headrace.query.allow_list import Checked
from headrace.query.catalog import Beside
from headrace.query.door import translated
from headrace.query.leaf_names import quoted
from headrace.query.leaf_plan import Asked, Lookups
from headrace.query.leaf_readings import Readings
from headrace.query.leaf_table import LeafTable
from headrace.query.near_keys import NearKeys
from headrace.query.parameters import Given
from headrace.query.parser import Parser, Verb
from headrace.query.relations import OWN, Planned, Relation, bodies_of, planned, unplanned


class LeafStatement:
    """``checked``, which reads some of ``tables``, or views, in one connection. ``readings`` is the statement's to close."""

    def __init__(
        self, checked: Checked, tables: Mapping[str, Leaf | Beside], parser: Parser, given: Given
    ) -> None:
        self._checked = checked
        self._parser = parser
        self._given = given
        self._beside = {name: one for name, one in tables.items() if isinstance(one, Beside)}
        self._parts = {
            f"{name}.{number}": leaf
            for name, beside in self._beside.items()
            for number, leaf in enumerate(beside.leaves)
        }
        self._leaves = {name: one for name, one in tables.items() if not isinstance(one, Beside)}
        self.readings = Readings(self._leaves | self._parts)
        self._tables: dict[Relation, LeafTable] = {}

    def prepare(self, cursor: duckdb.DuckDBPyConnection) -> str:
        """Make the leaves tables of the connection; the statement's text over them. Raises AcceleratorError, QueryError."""
        open_ = self.readings.begin()
        plan = self._planned(cursor, open_)
        self._tables = {relation: self._table(relation, open_[relation.table]) for relation in plan.relations}
        for number, (relation, table) in enumerate(self._tables.items()):
            _make_view(cursor, relation.name, table.query(cursor, f"{OWN}rows_{number}"))
        for name, beside in self._beside.items():
            self._unite(cursor, name, beside, open_)
        for name, query in plan.views.items():
            with _of_view(name, query, self._checked.tables):
                _make_view(cursor, name, query)
        return self._checked.prefix + plan.text

    @property
    def explained(self) -> bool:
        """Whether the plan is asked for, to which ``told`` belongs."""
        return self._checked.verb is Verb.EXPLAIN

    def told(self, cursor: duckdb.DuckDBPyConnection, text: str) -> list[str]:
        """One line for each leaf that the connection knows: its columns in DuckDB's plan, and what it is asked of rows."""
        query = text.removeprefix(self._checked.prefix)
        ((_, plan),) = cursor.execute(f"EXPLAIN (FORMAT json) {query}", self._given.bound()).fetchall()
        read = set(_scanned(json.loads(plan)))
        return [self._line(relation, table.columns_among(read)) for relation, table in self._tables.items()]

    def _planned(self, cursor: duckdb.DuckDBPyConnection, open_: Mapping[str, LeafReading]) -> Planned:
        bodies = bodies_of(self._checked, self._given)
        if self._checked.verb is Verb.DESCRIBE:
            return unplanned(bodies, self._leaves)
        readings = {name: open_[name] for name in self._leaves}
        native = self._checked.tables - self._leaves.keys() - self._beside.keys()
        cast = partial(_cast, cursor)
        near = {name: one for name, one in readings.items() if not isinstance(one, RemoteReading)}
        lookups = Lookups(cast, native, near, NearKeys(cursor, cast).among)
        return planned(bodies, readings, lookups, self._parser)

    def _table(self, relation: Relation, reading: LeafReading) -> LeafTable:
        def scan(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
            asked = relation.asked
            return self.readings.scan(relation.table, columns, asked.carried_out, asked.limit)

        return LeafTable(relation.name, reading.schema, scan)

    def _line(self, relation: Relation, columns: Sequence[str]) -> str:
        asked = relation.asked
        told = self.readings.told(relation.table, columns, asked.carried_out, asked.limit)
        parts = [] if told is None else [told]
        parts += [f"columns {', '.join(columns)}" if columns else "no columns"]
        parts += [f"{_text(condition)} ({_FITS[fit]})" for condition, fit in asked.conditions]
        if asked.limit is not None:
            parts.append(f"limit {asked.limit}")
        return f"{relation.table}: {'; '.join(parts)}"

    def _unite(
        self, cursor: duckdb.DuckDBPyConnection, name: str, beside: Beside, open_: Mapping[str, LeafReading]
    ) -> None:
        parts = [f"SELECT * FROM {beside.own}"]
        for number in range(len(beside.leaves)):
            part = f"{name}.{number}"
            table = self._table(Relation(part, part, Asked()), open_[part])
            parts.append(table.query(cursor, f"{OWN}part_{number}"))
        _make_view(cursor, name, " UNION ALL BY NAME ".join(parts))


def _make_view(cursor: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    # In this connection only, which is why a transaction that reads only may do it.
    cursor.execute(f"CREATE TEMP VIEW {quoted(name)} AS {query}")


@contextmanager
def _of_view(name: str, query: str, tables: Collection[str]) -> Iterator[None]:
    """Let errors say which view is at fault."""
    try:
        with translated(query, tables):
            yield
    except QueryError as error:
        raise QueryError(error.fault, f"the view {name}: {error}") from error


def _cast(cursor: duckdb.DuckDBPyConnection, texts: Sequence[str], type_: str) -> pa.Array:
    sql = f"SELECT TRY_CAST(x AS {type_}) AS x FROM unnest(?::VARCHAR[]) t(x)"
    return cursor.execute(sql, [list(texts)]).to_arrow_table().column(0).combine_chunks()


def _scanned(plan: Any) -> Iterator[str]:
    """The columns that scans of Arrow data read in a plan."""
    if isinstance(plan, list):
        for child in plan:
            yield from _scanned(child)
    elif isinstance(plan, dict):
        facts = plan.get("extra_info") or {}
        if facts.get("Function") == "ARROW_SCAN":
            columns = facts.get("Projections", [])
            yield from [columns] if isinstance(columns, str) else columns
        yield from _scanned(plan.get("children"))


_FITS: Final = {Fit.EXACT: "exact", Fit.SUPERSET: "superset", Fit.NO: "not asked"}


def _text(condition: Condition) -> str:
    if isinstance(condition, Predicate):
        values = ", ".join(map(_value, condition.values))
        column = ".".join((condition.column, *condition.field))
        return " ".join(part for part in (column, str(condition.comparison), values) if part)
    word = " and " if isinstance(condition, AllOf) else " or "
    return f"({word.join(map(_text, condition.conditions))})"


def _value(value: pa.Scalar) -> str:
    """As SQL writes it, its type left to the column."""
    # Python has neither nanoseconds nor the years that DuckDB has.
    written = value.cast(pa.string()) if pa.types.is_timestamp(value.type) else value
    plain = written.as_py()
    if isinstance(plain, bytes):
        return f"x'{plain.hex()}'"
    if isinstance(plain, (bool, int, float, Decimal)):
        return str(plain).lower()
    return "'{}'".format(str(plain).replace("'", "''"))
