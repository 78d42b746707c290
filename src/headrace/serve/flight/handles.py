"""Prepared statements that clients hold handles of: bounded in number, bytes and age."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa

MOST: Final = 1024
"""Handles at once. Of more, the one that was used longest ago goes."""

MOST_BYTES: Final = 64 * 2**20
"""Bytes of their statements and parameters together."""

IDLE_SECONDS: Final = 3600.0
"""A handle that is not used for so long goes."""


@dataclass(frozen=True, slots=True)
class PreparedStatement:
    """What a handle stands for; ``bound`` is the row of parameters that was bound last, as Arrow's IPC writes it."""

    sql: str
    schema: pa.Schema
    parameters: int
    bound: bytes | None = None

    @property
    def size(self) -> int:
        """About the bytes that it takes."""
        return len(self.sql) + len(self.bound or b"")


class Handles:
    """Prepared statements by their handles. Any thread may call any method.

    ``random`` gives so many random bytes, ``clock`` seconds that only grow.
    """

    def __init__(self, random: Callable[[int], bytes], clock: Callable[[], float]) -> None:
        self._random = random
        self._clock = clock
        self._lock = threading.Lock()
        # The one used longest ago is first.
        self._held: OrderedDict[bytes, tuple[PreparedStatement, float]] = OrderedDict()
        self._bytes = 0

    def add(self, statement: PreparedStatement) -> bytes:
        """A new handle of ``statement``."""
        handle = self._random(16)
        with self._lock:
            self._put(handle, statement)
        return handle

    def get(self, handle: bytes) -> PreparedStatement | None:
        """What the handle stands for, None if it is not known, or not any more."""
        with self._lock:
            statement = self._take(handle)
            if statement is not None:
                self._put(handle, statement)
            return statement

    def bind(self, handle: bytes, bound: bytes) -> None:
        """Have the handle stand for the same statement with these parameters; nothing if it is not known."""
        with self._lock:
            statement = self._take(handle)
            if statement is not None:
                self._put(handle, replace(statement, bound=bound))

    def renew(self, sql: str, schema: pa.Schema) -> None:
        """Have every handle of this statement know that its rows have these columns now."""
        with self._lock:
            for handle, (statement, used) in self._held.items():
                if statement.sql == sql:
                    self._held[handle] = (replace(statement, schema=schema), used)

    def drop(self, handle: bytes) -> None:
        """Forget the handle. Safe to call twice."""
        with self._lock:
            self._take(handle)

    def __len__(self) -> int:
        with self._lock:
            return len(self._held)

    def _take(self, handle: bytes) -> PreparedStatement | None:
        self._forget_idle()
        held = self._held.pop(handle, None)
        if held is None:
            return None
        self._bytes -= held[0].size
        return held[0]

    def _put(self, handle: bytes, statement: PreparedStatement) -> None:
        self._forget_idle()
        self._held[handle] = (statement, self._clock())
        self._bytes += statement.size
        while len(self._held) > MOST or self._bytes > MOST_BYTES:
            self._forget_first()

    def _forget_idle(self) -> None:
        while self._held:
            _, used = next(iter(self._held.values()))
            if self._clock() - used <= IDLE_SECONDS:
                return
            self._forget_first()

    def _forget_first(self) -> None:
        _, (statement, _) = self._held.popitem(last=False)
        self._bytes -= statement.size
