"""The metastore: one SQLite database that says which files and rows make up a dataset's copies.

Each of its transactions is one commit: a snapshot of the dataset, with the checkpoint that belongs to it. Beside the
tables that the SQLite engine keeps too (``headrace_checkpoint``, ``headrace_dead_letter`` and those of notes) there are
``headrace_metastore`` with one row, ``headrace_copy``, ``headrace_schema``, ``headrace_file``, ``headrace_deletion``
and ``headrace_level0``; docs/cayenne-format.md says what they hold.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, astuple, fields
from typing import TYPE_CHECKING, Final

from headrace.accelerator import Target
from headrace.accelerators.cayenne.file_record import FileRecord, Written
from headrace.accelerators.cayenne.recent import Recent, packed, unpacked
from headrace.accelerators.stored_schema import decode_schema, encode_schema
from headrace.errors import AcceleratorError
from headrace.schema import TableSchema

if TYPE_CHECKING:
    from headrace.accelerators.cayenne.key_index import Positions

FORMAT: Final = 1
"""The layout of the metastore and of the files; raised when an older Headrace could not work on them."""

NAME: Final = "metastore.sqlite"
"""The database's file."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS headrace_metastore (
    format INTEGER NOT NULL, commits INTEGER NOT NULL, copies INTEGER NOT NULL, files INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS headrace_copy (target TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS headrace_schema (number INTEGER PRIMARY KEY, columns TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS headrace_file (
    number INTEGER PRIMARY KEY, copy INTEGER NOT NULL, schema INTEGER NOT NULL, rows INTEGER NOT NULL,
    size INTEGER NOT NULL, checksum TEXT NOT NULL, keys_size INTEGER NOT NULL, keys_checksum TEXT NOT NULL,
    statistics TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS headrace_deletion (
    file INTEGER NOT NULL, number INTEGER NOT NULL, positions BLOB NOT NULL, PRIMARY KEY (file, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS headrace_level0 (
    number INTEGER PRIMARY KEY, copy INTEGER NOT NULL, commits INTEGER NOT NULL, schema INTEGER NOT NULL,
    written BLOB, removed BLOB
) STRICT;
"""
_FILE: Final = ", ".join(field.name for field in fields(FileRecord))
"""The columns of ``headrace_file``, named as its fields are."""

_FOLD: Final = 64
"""Parts of a file's deletions after which they become one."""


def prepare_metastore(connection: sqlite3.Connection) -> None:
    """Make the tables where they are missing. Raises AcceleratorError where a newer Headrace made them."""
    # Not executescript, which would commit what has begun.
    for statement in filter(str.strip, _TABLES.split(";")):
        connection.execute(statement)
    if expect_format(connection) is None:
        connection.execute("INSERT INTO headrace_metastore VALUES (?, 0, 0, 0)", (FORMAT,))


def expect_format(connection: sqlite3.Connection) -> int | None:
    """The metastore's format, None where it has none yet. Raises AcceleratorError where a newer Headrace made it."""
    found = connection.execute("SELECT format FROM headrace_metastore").fetchone()
    if found is None:
        return None
    if found[0] > FORMAT:
        raise AcceleratorError(
            f"the dataset's folder has format {found[0]}, this Headrace knows up to {FORMAT}; "
            "use the newer Headrace, or delete the folder to start over"
        )
    return int(found[0])


class Metastore:
    """The tables inside a transaction that someone else holds. Methods raise what SQLite raises."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def next_commit(self) -> int:
        """Count this transaction; its number."""
        return self._next("commits")

    def last_file(self) -> int:
        """The greatest number that a file has had."""
        (number,) = self._connection.execute("SELECT files FROM headrace_metastore").fetchone()
        return int(number)

    def last_commit(self) -> int:
        """The number of the last transaction that has been counted."""
        (number,) = self._connection.execute("SELECT commits FROM headrace_metastore").fetchone()
        return int(number)

    def copies(self) -> dict[Target, int]:
        """The numbers of the copies that there are."""
        found = self._connection.execute("SELECT target, number FROM headrace_copy").fetchall()
        return {Target(target): number for target, number in found}

    def add_copy(self, target: Target) -> int:
        """A new copy; its number, which it keeps when it becomes another target."""
        number = self._next("copies")
        self._connection.execute("INSERT INTO headrace_copy VALUES (?, ?)", (target, number))
        return number

    def remove_copy(self, copy: int) -> None:
        """Forget a copy, its files and its recent rows."""
        for statement in (
            "DELETE FROM headrace_copy WHERE number = ?",
            "DELETE FROM headrace_deletion WHERE file IN (SELECT number FROM headrace_file WHERE copy = ?)",
            "DELETE FROM headrace_file WHERE copy = ?",
            "DELETE FROM headrace_level0 WHERE copy = ?",
        ):
            self._connection.execute(statement, (copy,))

    def retarget(self, copy: int, target: Target) -> None:
        """Let a copy be ``target``, of which there is none."""
        self._connection.execute("UPDATE headrace_copy SET target = ? WHERE number = ?", (target, copy))

    def schema_number(self, schema: TableSchema) -> int:
        """The number of a schema, which is stored if it is new."""
        text = encode_schema(schema)
        self._connection.execute("INSERT OR IGNORE INTO headrace_schema (columns) VALUES (?)", (text,))
        found = self._connection.execute("SELECT number FROM headrace_schema WHERE columns = ?", (text,))
        (number,) = found.fetchone()
        return int(number)

    def schemas(self) -> dict[int, TableSchema]:
        """All schemas by their numbers."""
        found = self._connection.execute("SELECT number, columns FROM headrace_schema").fetchall()
        return {number: decode_schema(text) for number, text in found}

    def files(self, copy: int) -> list[FileRecord]:
        """The files of a copy, in the order of their numbers."""
        found = self._connection.execute(
            f"SELECT {_FILE} FROM headrace_file WHERE copy = ? ORDER BY number",  # noqa: S608 - ours
            (copy,),
        ).fetchall()
        return [FileRecord(*row) for row in found]

    def add_file(self, copy: int, schema: TableSchema, written: Written) -> FileRecord:
        """Make a file part of a copy."""
        record = FileRecord(**asdict(written), copy=copy, schema=self.schema_number(schema))
        places = ", ".join("?" * len(fields(record)))
        self._connection.execute(
            f"INSERT INTO headrace_file ({_FILE}) VALUES ({places})",  # noqa: S608 - ours
            astuple(record),
        )
        self._connection.execute("UPDATE headrace_metastore SET files = max(files, ?)", (written.number,))
        return record

    def remove_file(self, number: int) -> None:
        """Let no copy have a file any more."""
        self._connection.execute("DELETE FROM headrace_deletion WHERE file = ?", (number,))
        self._connection.execute("DELETE FROM headrace_file WHERE number = ?", (number,))

    def deletions(self, file: int) -> Positions:
        """The positions of a file's dead rows."""
        return _united(blob for (blob,) in self._deletions(file))

    def add_deletions(self, file: int, positions: Positions) -> None:
        """Let rows of a file be dead, which were not."""
        import numpy as np

        number, count = self._connection.execute(
            "SELECT coalesce(max(number), 0) + 1, count(*) FROM headrace_deletion WHERE file = ?", (file,)
        ).fetchone()
        if count >= _FOLD:
            positions = np.sort(np.concatenate([self.deletions(file), positions]))
            self._connection.execute("DELETE FROM headrace_deletion WHERE file = ?", (file,))
        self._connection.execute(
            "INSERT INTO headrace_deletion VALUES (?, ?, ?)",
            (file, number, positions.astype("<u4").tobytes()),
        )

    def add_recent(self, copy: int, commit: int, recent: Recent) -> int:
        """Store changes of this transaction; how many bytes they take."""
        blobs = [packed(rows) if rows.num_rows else None for rows in (recent.written, recent.removed)]
        self._connection.execute(
            "INSERT INTO headrace_level0 (copy, commits, schema, written, removed) VALUES (?, ?, ?, ?, ?)",
            (copy, commit, self.schema_number(recent.schema), *blobs),
        )
        return sum(len(blob) for blob in blobs if blob is not None)

    def recent(self, copy: int) -> Iterator[Recent]:
        """The changes of a copy that are in no file, in the order in which they came."""
        schemas = self.schemas()
        for number, written, removed in self._connection.execute(
            "SELECT schema, written, removed FROM headrace_level0 WHERE copy = ? ORDER BY number", (copy,)
        ):
            schema = schemas[number]
            keys = TableSchema(schema.keys).arrow()
            yield Recent(schema, unpacked(written, schema.arrow()), unpacked(removed, keys))

    def recent_bytes(self, copy: int) -> int:
        """How many bytes a copy's recent changes take."""
        (size,) = self._connection.execute(
            "SELECT coalesce(sum(coalesce(length(written), 0) + coalesce(length(removed), 0)), 0) "
            "FROM headrace_level0 WHERE copy = ?",
            (copy,),
        ).fetchone()
        return int(size)

    def remove_recent(self, copy: int, commit: int) -> None:
        """Forget the recent changes up to a commit: a file has their rows."""
        self._connection.execute(
            "DELETE FROM headrace_level0 WHERE copy = ? AND commits <= ?", (copy, commit)
        )

    def _deletions(self, file: int) -> sqlite3.Cursor:
        return self._connection.execute(
            "SELECT positions FROM headrace_deletion WHERE file = ? ORDER BY number", (file,)
        )

    def _next(self, counter: str) -> int:
        self._connection.execute(f"UPDATE headrace_metastore SET {counter} = {counter} + 1")  # noqa: S608 - ours
        (number,) = self._connection.execute(f"SELECT {counter} FROM headrace_metastore").fetchone()  # noqa: S608 - ours
        return int(number)


def _united(blobs: Iterator[bytes]) -> Positions:
    # Only where rows are looked for: to look at a metastore needs no extra.
    import numpy as np

    return np.sort(np.frombuffer(b"".join(blobs), "<u4").astype(np.int64))
