"""How many items the next page may look at, where not all rows are wanted."""

from __future__ import annotations

import threading
from typing import Final

from headrace.dynamodb.plan import Plan

_FIRST: Final = 25
_GROWTH: Final = 4
_NO_LIMIT: Final = 10_000
"""Items that are likely more than a page has."""


class Paging:
    """The Limit of each page of one scan, which DynamoDB applies before the filter. Several threads may ask."""

    def __init__(self, plan: Plan) -> None:
        self._limit = plan.limit
        self._whole = plan.whole
        self._lock = threading.Lock()
        self._found = 0
        self._next = _FIRST if plan.limit is None else max(_FIRST, plan.limit * 2)

    def next_limit(self) -> int | None:
        """What still lacks, where each item is a row; else ever more. None is no limit, 0 says that there is enough."""
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
