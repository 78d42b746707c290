"""The place where snapshots are kept, which outlives every machine; and what befalls it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from headrace.errors import SnapshotGone, SnapshotUnavailable
from headrace.snapshot import Manifest
from headrace.snapshots.shelf import MANIFEST
from headrace.snapshots.store import Stored


class Gone(BaseException):
    """The process ends here."""


class Place:
    """A Store in a dictionary. ``damaged`` are the ids of snapshots that are not any more what was written."""

    where = "simulated"

    def __init__(self, clock: Callable[[], float]) -> None:
        self.damaged: set[str] = set()
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._clock = clock
        self._dies_after: int | None = None
        self._is_dead = False

    def names(self, within: str) -> Sequence[Stored]:
        return [
            Stored(name, len(content), at)
            for name, (content, at) in sorted(self._objects.items())
            if name.startswith(within)
        ]

    def put(self, name: str, path: Path) -> None:
        self.write(name, path.read_bytes())

    def write(self, name: str, content: bytes) -> None:
        self._expect_life()
        self._objects[name] = (content, self._clock())
        if self._dies_after is not None:
            self._dies_after -= 1
            if self._dies_after < 0:
                self._is_dead = True
                raise Gone

    def fetch(self, name: str, path: Path) -> None:
        path.write_bytes(self.read(name))

    def read(self, name: str) -> bytes:
        if name not in self._objects:
            raise SnapshotGone(f"{name} is not there")
        return self._objects[name][0]

    def remove(self, name: str) -> None:
        self._expect_life()
        self._objects.pop(name, None)

    def close(self) -> None:
        """It stays open for the next machine."""

    # What befalls it

    def dies(self, random: Random) -> None:
        """The process that writes next ends after some of its objects."""
        self._dies_after = random.randrange(3)

    def lives(self) -> None:
        """Another process comes to it."""
        self._dies_after, self._is_dead = None, False

    def damage(self, id_: str, random: Random) -> None:
        """Something of a snapshot is cut off, changed or missing."""
        names = [name for name in sorted(self._objects) if f"/{id_}/" in name]
        name = random.choice(names)
        content, at = self._objects[name]
        how = random.choice(("cut", "change", "remove"))
        if how == "remove":
            del self._objects[name]
        elif how == "cut" or not content:
            self._objects[name] = (content[: len(content) // 2], at)
        else:
            place = random.randrange(len(content))
            changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
            self._objects[name] = (changed, at)
        self.damaged.add(id_)

    def manifest(self, id_: str) -> Manifest:
        """What a snapshot says of itself."""
        (name,) = (name for name in self._objects if name.endswith(f"/{id_}/{MANIFEST}"))
        return Manifest.decode(self._objects[name][0])

    @property
    def ids(self) -> list[str]:
        """The snapshots that have a manifest, newest first."""
        found = (name.split("/")[1] for name in self._objects if name.endswith(f"/{MANIFEST}"))
        return sorted(found, reverse=True)

    def _expect_life(self) -> None:
        if self._is_dead:
            raise SnapshotUnavailable("the process has ended")
