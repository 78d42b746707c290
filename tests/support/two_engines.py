"""Tables ``a``, ``b`` and ``c`` twice: DuckDB's own, and ``a`` and ``b`` as leaves beside DuckDB's ``c``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from headrace.errors import QueryError
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.parser import Parser
from headrace.query.pod_views import checked_views, facts_of_views
from headrace.view import View

READY = TableFacts(ready=True)

Answer = tuple[tuple[pa.Schema, Any] | None, QueryError | None]
"""Names and types of columns, with the rows; or why there are none."""


class TwoEngines:
    """``leaves`` are what the second one reads; of both, ``hold`` says the rows that DuckDB has itself.

    With ``views``, ``a`` and ``b`` are views of such tables.
    """

    def __init__(self, views: Mapping[str, str] | None = None) -> None:
        self._databases = [duckdb.connect(), duckdb.connect()]
        for database in self._databases:
            database.execute("SET GLOBAL TimeZone = 'UTC'; SET GLOBAL threads = 2")
        own, mixed = self._databases
        self.leaves: Mapping[str, Any] = {}
        self._named = {name: f"{name}_table" if views and name != "c" else name for name in "abc"}
        catalog = dict.fromkeys(self._named.values(), READY)
        listed = [View(name, sql, "") for name, sql in (views or {}).items()]
        catalog |= facts_of_views(checked_views(listed, catalog, Parser()), catalog, {})
        self.own = QueryEngine(own.cursor, lambda: catalog)
        self.mixed = QueryEngine(mixed.cursor, lambda: catalog, leaves=self._leaves)

    def hold(self, tables: Mapping[str, pa.Table]) -> None:
        """Give the tables of DuckDB these rows."""
        for database, names in zip(self._databases, ("abc", "c"), strict=True):
            for name in names:
                database.register("given", tables[name])
                database.execute(f"CREATE OR REPLACE TABLE {self._named[name]} AS FROM given")
                database.unregister("given")

    def expect_same(self, sql: str) -> None:
        """Ask both."""
        self.expect(sql, answer(self.own, sql))

    def expect(self, sql: str, of_own: Answer) -> None:
        """Ask the leaves, where DuckDB's own tables gave ``of_own``.

        Of errors DuckDB may have more over its own tables: it computes over rows that leaves leave out.
        """
        expected, error = of_own
        found, problem = answer(self.mixed, sql)
        if expected is None:
            assert error is not None
            assert found is not None or (problem is not None and problem.fault is error.fault), (sql, problem)
        else:
            assert problem is None, (sql, problem.__cause__)
            assert found == expected, sql

    def expect_all_same(self, statements: Iterable[str]) -> None:
        """Ask both each of the statements."""
        for sql in statements:
            self.expect_same(sql)

    def _leaves(self) -> Mapping[str, Any]:
        return {self._named[name]: leaf for name, leaf in self.leaves.items()}

    def close(self) -> None:
        """Close both."""
        for engine in (self.own, self.mixed):
            engine.close()
        for database in self._databases:
            database.close()


def answer(engine: QueryEngine, sql: str) -> Answer:
    """The names and types of the columns, and the rows: in order where they are ordered, else counted."""
    try:
        with engine.query(sql) as statement:
            table = statement.reader().read_all()
    except QueryError as error:
        return None, error
    rows = [repr(row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]
    return (table.schema, rows if "ORDER BY ALL" in sql else Counter(rows)), None
