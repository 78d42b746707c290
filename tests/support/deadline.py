"""Waiting in tests: poll a condition until a deadline, never sleep and hope."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(probe: Callable[[], T], *, within: float, what: str, every: float = 0.02) -> T:
    """The first true answer of ``probe``; fails with ``what`` and the last answer after ``within`` seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what}; last: {answer!r}")
        time.sleep(every)
