"""The tables that all datasets of a schema share: what is stored of each copy, and how it is found."""
# ruff: noqa: S608 - names are quoted or ours, values are parameters

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from headrace.accelerator import StoredCopy, Target
from headrace.accelerators.postgres.layout import OTHERS, Layout
from headrace.accelerators.postgres.names import Names
from headrace.accelerators.postgres.session import lock_key
from headrace.accelerators.relational import CopyRow
from headrace.accelerators.stored_schema import decode_schema
from headrace.errors import AcceleratorError

FORMAT = 1
"""The layout of our tables and what they hold; raised when an older Headrace could not work on them."""

_TEXT = 'text COLLATE "C"'

_CHECKPOINT = (
    f"dataset {_TEXT}, target {_TEXT}, checkpoint {_TEXT} NOT NULL, schema {_TEXT} NOT NULL, format integer NOT NULL, "
    "noted boolean NOT NULL, letters bigint NOT NULL, waiting bigint NOT NULL, rows bigint NOT NULL, "
    "long_keys boolean NOT NULL, PRIMARY KEY (dataset, target)"
)

_LETTERS = (
    f"dataset {_TEXT}, copy {_TEXT}, id {_TEXT}, shard {_TEXT}, sequence_number {_TEXT}, key {_TEXT}, "
    f"key_form {_TEXT}, reason {_TEXT}, record {_TEXT}, seen_at timestamp, superseded_at timestamp, "
    "PRIMARY KEY (dataset, copy, id)"
)

_TYPES = {"timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone"}
"""What the catalogue calls types that have a shorter name."""


@dataclass(frozen=True, slots=True)
class PostgresCopy:
    """A CopyRow, and what this engine knows beside it.

    ``rows`` is the number of the copy's rows. ``long_keys`` says that it has keys too long for an entry of an index,
    so that it has no primary key, but an index of the keys' beginnings.
    """

    row: CopyRow
    rows: int
    long_keys: bool


def prepare(connection: psycopg.Connection, names: Names) -> None:
    """Make the shared tables where they are missing.

    Raises AcceleratorError where there is a table of one of the dataset's names that is not ours: creating a copy
    would destroy it.
    """
    # Two datasets that open at once would both find them missing.
    connection.execute(f"SELECT pg_advisory_xact_lock({lock_key(names.schema)})")
    for table, columns in ((names.checkpoint, _CHECKPOINT), (names.letters, _LETTERS)):
        if not exists(connection, table):
            connection.execute(f"CREATE TABLE {table} ({columns})")
    for target in Target:
        known = stored(connection, names, target)
        if known is None:
            _expect_none(connection, names, names.rows(target))
        if known is None or not known.row.noted:
            _expect_none(connection, names, names.notes(target))


def stored(connection: psycopg.Connection, names: Names, target: Target) -> PostgresCopy | None:
    """What is stored of a copy. Raises AcceleratorError where a newer or an earlier Headrace wrote it."""
    found = connection.execute(
        f"SELECT format, checkpoint, schema, noted, letters, waiting, rows, long_keys FROM {names.checkpoint} "
        "WHERE dataset = $1 AND target = $2",
        [names.dataset, target.value],
    ).fetchone()
    if found is None:
        return None
    format_, *row, rows, long_keys = found
    if format_ != FORMAT:
        raise AcceleratorError(
            f"the tables of {names.dataset} in schema {names.schema} have format {format_}, this Headrace knows "
            f"{FORMAT}; use the other Headrace, or drop them to copy the table anew"
        )
    return PostgresCopy(CopyRow(*row), rows, long_keys)


def store(
    connection: psycopg.Connection, names: Names, target: Target, copy: PostgresCopy, before: CopyRow | None
) -> None:
    """Store this in place of what is stored of a copy; ``before`` is what that is known to be."""
    row = copy.row
    facts = [
        names.dataset,
        target.value,
        row.checkpoint,
        row.noted,
        row.letters,
        row.waiting,
        copy.rows,
        copy.long_keys,
    ]
    if before is not None and before.schema == row.schema:
        # A value that is not named stays where it is; one that is would be compressed and written anew.
        connection.execute(
            f"UPDATE {names.checkpoint} SET checkpoint = $3, noted = $4, letters = $5, waiting = $6, rows = $7, "
            "long_keys = $8 WHERE dataset = $1 AND target = $2",
            facts,
        )
        return
    connection.execute(
        f"INSERT INTO {names.checkpoint} (dataset, target, checkpoint, noted, letters, waiting, rows, long_keys, "
        f"schema, format) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, {FORMAT}) "
        "ON CONFLICT (dataset, target) DO UPDATE SET checkpoint = excluded.checkpoint, schema = excluded.schema, "
        "format = excluded.format, noted = excluded.noted, letters = excluded.letters, waiting = excluded.waiting, "
        "rows = excluded.rows, long_keys = excluded.long_keys",
        [*facts, row.schema],
    )


def forget(connection: psycopg.Connection, names: Names, target: Target) -> None:
    """Remove what is stored of a copy."""
    connection.execute(
        f"DELETE FROM {names.checkpoint} WHERE dataset = $1 AND target = $2", [names.dataset, target.value]
    )


def stored_copy(connection: psycopg.Connection, names: Names, target: Target) -> StoredCopy | None:
    """A copy as its last commit left it. Raises AcceleratorError where somebody has changed its table."""
    copy = stored(connection, names, target)
    if copy is None:
        return None
    layout = Layout.of(decode_schema(copy.row.schema))
    expected = {place.name: _TYPES.get(place.plain_type, place.plain_type) for place in layout.places}
    if layout.others:
        expected[OTHERS] = "jsonb"
    table = names.rows(target)
    found = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
        [names.qualified(table)],
    ).fetchall()
    if dict(found) != expected:
        raise AcceleratorError(
            f"table {names.schema}.{table} no longer has the columns that Headrace gave it; drop it, and its rows in "
            "headrace_checkpoint and headrace_dead_letter, to copy the table anew"
        )
    return copy.row.decoded()


def exists(connection: psycopg.Connection, qualified: str) -> bool:
    """Whether there is such a table, or anything else of its name."""
    found = connection.execute("SELECT to_regclass($1)", [qualified]).fetchone()
    return found is not None and found[0] is not None


def _expect_none(connection: psycopg.Connection, names: Names, table: str) -> None:
    if exists(connection, names.qualified(table)):
        raise AcceleratorError(
            f"the schema {names.schema} holds a table {table} that Headrace did not make for this dataset; "
            "name another pg_schema, or drop that table"
        )
