"""A disk that is full when a test says so, by what the kernel itself refuses."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SIZE = 320 * 2**20

LIMIT, TMPFS = "file size limit", "tmpfs"


class SmallDisk:
    """A file system of SIZE bytes at ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, pid: int, leaving: int = 0) -> None:
        """Take all that is left of it, but for ``leaving`` bytes."""
        disk = os.statvfs(self.folder)
        wanted = disk.f_bavail * disk.f_frsize - leaving
        if wanted > 0:
            with self._ballast.open("ab") as ballast, suppress(OSError):
                os.posix_fallocate(ballast.fileno(), ballast.tell(), wanted)

    def free(self, pid: int) -> None:
        """Give it back."""
        self._ballast.unlink(missing_ok=True)


class FileSizeLimit:
    """A process whose files in ``folder`` may not grow: writing beyond fails as it does on a full disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, pid: int, leaving: int = 0) -> None:
        """Let the file that was written to last, and no other, grow by at most ``leaving`` bytes."""
        files = [file.stat() for file in self.folder.rglob("*") if file.is_file()]
        newest = max(files, key=lambda file: file.st_mtime_ns, default=None)
        self._limit(pid, leaving + (newest.st_size if newest is not None else 0))

    def free(self, pid: int) -> None:
        """Let them grow again."""
        self._limit(pid, resource.RLIM_INFINITY)

    @staticmethod
    def _limit(pid: int, size: int) -> None:
        # A killed process needs no limit any more.
        with suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def mounts(folder: Path) -> bool:
    """Mount a file system of SIZE bytes at ``folder``; False where that is not permitted."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "headrace", str(folder)]
    return os.geteuid() == 0 and not subprocess.call(command, stderr=subprocess.DEVNULL)


def unmount(folder: Path) -> None:
    subprocess.check_call(["umount", str(folder)])


def ways() -> tuple[str, ...]:
    """How a disk can be made full here: RLIMIT_FSIZE everywhere, a file system of its own where one may mount."""
    with tempfile.TemporaryDirectory() as folder:
        if not mounts(Path(folder)):
            return (LIMIT,)
        unmount(Path(folder))
    return (LIMIT, TMPFS)


WAYS = ways()


@contextmanager
def small_disk(folder: Path, way: str) -> Iterator[SmallDisk | FileSizeLimit]:
    """A disk at ``folder``, in one of WAYS."""
    folder.mkdir(parents=True)
    if way == LIMIT:
        yield FileSizeLimit(folder)
        return
    assert mounts(folder), "a moment ago mounting was permitted"
    try:
        yield SmallDisk(folder)
    finally:
        unmount(folder)
