"""A file of lines that grows at its end, a line at a time or several, durable before it is said."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from headrace.durable import sync

_BLOCK: Final = 64 * 2**10


class NoRegularFile(OSError):
    """The path leads to a folder, a device or a pipe."""


class AppendFile:
    """Appends to ``path``, made with its folders where it is missing, for its owner alone.

    Every line of ours begins with ``beginning``. The file is opened for each ``append``, so that it may be moved away at any time.
    Others that append to it, in this process or another, wait for each other.
    """

    def __init__(self, path: Path, beginning: bytes) -> None:
        self._path = path
        self._beginning = beginning

    def append(self, lines: bytes) -> None:
        """Whole lines, all of them or none, durable on return. Raises OSError; NoRegularFile where nothing can be appended."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._append(file, lines)
        finally:
            os.close(file)

    def _append(self, file: int, lines: bytes) -> None:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise NoRegularFile(f"{self._path} is no regular file")
        fcntl.flock(file, fcntl.LOCK_EX)
        end = self._mended(file)
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
        except BaseException:
            os.ftruncate(file, end)
            raise
        if end == 0:
            sync(self._path.parent)

    def _mended(self, file: int) -> int:
        """Have the file end with a whole line; its size.

        What is left of a line of ours is cut off: it was never said to be there, and comes again. Any other last line
        only lacks its end.
        """
        size = os.fstat(file).st_size
        if size == 0 or os.pread(file, 1, size - 1) == b"\n":
            return size
        start = _last_line(file, size)
        beginning = os.pread(file, min(len(self._beginning), size - start), start)
        if self._beginning.startswith(beginning):
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
