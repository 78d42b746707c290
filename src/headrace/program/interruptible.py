"""Waiting that Ctrl-C ends: engines do not look for signals while they work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Final, TypeVar

T = TypeVar("T")

_LOOK_EVERY: Final = 0.1
"""Seconds. A signal that another thread was given wakes no main thread that waits without end."""

_PATIENCE: Final = 10.0
"""Seconds that what was cancelled may take to end."""


def interruptible(work: Callable[[], T], cancel: Callable[[], None]) -> T:
    """What ``work`` gives. Where a signal's handler raises meanwhile, ``cancel`` ends it, and that is raised.

    Python runs such handlers on the main thread alone, so that there the work gets a thread of its own.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    done: Future[T] = Future()

    def carry_out() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised on the thread that waits
            done.set_exception(error)

    worker = threading.Thread(target=carry_out, name="headrace-statement", daemon=True)
    try:
        worker.start()
        while not wait((done,), _LOOK_EVERY).done:
            pass
        return done.result()
    except BaseException:
        # The signal may have come while the thread was starting.
        if worker.ident is not None and not done.done():
            cancel()
            with suppress(BaseException):
                done.result(_PATIENCE)
        raise
