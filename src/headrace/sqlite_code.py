"""What SQLite's error codes say (https://sqlite.org/rescode.html): the lowest eight bits tell the kind of an error."""

from __future__ import annotations

import sqlite3
from typing import Final

_UNWRITTEN: Final = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)


def kind(error: sqlite3.Error) -> int | None:
    """The primary code; None where Python raised by itself."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def name(error: sqlite3.Error) -> str:
    """The code as SQLite's documentation writes it."""
    return str(getattr(error, "sqlite_errorname", "no code"))


def is_full(error: sqlite3.Error) -> bool:
    """Whether there was no room to write.

    SQLite calls a disk full only if that is the system's word (ENOSPC), not where a quota or a limit is reached.
    """
    return kind(error) == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorcode", None) in _UNWRITTEN
