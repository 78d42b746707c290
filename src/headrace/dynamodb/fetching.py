"""Pages of several requests at once, decoded, in a buffer that is bounded."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pyarrow as pa

from headrace.dynamodb.asking import Asking
from headrace.errors import HeadraceError, InternalError

MOST_READERS: Final = 8
"""Requests that are under way at once."""

MOST_BUFFERED: Final = 32 * 2**20
"""Bytes of rows that wait to be taken, beside those of one page for each request under way."""

Strand = Callable[[], Iterator[pa.RecordBatch]]
"""The rows that one request gives, page after page."""


class Fetching:
    """Reads ``strands``, so many at once as there are ``readers``, and gives their rows as they come."""

    def __init__(self, strands: Sequence[Strand], readers: int, asking: Asking) -> None:
        self._waiting = deque(strands)
        self._asking = asking
        self._changed = threading.Condition()
        self._rows: deque[pa.RecordBatch] = deque()
        self._bytes = 0
        self._failure: BaseException | None = None
        self._ended = False
        self._reading = min(readers, len(strands))
        for number in range(self._reading):
            # A request may hang for as long as the network lets it: nobody waits for these threads at the end.
            threading.Thread(
                target=self._read, name=f"headrace-read {asking.dataset} {number}", daemon=True
            ).start()

    def take(self) -> pa.RecordBatch | None:
        """The next rows, None at the end. Raises what a strand raised, and QueryError once nobody wants answers."""
        with self._changed:
            while not (self._rows or self._failure or self._reading == 0 or self._asking.stopped):
                # Who stops the asking knows nothing of this condition.
                self._changed.wait(0.05)
            if self._failure is not None:
                raise self._raised(self._failure)
            self._asking.expect_wanted()
            if not self._rows:
                return None
            rows = self._rows.popleft()
            self._bytes -= rows.nbytes
            self._changed.notify_all()
            return rows

    def end(self) -> None:
        """Read no more. Safe to call twice."""
        with self._changed:
            self._ended = True
            self._waiting.clear()
            self._rows.clear()
            self._changed.notify_all()

    def _read(self) -> None:
        try:
            while (strand := self._next()) is not None:
                for rows in strand():
                    if not self._put(rows):
                        break
        except BaseException as error:  # noqa: BLE001  # It is raised where the rows are taken.
            with self._changed:
                self._failure = self._failure or error
                self._ended = True
        finally:
            with self._changed:
                self._reading -= 1
                self._changed.notify_all()

    def _next(self) -> Strand | None:
        with self._changed:
            return self._waiting.popleft() if self._waiting and not self._ended else None

    def _put(self, rows: pa.RecordBatch) -> bool:
        """Whether more is wanted."""
        with self._changed:
            while not (self._ended or self._asking.stopped or self._bytes < MOST_BUFFERED):
                self._changed.wait(0.05)
            if self._ended or self._asking.stopped:
                return False
            if rows.num_rows:
                self._rows.append(rows)
                self._bytes += rows.nbytes
                self._changed.notify_all()
            return True

    def _raised(self, failure: BaseException) -> BaseException:
        if isinstance(failure, HeadraceError):
            return failure
        return InternalError(f"reading {self._asking.dataset} from DynamoDB failed: {failure!r}")
