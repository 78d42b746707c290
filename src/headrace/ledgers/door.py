"""The door to SQLite: its exceptions become LedgerErrors here, each with its cure."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from headrace.errors import LedgerError
from headrace.sqlite_code import is_full, kind, name

MOVE_AWAY: Final = (
    "move it away, with what lies beside it under the same name, and keep it: failures and parked records are in it; "
    "mappings then begin anew at their starting_position"
)

_CURES: Final[Mapping[int | None, str]] = {
    sqlite3.SQLITE_BUSY: "another program has locked the file; have it end its transaction",
    sqlite3.SQLITE_LOCKED: "another program has locked the file; have it end its transaction",
    sqlite3.SQLITE_CANTOPEN: "the file and its folder must exist and be writable",
    sqlite3.SQLITE_READONLY: "the file, its folder and its file system must be writable",
    sqlite3.SQLITE_PERM: "the file and its folder must be writable",
    sqlite3.SQLITE_NOTADB: f"the file is no ledger, or is damaged; {MOVE_AWAY}",
    sqlite3.SQLITE_CORRUPT: f"the file is damaged; put back a copy of it, or {MOVE_AWAY}",
    sqlite3.SQLITE_IOERR: "look whether the disk is full, over its quota or broken",
}
_ROOM: Final = "make room on the disk, in its quota or in what files may hold; it goes on by itself then"


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise what SQLite raises inside as LedgerError. ``doing`` begins the message."""
    try:
        yield
    except sqlite3.Error as error:
        cure = _ROOM if is_full(error) else _CURES.get(kind(error))
        end = "" if cure is None else f"; {cure}"
        raise LedgerError(f"{doing}: {error} ({name(error)}){end}") from error
    except OSError as error:
        raise LedgerError(f"{doing}: {error}; the file and its folder must be there and writable") from error
    except MemoryError as error:
        raise LedgerError(f"{doing}: there is no memory left") from error
