"""A mapping's target as a function hands records to it: behind its filters, in pieces, as far as time goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from headrace.batch import Batch, Consumer
from headrace.errors import HeadraceError
from headrace.event_source_mapping import EventSourceMapping, Function
from headrace.filters import Filters
from headrace.lambda_entry.pace import Pace
from headrace.ledger import Fault
from headrace.replicate.delivery.response import judge, named_in
from headrace.stream_record import StreamRecord
from headrace.target import CustomTarget


@dataclass(frozen=True, slots=True)
class _Failed:
    """What failed of a piece: the first record, why, and the items of which a record has failed or may have."""

    first: StreamRecord
    fault: Fault
    items: set[str]


class TargetPart:
    """A mapping's target behind its filters. ``clock`` counts seconds."""

    def __init__(
        self, mapping: EventSourceMapping, filters: Filters, target: Consumer, clock: Callable[[], float]
    ) -> None:
        self.name = f"event source mapping {mapping.name}"
        assert not isinstance(mapping.consumer, Function), "functions are Lambda's own"
        self.views = mapping.consumer.views
        self._mapping = mapping.name
        self._filters = filters
        # A class of a user's own may name the first alone, as Lambda has it.
        self._names_all = not isinstance(mapping.consumer, CustomTarget)
        self._target = target
        self._clock = clock

    def hand_over(self, batch: Batch, seconds: float) -> tuple[StreamRecord, Fault] | None:
        """See ``Part``. What the filters leave out is done.

        The target gets the records in pieces. Of an item with a record that may have failed it gets no later one: the earlier
        comes again first.
        """
        given = replace(batch, mapping=self._mapping, window=None)
        left = [record for record in batch.records if self._filters.passes(record.text)]
        pace = Pace(seconds, self._clock)
        first: tuple[StreamRecord, Fault] | None = None
        done = 0
        while left:
            count = pace.piece(len(left))
            if not count:
                return first or (left[0], _time_is_up(seconds, done, done + len(left)))
            try:
                failed = self._handed(replace(given, records=tuple(left[:count])))
            except HeadraceError as error:
                if not done and first is None:
                    raise
                return first or (left[0], Fault(type(error).__name__, str(error)))
            held: set[str] = set()
            if failed is not None:
                first = first or (failed.first, failed.fault)
                held = failed.items
            left = [record for record in left[count:] if record.key not in held]
            done += count
        return first

    def _handed(self, batch: Batch) -> _Failed | None:
        # The response of a target is judged as that of a function is, without a window.
        response = self._target.consume(batch)
        verdict = judge(batch, response, reports=True)
        if verdict.fault is None:
            return None
        failed = batch.records[verdict.done :]
        if self._names_all and verdict.named:
            named = named_in(response)
            failed = tuple(record for record in failed if record.sequence.text in named)
        return _Failed(batch.records[verdict.done], verdict.fault, {record.key for record in failed})

    def close(self) -> None:
        """See ``Part``."""
        self._target.close()


def _time_is_up(seconds: float, done: int, records: int) -> Fault:
    return Fault(
        "TimeIsUp",
        f"{done} of {records} records were done in the {seconds:.0f} s that there were; with a smaller BatchSize, or a longer timeout of "
        "the function, less comes again",
    )
