"""The commands of one step, and the requests that have not been answered yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from headrace.errors import Unavailable
from headrace.observe import Observation
from headrace.replicate.commands import (
    Command,
    Done,
    Event,
    Explained,
    Failed,
    Reply,
    Request,
    SourceRequest,
    Tell,
    WakeAt,
)

DEADLINE = 60.0
"""Seconds after which a request to the source counts as lost: more than the transport itself waits for a
connection and a silent answer, so that only what hangs in other ways is met by it."""


class Outbox:
    """Numbers requests, remembers them until they are answered, and hands over what a step has to say."""

    def __init__(self) -> None:
        self._next_id = 1
        self._now = 0.0
        self._out: list[Command] = []
        self._waiting: dict[int, Request] = {}
        self._sent_at: dict[int, float] = {}
        self._wake_at: float | None = None

    @property
    def source_requests(self) -> int:
        """How many requests to the source are unanswered."""
        return sum(isinstance(request, SourceRequest) for request in self._waiting.values())

    def begin(self, now: float) -> None:
        """A step begins: what it sends is sent at ``now``."""
        self._now = now

    def send(self, make: Callable[[int], Request]) -> int:
        """Send the request that ``make`` builds from its id; the id."""
        request = make(self._next_id)
        self._next_id += 1
        self._waiting[request.id] = request
        self._sent_at[request.id] = self._now
        self._out.append(request)
        return request.id

    def settled(self, event: Event) -> Iterator[tuple[Request, Done | Failed]]:
        """What a step learns of its requests: those that are given up, then the one that ``event`` is about.

        One that was abandoned, be it by what came of an earlier one, is left out.
        """
        for lost in tuple(self.overdue()):
            yield lost, Failed(lost.id, Unavailable(f"no answer for {DEADLINE:.0f} s; it is asked again"))
        if isinstance(event, (Done, Failed)):
            request = self.claim(event.id)
            if request is not None:
                yield request, event

    def claim(self, request_id: int) -> Request | None:
        """The request that this id answers; None if it was abandoned."""
        self._sent_at.pop(request_id, None)
        return self._waiting.pop(request_id, None)

    def overdue(self) -> Iterator[Request]:
        """The requests to the source that have waited for DEADLINE: their answers are not taken any more.

        What the accelerator and the place of snapshots are asked is never given up: its effect may still come.
        """
        for id_, sent_at in tuple(self._sent_at.items()):
            if self._now - sent_at < DEADLINE:
                return
            request = self._waiting[id_]
            if isinstance(request, SourceRequest):
                self.claim(id_)
                yield request

    def unanswered(self) -> Iterator[tuple[Request, float]]:
        """Requests that wait for their answer, with the time at which they were sent, oldest first."""
        for id_, sent_at in self._sent_at.items():
            yield self._waiting[id_], sent_at

    def abandon_source(self) -> None:
        """Take no more answers to the requests to the source that are under way."""
        for id_, request in tuple(self._waiting.items()):
            if isinstance(request, SourceRequest):
                self.claim(id_)

    def tell(self, observation: Observation) -> None:
        """State a fact."""
        self._out.append(Tell(observation))

    def reply(self, reply: Reply) -> None:
        """Answer an operator."""
        self._out.append(reply)

    def explain(self, explained: Explained) -> None:
        """Answer whoever asked."""
        self._out.append(explained)

    def wake(self, at: float | None) -> None:
        """Ask for a Tick at ``at`` or earlier."""
        if at is not None and (self._wake_at is None or at < self._wake_at):
            self._wake_at = at

    def drain(self) -> list[Command]:
        """What this step has to say, ending with the earliest WakeAt."""
        out, self._out = self._out, []
        if self._wake_at is not None:
            out.append(WakeAt(self._wake_at))
            self._wake_at = None
        return out
