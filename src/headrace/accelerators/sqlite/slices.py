"""What a statement gives, a bounded number of rows and bytes at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

SLICE_BYTES = 16 * 2**20
"""Bytes of texts and binary values after which a slice is full."""

_AT_ONCE = 64
"""Rows that are read before their size is known: an item has at most 400 KB."""


def slices(cursor: sqlite3.Cursor, most: int) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of ``cursor`` in lists of at most ``most``, each of about SLICE_BYTES at most; none is empty."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    while some := cursor.fetchmany(min(_AT_ONCE, most - len(rows))):
        rows += some
        size += sum(len(value) for row in some for value in row if isinstance(value, str | bytes))
        if size >= SLICE_BYTES or len(rows) >= most:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows
