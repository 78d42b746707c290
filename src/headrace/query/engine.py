"""SQL in, Arrow out: the one way in which anybody's statement reaches the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import duckdb
import pyarrow as pa

from headrace.errors import QueryError, QueryFault
from headrace.leaf import Leaf
from headrace.query.allow_list import Checked, check
from headrace.query.catalog import Beside, Catalog
from headrace.query.described import DeclaredColumns, described, explained
from headrace.query.leaf_readings import Readings
from headrace.query.parser import Parser, Verb
from headrace.query.statement import Attempt, Connect, Read, Statement
from headrace.query.watch import Bounds, Watch

if TYPE_CHECKING:
    from headrace.query.leaf_statement import LeafStatement

BATCH_ROWS: Final = 8192
"""Rows of a batch: four of DuckDB's vectors. Larger batches read no faster, and hold more memory."""


class QueryEngine:
    """Answers statements over the tables of ``catalog``, each in a connection of its own from ``connect``.

    ``catalog`` is asked anew for every statement, ``declared`` for what DESCRIBE says of a table's columns beyond
    the engine's types, and ``leaves`` for the tables that are not, or not wholly, DuckDB's. Any thread may call any method.
    """

    def __init__(
        self,
        connect: Connect,
        catalog: Callable[[], Catalog],
        bounds: Bounds | None = None,
        declared: DeclaredColumns | None = None,
        leaves: Callable[[], Mapping[str, Leaf | Beside]] = dict,
        parser: Parser | None = None,
    ) -> None:
        self._connect = connect
        self._catalog = catalog
        self._declared = declared
        self._leaves = leaves
        self._watch = Watch(bounds or Bounds())
        self._parser = parser or Parser()

    def query(self, sql: str) -> Statement:
        """The statement in ``sql``, checked and not yet run.

        DESCRIBE gives column_name, data_type (Arrow's names) and is_nullable; SHOW TABLES gives table_name
        and ready, for each table of the catalogue. Raises QueryError: INVALID, UNKNOWN_NAME, REFUSED, TOO_LARGE, and
        NOT_READY where a table that it reads may not be queried yet.
        """
        catalog = self._catalog()
        checked = check(sql, catalog, self._parser)
        _expect_ready(checked, catalog)
        if checked.verb is Verb.SHOW_TABLES:
            return self._statement(checked, lambda _: _tables(catalog).to_reader())
        known = self._leaves()
        leaves = {table: known[table] for table in checked.tables if table in known}
        if leaves:
            return self._over_leaves(checked, leaves)
        return self._statement(checked, lambda cursor: self._read(cursor, checked, checked.sql))

    def _statement(self, checked: Checked, read: Read) -> Statement:
        return self._attempted(checked, lambda: (read, Readings({})))

    def _attempted(self, checked: Checked, attempt: Attempt) -> Statement:
        return Statement(checked, attempt, self._connect, self._watch)

    def _over_leaves(self, checked: Checked, leaves: Mapping[str, Leaf | Beside]) -> Statement:
        # Arrow's datasets take 40 ms to import.
        from headrace.query.leaf_statement import LeafStatement

        def attempt() -> tuple[Read, Readings]:
            statement = LeafStatement(checked, leaves, self._parser)
            return lambda cursor: self._read_leaves(cursor, checked, statement), statement.readings

        return self._attempted(checked, attempt)

    def _read_leaves(
        self, cursor: duckdb.DuckDBPyConnection, checked: Checked, statement: LeafStatement
    ) -> pa.RecordBatchReader:
        text = statement.prepare(cursor)
        if checked.verb is not Verb.EXPLAIN:
            return self._read(cursor, checked, text)
        lines = statement.told(cursor, text)
        return explained(cursor.execute(text).to_arrow_table(), lines).to_reader()

    def _read(self, cursor: duckdb.DuckDBPyConnection, checked: Checked, sql: str) -> pa.RecordBatchReader:
        if checked.verb is Verb.DESCRIBE:
            return self._columns(cursor, checked).to_reader()
        return cursor.execute(sql).to_arrow_reader(BATCH_ROWS)

    def _columns(self, cursor: duckdb.DuckDBPyConnection, checked: Checked) -> pa.Table:
        # The statement was checked as it stands; the line break ends a comment at its end.
        none = f"SELECT * FROM ({checked.sql}\n) LIMIT 0"  # noqa: S608 - checked
        schema = cursor.execute(none).to_arrow_reader(1).schema
        declared: Mapping[str, str] = {}
        if checked.plain and self._declared is not None:
            declared = self._declared(*checked.tables)
        return described(schema, declared)

    @property
    def running(self) -> int:
        """How many statements run at this moment."""
        return self._watch.running

    def close(self) -> None:
        """Cancel what runs, and answer nothing more. Safe to call twice."""
        for statement in self._watch.close():
            if isinstance(statement, Statement):
                statement.cancel()


def _expect_ready(checked: Checked, catalog: Catalog) -> None:
    waiting = sorted(table for table in checked.tables if not catalog[table].ready)
    if waiting:
        reasons = "; ".join(f"{table}: {catalog[table].reason or 'it is loading'}" for table in waiting)
        raise QueryError(QueryFault.NOT_READY, f"not ready to be queried: {reasons}")


def _tables(catalog: Catalog) -> pa.Table:
    names = sorted(catalog)
    return pa.table({"table_name": names, "ready": [catalog[name].ready for name in names]})
