"""A clock that only the test moves."""

from __future__ import annotations

START = 1_767_225_600.0
"""2026-01-01 00:00:00 UTC."""


class ManualClock:
    """Epoch seconds; ``now`` is read by everything simulated."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises ValueError where it would run backwards."""
        if seconds < 0:
            raise ValueError(f"time cannot pass by {seconds} seconds; it must be 0 or more")
        self.now += seconds
