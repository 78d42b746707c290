"""A database as it is opened: our own tables are made where they are missing, and older ones brought up to date."""
# ruff: noqa: S608 - names are quoted or ours, values are parameters

from __future__ import annotations

from contextlib import suppress

import duckdb

from headrace.accelerator import Target
from headrace.accelerators.duckdb.door import literal, quoted
from headrace.accelerators.duckdb.tables import (
    CHECKPOINT_TABLE,
    DEAD_LETTER_TABLE,
    EARLIER,
    FORMAT,
    CopyTables,
    addition,
    expect_known,
    rehash,
    view,
)
from headrace.accelerators.stored_schema import decode_schema
from headrace.errors import AcceleratorError


def prepare(connection: duckdb.DuckDBPyConnection, dataset: str) -> None:
    """Make our own tables where they are missing, and bring them up to date where an earlier Headrace made them.

    Raises AcceleratorError where the database holds another dataset, where a Headrace wrote it that is newer or too
    old, or where it holds a table of this dataset's name that is not ours: creating a copy would destroy it.
    """
    found = connection.execute(
        "SELECT lower(table_name) FROM information_schema.tables "
        "WHERE table_catalog = current_database() AND table_schema = 'main'"
    ).fetchall()
    names = {name for (name,) in found}
    if "headrace_checkpoint" not in names and dataset.lower() in names:
        raise AcceleratorError(
            f"the file holds a table {dataset} that Headrace did not make; "
            "name another duckdb_file, or drop that table"
        )
    formats = _formats(connection) if "headrace_checkpoint" in names else set()
    connection.execute(CHECKPOINT_TABLE)
    connection.execute(DEAD_LETTER_TABLE)
    other = connection.execute(
        "SELECT dataset FROM headrace_checkpoint WHERE dataset <> ? LIMIT 1", [dataset]
    ).fetchone()
    if other is not None:
        raise AcceleratorError(
            f"the file holds the dataset {other[0]}, not {dataset}; "
            "name another duckdb_file, or delete the file to start over"
        )
    if formats - {FORMAT}:
        _upgrade(connection, dataset)


def _formats(connection: duckdb.DuckDBPyConnection) -> set[int]:
    """The formats in which copies are stored. Raises AcceleratorError where we could not work on one."""
    known = connection.execute(
        "SELECT 1 FROM information_schema.columns WHERE table_catalog = current_database() "
        "AND table_schema = 'main' AND table_name = 'headrace_checkpoint' AND column_name = 'letters'"
    ).fetchone()
    if known is None:
        raise AcceleratorError(EARLIER)
    formats = {
        number for (number,) in connection.execute("SELECT format FROM headrace_checkpoint").fetchall()
    }
    for number in formats:
        expect_known(number)
    return formats


def _upgrade(connection: duckdb.DuckDBPyConnection, dataset: str) -> None:
    """Bring tables of format 3 up to date, in one transaction.

    In that format the table of rows bore the name that its view has now, and keys had no hashes. DuckDB spills what
    does not fit into its memory.
    """
    connection.execute("BEGIN TRANSACTION")
    try:
        hashes = [statement for target in Target for statement in _redefine(connection, dataset, target)]
        # After all that changes tables: DuckDB refuses the commit of what does so after a change of rows.
        for statement in hashes:
            connection.execute(statement)
        connection.execute(f"UPDATE headrace_checkpoint SET format = {FORMAT}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise


def _redefine(connection: duckdb.DuckDBPyConnection, dataset: str, target: Target) -> list[str]:
    """Give a copy the tables of today; SQL that fills their column of hashes."""
    row = connection.execute(
        f"SELECT schema, noted FROM headrace_checkpoint WHERE target = {literal(target)}"
    ).fetchone()
    if row is None:
        return []
    tables, schema = CopyTables.of(dataset, target), decode_schema(row[0])
    connection.execute(f"ALTER TABLE {quoted(tables.shown)} RENAME TO {tables.rows}")
    connection.execute(view(tables, schema))
    names = [tables.rows, tables.notes] if row[1] else [tables.rows]
    for name in names:
        for statement in addition(name, schema):
            connection.execute(statement)
    return [statement for name in names for statement in rehash(name, schema)]
