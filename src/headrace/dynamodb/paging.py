"""How many items the next page may look at, where not all rows are wanted, or not all may be read at once."""

from __future__ import annotations

import threading
from typing import Final

from headrace.dynamodb.plan import Plan
from headrace.dynamodb.told import READ_UNIT
from headrace.table_shape import Shelf

_FIRST: Final = 25
_GROWTH: Final = 4
_NO_LIMIT: Final = 10_000
"""Items that are likely more than a page has."""

PAGE: Final = 2**20
"""Bytes that one page holds. Amazon DynamoDB API Reference, Scan and Query: 1 MB of data."""

_UNKNOWN_SIZE: Final = 1024
"""Bytes of an item of a table that claims to be empty."""


class Paging:
    """The Limit of each page of one scan, which DynamoDB applies before the filter. Several threads may ask.

    No page looks at more than ``most`` items.
    """

    def __init__(self, plan: Plan, most: int | None = None) -> None:
        self._limit = plan.limit
        self._most = most
        self._whole = plan.whole
        self._lock = threading.Lock()
        self._found = 0
        self._next = _FIRST if plan.limit is None else max(_FIRST, plan.limit * 2)

    def next_limit(self) -> int | None:
        """What still lacks, where each item is a row; else ever more. None is no limit, 0 says that there is enough."""
        wanted = self._wanted()
        return wanted if self._most is None or wanted == 0 else min(wanted or self._most, self._most)

    def _wanted(self) -> int | None:
        if self._limit is None:
            return None
        with self._lock:
            lacking = max(0, self._limit - self._found)
            if self._whole or not lacking:
                return lacking
            most, self._next = self._next, self._next * _GROWTH
        return most if most < _NO_LIMIT else None

    def count(self, rows: int) -> None:
        """So many rows came."""
        with self._lock:
            self._found += rows


def most_items(shelf: Shelf, units: float, *, consistent: bool) -> int | None:
    """Items that take about ``units`` to read, by the service's estimates; None where a whole page takes fewer.

    Without it, one page of 1 MB would put a small budget into debt for minutes, for whoever asks next.
    """
    size = max(1, shelf.size_bytes // shelf.items) if shelf.items else _UNKNOWN_SIZE
    readable = units * READ_UNIT * (1 if consistent else 2)
    return None if readable >= PAGE else max(1, int(readable // size))
