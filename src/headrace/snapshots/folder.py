"""Snapshots in a folder: of this machine, or of a file system that several share."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from headrace.durable import sync
from headrace.errors import SnapshotError, SnapshotGone, SnapshotUnavailable
from headrace.snapshots.store import Stored

PARTIAL: Final = ".partial-"
"""Begins the name of a file that is being written."""

_CHUNK: Final = 8 * 2**20

_PERMANENT: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG})


class FolderStore:
    """Objects as files below ``folder``, which is made when something is stored.

    A file gets its name when all of it is synced, and the folder is synced after that: after a power failure it is
    there whole or not at all.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._closed = threading.Event()

    @property
    def where(self) -> str:
        """The folder, as a URI."""
        return self._folder.as_uri()

    def names(self, within: str) -> Sequence[Stored]:
        """All files below that folder, those that are being written too."""
        root = self._folder / within
        with self._door(f"cannot list {root}"):
            return sorted(self._found(root), key=lambda stored: stored.name)

    def put(self, name: str, path: Path) -> None:
        """Store a file: by a link where the file system allows it, else as a copy."""
        target = self._folder / name
        with self._door(f"cannot write {target}"), self._named(target) as partial:
            try:
                os.link(path, partial)
            except OSError:
                self._copy(path, partial)
            sync(partial)

    def write(self, name: str, content: bytes) -> None:
        """Store a small object."""
        target = self._folder / name
        with self._door(f"cannot write {target}"), self._named(target) as partial:
            partial.write_bytes(content)
            sync(partial)

    def fetch(self, name: str, path: Path) -> None:
        """Copy an object; never a link, since what is fetched may be written to."""
        with self._door(f"cannot read {self._folder / name}"):
            self._copy(self._folder / name, path)

    def read(self, name: str) -> bytes:
        """A small object."""
        with self._door(f"cannot read {self._folder / name}"):
            return (self._folder / name).read_bytes()

    def remove(self, name: str) -> None:
        """Remove an object, and the folder it was in if that is empty now."""
        target = self._folder / name
        with self._door(f"cannot remove {target}"):
            target.unlink(missing_ok=True)
            with suppress(OSError):
                target.parent.rmdir()

    def close(self) -> None:
        """Fail whatever is under way."""
        self._closed.set()

    def _found(self, root: Path) -> Iterator[Stored]:
        for folder, _, files in os.walk(root):
            for file in files:
                path = Path(folder) / file
                # Somebody may be removing it just now.
                with suppress(FileNotFoundError):
                    told = path.stat()
                    yield Stored(path.relative_to(self._folder).as_posix(), told.st_size, told.st_mtime)

    @contextmanager
    def _named(self, target: Path) -> Iterator[Path]:
        """A name beside the target's for the block to write to; it becomes the target's at the end."""
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.parent / f"{PARTIAL}{uuid.uuid4().hex}"
        try:
            yield partial
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        for folder in target.parents:
            # It was there: somebody for whom it is one too many may have removed it already.
            with suppress(FileNotFoundError):
                sync(folder)
            if folder == self._folder:
                break

    def _copy(self, source: Path, target: Path) -> None:
        with source.open("rb") as reading, target.open("wb") as writing:
            while chunk := reading.read(_CHUNK):
                if self._closed.is_set():
                    raise SnapshotUnavailable(f"headrace is stopping; {target.name} was not copied")
                writing.write(chunk)

    @contextmanager
    def _door(self, doing: str) -> Iterator[None]:
        if self._closed.is_set():
            raise SnapshotUnavailable(f"{doing}: headrace is stopping")
        try:
            yield
        except FileNotFoundError as error:
            raise SnapshotGone(f"{doing}: it is not there") from error
        except (OSError, shutil.Error) as error:
            kind = SnapshotError if error.errno in _PERMANENT else SnapshotUnavailable
            raise kind(f"{doing}: {error.strerror or error}") from error
