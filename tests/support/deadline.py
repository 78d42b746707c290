"""Waiting in tests: poll a condition until a deadline, never sleep and hope."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def nothing(found: object) -> bool:
    """Holds of an empty answer: of a probe that looks for what is wrong."""
    return not found


def eventually(
    probe: Callable[[], T],
    *,
    within: float,
    what: str,
    every: float = 0.02,
    holds: Callable[[T], bool] = bool,
) -> T:
    """The first answer of ``probe`` that ``holds``; fails with ``what`` and the last one after ``within`` seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = probe()
        if holds(answer):
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what}; last: {answer!r}")
        time.sleep(every)
