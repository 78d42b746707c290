"""What statements were found to give, for those who ask for the same again before each run."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from headrace.prepared import Prepared

MOST: Final = 256
"""Statements that are remembered."""

LONGEST: Final = 4096
"""Their length in characters."""

Facts = Mapping[str, tuple[object, Mapping[str, str]]]
"""Of each table that a statement reads: what the catalogue says of it, and its columns."""


class Outlines:
    """Remembers what was prepared, for as long as the tables are as they were then. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[Facts, Prepared]] = OrderedDict()

    def found(self, sql: str, facts: Facts) -> Prepared | None:
        """What is known of ``sql`` over tables of which ``facts`` hold; None where it must be asked."""
        with self._lock:
            facts_then, prepared = self._known.get(sql, (None, None))
            if prepared is None or facts_then != facts:
                return None
            self._known.move_to_end(sql)
            return prepared

    def keep(self, sql: str, facts: Facts, prepared: Prepared) -> None:
        """Remember it. ``facts`` were taken before it was asked."""
        if len(sql) > LONGEST:
            return
        with self._lock:
            self._known[sql] = (facts, prepared)
            self._known.move_to_end(sql)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
