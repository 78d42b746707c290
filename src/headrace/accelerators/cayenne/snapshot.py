"""A metastore as a bystander reads it: one snapshot, beside the process that holds it or without one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from headrace.accelerators.cayenne.metastore import NAME, expect_format
from headrace.accelerators.sqlite import door
from headrace.errors import AcceleratorError

_PATIENCE: Final = 5.0
"""Seconds to wait for a process that is just opening the metastore or letting go of it."""

_TRIES: Final = 10

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a dataset is: the metastore's database, and the folder of its files."""

    database: Path
    files: Path

    @classmethod
    def of(cls, path: Path, files: Path | None) -> Folders:
        """``path`` is the folder of the metastore, or its database; ``files`` None: the files lie beside it.

        Raises AcceleratorError where there is no metastore, or no such folder of files.
        """
        database = path if path.name == NAME else path / NAME
        if not database.is_file():
            raise AcceleratorError(
                f"there is no {NAME} in {database.parent}; name a dataset's cayenne_file_path, or its "
                "cayenne_metadata_dir where it has one"
            )
        if files is not None and not files.is_dir():
            raise AcceleratorError(f"{files} is no folder; --files names a dataset's cayenne_file_path")
        return cls(database, files or database.parent)

    def orphans(self, named: set[Path]) -> list[Path]:
        """The files of rows and keys that are not ``named``."""
        found = (path for suffix in ("vortex", "keys") for path in self.files.glob(f"part-*.{suffix}"))
        return sorted(path for path in found if path not in named)


def read_snapshot(database: Path, read: Callable[[sqlite3.Connection], _T]) -> _T:
    """What ``read`` gives of one snapshot of a metastore.

    Nothing is written, and nobody waits: while a process holds the metastore, its log has what is read, and where
    there is no log, nobody writes. Only where a crash left a log, SQLite makes the index of it (``-shm``) that it needs
    (https://sqlite.org/wal.html). Raises AcceleratorError.
    """
    with door.translated(f"cannot read {database}"):
        for _ in range(_TRIES):
            before = _state(database)
            found = _read(database, read, is_written=before is None)
            if before == _state(database):
                return found
            if before is None:
                # The last process has let go meanwhile: what was read is a snapshot all the same.
                return found
    raise AcceleratorError(f"cannot read {database}: it is opened and closed all the time; try again")


def _read(database: Path, read: Callable[[sqlite3.Connection], _T], *, is_written: bool) -> _T:
    # Without a log SQLite would make one, and leave it.
    how = "mode=ro" if is_written else "immutable=1"
    address = f"{database.absolute().as_uri()}?{how}"
    with closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE, isolation_level=None)) as connection:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("BEGIN")
        names = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        }
        if "headrace_metastore" not in names or expect_format(connection) is None:
            raise AcceleratorError(f"{database} is no metastore of Cayenne")
        return read(connection)


def _state(database: Path) -> tuple[int, int] | None:
    """By what a database is known that nobody writes; None while there is a log."""
    if database.with_name(f"{database.name}-wal").exists():
        return None
    found = database.stat()
    return found.st_mtime_ns, found.st_size
