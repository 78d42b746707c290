"""What a refresh asks of the live copy, as statements that every engine answers: its newest time, and the rows to go."""
# ruff: noqa: S608 - names are quoted, values are our own, and the condition was checked

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

import pyarrow as pa

from headrace.change import ChangeBatch
from headrace.column_reference import referenced
from headrace.dataset import Dataset
from headrace.errors import AcceleratorError, QueryError, QueryFault
from headrace.query.engine import QueryEngine
from headrace.query.leaf_names import quoted
from headrace.query.parser import Parser
from headrace.query.row_mask import RowMask, instant
from headrace.query.row_query import deleted
from headrace.query.row_time import RowTime
from headrace.schema import Column, TableSchema
from headrace.selection import Kept

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PER_MICROSECOND: Final = {"ms": Fraction(1, 1000), "us": Fraction(1), "ns": Fraction(1000)}


class SqlKept(Kept):
    """The live copy of ``dataset``, which ``engine`` knows by its name, and of whose columns ``schema`` tells.

    Raises QueryError, which says what is wrong and what is allowed, for SQL that cannot be a ``retention_sql``.
    """

    def __init__(
        self,
        dataset: Dataset,
        engine: QueryEngine,
        schema: Callable[[], TableSchema | None],
        parser: Parser,
    ) -> None:
        self._name = dataset.name
        self._engine = engine
        self._schema = schema
        time = dataset.time_column
        self._time = None if time is None else RowTime(time, dataset.mapping.layouts)
        self._retention = None if dataset.acceleration is None else dataset.acceleration.retention
        sql = None if self._retention is None else self._retention.sql
        self._condition = None if sql is None else deleted(sql, dataset.name, parser)
        self._mask = (
            None
            if self._condition is None
            else RowMask(self._condition, f"retention_sql of {dataset.name}", parser.sandbox)
        )

    def newest(self) -> float | None:
        """The greatest time in the column of time (epoch seconds), None where there is none."""
        schema = self._schema()
        column = None if schema is None else self._time_column(schema)
        if column is None or self._time is None:
            return None
        name = quoted(column.name)
        if self._time.least(column.type.arrow(), Fraction(0)) is None:
            sql = f"SELECT DISTINCT {name} FROM {quoted(self._name)} WHERE {name} IS NOT NULL"
        else:
            sql = f"SELECT max({name}) FROM {quoted(self._name)}"
        with self._rows(sql) as batches:
            times = [self._time.latest(batch.column(0)) for batch in batches]
        latest = max((time for time in times if time is not None), default=None)
        return None if latest is None else _at_most(latest)

    def expired(self, now: float, limit: int) -> ChangeBatch | None:
        """Deletions of at most ``limit`` rows that retention removes at ``now`` (epoch seconds); None where there are none.

        Those that are too old come first, then those that ``retention_sql`` names.
        """
        schema = self._schema()
        if self._retention is None or schema is None:
            return None
        period = self._retention.period
        old = None if period is None else self._aged(schema, Fraction(now) - Fraction(period), limit)
        return old or self._named(schema, now, limit)

    def _aged(self, schema: TableSchema, bound: Fraction, limit: int) -> ChangeBatch | None:
        column = self._time_column(schema)
        if column is None or self._time is None:
            return None
        name, keys = quoted(column.name), _listed(schema.keys)
        least = self._time.least(column.type.arrow(), bound)
        if least is not None:
            where = f"{name} < {_literal(least)}"
            sql = f"SELECT {keys} FROM {quoted(self._name)} WHERE {where} LIMIT {limit}"
            return self._deletions(schema, sql, limit)
        time, place = self._time, len(schema.keys)
        sql = f"SELECT {keys}, {name} FROM {quoted(self._name)} WHERE {name} IS NOT NULL"
        return self._deletions(schema, sql, limit, lambda batch: time.before(batch.column(place), bound))

    def _named(self, schema: TableSchema, now: float, limit: int) -> ChangeBatch | None:
        if self._condition is None or self._mask is None:
            return None
        columns = self._mask.columns(schema)
        source = quoted(self._name)
        if not columns.plain:
            others = [column for column in schema.keys if column.name not in columns.used]
            listed = ", ".join(part for part in (_listed(others), columns.source) if part)
            source = f"(SELECT {listed} FROM {source})"
        sql = (
            f"SELECT {_listed(schema.keys)} FROM {source} AS {quoted(self._condition.alias)} "
            f"WHERE ({self._condition.at(instant(now))}\n) LIMIT {limit}"
        )
        try:
            return self._deletions(schema, sql, limit)
        except QueryError as error:
            if error.fault is not QueryFault.INVALID:
                raise
            raise self._mask.unusable(error) from error

    @contextmanager
    def _rows(self, sql: str) -> Iterator[Iterator[pa.RecordBatch]]:
        with self._engine.query(sql) as statement:
            statement.run()
            yield statement.batches()

    def _deletions(
        self,
        schema: TableSchema,
        sql: str,
        limit: int,
        old: Callable[[pa.RecordBatch], pa.BooleanArray] | None = None,
    ) -> ChangeBatch | None:
        """Deletions of the first ``limit`` rows that ``sql`` gives and that are ``old``."""
        keys = TableSchema(schema.keys)
        arrow = keys.arrow()
        found: list[pa.RecordBatch] = []
        count = 0
        with self._rows(sql) as batches:
            for batch in batches:
                among = batch if old is None else batch.filter(old(batch))
                chosen = among.select(arrow.names).slice(0, limit - count)
                if chosen.schema.types != arrow.types:
                    raise AcceleratorError(f"the columns of {self._name} are changing; it is asked again")
                found.append(chosen)
                count += chosen.num_rows
                if count >= limit:
                    break
        if not count:
            return None
        rows = pa.Table.from_batches(found).combine_chunks().cast(arrow).to_batches()[0]
        return ChangeBatch(keys, rows, pa.array([True] * count, pa.bool_()), rows.nbytes)

    def _time_column(self, schema: TableSchema) -> Column | None:
        return None if self._time is None else referenced(schema, self._time.column.name)


def _listed(columns: tuple[Column, ...] | list[Column]) -> str:
    return ", ".join(quoted(column.name) for column in columns)


def _at_most(exact: Fraction) -> float:
    """The nearest float that is not greater: what is compared with it must not be passed over."""
    nearest = float(exact)
    return nearest if Fraction(nearest) <= exact else math.nextafter(nearest, -math.inf)


def _literal(value: pa.Scalar) -> str:
    """A value of the column of time as SQL writes it, so that it is compared exactly."""
    if pa.types.is_timestamp(value.type):
        return _moment(value)
    if pa.types.is_floating(value.type):
        # With an exponent it is a double, and no decimal.
        return f"{value.as_py():.17e}"
    return format(value.as_py(), "f") if pa.types.is_decimal(value.type) else str(value.as_py())


def _moment(value: pa.TimestampScalar) -> str:
    micros = value.value / _PER_MICROSECOND[value.type.unit]
    whole = math.floor(micros)
    text = (
        (_EPOCH + timedelta(microseconds=whole))
        .replace(tzinfo=None)
        .isoformat(sep=" ", timespec="microseconds")
    )
    if value.type.unit == "ns":
        # Without a zone, as DuckDB holds all nanoseconds.
        return f"TIMESTAMP_NS '{text}{int((micros - whole) * 1000):03}'"
    return f"TIMESTAMPTZ '{text}+00'" if value.type.tz else f"TIMESTAMP '{text}'"
