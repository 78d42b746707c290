"""``outbox``: an event about every change, to a webhook, a file, a queue or a topic; those of one item in order."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from headrace.attribute import BrokenValue
from headrace.batch import Batch, Consumer
from headrace.errors import ConsumerFailed, HeadraceError
from headrace.mapping_facts import EventsSent, MappingObserver
from headrace.stream_record import StreamRecord
from headrace.targets.outbox.event import Event, Format, Place
from headrace.targets.outbox.occurrence import Occurrence

REMEMBERED: Final = 50_000
"""Events that were taken while an earlier one of their batch was not: their records come again, and they are not sent again."""


class OutboxTarget(Consumer):
    """Writes what happens as ``format_`` says, and has ``place`` take it. Any thread may call.

    Of one item no event is sent for the first time while an earlier one of the batch was not taken; other items go on.
    """

    def __init__(self, mapping: str, format_: Format, place: Place, observe: MappingObserver) -> None:
        self._mapping = mapping
        self._format = format_
        self._place = place
        self._observe = observe
        self._taken = _Taken(REMEMBERED)

    def consume(self, batch: Batch) -> object:
        """Deliver a batch: Lambda's response, all records that were not taken beside the reason.

        Raises ConsumerFailed for a batch of one record that was refused; where nothing could be sent now, what the place says.
        """
        events, failed = self._events(batch)
        ready = [event for event in events if not self._taken.knows(batch.idempotency_key(event.record))]
        refused = self._place.deliver(ready) if ready else {}
        failed |= {event.record: error for event, error in refused.items()}
        stuck = _stuck(batch.records, failed)
        sent = [event for event in ready if event.record not in stuck]
        if stuck:
            self._taken.remember(batch.idempotency_key(event.record) for event in sent)
        self._observe(EventsSent(self._mapping, batch.shard, len(sent), len(events) - len(ready), len(stuck)))
        return _response(batch, stuck, reached=bool(sent))

    def close(self) -> None:
        """Give everything back."""
        self._place.close()

    def _events(self, batch: Batch) -> tuple[list[Event], dict[StreamRecord, HeadraceError]]:
        """The events of a batch; of an item none from the first record on that cannot be written, which are given with the reason."""
        events: list[Event] = []
        failed: dict[StreamRecord, HeadraceError] = {}
        items: set[str] = set()
        for record in batch.records:
            if record.key in items:
                continue
            try:
                events.append(self._event(batch, record))
            except ConsumerFailed as error:
                failed[record] = error
                items.add(record.key)
        return events, failed

    def _event(self, batch: Batch, record: StreamRecord) -> Event:
        occurrence = Occurrence.read(batch, record)
        try:
            id_, body = self._format.event(occurrence)
        except (BrokenValue, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ConsumerFailed(
                "BrokenRecord", f"the record of {record.key} has a value that is none: {error}"
            ) from error
        return Event(record, id_, body)


class _Taken:
    """The last ``most`` records of which events were taken out of turn."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._keys: dict[str, None] = {}

    def knows(self, key: str) -> bool:
        with self._lock:
            return key in self._keys

    def remember(self, keys: Iterable[str]) -> None:
        with self._lock:
            self._keys |= dict.fromkeys(keys)
            while len(self._keys) > self._most:
                del self._keys[next(iter(self._keys))]


def _stuck(
    records: Sequence[StreamRecord], failed: Mapping[StreamRecord, HeadraceError]
) -> dict[StreamRecord, HeadraceError]:
    """Every record from the first one of its item on that was not taken, and why that was not."""
    reasons: dict[str, HeadraceError] = {}
    found: dict[StreamRecord, HeadraceError] = {}
    for record in records:
        if record.key not in reasons and record in failed:
            reasons[record.key] = failed[record]
        if record.key in reasons:
            found[record] = reasons[record.key]
    return found


def _response(batch: Batch, stuck: Mapping[StreamRecord, HeadraceError], *, reached: bool) -> object:
    """As Lambda reports item failures; ``error`` is ours beside. Raises where there is nothing to report but a failure."""
    reached = reached or any(isinstance(error, ConsumerFailed) for error in stuck.values())
    for error in stuck.values():
        if not reached or len(batch.records) == 1:
            raise error
    return {
        "batchItemFailures": [
            {"itemIdentifier": record.sequence.text, "error": str(error)} for record, error in stuck.items()
        ]
    }
