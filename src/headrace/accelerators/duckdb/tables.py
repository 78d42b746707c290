"""The tables of one dataset's database: what they are called, and the SQL that makes and changes them.

A database holds the dataset's own table, ``headrace_building`` (a copy being built beside it), for each
of the two a table of notes (keys that the stream touched while the Scan runs), ``headrace_checkpoint``
with one row for each copy, and ``headrace_dead_letter``.
"""
# ruff: noqa: S608 - names are quoted or ours, values are parameters

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from headrace.accelerator import DEAD_LETTERS, StoredCopy, Target
from headrace.accelerators.duckdb.casts import sql_type
from headrace.accelerators.duckdb.door import literal, quoted
from headrace.accelerators.stored_schema import decode_schema
from headrace.checkpoint import Checkpoint
from headrace.errors import AcceleratorError
from headrace.schema import Column, TableSchema

FORMAT = 3
"""The layout of these tables and what they hold; raised when an older Headrace could not work on them."""

_EARLIER = (
    "an earlier Headrace made the accelerator's file, and this one keeps its tables otherwise; "
    "delete the file to copy the table anew"
)

_CHECKPOINT_TABLE = (
    "CREATE TABLE IF NOT EXISTS headrace_checkpoint (dataset VARCHAR, target VARCHAR, "
    "checkpoint VARCHAR, schema VARCHAR, format INTEGER, scan_only BOOLEAN, noted BOOLEAN, "
    "letters BIGINT, waiting BIGINT)"
)

DEAD_LETTER_TABLE = (
    f"CREATE TABLE IF NOT EXISTS {DEAD_LETTERS} (copy VARCHAR, id VARCHAR, dataset VARCHAR, shard VARCHAR, "
    'sequence_number VARCHAR, "key" VARCHAR, key_form VARCHAR, reason VARCHAR, record VARCHAR, '
    "seen_at TIMESTAMP, superseded_at TIMESTAMP)"
)
"""``copy`` is the target; ``key_form`` the key as ``accelerators.keys`` writes it, NULL where it cannot be read."""


@dataclass(frozen=True, slots=True)
class CopyTables:
    """The names of one copy's tables."""

    target: Target
    rows: str
    notes: str

    @classmethod
    def of(cls, dataset: str, target: Target) -> CopyTables:
        """The tables of the live copy of ``dataset``, or of the one being built."""
        if target is Target.LIVE:
            return cls(target, dataset, "headrace_notes")
        return cls(target, "headrace_building", "headrace_building_notes")


@dataclass(frozen=True, slots=True)
class CopyRow:
    """A row of ``headrace_checkpoint``.

    ``scan_only`` says that every row of the copy came from its Scan, or has its key in the notes;
    ``noted`` that there is a table of notes; ``letters`` is the number of the copy's dead letters,
    ``waiting`` of those that are not superseded.
    """

    checkpoint: str
    schema: str
    scan_only: bool
    noted: bool
    letters: int
    waiting: int


def prepare(connection: duckdb.DuckDBPyConnection, dataset: str) -> None:
    """Make our own tables where they are missing.

    Raises AcceleratorError where the database holds another dataset, or a table of this one's name that
    is not ours: creating a copy would destroy it.
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
    if "headrace_checkpoint" in names:
        _expect_format(connection)
    connection.execute(_CHECKPOINT_TABLE)
    connection.execute(DEAD_LETTER_TABLE)
    other = connection.execute(
        "SELECT dataset FROM headrace_checkpoint WHERE dataset <> ? LIMIT 1", [dataset]
    ).fetchone()
    if other is not None:
        raise AcceleratorError(
            f"the file holds the dataset {other[0]}, not {dataset}; "
            "name another duckdb_file, or delete the file to start over"
        )


def _expect_format(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise AcceleratorError where a Headrace of an earlier layout has made the tables."""
    found = connection.execute(
        "SELECT 1 FROM information_schema.columns WHERE table_catalog = current_database() "
        "AND table_schema = 'main' AND table_name = 'headrace_checkpoint' AND column_name = 'letters'"
    ).fetchone()
    if found is None:
        raise AcceleratorError(_EARLIER)


