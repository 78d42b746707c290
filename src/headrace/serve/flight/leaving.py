"""Ends statements whose clients have gone while the engine works on them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from headrace.serve.running import Answer

_LOOK_EVERY: Final = 0.1
"""Seconds. Flight tells of a client that has gone only who asks."""


class Leaving:
    """One thread that looks at the calls in which an engine works, while there are any."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: dict[int, tuple[Any, Answer]] = {}
        self._thread: threading.Thread | None = None
        self._asleep = False
        self._closed = False

    @contextmanager
    def watching(self, call: Any, answer: Answer) -> Iterator[None]:
        """Cancel ``answer`` if the client of ``call``, which lives as long as this, goes meanwhile."""
        with self._changed:
            self._inside[id(answer)] = (call, answer)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._look, name="headrace-leaving", daemon=True)
                self._thread.start()
            # To wake a thread costs as much as a small statement.
            if self._asleep:
                self._changed.notify()
        try:
            yield
        finally:
            # Under the lock: pyarrow's object of the call must not be asked once the call has ended.
            with self._changed:
                del self._inside[id(answer)]

    def close(self) -> None:
        """End the thread. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        while True:
            with self._changed:
                self._asleep = True
                self._changed.wait_for(lambda: self._inside or self._closed)
                self._asleep = False
                self._changed.wait_for(lambda: self._closed, _LOOK_EVERY)
                if self._closed:
                    return
                for call, answer in self._inside.values():
                    if call.is_cancelled():
                        answer.cancel()
