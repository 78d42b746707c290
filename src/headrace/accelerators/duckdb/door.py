"""The door to DuckDB: its exceptions become ours here, and names and texts are quoted here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from headrace.errors import (
    AcceleratorError,
    AcceleratorFull,
    AcceleratorLocked,
    CommitUnknown,
    RowRefused,
)

_FULL = ("no space left", "file too large", "disk quota exceeded", "max_temp_directory_size")
_OF_A_VALUE = (
    duckdb.ConversionException,
    duckdb.ConstraintException,
    duckdb.InvalidInputException,
    duckdb.InvalidTypeException,
    duckdb.NotImplementedException,
    duckdb.OutOfRangeException,
    duckdb.TypeMismatchException,
)
"""What DuckDB raises for a value, though not only for values: whether a row is at fault, a trial tells."""

_HOLDER = re.compile(r"lock is held in (?P<program>.*?) ?\(PID (?P<pid>\d+)\)")


def quoted(name: str) -> str:
    """A name as an SQL identifier, whatever its letters."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def interrupted(connection: duckdb.DuckDBPyConnection) -> bool:
    """Interrupt what a connection runs; false if it is closed."""
    try:
        connection.interrupt()
    except duckdb.Error:
        return False
    return True


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise what DuckDB and Arrow raise inside as AcceleratorError or a kind of it.

    ``doing`` begins the message. A value that cannot take its column's form is refused. An engine that has invalidated itself raises CommitUnknown: only
    reopening it tells what it holds.
    """
    try:
        yield
    except duckdb.Error as error:
        raise translate(error, doing) from error
    except (ValueError, pa.ArrowTypeError) as error:
        raise RowRefused(f"{doing}: {error}") from error
    except pa.ArrowException as error:
        raise AcceleratorError(f"{doing}: {error}") from error


def translate(error: duckdb.Error, doing: str) -> AcceleratorError:
    """Our exception for one of DuckDB's."""
    if is_broken(error):
        return unknown(error, f"{doing}: DuckDB gave the database up")
    if is_full(error):
        return AcceleratorFull(f"{doing}: {first_line(error)}; make room on the disk, nothing was written")
    if isinstance(error, duckdb.OutOfMemoryException):
        return AcceleratorError(f"{doing}: {first_line(error)}; give DuckDB a higher memory limit")
    kind = RowRefused if isinstance(error, _OF_A_VALUE) else AcceleratorError
    return kind(f"{doing}: {first_line(error)}")


def unknown(error: duckdb.Error, what: str) -> CommitUnknown:
    """Our exception where only reopening the database tells what it holds; a full disk's with its cure.

    A commit whose automatic checkpoint finds no room is durable, and its database given up all the same.
    """
    cure = "; make room on the disk" if is_full(error) else ""
    return CommitUnknown(f"{what} ({first_line(error)}); it is reopened{cure}")


def translate_attach(error: duckdb.Error, path: Path | None) -> AcceleratorError:
    """Our exception for a database that cannot be attached."""
    text = str(error)
    if "Could not set lock" in text:
        holder = _HOLDER.search(text)
        who = f"process {holder['pid']} ({holder['program']})" if holder else "another process"
        return AcceleratorLocked(
            f"{path} is held by {who}; stop that process, or give this dataset another duckdb_file"
        )
    if "not a valid DuckDB database" in text:
        return AcceleratorError(
            f"{path} is not a DuckDB file; name another duckdb_file, or move that file away"
        )
    if "already attached" in text:
        return CommitUnknown(f"{path} is still being read by a running query; it is reopened once that ends")
    return translate(error, f"cannot open {path or 'an in-memory database'}")


def is_broken(error: duckdb.Error) -> bool:
    """Whether the database, or the whole engine, answers nothing but errors from here on."""
    fatal = isinstance(error, duckdb.FatalException | duckdb.InternalException | duckdb.ConnectionException)
    return fatal or "has been invalidated" in str(error)


def is_full(error: duckdb.Error) -> bool:
    """Whether there was no room to write."""
    text = str(error).lower()
    return any(sign in text for sign in _FULL)


def first_line(error: duckdb.Error) -> str:
    """What DuckDB says, without the place in a statement or in its own code."""
    return str(error).partition("\n")[0]
