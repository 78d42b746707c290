"""A disk that is full when a test says so, by what the kernel itself refuses."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WAYS = ("tmpfs", "file size limit")
"""A small file system of its own, which takes the right to mount; and RLIMIT_FSIZE, which everyone has."""

SIZE = 320 * 2**20


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
        files = [file.stat() for file in self.folder.iterdir() if file.is_file()]
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


@contextmanager
def small_disk(folder: Path, way: str) -> Iterator[SmallDisk | FileSizeLimit | None]:
    """A disk at ``folder``, in one of WAYS; None where mounting is not permitted."""
    folder.mkdir(parents=True)
    if way == "file size limit":
        yield FileSizeLimit(folder)
        return
    mounted = os.geteuid() == 0 and not subprocess.call(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "headrace", str(folder)], stderr=subprocess.DEVNULL
    )
    try:
        yield SmallDisk(folder) if mounted else None
    finally:
        if mounted:
            subprocess.check_call(["umount", str(folder)])
