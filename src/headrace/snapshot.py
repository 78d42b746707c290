"""Snapshots: one commit of a dataset's copy, stored where another process finds it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec

from headrace.checkpoint import Checkpoint
from headrace.decoding import decoded
from headrace.errors import SnapshotRefused
from headrace.schema import TableSchema

FORMAT = 1
"""Raised when an older Headrace could not use a snapshot that a newer one wrote."""


@dataclass(frozen=True, slots=True)
class Exported:
    """One commit of a live copy, as the files of a folder.

    ``checkpoint`` is what was stored with the rows, as it was. ``engine_version`` tells which release of the engine
    wrote the files: an older one may not read them.
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
        Raises SnapshotRefused where the files are at fault, AcceleratorError where it may be tried again.
        """
        ...


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """One file of a snapshot: ``size`` in bytes, ``sha256`` in hexadecimal digits."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot is, as stored beside its files, and after them: a snapshot without one is none.

    ``current_to`` is the time up to which every change of the table is in it, ``taken_at`` when it was begun (epoch
    seconds, the service's clock). ``checkpoint`` is the one that was stored with the rows. ``columns`` are pairs of name
    and type, for people. ``headrace`` and ``engine_version`` say what wrote it.
    """

    id: str
    dataset: str
    engine: str
    engine_version: str
    table: str
    taken_at: float
    current_to: float
    rows: int
    letters: int
    waiting: int
    columns: tuple[tuple[str, str], ...]
    files: tuple[SnapshotFile, ...]
    checkpoint: Checkpoint
    headrace: str
    format: int = FORMAT

    @property
    def size_bytes(self) -> int:
        """The size of all files."""
        return sum(file.size for file in self.files)

    def encode(self) -> bytes:
        """As JSON that people can read."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    @classmethod
    def decode(cls, text: bytes) -> Manifest:
        """From ``encode``'s text. Raises SnapshotRefused if it is not one, or of a newer format."""
        try:
            told = decoded(text, _Format).format
            if told > FORMAT:
                raise SnapshotRefused(
                    f"its manifest has format {told}, this Headrace knows up to {FORMAT}; use the newer Headrace"
                )
            return decoded(text, cls)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise SnapshotRefused(f"its manifest cannot be read ({error})") from None


class _Format(msgspec.Struct):
    format: int


def snapshot_id(current_to: float, taken_at: float, token: str) -> str:
    """An id whose order as text is that of the first time, then of the second (milliseconds, hexadecimal).

    ``token`` sets apart what two processes write at one time.
    """
    moment = datetime.fromtimestamp(current_to, UTC)
    stamp = f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z"
    return f"{stamp}-{int(taken_at * 1000):012x}-{token}"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What looks like a snapshot, and why it cannot be used."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listed:
    """The snapshots of a dataset, newest first. Those that are still being written are not among them."""

    manifests: tuple[Manifest, ...]
    unreadable: tuple[Unreadable, ...] = ()


class Shelf(Protocol):
    """The snapshots of one dataset. Any thread may call; each method blocks for as long as it takes."""

    def listed(self) -> Listed:
        """What there is. Raises SnapshotUnavailable."""
        ...

    def save(self, taken_at: float, current_to: float) -> Manifest:
        """Write the live copy as it is now, of which it is known that it has every change up to ``current_to``.

        Visible whole, or not at all. Old snapshots are removed afterwards; where that fails, the next call raises why
        and writes nothing until it has been done. Raises SnapshotError, AcceleratorError.
        """
        ...

    def restore(self, manifest: Manifest) -> None:
        """Put a snapshot in place of the dataset's copy, once all its bytes are proven; see ``Exporter.restore``.

        Raises SnapshotUnavailable, SnapshotGone, SnapshotRefused, AcceleratorError.
        """
        ...

    def close(self) -> None:
        """Have whatever is under way fail soon, and everything from now on. Safe to call twice."""
        ...
