"""A live copy as a database file of its own, and what such a file must be to be restored."""
# ruff: noqa: S608 - names are quoted or ours

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import duckdb

from headrace.accelerator import DEAD_LETTERS, Target
from headrace.accelerators.duckdb import tables as ddl
from headrace.accelerators.duckdb.door import first_line, is_full, literal, quoted
from headrace.accelerators.duckdb.key_hash import HASH, is_hashed
from headrace.accelerators.duckdb.tables import CopyRow, CopyTables
from headrace.accelerators.duckdb.upgrade import prepare
from headrace.accelerators.exports import expect_dataset, expect_format, unusable
from headrace.accelerators.stored_schema import decode_schema
from headrace.checkpoint import Checkpoint
from headrace.errors import AcceleratorError, AcceleratorFull
from headrace.schema import TableSchema
from headrace.snapshot import Exported

NAME: Final = "copy.duckdb"
"""The file of an exported copy."""

_ALL: Final = 2**62
"""More rows than there are. A limit has DuckDB read in order, by one thread: the others are left to changes and queries."""


def export(cursor: duckdb.DuckDBPyConnection, source: str, dataset: str, snapshot: str) -> Exported:
    """Fill the empty database that ``cursor`` uses with the live copy of the database ``source``, as one commit left it.

    Raises AcceleratorError where there is none, and what DuckDB raises.
    """
    own = current_database(cursor)
    cursor.execute("BEGIN TRANSACTION")
    cursor.execute(f"USE {source}.main")
    row = ddl.read_copy(cursor, Target.LIVE)
    if row is None:
        raise AcceleratorError(f"there is no copy of {dataset} yet that could be exported")
    cursor.execute(f"USE {own}.main")
    for statement in (ddl.CHECKPOINT_TABLE, ddl.DEAD_LETTER_TABLE):
        cursor.execute(statement)
    checkpoint = Checkpoint.decode(row.checkpoint)
    marked = replace(row, checkpoint=replace(checkpoint, snapshot=snapshot).encode())
    schema = decode_schema(row.schema)
    fill(cursor, source, dataset, marked, schema, most=_ALL)
    count = cursor.execute(f"SELECT count(*) FROM {CopyTables.of(dataset, Target.LIVE).rows}").fetchone()
    cursor.execute("COMMIT")
    # Else a log would stay beside the file.
    cursor.execute(f"CHECKPOINT {own}")
    return Exported(
        checkpoint, schema, int(count[0]) if count else 0, row.letters, row.waiting, duckdb.__version__
    )


def fill(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    dataset: str,
    row: CopyRow,
    schema: TableSchema,
    *,
    most: int | None = None,
) -> None:
    """Make the live copy, of which there is none, as it is in the database ``source``; ``row`` is stored of it.

    ``most`` is as for ``_fill_table``.
    """
    tables = CopyTables.of(dataset, Target.LIVE)
    for statement in ddl.creation(tables, schema):
        connection.execute(statement)
    _fill_table(connection, source, tables.rows, schema, most)
    if row.noted:
        connection.execute(ddl.notes_creation(tables, schema))
        _fill_table(connection, source, tables.notes, TableSchema(schema.keys), most)
    connection.execute(
        f"INSERT INTO {DEAD_LETTERS} BY NAME SELECT * FROM {source}.main.{DEAD_LETTERS} "
        f"WHERE copy = {literal(Target.LIVE)}"
    )
    ddl.write_copy(connection, dataset, Target.LIVE, row)


@contextmanager
def exportable(dataset: str) -> Iterator[None]:
    """Translate what DuckDB raises: that another file cannot be written says nothing about the dataset's own."""
    doing = f"cannot export {dataset}"
    try:
        yield
    except duckdb.Error as error:
        if is_full(error):
            raise AcceleratorFull(f"{doing}: {first_line(error)}; make room on the disk") from error
        raise AcceleratorError(f"{doing}: {first_line(error)}") from error


