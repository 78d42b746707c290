"""Whether a dataset's files and its metastore are what they should be: read beside whoever holds them, changing nothing.

What a file holds never changes, so each is read once. A file that vanishes meanwhile was replaced: the newer snapshot
names others, and those are read too, until one snapshot's files are all known. That each key lives once is then looked
for in that snapshot.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from headrace.accelerator import Target
from headrace.accelerators.cayenne.file_record import CURE, FileRecord, damage, data_path, keys_path
from headrace.accelerators.cayenne.metastore import Metastore
from headrace.accelerators.cayenne.recent import Recent
from headrace.accelerators.cayenne.snapshot import Folders, read_snapshot
from headrace.accelerators.sqlite.tables import read_copy
from headrace.errors import AcceleratorError
from headrace.schema import TableSchema

if TYPE_CHECKING:
    from headrace.accelerators.cayenne.file_reading import FileReading

_NO_EXTRA: Final = (
    "not checked: what the files hold (rows, keys, statistics, that each key lives once), for which vortex-data and numpy "
    "are needed; pip install 'headrace[cayenne]'"
)
_TORN: Final = "not checked: what the files hold, since the metastore contradicts itself"

_CONTRADICTIONS: Final = (
    (
        "SELECT target FROM headrace_copy EXCEPT SELECT target FROM headrace_checkpoint",
        "the {} copy has no checkpoint",
    ),
    (
        "SELECT target FROM headrace_checkpoint EXCEPT SELECT target FROM headrace_copy",
        "there is a checkpoint of a {} copy, and no such copy",
    ),
    (
        "SELECT number, copy FROM headrace_file WHERE copy NOT IN (SELECT number FROM headrace_copy)",
        "file {} is of copy {}, which there is not",
    ),
    (
        "SELECT number, schema FROM headrace_file WHERE schema NOT IN (SELECT number FROM headrace_schema)",
        "file {} has schema {}, which is unknown",
    ),
    (
        "SELECT number, copy FROM headrace_level0 WHERE copy NOT IN (SELECT number FROM headrace_copy)",
        "changes {} of level 0 are of copy {}, which there is not",
    ),
    (
        "SELECT number, schema FROM headrace_level0 WHERE schema NOT IN (SELECT number FROM headrace_schema)",
        "changes {} of level 0 have schema {}, which is unknown",
    ),
    (
        "SELECT DISTINCT file FROM headrace_deletion WHERE file NOT IN (SELECT number FROM headrace_file)",
        "there are deletions of file {}, which there is not",
    ),
    (
        "SELECT file, number FROM headrace_deletion WHERE length(positions) % 4 OR length(positions) = 0",
        "the deletions of file {} have a part, {}, that is no list of positions",
    ),
    (
        "SELECT max(number), files FROM headrace_file, headrace_metastore HAVING max(number) > files",
        "there is a file {}, and the last number given is {}",
    ),
    (
        "SELECT max(l.commits), m.commits FROM headrace_level0 l, headrace_metastore m HAVING max(l.commits) > m.commits",
        "level 0 has changes of commit {}, and the last commit is {}",
    ),
    (
        "SELECT max(number), copies FROM headrace_copy, headrace_metastore HAVING max(number) > copies",
        "there is a copy {}, and the last number given is {}",
    ),
)
"""Queries that should give nothing, and what their rows mean."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a file or a part of the metastore, and what cures it."""

    where: str
    what: str
    cure: str = CURE

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.cure}"


@dataclass(slots=True)
class Verdict:
    """What was found. ``notes`` are no faults; ``rows`` are those that live, None if they could not be counted."""

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class CopyContents:
    """One copy within a snapshot. ``deletions`` has the positions of dead rows by file."""

    target: Target
    number: int
    schema: TableSchema
    files: tuple[FileRecord, ...]
    deletions: dict[int, pa.UInt32Array]
    recent: tuple[Recent, ...]


@dataclass(frozen=True, slots=True)
class _Contents:
    """One snapshot; there are no ``copies`` where the metastore contradicts itself."""

    faults: tuple[Fault, ...]
    records: tuple[FileRecord, ...]
    schemas: dict[int, TableSchema]
    copies: tuple[CopyContents, ...]


def verify_folder(path: Path, files: Path | None = None) -> Verdict:
    """Check all that is there; see ``Folders.of`` for the arguments.

    Memory is bounded: keys that it has no room for go to a temporary folder. Raises AcceleratorError where the
    metastore cannot be read at all.
    """
    folders = Folders.of(path, files)
    with ExitStack() as stack:
        try:
            from headrace.accelerators.cayenne.file_reading import FileReading
        except ImportError:
            return _verdict(folders, None)
        return _verdict(folders, stack.enter_context(FileReading(folders.files)))


def _verdict(folders: Folders, reading: FileReading | None) -> Verdict:
    """Read files until all those of one snapshot are known, then judge that snapshot."""
    known: dict[int, tuple[Fault, ...]] = {}
    contents = _read(folders)
    while True:
        gone = _read_files(folders.files, contents, known, reading)
        newer = _read(folders) if gone else contents
        lost = gone & {record.number for record in newer.records}
        for number in lost:
            missing = [path for path in _paths(folders.files, number) if not path.exists()]
            if missing:
                known[number] = tuple(Fault(str(path), "it is not there") for path in missing)
        contents = newer
        if all(record.number in known for record in contents.records):
            return _judged(folders, contents, known, reading)


