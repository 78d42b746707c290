"""When the copy of a dataset that follows no stream is refreshed: put together and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from headrace.config.acceleration_model import AccelerationEntry
from headrace.config.document import Document
from headrace.config.problem import KeyPath, Problem
from headrace.config.quantity import SECOND, format_duration
from headrace.dataset import OnStartup, Refresh, RefreshMode

JITTER = 10
"""The part of an interval that the jitter is by itself: a tenth, as in Spice."""

_STREAM_REFRESHES = "no effect with refresh_mode: changes: the stream keeps the copy current"


@dataclass(slots=True)
class Refreshing:
    """The refreshes of one dataset in the making.

    ``path`` is the acceleration's in the document. ``problems`` and ``warnings`` grow while ``refresh`` runs.
    """

    document: Document
    path: KeyPath
    entry: AccelerationEntry
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def refresh(self) -> Refresh:
        """When and how often; it holds only if ``problems`` stays empty."""
        entry = self.entry
        mode = RefreshMode(entry.refresh_mode)
        if mode is RefreshMode.CHANGES:
            for key in self._given():
                self._warn(key, _STREAM_REFRESHES)
            return Refresh()
        if entry.refresh_cron is not None and entry.refresh_check_interval is not None:
            place = self.document.key_place((*self.path, "refresh_check_interval"))
            self._refuse(
                "refresh_cron", f"refresh_check_interval says when to refresh too ({place}); keep one of them"
            )
        if entry.refresh_append_overlap is not None and mode is not RefreshMode.APPEND:
            self._warn("refresh_append_overlap", f"no effect with refresh_mode: {mode}; it is for append")
        if entry.refresh_retry_max_attempts is not None and entry.refresh_retry_enabled is False:
            self._warn("refresh_retry_max_attempts", "no effect with refresh_retry_enabled: false")
        interval = entry.refresh_check_interval
        return Refresh(
            interval=None if interval is None else interval / SECOND,
            cron=entry.refresh_cron,
            overlap=(entry.refresh_append_overlap or 0) / SECOND,
            on_startup=OnStartup(entry.refresh_on_startup or OnStartup.AUTO),
            retry=entry.refresh_retry_enabled is not False,
            max_attempts=entry.refresh_retry_max_attempts,
            jitter=self._jitter() / SECOND,
        )

    def _jitter(self) -> int:
        most, interval = self.entry.refresh_jitter_max, self.entry.refresh_check_interval
        if not self.entry.refresh_jitter_enabled:
            if most is not None:
                self._warn("refresh_jitter_max", "no effect without refresh_jitter_enabled: true")
            return 0
        if most is None and interval is None:
            self._refuse(
                "refresh_jitter_enabled",
                "the jitter is a tenth of refresh_check_interval, and there is none; add refresh_jitter_max",
            )
        if most is not None and interval is not None and most > interval:
            says = format_duration(interval)
            self._refuse("refresh_jitter_max", f"is longer than refresh_check_interval, which is {says}")
        return (interval or 0) // JITTER if most is None else most

    def _given(self) -> Iterator[str]:
        """The keys that ask for what a stream leaves nothing to do for."""
        entry = self.entry
        asked = {
            "refresh_check_interval": entry.refresh_check_interval is not None,
            "refresh_cron": entry.refresh_cron is not None,
            "refresh_append_overlap": entry.refresh_append_overlap is not None,
            "refresh_on_startup": entry.refresh_on_startup == OnStartup.ALWAYS,
            "refresh_retry_enabled": entry.refresh_retry_enabled is False,
            "refresh_retry_max_attempts": entry.refresh_retry_max_attempts is not None,
            "refresh_jitter_enabled": bool(entry.refresh_jitter_enabled),
            "refresh_jitter_max": entry.refresh_jitter_max is not None,
        }
        return (key for key, given in asked.items() if given)

    def _refuse(self, key: str, message: str) -> None:
        self.problems.append(self.document.at_value((*self.path, key), message))

    def _warn(self, key: str, message: str) -> None:
        self.warnings.append(self.document.at_value((*self.path, key), message))