@contextmanager
def readable(dataset: str) -> Iterator[None]:
    """Raise SnapshotRefused where DuckDB cannot read what is to be restored, AcceleratorFull where it finds no room for it.

    AcceleratorError where DuckDB was kept from reading: the snapshot is not at fault, and may be tried again.
    """
    try:
        yield
    except duckdb.Error as error:
        if is_full(error):
            raise AcceleratorFull(
                f"cannot restore {dataset}: {first_line(error)}; make room on the disk"
            ) from error
        # Every reader is interrupted when a database of the process is opened or replaced.
        if isinstance(error, duckdb.InterruptException | duckdb.OutOfMemoryException):
            raise AcceleratorError(f"cannot restore {dataset} now: {first_line(error)}; try again") from error
        raise unusable(dataset, f"its {NAME} cannot be read ({first_line(error)})") from error


def expect_exported(connection: duckdb.DuckDBPyConnection, dataset: str) -> CopyRow:
    """What is stored of the copy in the database that ``connection`` uses, once that is brought up to date.

    Raises SnapshotRefused where the database is not an exported copy of the dataset, and what DuckDB raises.
    """
    found = connection.execute(
        "SELECT 1 FROM information_schema.columns WHERE table_catalog = current_database() "
        "AND table_schema = 'main' AND table_name = 'headrace_checkpoint' "
        "AND column_name IN ('dataset', 'target', 'format', 'letters')"
    ).fetchall()
    stored = (
        connection.execute("SELECT dataset, target, format FROM headrace_checkpoint").fetchall()
        if len(found) == 4  # noqa: PLR2004 - the columns above
        else []
    )
    if not stored:
        raise unusable(dataset, "it holds no copy of a dataset")
    for name, _, format_ in stored:
        expect_dataset(dataset, name)
        expect_format(dataset, format_, ddl.OLDEST_FORMAT, ddl.FORMAT)
    if [target for _, target, _ in stored] != [Target.LIVE]:
        raise unusable(dataset, "it holds another copy than the live one")
    try:
        prepare(connection, dataset)
        ddl.stored_copy(connection, CopyTables.of(dataset, Target.LIVE))
    except AcceleratorError as error:
        raise unusable(dataset, str(error)) from error
    row = ddl.read_copy(connection, Target.LIVE)
    assert row is not None, "it was there a moment ago"
    return row


def put_in_place(connection: duckdb.DuckDBPyConnection, source: str, dataset: str, row: CopyRow) -> None:
    """Put the copy of ``source``, of which ``row`` is stored, in place of all copies, in one transaction.

    Raises what DuckDB raises; then the transaction is open still.
    """
    connection.execute("BEGIN TRANSACTION")
    for target in Target:
        tables, known = CopyTables.of(dataset, target), ddl.read_copy(connection, target)
        for statement in ddl.removal(tables, known):
            connection.execute(statement)
    connection.execute("DELETE FROM headrace_checkpoint")
    fill(connection, source, dataset, row, decode_schema(row.schema))
    connection.execute("COMMIT")


def current_database(connection: duckdb.DuckDBPyConnection) -> str:
    """The name of the database that a connection uses."""
    row = connection.execute("SELECT current_database()").fetchone()
    assert row is not None, "a query without FROM is always one row"
    return str(row[0])


def exported_file(folder: Path, dataset: str) -> Path:
    """The exported copy in a folder. Raises SnapshotRefused where there is none."""
    file = folder / NAME
    if not file.is_file():
        raise unusable(dataset, f"it has no {NAME}")
    return file


def _fill_table(
    connection: duckdb.DuckDBPyConnection, source: str, table: str, schema: TableSchema, most: int | None
) -> None:
    """Fill a table of rows or of notes with those of ``source``; where no more than ``most`` may come, by one thread."""
    hidden = [HASH] if is_hashed(schema) else []
    # By name: a column that came later stands behind the hidden one there.
    columns = ", ".join([*(quoted(column.name) for column in schema.columns), *hidden])
    limit = "" if most is None else f" LIMIT {most}"
    connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {source}.main.{table}{limit}")
