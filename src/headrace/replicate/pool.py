"""Threads for requests to the source, which the end of the process does not wait for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Pool:
    """At most ``size`` threads, each started when all others are at work.

    A request may hang for as long as the network lets it. The standard library's executor has the
    interpreter wait for its threads at exit; these are daemons, and ``close`` bounds the wait.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._waiting: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._threads = 0
        self._busy = 0
        self._closed = False

    def submit(self, job: Callable[[], None]) -> None:
        """Have a thread do ``job``, which raises nothing, in its turn.

        Raises RuntimeError if the pool is closed or no thread can be had; ``job`` is not done then.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError("the pool is closed")
            if self._busy + len(self._waiting) >= self._threads and self._threads < self._size:
                name = f"{self._name} {self._threads}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
                self._threads += 1
            self._waiting.append(job)
            self._changed.notify_all()

    def close(self, patience: float) -> bool:
        """Begin no other job and wait at most ``patience`` seconds for those begun: whether all have ended."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._busy == 0, patience)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job = self._waiting.popleft()
                self._busy += 1
            try:
                job()
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()
