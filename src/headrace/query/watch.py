"""How many statements run at once, and the thread that ends those whose time is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from headrace.errors import QueryError, QueryFault

_LOOK_EVERY: Final = 0.05


@dataclass(frozen=True, slots=True)
class Bounds:
    """What statements may use. Times are seconds.

    ``places`` run at once; another waits ``wait`` for a place. ``timeout`` is what the engine may work on
    one statement; a reader that takes longer than ``idle`` to ask for the next batch loses the statement,
    because its snapshot keeps the engine from cleaning up.
    """

    places: int = 8
    wait: float = 5.0
    timeout: float = 60.0
    idle: float = 60.0


class Watched(Protocol):
    """A statement, as the watch sees it."""

    def tick(self, now: float) -> None:
        """Look whether to stop. Never blocks, never raises."""
        ...


class Watch:
    """The places, and one thread that looks at every statement that has one, while there are any."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self.bounds = bounds
        self.clock = clock
        self._places = threading.BoundedSemaphore(bounds.places)
        self._changed = threading.Condition()
        self._inside: set[Watched] = set()
        self._thread: threading.Thread | None = None
        self._asleep = False
        self._closed = False

    @property
    def running(self) -> int:
        """How many statements have a place."""
        with self._changed:
            return len(self._inside)

    def enter(self, statement: Watched) -> None:
        """Take a place. Raises QueryError BUSY if none becomes free in time."""
        if not self._places.acquire(timeout=self.bounds.wait):
            raise QueryError(
                QueryFault.BUSY,
                f"{self.bounds.places} statements are running already; try again when one has ended",
            )
        with self._changed:
            if self._closed:
                self._places.release()
                raise QueryError(QueryFault.BUSY, "Headrace is stopping")
            self._inside.add(statement)
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="headrace-statements", daemon=True)
                self._thread.start()
            elif self._asleep:
                # A thread that wakes takes the interpreter from the statement: not for each of many small ones.
                self._changed.notify()

    def leave(self, statement: Watched) -> None:
        """Give the place up; nothing if the statement has none."""
        with self._changed:
            if statement not in self._inside:
                return
            self._inside.remove(statement)
        self._places.release()

    def close(self) -> tuple[Watched, ...]:
        """Let no statement in any more; those that are inside."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            return tuple(self._inside)

    def _look(self) -> None:
        while True:
            with self._changed:
                self._asleep = True
                self._changed.wait_for(lambda: self._inside or self._closed)
                self._asleep = False
                if self._closed and not self._inside:
                    return
                self._changed.wait(_LOOK_EVERY)
                inside = tuple(self._inside)
            now = self.clock()
            for statement in inside:
                statement.tick(now)
