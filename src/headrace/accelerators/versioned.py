"""A copy whose changes are counted, so that answers that were kept are known to be out of date."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from headrace.accelerator import Applied, ChangeSink, Stored, StoredLetter, Which, Work
from headrace.snapshot import Exported, Exporter
from headrace.versions import Versions


class Copy(ChangeSink, Exporter, Protocol):
    """A copy that changes and travels."""


class VersionedCopy:
    """``copy`` of ``dataset``: whatever may change what queries see is counted in ``versions``."""

    def __init__(self, copy: Copy, dataset: str, versions: Versions) -> None:
        self._copy = copy
        self._dataset = dataset
        self._versions = versions

    def open(self) -> Stored:
        """As the copy. A transaction whose outcome was not known shows itself now, or never."""
        with self._versions.changed(self._dataset):
            return self._copy.open()

    def apply(self, work: Work) -> Applied:
        """As the copy."""
        with self._versions.changed(self._dataset):
            return self._copy.apply(work)

    def restore(self, folder: Path) -> None:
        """As the copy."""
        with self._versions.changed(self._dataset):
            self._copy.restore(folder)

    def check(self) -> None:
        """As the copy."""
        self._copy.check()

    def letters(
        self, names: tuple[str, ...] | None, which: Which, after: str | None
    ) -> tuple[StoredLetter, ...]:
        """As the copy."""
        return self._copy.letters(names, which, after)

    def export(self, folder: Path, snapshot: str) -> Exported:
        """As the copy."""
        return self._copy.export(folder, snapshot)

    def close(self) -> None:
        """As the copy."""
        self._copy.close()
