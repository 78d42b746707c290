"""What the DuckDB of this process may use and reach: its settings, fixed from its first moment."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from headrace.accelerators.duckdb.door import literal
from headrace.duckdb_lock import LOCK

DATA_SUFFIXES = ("", ".wal", ".wal.checkpoint", ".wal.recovery")
"""What DuckDB 1.5 opens beside a database file."""

_BYTES = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}

_OF_DEFAULT_MEMORY = 5 / 8
"""DuckDB takes 80 % of the memory it may use; decoding and serving need theirs, so we take 50 %."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What DuckDB may use. ``memory`` is bytes, None half of what there is; ``threads`` None every core.

    ``spill`` is the folder for what does not fit into memory; None: beside the first data file, or in
    the system's folder for temporary files.
    """

    memory: int | None = None
    threads: int | None = None
    spill: Path | None = None


def settings(
    connection: duckdb.DuckDBPyConnection, limits: Limits, files: Sequence[Path], scratch: Path | None
) -> Iterator[tuple[str, str]]:
    """Settings and their values as SQL: ``files`` are the databases, ``scratch`` the folder of other files that may be opened."""
    memory = limits.memory or _half_of_memory(connection)
    yield "memory_limit", literal(f"{memory // 1024}KiB")
    if limits.threads is not None:
        yield "threads", str(limits.threads)
    yield "temp_directory", literal(str(_spill_folder(limits, files)))
    # Exactly these files, rather than their folder: nothing else beside them can be read.
    allowed = ", ".join(literal(f"{path}{suffix}") for path in files for suffix in DATA_SUFFIXES)
    yield "allowed_paths", f"[{allowed}]"
    if scratch is not None:
        yield "allowed_directories", f"[{literal(str(scratch))}]"
    yield from LOCK.items()


def _spill_folder(limits: Limits, files: Sequence[Path]) -> Path:
    parent = files[0].parent if files else Path(tempfile.gettempdir())
    return limits.spill or parent / f".headrace-spill-{os.getpid()}"


def _half_of_memory(connection: duckdb.DuckDBPyConnection) -> int:
    """Half of the memory that this process may use, in bytes, as DuckDB finds it (control groups too)."""
    row = connection.execute("SELECT current_setting('memory_limit')").fetchone()
    found = re.fullmatch(r"([\d.]+) (\w+)", str(row[0])) if row else None
    if found is None or found[2] not in _BYTES:
        return 2**30
    return int(float(found[1]) * _BYTES[found[2]] * _OF_DEFAULT_MEMORY)
