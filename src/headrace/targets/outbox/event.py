"""One event, written: what all places take, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from headrace.errors import HeadraceError
from headrace.stream_record import StreamRecord
from headrace.targets.outbox.occurrence import Occurrence


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """``body`` is a JSON object on one line; ``id`` is the event's own, in letters, digits and '-'."""

    record: StreamRecord
    id: str
    body: bytes

    @property
    def item(self) -> str:
        """Equal for events of one item, and for no others."""
        return self.record.key

    @property
    def group(self) -> str:
        """A short name for the item, the same at all times."""
        return blake2b(self.item.encode(), digest_size=16).hexdigest()


class Format(Protocol):
    """How an event is written."""

    beginning: bytes
    """What each event begins with."""

    media_type: str
    """What an event is, in a Content-Type."""

    together: bool
    """Whether a request holds a JSON array of events rather than one."""

    def event(self, occurrence: Occurrence) -> tuple[str, bytes]:
        """The event's id and its JSON, byte for byte the same for the same occurrence. Raises BrokenValue."""
        ...


class Place(Protocol):
    """Where events go. Any thread may call; of one item never two at once."""

    def deliver(self, events: Sequence[Event]) -> Mapping[Event, HeadraceError]:
        """Hand events over, those of one item in their order: the first of each item that was not taken, and why.

        After it no event of the item was handed over; all others were taken, and are durable there as far as the place says. An
        error that is not ConsumerFailed says that the event could not be tried now. Raises HeadraceError where none could.
        """
        ...

    def close(self) -> None:
        """Give everything back; what is under way may be given up. Safe to call twice."""
        ...


def by_item(events: Sequence[Event]) -> dict[str, list[Event]]:
    """The events of each item, in their order."""
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.item, []).append(event)
    return found