def _read_files(
    folder: Path, contents: _Contents, known: dict[int, tuple[Fault, ...]], reading: FileReading | None
) -> set[int]:
    """Read what is not yet known; the numbers of files that are not there."""
    gone = set()
    for record in contents.records:
        if record.number in known:
            continue
        try:
            faults = tuple(_damages(folder, record))
            if not faults and reading is not None and contents.copies:
                faults = tuple(reading.read(record, contents.schemas[record.schema]))
        except FileNotFoundError:
            gone.add(record.number)
            continue
        except AcceleratorError as error:
            if not all(path.exists() for path in _paths(folder, record.number)):
                gone.add(record.number)
                continue
            faults = (Fault(data_path(folder, record.number).name, str(error)),)
        known[record.number] = faults
    return gone


def _damages(folder: Path, record: FileRecord) -> Iterator[Fault]:
    """What is wrong with the bytes of a file: Vortex must not see it then. Raises FileNotFoundError."""
    for path in _paths(folder, record.number):
        try:
            fault = damage(path, record)
        except FileNotFoundError:
            raise
        except OSError as error:
            yield Fault(str(path), f"it cannot be read ({error})", "look at its permissions and at the disk")
            continue
        if fault:
            yield Fault(str(path), f"it is damaged: it has {fault}")


def _judged(
    folders: Folders,
    contents: _Contents,
    known: dict[int, tuple[Fault, ...]],
    reading: FileReading | None,
) -> Verdict:
    verdict = Verdict(list(contents.faults), files=len(contents.records))
    verdict.bytes = sum(record.size + record.keys_size for record in contents.records)
    for record in contents.records:
        verdict.faults += known[record.number]
    named = {path for record in contents.records for path in _paths(folders.files, record.number)}
    verdict.notes += [
        f"{path}: the metastore does not name it; it is being written, kept for a reader, or removed when the dataset is "
        "next opened"
        for path in folders.orphans(named)
    ]
    if reading is None:
        verdict.notes.append(_NO_EXTRA)
    elif not contents.copies and contents.faults:
        verdict.notes.append(_TORN)
    else:
        verdict.rows = 0
        for copy in contents.copies:
            rows, twice = reading.live(copy)
            verdict.rows += rows
            verdict.faults += twice
    return verdict


def _read(folders: Folders) -> _Contents:
    return read_snapshot(folders.database, lambda connection: _contents(folders.database.name, connection))


def _contents(name: str, connection: sqlite3.Connection) -> _Contents:
    metastore = Metastore(connection)
    faults = [
        Fault(name, text) for (text,) in connection.execute("PRAGMA integrity_check(1)") if text != "ok"
    ]
    for query, text in _CONTRADICTIONS:
        faults += [Fault(name, text.format(*row)) for row in connection.execute(query)]
    numbers = [number for (number,) in connection.execute("SELECT DISTINCT copy FROM headrace_file")]
    records = tuple(record for number in numbers for record in metastore.files(number))
    schemas, copies = metastore.schemas(), []
    if not faults:
        for target, number in metastore.copies().items():
            copy = _copy(connection, target, number)
            faults += _copy_faults(name, copy, schemas)
            copies.append(copy)
    return _Contents(tuple(faults), records, schemas, tuple(copies))


def _copy(connection: sqlite3.Connection, target: Target, number: int) -> CopyContents:
    row = read_copy(connection, target)
    assert row is not None, "each copy has a checkpoint"
    metastore = Metastore(connection)
    files = tuple(metastore.files(number))
    return CopyContents(
        target,
        number,
        row.decoded().schema,
        files,
        {file.number: _positions(connection, file.number) for file in files},
        tuple(metastore.recent(number)),
    )


def _positions(connection: sqlite3.Connection, file: int) -> pa.UInt32Array:
    found = connection.execute("SELECT positions FROM headrace_deletion WHERE file = ?", (file,))
    data = b"".join(blob for (blob,) in found)
    return pa.Array.from_buffers(pa.uint32(), len(data) // 4, [None, pa.py_buffer(data)])


def _copy_faults(name: str, copy: CopyContents, schemas: dict[int, TableSchema]) -> Iterator[Fault]:
    from headrace.accelerators.cayenne.forms import has_same_keys

    for file in copy.files:
        part = data_path(Path(), file.number).name
        if not has_same_keys(schemas[file.schema], copy.schema):
            yield Fault(part, f"its keys, of schema {file.schema}, are not those of the {copy.target} copy")
        dead = copy.deletions[file.number]
        if len(dead) and pc.max(dead).as_py() >= file.rows:
            yield Fault(
                part, f"a deletion is at position {pc.max(dead).as_py():,}, and it has {file.rows:,} rows"
            )
        if pc.count_distinct(dead).as_py() != len(dead):
            yield Fault(part, "a position is deleted twice")
    for change in copy.recent:
        yield from _recent_faults(name, copy, change)


def _recent_faults(name: str, copy: CopyContents, change: Recent) -> Iterator[Fault]:
    keys = TableSchema(change.schema.keys).arrow()
    for what, rows, schema in (
        ("written", change.written, change.schema.arrow()),
        ("removed", change.removed, keys),
    ):
        if rows.schema != schema:
            yield Fault(
                name, f"rows {what} in level 0 of the {copy.target} copy have other columns than their schema"
            )
        elif any(rows.column(key).null_count for key in keys.names):
            yield Fault(name, f"a row {what} in level 0 of the {copy.target} copy has no key")


def _paths(folder: Path, number: int) -> Iterable[Path]:
    return data_path(folder, number), keys_path(folder, number)
