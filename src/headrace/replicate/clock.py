"""The service's time, as far as it can be known."""

from __future__ import annotations

WINDOW = 600.0
"""Seconds after which a bound is forgotten: clocks drift, and an old bound may no longer be one."""


class ServiceClock:
    """Turns the caller's clock into a lower bound of the service's.

    Each answer's Date is floored to the second and made before the answer arrived, so Date minus the
    time of arrival bounds the difference of the clocks from below; the greatest bound of the last two
    windows is the best one. Without any Date the clocks are taken to agree. The caller's clock must not jump.
    """

    def __init__(self) -> None:
        self._skew: float | None = None
        self._before: float | None = None
        self._window_ends = 0.0

    def observe(self, service_time: float | None, now: float) -> None:
        """Learn from an answer that arrived at ``now``."""
        if service_time is None:
            return
        if now >= self._window_ends:
            self._before, self._skew = self._skew, None
            self._window_ends = now + WINDOW
        skew = service_time - now
        self._skew = skew if self._skew is None else max(self._skew, skew)

    def at(self, now: float) -> float:
        """The service's time, or a little earlier, when the caller's clock says ``now``."""
        bounds = [bound for bound in (self._skew, self._before) if bound is not None]
        return now + max(bounds, default=0.0)
