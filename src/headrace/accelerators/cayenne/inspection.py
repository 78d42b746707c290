"""What a dataset in Cayenne consists of, in figures: read from its metastore, beside whoever holds it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.accelerator import Target
from headrace.accelerators.cayenne.file_record import CURE, FileRecord, data_path, keys_path
from headrace.accelerators.cayenne.metastore import Metastore, expect_format
from headrace.accelerators.cayenne.recent import remaining
from headrace.accelerators.cayenne.snapshot import Folders, read_snapshot
from headrace.accelerators.cayenne.statistics import Statistics
from headrace.accelerators.sqlite.tables import read_copy
from headrace.checkpoint import Checkpoint
from headrace.errors import AcceleratorError
from headrace.schema import TableSchema


@dataclass(frozen=True, slots=True)
class FileFigures:
    """A data file: its rows, how many of them are dead, and the bytes of its two files.

    ``schema`` is the number of its schema; ``keys`` has the least and the greatest value of each key column, as far
    as they are known; ``missing`` names those of its files that are not there.
    """

    file: str
    rows: int
    dead: int
    bytes: int
    keys_bytes: int
    schema: int
    keys: dict[str, tuple[Any, Any]]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecentFigures:
    """Level 0: commits that are in no file, the rows that they leave, the keys that they removed, and bytes."""

    commits: int
    rows: int
    removed: int
    bytes: int


@dataclass(frozen=True, slots=True)
class CopyFigures:
    """A copy. ``stage`` is where its checkpoint is, ``read_up_to`` the time of the newest change in it (epoch seconds).

    ``rows`` are those that live, ``dead`` those of files that do not; ``bytes`` are those of files and level 0.
    """

    target: str
    number: int
    stage: str
    read_up_to: float | None
    columns: int
    rows: int
    dead: int
    bytes: int
    letters: int
    recent: RecentFigures
    files: tuple[FileFigures, ...]

    @property
    def bytes_a_row(self) -> float | None:
        """Bytes by live rows; None where there is none."""
        return self.bytes / self.rows if self.rows else None


@dataclass(frozen=True, slots=True)
class Inspection:
    """A dataset's folder: its format, its last commit, copies, schemas (columns by number) and files that nobody names.

    Beside a running process such orphans are being written, or kept for a reader; else the next opening removes them.
    """

    dataset: str | None
    database: Path
    folder: Path
    format: int
    commits: int
    metastore_bytes: int
    copies: tuple[CopyFigures, ...]
    schemas: dict[int, int]
    orphans: tuple[str, ...]


def inspect_folder(path: Path, files: Path | None = None) -> Inspection:
    """The figures of one snapshot; see ``Folders.of`` for the arguments. Raises AcceleratorError."""
    folders = Folders.of(path, files)
    return read_snapshot(folders.database, lambda connection: _inspection(folders, connection))


def _inspection(folders: Folders, connection: sqlite3.Connection) -> Inspection:
    metastore = Metastore(connection)
    schemas = metastore.schemas()
    named: set[Path] = set()
    copies = []
    for target, number in sorted(metastore.copies().items(), reverse=True):
        records = metastore.files(number)
        named.update(path(folders.files, one.number) for one in records for path in (data_path, keys_path))
        copies.append(_copy(folders, connection, target, number, records, schemas))
    found = connection.execute("SELECT dataset FROM headrace_checkpoint LIMIT 1").fetchone()
    return Inspection(
        found[0] if found else None,
        folders.database,
        folders.files,
        expect_format(connection) or 0,
        metastore.last_commit(),
        folders.database.stat().st_size,
        tuple(copies),
        {number: len(schema.columns) for number, schema in schemas.items()},
        tuple(path.name for path in folders.orphans(named)),
    )


def _copy(
    folders: Folders,
    connection: sqlite3.Connection,
    target: Target,
    number: int,
    records: list[FileRecord],
    schemas: dict[int, TableSchema],
) -> CopyFigures:
    row = read_copy(connection, target)
    if row is None:
        raise AcceleratorError(
            f"{folders.database} has a {target} copy without a checkpoint; `headrace cayenne verify` says more; {CURE}"
        )
    stored = row.decoded()
    recent = _recent(connection, number, stored.schema)
    files = tuple(_file(folders.files, connection, one, schemas) for one in records)
    dead = sum(file.dead for file in files)
    return CopyFigures(
        str(target),
        number,
        _stage(stored.checkpoint),
        max((shard.read_up_to for shard in stored.checkpoint.shards if shard.read_up_to), default=None),
        len(stored.schema.columns),
        recent.rows + sum(file.rows for file in files) - dead,
        dead,
        recent.bytes + sum(file.bytes + file.keys_bytes for file in files),
        stored.letters,
        recent,
        files,
    )


def _recent(connection: sqlite3.Connection, copy: int, schema: TableSchema) -> RecentFigures:
    metastore = Metastore(connection)
    changes = list(metastore.recent(copy))
    (commits,) = connection.execute(
        "SELECT count(DISTINCT commits) FROM headrace_level0 WHERE copy = ?", (copy,)
    ).fetchone()
    removed = sum(one.removed.num_rows for one in changes)
    return RecentFigures(commits, remaining(changes, schema).num_rows, removed, metastore.recent_bytes(copy))


def _file(
    folder: Path, connection: sqlite3.Connection, record: FileRecord, schemas: dict[int, TableSchema]
) -> FileFigures:
    (dead,) = connection.execute(
        "SELECT coalesce(sum(length(positions)), 0) / 4 FROM headrace_deletion WHERE file = ?",
        (record.number,),
    ).fetchone()
    schema = schemas.get(record.schema)
    paths = (data_path(folder, record.number), keys_path(folder, record.number))
    return FileFigures(
        paths[0].name,
        *(record.rows, dead, record.size, record.keys_size, record.schema),
        {} if schema is None else _key_range(record, schema),
        tuple(path.name for path in paths if not path.exists()),
    )


def _key_range(record: FileRecord, schema: TableSchema) -> dict[str, tuple[Any, Any]]:
    ranges = Statistics.decode(record.statistics, schema).ranges
    names = (column.name for column in schema.keys)
    return {name: (ranges[name].low, ranges[name].high) for name in names if name in ranges}


def _stage(checkpoint: Checkpoint) -> str:
    if not all(segment.done for segment in checkpoint.segments):
        return "scanning"
    return "following" if checkpoint.was_ready else "catching up"
