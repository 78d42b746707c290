"""A file that one process at a time may use."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

LOCK_SUFFIX: Final = ".lock"
"""Of the file beside another that its process holds locked. It stays, or two might hold one each."""


class FileLock:
    """``path``, whose folder is made, for as long as this process wants it: ``holder`` is None then.

    Otherwise ``holder`` says which process has it. Raises OSError where there can be no such file.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(f"{path}{LOCK_SUFFIX}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.holder: str | None = None
        if not locked(self._file):
            number = os.pread(self._file, 20, 0).decode("ascii", "replace").strip()
            self.holder = f"process {number}" if number else "another process"
            os.close(self._file)
            return
        # A lock without the holder's number is a lock all the same, should the disk be full.
        with suppress(OSError):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others have it. Called once, by whoever holds it."""
        os.close(self._file)


def locked(file: int) -> bool:
    """Lock a file for this process, until it is closed; false where another has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