def read_copy(connection: duckdb.DuckDBPyConnection, target: Target) -> CopyRow | None:
    """What is stored of a copy. Raises AcceleratorError where a newer or an earlier Headrace wrote it."""
    row = connection.execute(
        "SELECT format, checkpoint, schema, scan_only, noted, letters, waiting FROM headrace_checkpoint "
        f"WHERE target = {literal(target)}"
    ).fetchone()
    if row is None:
        return None
    if row[0] > FORMAT:
        raise AcceleratorError(
            f"the accelerator's file has format {row[0]}, this Headrace knows up to {FORMAT}; "
            "use the newer Headrace, or delete the file to start over"
        )
    if row[0] < FORMAT:
        # Its values have other forms than the same items would be given now.
        raise AcceleratorError(_EARLIER)
    return CopyRow(*row[1:])


def stored_copy(connection: duckdb.DuckDBPyConnection, tables: CopyTables) -> StoredCopy | None:
    """A copy as its last commit left it."""
    row = read_copy(connection, tables.target)
    if row is None:
        return None
    schema = decode_schema(row.schema)
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_catalog = current_database() AND table_schema = 'main' AND table_name = ?",
        [tables.rows],
    ).fetchall()
    if {name for (name,) in found} != {column.name for column in schema.columns}:
        raise AcceleratorError(
            f"table {tables.rows} no longer has the columns that Headrace gave it; "
            "delete the accelerator's file to start over"
        )
    return StoredCopy(Checkpoint.decode(row.checkpoint), schema, row.letters, row.waiting)


def write_copy(connection: duckdb.DuckDBPyConnection, dataset: str, target: Target, row: CopyRow) -> None:
    """Store what is known of a copy in place of what was."""
    # Texts, not parameters: for each parameter DuckDB looks for numpy and pandas anew, 0.4 ms a statement.
    connection.execute(f"DELETE FROM headrace_checkpoint WHERE target = {literal(target)}")
    texts = ", ".join(literal(text) for text in (dataset, target, row.checkpoint, row.schema))
    rest = f"{FORMAT}, {row.scan_only}, {row.noted}, {row.letters}, {row.waiting}"
    connection.execute(f"INSERT INTO headrace_checkpoint VALUES ({texts}, {rest})")


def removal(tables: CopyTables, row: CopyRow | None) -> Iterator[str]:
    """SQL that removes the tables and letters of a stored copy; ``row`` None: there is none.

    Never IF EXISTS: that would find DuckDB's own views, of which a dataset may bear the name.
    """
    if row is not None:
        yield f"DROP TABLE {quoted(tables.rows)}"
        if row.noted:
            yield f"DROP TABLE {tables.notes}"
        if row.letters:
            yield f"DELETE FROM {DEAD_LETTERS} WHERE copy = {literal(tables.target)}"


def creation(tables: CopyTables, schema: TableSchema) -> Iterator[str]:
    """SQL that makes an empty copy, with the columns of ``schema`` and no notes."""
    columns = ", ".join(defined(column) for column in schema.columns)
    yield f"CREATE TABLE {quoted(tables.rows)} ({columns})"


def notes_creation(tables: CopyTables, schema: TableSchema) -> str:
    """SQL that makes the table of notes."""
    columns = ", ".join(defined(column) for column in schema.keys)
    return f"CREATE TABLE {tables.notes} ({columns})"


def swap(dataset: str, live_row: CopyRow | None, *, building_noted: bool) -> Iterator[str]:
    """SQL that makes the building copy the live one, in place of it; ``live_row`` is what is stored of it."""
    live = CopyTables.of(dataset, Target.LIVE)
    building = CopyTables.of(dataset, Target.BUILDING)
    yield from removal(live, live_row)
    yield f"UPDATE {DEAD_LETTERS} SET copy = {literal(Target.LIVE)} WHERE copy = {literal(Target.BUILDING)}"
    yield f"ALTER TABLE {building.rows} RENAME TO {quoted(live.rows)}"
    if building_noted:
        yield f"ALTER TABLE {building.notes} RENAME TO {live.notes}"
    yield f"DELETE FROM headrace_checkpoint WHERE target = {literal(Target.BUILDING)}"


def defined(column: Column) -> str:
    """A column as CREATE TABLE defines it."""
    return f"{quoted(column.name)} {sql_type(column.type.arrow())}"
