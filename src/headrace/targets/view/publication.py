"""Brings rows that have changed to where the view is read: what a row says there never goes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from headrace.attribute import Image
from headrace.row_table import Row, RowTable
from headrace.targets.view.rows import Made, Rows
from headrace.targets.view.state import ViewState
from headrace.targets.view.value import Unevaluable

_AT_ONCE: Final = 500
"""Rows that are made and written together."""


class Publication:
    """Writes the rows of ``state`` that wait to ``table``. Any thread may call.

    Rows are made of the state and written under one lock, so that no older row follows a newer one. Whoever waits for the lock finds
    what others have written meanwhile done.
    """

    def __init__(self, state: ViewState, rows: Rows, table: RowTable) -> None:
        self.rows = rows
        self.table = table
        self._state = state
        self._lock = threading.Lock()
        self._refused: dict[str, str] = {}

    def flush(self) -> int:
        """Write all that waits; how many rows. Durable on return, but for what is refused. Raises HeadraceError."""
        count = 0
        with self._lock:
            while waiting := self._state.waiting(_AT_ONCE):
                self._write(waiting)
                count += len(waiting)
        return count

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Nothing is written while this lasts: deliveries wait."""
        with self._lock:
            yield

    def refusal(self, row: str | None) -> str | None:
        """Why a row could not be written the last time."""
        return None if row is None else self._refused.get(row)

    @property
    def refusals(self) -> Mapping[str, str]:
        """All of them."""
        with self._lock:
            return dict(self._refused)

    def is_right(self, made: Made, item: Image) -> bool:
        """Whether an item of the output is the row that is to be there."""
        return isinstance(made, Row) and made.item is not None and self.rows.is_same(made.item, item)

    def _write(self, waiting: Mapping[str, int]) -> None:
        made = self.rows.made(self._state, list(waiting))
        errors = {name: str(row) for name, row in made.items() if isinstance(row, Unevaluable)}
        rows = {name: row for name, row in made.items() if isinstance(row, Row)}
        for name, error in zip(rows, self.table.write(list(rows.values())) if rows else (), strict=True):
            if error is not None:
                errors[name] = str(error)
        for name in waiting:
            self._refused.pop(name, None)
        self._refused |= errors
        self._state.set_aside({name: turn for name, turn in waiting.items() if name in errors})
        self._state.written(waiting)
