"""What the metastore says of a data file, and the names under which its two files lie."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROW_BITS: Final = 32
"""``headrace_row`` is the number under which the file was first written, shifted by this, and the position."""

CURE: Final = "delete the dataset's folder to copy the table anew"
"""What helps where files or the metastore are not what they should be."""


@dataclass(frozen=True, slots=True)
class Written:
    """A data file as it was written: sizes in bytes, and SHA-256 sums."""

    number: int
    rows: int
    size: int
    checksum: str
    keys_size: int
    keys_checksum: str
    statistics: str


@dataclass(frozen=True, slots=True)
class FileRecord(Written):
    """A data file as the metastore names it: with the numbers of its copy and of its schema."""

    copy: int
    schema: int


def data_path(folder: Path, number: int) -> Path:
    """The file of rows of a number."""
    return folder / f"part-{number:08d}.vortex"


def keys_path(folder: Path, number: int) -> Path:
    """The file of keys that belongs to it."""
    return folder / f"part-{number:08d}.keys"


def discard(folder: Path, number: int) -> None:
    """Remove the files of a number, which no copy has; what cannot be removed now is when the dataset is next opened."""
    for path in (data_path(folder, number), keys_path(folder, number)):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def damage(path: Path, record: FileRecord) -> str:
    """What one of a record's two files has that it should not have; empty if it is as it was written. Raises OSError."""
    data = path.suffix == ".vortex"
    size, checksum = (record.size, record.checksum) if data else (record.keys_size, record.keys_checksum)
    found = path.stat().st_size
    if found != size:
        return f"{found:,} bytes, not {size:,}"
    return "" if checksum_of(path) == checksum else "another checksum"


def checksum_of(path: Path) -> str:
    """The SHA-256 sum of a file, as hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
