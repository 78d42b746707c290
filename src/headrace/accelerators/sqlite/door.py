"""The door to SQLite: its exceptions become ours here, and names are quoted here.

Codes are those of https://sqlite.org/rescode.html.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import pyarrow as pa

from headrace.errors import (
    AcceleratorError,
    AcceleratorFull,
    AcceleratorLocked,
    CommitUnknown,
    RowRefused,
)
from headrace.sqlite_code import is_full, kind, name

_OF_A_VALUE: Final = (
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_RANGE,
    sqlite3.SQLITE_TOOBIG,
)
_LOCKED: Final = (
    AcceleratorLocked,
    "another program has locked the file for longer than busy_timeout; have it end its transaction",
)
_UNWRITABLE: Final = (
    AcceleratorError,
    "the file and its folder must exist and be writable, and the disk have room",
)
_TOLD: Final[Mapping[int | None, tuple[type[AcceleratorError], str]]] = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_CANTOPEN: _UNWRITABLE,
    sqlite3.SQLITE_READONLY: _UNWRITABLE,
    sqlite3.SQLITE_PERM: _UNWRITABLE,
    sqlite3.SQLITE_NOTADB: (AcceleratorError, "name another sqlite_file, or move that file away"),
    sqlite3.SQLITE_CORRUPT: (AcceleratorError, "the file is damaged; delete it to copy the table anew"),
    sqlite3.SQLITE_IOERR: (AcceleratorError, "look whether the disk is full, over its quota or broken"),
}
"""What an error of a kind is to us, and what cures it."""

_ROOM: Final = "make room on the disk, in its quota or in what files may hold, or look whether it is broken"


def quoted(name: str) -> str:
    """A name as an SQL identifier, whatever its letters."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise what SQLite and Arrow raise inside as AcceleratorError or a kind of it.

    ``doing`` begins the message. A value that cannot take its column's form is refused.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, doing) from error
    except (ValueError, OverflowError, pa.ArrowTypeError) as error:
        raise RowRefused(f"{doing}: {error}") from error
    except pa.ArrowException as error:
        raise AcceleratorError(f"{doing}: {error}") from error
    except MemoryError as error:
        raise AcceleratorError(f"{doing}: there is no memory left") from error


def translate(error: sqlite3.Error, doing: str) -> AcceleratorError:
    """Our exception for one of SQLite's."""
    code = kind(error)
    if is_full(error):
        cure = "make room on the disk" if code == sqlite3.SQLITE_FULL else _ROOM
        return AcceleratorFull(f"{doing}: {error} ({name(error)}); {cure}; nothing was written")
    if code in _TOLD:
        raised, why = _TOLD[code]
        return raised(f"{doing}: {error} ({name(error)}); {why}")
    if isinstance(error, sqlite3.ProgrammingError) and code is None and "closed" in str(error):
        return CommitUnknown(f"{doing}: the file must be opened again and its checkpoint read")
    refused = code in _OF_A_VALUE or isinstance(error, sqlite3.DataError)
    return (RowRefused if refused else AcceleratorError)(f"{doing}: {error}")
