"""SIGINT and SIGTERM, for verbs that run until they are told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_LOOK: Final = 0.5
"""Seconds after which the main thread looks whether a signal came while it waited."""


class Told(threading.Event):
    """An event for which the main thread waits, and that a handler of signals sets.

    The system may give a signal to any thread. Python then calls the handler in the main one, which an endless wait would
    keep asleep: its own signals alone wake it (Python documentation, "signal": execution of Python signal handlers).
    """

    def wait(self, timeout: float | None = None) -> bool:
        """As ``threading.Event.wait``, and a signal that another thread got is noticed soon."""
        if timeout is not None:
            return super().wait(timeout)
        while not super().wait(_LOOK):
            pass
        return True


@contextmanager
def told_to_stop() -> Iterator[Told]:
    """An event that the first SIGINT or SIGTERM sets; the second ends the process at once.

    To be used in the main thread. The handlers that stood before stand again afterwards.
    """
    told = Told()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def tell(number: int, frame: FrameType | None) -> None:
        del number, frame
        for again in before:
            signal.signal(again, signal.SIG_DFL)
        told.set()

    for number in before:
        signal.signal(number, tell)
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
