"""Batches in pieces that one message to a client holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

PIECE_BYTES: Final = 2**20
"""About as much of a batch is encoded at once: items of 400 KB must not become a piece of gigabytes."""


def parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """``batch`` in parts of about PIECE_BYTES."""
    if batch.num_rows == 0:
        return
    rows = max(1, batch.num_rows * PIECE_BYTES // max(1, batch.nbytes))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)
