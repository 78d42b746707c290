"""The tables that the honest statements of ``tests/query/honest.txt`` are about."""

from __future__ import annotations

import duckdb


def make_honest_tables(database: duckdb.DuckDBPyConnection) -> None:
    """Orders, users, a table whose name needs quotes, and dead letters."""
    database.execute(
        "CREATE TABLE orders AS SELECT * FROM (VALUES "
        "(1, 'new', 1, ['a', 'b'], '{\"city\": \"Ulm\", \"n\": 1}'::JSON), (2, 'paid', 2, ['c'], '{}'::JSON)) "
        "t(id, status, user_id, tags, detail)"
    )
    database.execute("CREATE TABLE users AS SELECT 1 AS id, 'Ada' AS name")
    database.execute('CREATE TABLE "my-table" AS SELECT 1 AS id')
    database.execute("CREATE TABLE headrace_dead_letter AS SELECT 1 AS x")
