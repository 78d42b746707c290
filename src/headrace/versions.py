"""Which commits an answer holds: how often the content of each table has changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple


class _State(NamedTuple):
    changes: int
    changing: bool


class Versions:
    """Counts the changes of tables. Each table is changed by one thread at a time; any may ask.

    A table that is being changed has no version: whoever reads it may see it before or after. One whose change has
    failed has none either until the next succeeds, because what became of it is not known.
    """

    def __init__(self, tables: Iterable[str]) -> None:
        self._states = dict.fromkeys(tables, _State(0, changing=False))

    def of(self, table: str) -> int | None:
        """The table's version; None while it changes, and of a table that is not counted."""
        state = self._states.get(table)
        return None if state is None or state.changing else state.changes

    @contextmanager
    def changed(self, table: str) -> Iterator[None]:
        """The block changes the table's content."""
        changes = self._states[table].changes + 1
        self._states[table] = _State(changes, changing=True)
        yield
        self._states[table] = _State(changes, changing=False)
