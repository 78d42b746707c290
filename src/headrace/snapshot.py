"""Snapshots: one commit of a dataset's copy, stored where another process finds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from headrace.checkpoint import Checkpoint
from headrace.schema import TableSchema


@dataclass(frozen=True, slots=True)
class Exported:
    """One commit of a live copy, as the files of a folder.

    ``checkpoint`` is what was stored with the rows, as it was. ``engine_version`` tells which release of the engine
    reads the files: an older one may not.
    """

    checkpoint: Checkpoint
    schema: TableSchema
    rows: int
    letters: int
    waiting: int
    engine_version: str


class Exporter(Protocol):
    """A copy that can be written to files and read back, beside what ``ChangeSink`` asks of it.

    Folders are made by the caller, inside the scratch folder that the engines were given.
    """

    def export(self, folder: Path, snapshot: str) -> Exported:
        """Write the live copy as one commit left it, with its dead letters, into the empty ``folder``.

        The checkpoint in the files has ``snapshot`` as its ``snapshot``. Nobody waits: transactions and queries go on
        meanwhile. Any thread may ask, one at a time. All files are plain files directly in the folder, and durable on
        return. Raises AcceleratorError, with an unspecified part of the files written.
        """
        ...

    def restore(self, folder: Path) -> None:
        """Put an exported copy in place of whatever the dataset holds; ``open`` must be called next.

        The caller is the one thread that applies. Afterwards either all is as before, or the copy is the exported one
        (live, no other beside it), also after a crash at any moment. The files of ``folder`` may be used up.
        Raises AcceleratorError.
        """
        ...
