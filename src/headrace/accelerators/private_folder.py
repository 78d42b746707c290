"""Folders for files of one process, which go with it."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from headrace.file_lock import locked

LOCK: Final = ".lock"
"""The file in a private folder that its process holds locked."""

_LONG_AGO: Final = 3600.0


class PrivateFolder:
    """A new folder below ``parent`` whose name begins with ``prefix``, for as long as this process lives.

    What processes have left that were killed is removed by the next that makes one with the same prefix there.
    Raises OSError.
    """

    def __init__(self, parent: Path, prefix: str) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        for folder in parent.glob(f"{prefix}*"):
            _remove_if_left(folder)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            # Another process may just have taken the new folder for one that was left.
            if locked(self._lock) and (self.path / LOCK).exists():
                return
            os.close(self._lock)

    def release(self) -> None:
        """Remove it. Called once."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _remove_if_left(folder: Path) -> None:
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        # Somebody is just making it, or was killed while it was removed.
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > _LONG_AGO:
                shutil.rmtree(folder, ignore_errors=True)
        return
    except OSError:
        return
    try:
        if locked(lock):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
