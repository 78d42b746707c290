"""What snapshots ask of the place where they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Stored:
    """One object. ``name`` has slashes between its parts; ``written_at`` is epoch seconds, by the place's own clock."""

    name: str
    size: int
    written_at: float


class Store(Protocol):
    """Objects by name, each visible whole or not at all. Any thread may call any method.

    All methods raise SnapshotUnavailable, SnapshotGone where the object is not there, and SnapshotError where no
    second try will help.
    """

    @property
    def where(self) -> str:
        """The place, as people write it."""
        ...

    def names(self, within: str) -> Sequence[Stored]:
        """All objects whose names begin with ``within``, which ends in a slash; none where there is no such place yet."""
        ...

    def put(self, name: str, path: Path) -> None:
        """Store a file. Durable on return. The file may be used up."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Store a small object. Durable on return."""
        ...

    def fetch(self, name: str, path: Path) -> None:
        """Write an object to a file of its own, which is made anew."""
        ...

    def read(self, name: str) -> bytes:
        """A small object."""
        ...

    def remove(self, name: str) -> None:
        """Remove an object; nothing happens where there is none."""
        ...

    def close(self) -> None:
        """Have whatever is under way fail soon, and everything from now on. Safe to call twice."""
        ...
