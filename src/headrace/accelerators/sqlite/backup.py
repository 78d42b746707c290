"""Databases of SQLite copied whole, by its backup API (https://sqlite.org/backup.html): to a file, and from one.

A source that is inside a transaction that reads is copied as that transaction sees it: SQLite starts a copy over only
where it begins another one. So nobody waits, and whatever else is committed meanwhile, it is one commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Final

from headrace.accelerator import Target
from headrace.accelerators.exports import Exports, expect_dataset, expect_format, unusable
from headrace.accelerators.relational import CopyRow
from headrace.accelerators.sqlite.tables import FORMAT, SQLiteCopy, read_copy
from headrace.checkpoint import Checkpoint
from headrace.durable import sync
from headrace.errors import AcceleratorError

_STEP_PAGES: Final = 1024
"""Pages that are copied between two looks at whether the copy is to end."""

_UNUSED_SHARE: Final = 4
"""A file of which more than one part in so many is unused is written anew without it."""


@contextmanager
def backed_up(
    source: sqlite3.Connection, file: Path, exports: Exports | None = None
) -> Iterator[sqlite3.Connection]:
    """A new database in ``file`` as the transaction of ``source`` sees its own, inside a transaction that the block changes.

    Durable, in one file and without room that nothing uses when the block has ended. Raises what SQLite raises, and
    AcceleratorError where the export that this is part of is to end.
    """

    def look(*_: int) -> None:
        if exports is not None:
            exports.expect_going()

    with closing(_connected(f"{file.absolute().as_uri()}?mode=rwc")) as copy:
        # Whatever happens, an unfinished file is of no use.
        copy.execute("PRAGMA synchronous = OFF")
        copy.execute("PRAGMA journal_mode = OFF")
        source.backup(copy, pages=_STEP_PAGES, progress=look)
        # The copy of a database with a log says that it has one.
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()
        with exports.interruptible(copy.interrupt) if exports else nullcontext():
            copy.execute("BEGIN")
            yield copy
            copy.execute("COMMIT")
            (pages,) = copy.execute("PRAGMA page_count").fetchone()
            (unused,) = copy.execute("PRAGMA freelist_count").fetchone()
            if unused * _UNUSED_SHARE > pages:
                copy.execute("VACUUM")
    sync(file)
    sync(file.parent)


def keep_live(copy: sqlite3.Connection, dataset: str, row: CopyRow, snapshot: str) -> Checkpoint:
    """Mark the live copy, of which ``row`` is stored, with the snapshot's name; its checkpoint as it was."""
    checkpoint = Checkpoint.decode(row.checkpoint)
    marked = replace(row, checkpoint=replace(checkpoint, snapshot=snapshot).encode())
    SQLiteCopy(copy, dataset, Target.LIVE, ()).store(marked)
    return checkpoint


def expect_live(connection: sqlite3.Connection, dataset: str) -> CopyRow:
    """What is stored of the live copy that is to be exported. Raises AcceleratorError where there is none."""
    row = read_copy(connection, Target.LIVE)
    if row is None:
        raise AcceleratorError(f"there is no copy of {dataset} yet that could be exported")
    return row


@contextmanager
def exported(file: Path, dataset: str, tables: Sequence[str]) -> Iterator[sqlite3.Connection]:
    """A connection that reads an exported database with these tables, of which headrace_checkpoint is one.

    Raises SnapshotRefused where it is none of the dataset's live copy.
    """
    if not file.is_file():
        raise unusable(dataset, f"it has no {file.name}")
    with ExitStack() as stack:
        with readable(dataset):
            connection = stack.enter_context(closing(_connected(f"{file.absolute().as_uri()}?mode=ro")))
            _expect(connection, dataset, tables)
        yield connection


@contextmanager
def readable(dataset: str) -> Iterator[None]:
    """Raise SnapshotRefused where what is read inside of an exported database is not what it should be."""
    try:
        yield
    except (sqlite3.Error, AcceleratorError) as error:
        raise unusable(dataset, f"its database cannot be read ({error})") from error


def put_in_place(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Let the database of ``target`` be that of ``source``, in one transaction. Raises what SQLite raises."""
    source.backup(target)


def _connected(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _expect(connection: sqlite3.Connection, dataset: str, tables: Sequence[str]) -> None:
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not found.issuperset(tables):
        raise unusable(dataset, "it is of another engine, or of none")
    stored = connection.execute("SELECT dataset, target, format FROM headrace_checkpoint").fetchall()
    if not stored:
        expect_dataset(dataset, None)
    for name, _, format_ in stored:
        expect_dataset(dataset, name)
        expect_format(dataset, format_, FORMAT, FORMAT)
    if [target for _, target, _ in stored] != [Target.LIVE]:
        raise unusable(dataset, "it holds another copy than the live one")
