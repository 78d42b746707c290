"""A copy in files, of which a crash leaves what was there at one instant, perhaps with a log that was being written."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory


class Lives:
    """Where a copy's files are: after each crash in a new folder, with copies of what they were.

    ``log`` is what the name of the engine's log has more than that of the database.
    """

    def __init__(self, name: str, log: str) -> None:
        self._temporary = TemporaryDirectory(prefix="headrace-simulation-")
        self._name = name
        self._log_suffix = log
        self._lives = 0
        self._log_before = 0
        self.path = self._new_path()

    def about_to_commit(self) -> None:
        """From here on the log grows by the last commit."""
        log = self._log
        self._log_before = log.stat().st_size if log.exists() else 0

    def crash(self, cut: Random | None) -> Path:
        """Go on with copies, the log cut within the last commit if asked; the folder that is left behind."""
        old = self.path
        self.path = self._new_path()
        for file in old.parent.iterdir():
            if file.is_file():
                shutil.copy(file, self.path.parent / file.name)
        if cut is not None:
            self._cut(cut)
        return old.parent

    def lose(self) -> Path:
        """Go on with nothing: the disk is gone. The folder that is left behind."""
        old = self.path
        self.path = self._new_path()
        self._log_before = 0
        return old.parent

    def close(self) -> None:
        """Remove everything."""
        self._temporary.cleanup()

    @property
    def _log(self) -> Path:
        return self.path.with_name(self.path.name + self._log_suffix)

    def _cut(self, random: Random) -> None:
        length = self._log.stat().st_size if self._log.exists() else 0
        if length > self._log_before:
            with self._log.open("r+b") as file:
                file.truncate(random.randint(self._log_before, length))

    def _new_path(self) -> Path:
        self._lives += 1
        folder = Path(self._temporary.name) / f"life-{self._lives}"
        folder.mkdir()
        return folder / self._name
