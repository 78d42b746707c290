"""Failures as lines of a file, each one JSON document."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from headrace.destinations import document
from headrace.errors import DestinationUnavailable
from headrace.ledger import Failure

_BEGINNING: Final = b'{"requestContext":'
_BLOCK: Final = 64 * 2**10


class FileDestination:
    """Appends to ``path``, made with its folders where it is missing. A line is durable when ``send`` returns.

    The file is opened for each line, so that it may be moved away at any time. Others that append to it, in
    this process or another, wait for each other.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, failure: Failure) -> None:
        """See ``Destination``."""
        line = document.whole(failure) + b"\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                self._append(file, line)
            finally:
                os.close(file)
        except OSError as error:
            raise DestinationUnavailable(
                f"cannot write failure {failure.id} to {self._path}: {error}; the file must be writable, and the disk "
                "have room"
            ) from error

    def close(self) -> None:
        """See ``Destination``: nothing is held."""

    def _append(self, file: int, line: bytes) -> None:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise DestinationUnavailable(f"{self._path} is no regular file; name another in on_failure")
        fcntl.flock(file, fcntl.LOCK_EX)
        end = _mended(file)
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
        except BaseException:
            os.ftruncate(file, end)
            raise
        if end == 0:
            _sync(self._path.parent)


def _mended(file: int) -> int:
    """Have the file end with a whole line; its size.

    What is left of a line of ours is cut off: it was never said to be sent, and comes again. Any other last line
    only lacks its end.
    """
    size = os.fstat(file).st_size
    if size == 0 or os.pread(file, 1, size - 1) == b"\n":
        return size
    start = _last_line(file, size)
    beginning = os.pread(file, min(len(_BEGINNING), size - start), start)
    if _BEGINNING.startswith(beginning):
        os.ftruncate(file, start)
        return start
    os.write(file, b"\n")
    return size + 1


def _last_line(file: int, size: int) -> int:
    """Where it begins."""
    end = size
    while end > 0:
        start = max(0, end - _BLOCK)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
