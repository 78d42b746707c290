"""How the records of one mapping become batches, and what follows a failure: put together and checked."""

from __future__ import annotations

from dataclasses import dataclass, field

from headrace.config.document import Document
from headrace.config.mapping_model import REPORTS, MappingEntry
from headrace.config.problem import KeyPath, Problem
from headrace.config.quantity import SECOND
from headrace.event_source_mapping import Delivering, OnPoison, StartingPosition


@dataclass(slots=True)
class Batching:
    """The deliveries of one mapping in the making.

    ``path`` is the mapping's in the document, ``now`` epoch seconds. ``problems`` and ``warnings`` grow while
    ``delivering`` runs.
    """

    document: Document
    path: KeyPath
    entry: MappingEntry
    now: float
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def delivering(self) -> Delivering:
        """What the keys say; it holds only if ``problems`` stays empty."""
        entry = self.entry
        self._check_start()
        self._check_windows()
        self._check_parking()
        if entry.target is not None and entry.function_response_types is not None:
            self._refuse(
                "function_response_types", "belongs to a function; a target always says which records failed"
            )
        if entry.bisect_batch_on_function_error and entry.batch_size == 1:
            self._warn("bisect_batch_on_function_error", "no effect with batch_size: 1")
        interval = entry.on_failure.redrive_interval if entry.on_failure is not None else None
        age = entry.maximum_record_age
        return Delivering(
            starting_position=StartingPosition(entry.starting_position),
            starting_timestamp=entry.starting_position_timestamp,
            batch_size=entry.batch_size,
            maximum_batching_window=entry.maximum_batching_window / SECOND,
            parallelization_factor=entry.parallelization_factor,
            tumbling_window=float(entry.tumbling_window),
            reports_item_failures=entry.target is not None
            or REPORTS in (entry.function_response_types or ()),
            bisects=entry.bisect_batch_on_function_error,
            maximum_retry_attempts=entry.maximum_retry_attempts,
            maximum_record_age=None if age is None else age / SECOND,
            on_poison=OnPoison(entry.on_poison),
            redrive_interval=None if interval is None else interval / SECOND,
        )

    def _check_start(self) -> None:
        """A time belongs to AT_TIMESTAMP, and is not in the future (CreateEventSourceMapping)."""
        timed = self.entry.starting_position == StartingPosition.AT_TIMESTAMP
        time = self.entry.starting_position_timestamp
        if timed and time is None:
            self._refuse(
                "starting_position",
                "AT_TIMESTAMP needs starting_position_timestamp; add it, or begin elsewhere",
            )
        elif time is not None and not timed:
            self._refuse("starting_position_timestamp", "belongs to starting_position: AT_TIMESTAMP")
        elif time is not None and time > self.now:
            self._refuse(
                "starting_position_timestamp", "is in the future; write a time that has passed, or LATEST"
            )

    def _check_windows(self) -> None:
        """A window's state goes from one call to the next, so that its shard has one lane, as in Lambda."""
        entry = self.entry
        if not entry.tumbling_window:
            return
        if entry.target is not None:
            self._refuse("tumbling_window", "belongs to a function; a target has no windows")
        if entry.parallelization_factor > 1:
            self._refuse(
                "parallelization_factor",
                "must be 1 beside tumbling_window, whose state goes from one call of a shard to the next",
            )
        if entry.on_poison == OnPoison.PARK:
            self._refuse(
                "on_poison",
                "park cannot stand beside tumbling_window: a record that is delivered later would be in another window; "
                "write block",
            )

    def _check_parking(self) -> None:
        entry = self.entry
        if entry.on_poison == OnPoison.PARK and entry.maximum_retry_attempts is None:
            self._refuse(
                "on_poison",
                "park needs to know when a record has failed for good; add maximum_retry_attempts (what exceeds "
                "maximum_record_age is given up, not parked)",
            )

    def _refuse(self, key: str, message: str) -> None:
        self.problems.append(self.document.at_value((*self.path, key), message))

    def _warn(self, key: str, message: str) -> None:
        self.warnings.append(self.document.at_value((*self.path, key), message))
