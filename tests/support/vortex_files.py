"""Vortex files of a test."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pyarrow as pa
import vortex

from headrace.accelerators.cayenne.forms import in_file
from headrace.schema import TableSchema


class Files:
    """Files of a folder, one at a time, each under a name of its own: readers may remember files by their names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()
        self._last: Path | None = None

    def write(self, rows: pa.Table, schema: TableSchema) -> Path:
        """Rows of a schema as a file, in place of the one before."""
        if self._last is not None:
            self._last.unlink()
        self._last = self._folder / f"{next(self._numbers)}.vortex"
        vortex.io.write(in_file(rows, schema), str(self._last))
        return self._last
