"""The tables of one dataset's database: what they are called, and the SQL that makes and changes them.

A database holds for each of the two copies, the live one and the one being built beside it, a table of rows, a view of
it without the column that is ours (``key_hash``), and a table of notes (keys that the stream touched while the Scan
runs); ``headrace_checkpoint`` with one row for each copy; and ``headrace_dead_letter``. The view of the live copy bears
the dataset's name: it is what users query.
"""
# ruff: noqa: S608 - names are quoted or ours, values are parameters

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from headrace.accelerator import DEAD_LETTERS, StoredCopy, Target
from headrace.accelerators.duckdb.casts import sql_type
from headrace.accelerators.duckdb.door import literal, quoted
from headrace.accelerators.duckdb.key_hash import HASH, HASH_TYPE, is_hashed, key_hash
from headrace.accelerators.stored_schema import decode_schema
from headrace.checkpoint import Checkpoint
from headrace.errors import AcceleratorError
from headrace.schema import Column, TableSchema

FORMAT = 4
"""The layout of these tables and what they hold; raised when an older Headrace could not work on them."""

PLAIN = "USING COMPRESSION uncompressed"
"""For columns of which each batch reads all rows."""

OLDEST_FORMAT = 3
"""The oldest layout that is brought up to date; tables of an older one are refused."""

EARLIER = (
    "an earlier Headrace made the accelerator's file, and this one keeps its tables otherwise; "
    "delete the file to copy the table anew"
)

CHECKPOINT_TABLE = (
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
    """The names of one copy's tables; ``shown`` is the view, and the only one that must be quoted."""

    target: Target
    shown: str
    rows: str
    notes: str

    @classmethod
    def of(cls, dataset: str, target: Target) -> CopyTables:
        """The tables of the live copy of ``dataset``, or of the one being built."""
        if target is Target.LIVE:
            return cls(target, dataset, "headrace_rows", "headrace_notes")
        return cls(target, "headrace_building", "headrace_building_rows", "headrace_building_notes")


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


def read_copy(connection: duckdb.DuckDBPyConnection, target: Target) -> CopyRow | None:
    """What is stored of a copy. Raises AcceleratorError where a newer Headrace wrote it, or one that is too old."""
    row = connection.execute(
        "SELECT format, checkpoint, schema, scan_only, noted, letters, waiting FROM headrace_checkpoint "
        f"WHERE target = {literal(target)}"
    ).fetchone()
    if row is None:
        return None
    expect_known(row[0])
    return CopyRow(*row[1:])


def expect_known(format_: int) -> None:
    """Raise AcceleratorError unless this Headrace can work on tables of a format, once they are brought up to date."""
    if format_ > FORMAT:
        raise AcceleratorError(
            f"the accelerator's file has format {format_}, this Headrace knows up to {FORMAT}; "
            "use the newer Headrace, or delete the file to start over"
        )
    if format_ < OLDEST_FORMAT:
        # Its values have other forms than the same items would be given now.
        raise AcceleratorError(EARLIER)


def stored_copy(connection: duckdb.DuckDBPyConnection, tables: CopyTables) -> StoredCopy | None:
    """A copy as its last commit left it."""
    row = read_copy(connection, tables.target)
    if row is None:
        return None
    schema = decode_schema(row.schema)
    columns = [column.name for column in schema.columns]
    hidden = [HASH] if is_hashed(schema) else []
    shown, stored = _columns(connection, tables.shown), _columns(connection, tables.rows)
    if shown != columns or sorted(stored) != sorted([*columns, *hidden]):
        raise AcceleratorError(
            f"table {tables.shown} no longer has the columns that Headrace gave it; "
            "delete the accelerator's file to start over"
        )
    return StoredCopy(Checkpoint.decode(row.checkpoint), schema, row.letters, row.waiting)


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_catalog = current_database() "
        "AND table_schema = 'main' AND table_name = ? ORDER BY ordinal_position",
        [table],
    ).fetchall()
    return [name for (name,) in found]


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
        yield f"DROP VIEW {quoted(tables.shown)}"
        yield f"DROP TABLE {tables.rows}"
        if row.noted:
            yield f"DROP TABLE {tables.notes}"
        if row.letters:
            yield f"DELETE FROM {DEAD_LETTERS} WHERE copy = {literal(tables.target)}"


def creation(tables: CopyTables, schema: TableSchema) -> Iterator[str]:
    """SQL that makes an empty copy, with the columns of ``schema`` and no notes."""
    yield table_creation(tables.rows, schema)
    yield view(tables, schema)


def notes_creation(tables: CopyTables, schema: TableSchema) -> str:
    """SQL that makes the table of notes."""
    return table_creation(tables.notes, TableSchema(schema.keys))


def table_creation(name: str, schema: TableSchema) -> str:
    """SQL that makes a table with the columns of ``schema``, and that of hashes if its key has one."""
    columns = [defined(column) for column in schema.columns]
    hidden = [f"{HASH} {HASH_TYPE} {PLAIN}"] if is_hashed(schema) else []
    return f"CREATE TABLE {name} ({', '.join([*columns, *hidden])})"


def view(tables: CopyTables, schema: TableSchema) -> str:
    """SQL that makes the view of the rows; it must be made anew with each change of the columns."""
    columns = ", ".join(quoted(column.name) for column in schema.columns)
    return f"CREATE VIEW {quoted(tables.shown)} AS SELECT {columns} FROM {tables.rows}"


def addition(name: str, schema: TableSchema) -> Iterator[str]:
    """SQL that adds the column of hashes to a table of rows or notes, if its key has one."""
    if is_hashed(schema):
        yield f"ALTER TABLE {name} ADD COLUMN {HASH} {HASH_TYPE}"


def rehash(name: str, schema: TableSchema) -> Iterator[str]:
    """SQL that gives all rows of a table their hashes, if their keys have some."""
    if is_hashed(schema):
        # Not ALTER ... USING, which is as fast: DuckDB 1.5 cannot read it back from its log if it calls a function.
        yield f"UPDATE {name} SET {HASH} = {key_hash(schema)}"


def swap(
    dataset: str, live_row: CopyRow | None, schema: TableSchema, *, building_noted: bool
) -> Iterator[str]:
    """SQL that makes the building copy, of this schema, the live one; ``live_row`` is what is stored of that."""
    live = CopyTables.of(dataset, Target.LIVE)
    building = CopyTables.of(dataset, Target.BUILDING)
    yield from removal(live, live_row)
    yield f"UPDATE {DEAD_LETTERS} SET copy = {literal(Target.LIVE)} WHERE copy = {literal(Target.BUILDING)}"
    yield f"DROP VIEW {quoted(building.shown)}"
    yield f"ALTER TABLE {building.rows} RENAME TO {live.rows}"
    yield view(live, schema)
    if building_noted:
        yield f"ALTER TABLE {building.notes} RENAME TO {live.notes}"
    yield f"DELETE FROM headrace_checkpoint WHERE target = {literal(Target.BUILDING)}"


def defined(column: Column) -> str:
    """A column as CREATE TABLE defines it."""
    # A key is read to be compared, most of all texts, which take twice as long to read where they are compressed.
    plain = f" {PLAIN}" if column.key else ""
    return f"{quoted(column.name)} {sql_type(column.type.arrow())}{plain}"
