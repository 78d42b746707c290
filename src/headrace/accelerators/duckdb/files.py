"""Database files that are attached for a while, and the file of a dataset that gives way to another."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from headrace.accelerators.duckdb.door import literal
from headrace.accelerators.duckdb.limits import DATA_SUFFIXES
from headrace.durable import sync
from headrace.errors import AcceleratorError, AcceleratorLocked

_COMING = ".restored"
"""Of a file that is about to take the place of a dataset's."""

_TRIES = 5


@contextmanager
def attached(cursor: duckdb.DuckDBPyConnection, file: Path, alias: str) -> Iterator[None]:
    """Attach a database, made where there is none, and use it until the block ends; nothing of it is open thereafter.

    A transaction that the block leaves open is rolled back. Raises what DuckDB raises, and AcceleratorError where the
    database could not be closed.
    """
    cursor.execute(f"ATTACH {literal(str(file))} AS {alias} (TYPE duckdb)")
    try:
        cursor.execute(f"USE {alias}.main")
        yield
    finally:
        for statement in ("ROLLBACK", "USE memory.main", f"DETACH {alias}"):
            _surely(cursor, statement)
    if Path(f"{file}.wal").exists():
        raise AcceleratorError(f"{file} was not closed, and not all of it is in that file; try again")


def _surely(cursor: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Execute what may fail for good, but not because somebody interrupts the cursor."""
    for _ in range(_TRIES):
        try:
            cursor.execute(statement)
        except duckdb.InterruptException:
            continue
        except duckdb.Error:
            return
        return


def beside(path: Path) -> Path:
    """Where a file waits that is to take the place of ``path``; one that a lost process left there is of no use."""
    return path.with_name(f"{path.name}{_COMING}")


def move_beside(file: Path, path: Path) -> Path:
    """Move a database file to where it waits to take the place of ``path``, durable. Raises OSError."""
    waiting = beside(path)
    try:
        try:
            file.replace(waiting)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copyfile(file, waiting)
        sync(waiting)
    except BaseException:
        waiting.unlink(missing_ok=True)
        raise
    return waiting


def take_place(waiting: Path, path: Path) -> None:
    """Put a waiting file in place of ``path``, which nobody in this process has open, at one stroke; durable on return.

    Raises AcceleratorLocked where another process has opened it, OSError.
    """
    with _locked(path):
        logs = [log for suffix in DATA_SUFFIXES[1:] if (log := Path(f"{path}{suffix}")).exists()]
        for log in logs:
            log.unlink()
        if logs:
            # The new file must never be seen beside the log of the old one.
            sync(path.parent)
        waiting.replace(path)
        sync(path.parent)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock by which DuckDB keeps other processes away."""
    import fcntl

    handle = os.open(path, os.O_RDWR)
    try:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AcceleratorLocked(
                f"{path} has just been opened by another process; stop that process, or give this dataset another "
                "duckdb_file"
            ) from error
        yield
    finally:
        os.close(handle)
