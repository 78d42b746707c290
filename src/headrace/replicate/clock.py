"""The service's time, as far as it can be known."""

from __future__ import annotations


class ServiceClock:
    """Turns the caller's clock into a lower bound of the service's.

    Each answer's Date is floored to the second and made before the answer arrived, so Date minus the
    time of arrival bounds the difference of the clocks from below; the greatest bound is the best one.
    Without any Date the clocks are taken to agree. The caller's clock must not jump.
    """

    def __init__(self) -> None:
        self._skew: float | None = None

    def observe(self, service_time: float | None, now: float) -> None:
        """Learn from an answer that arrived at ``now``."""
        if service_time is None:
            return
        skew = service_time - now
        if self._skew is None or skew > self._skew:
            self._skew = skew

    def at(self, now: float) -> float:
        """The service's time, or a little earlier, when the caller's clock says ``now``."""
        return now + (self._skew or 0.0)
