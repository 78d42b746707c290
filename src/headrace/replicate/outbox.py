"""The commands of one step, and the requests that have not been answered yet."""

from __future__ import annotations

from collections.abc import Callable

from headrace.observe import Observation
from headrace.replicate.commands import Apply, Command, OpenStore, Request, Tell, WakeAt


class Outbox:
    """Numbers requests, remembers them until they are answered, and hands over what a step has to say."""

    def __init__(self) -> None:
        self._next_id = 1
        self._out: list[Command] = []
        self._waiting: dict[int, Request] = {}
        self._wake_at: float | None = None

    @property
    def source_requests(self) -> int:
        """How many requests to the source are unanswered."""
        return sum(not isinstance(request, (Apply, OpenStore)) for request in self._waiting.values())

    def send(self, make: Callable[[int], Request]) -> int:
        """Send the request that ``make`` builds from its id; the id."""
        request = make(self._next_id)
        self._next_id += 1
        self._waiting[request.id] = request
        self._out.append(request)
        return request.id

    def claim(self, request_id: int) -> Request | None:
        """The request that this id answers; None if it was abandoned."""
        return self._waiting.pop(request_id, None)

    def abandon_source(self) -> None:
        """Take no more answers to the requests to the source that are under way."""
        self._waiting = {
            id_: request for id_, request in self._waiting.items() if isinstance(request, (Apply, OpenStore))
        }

    def tell(self, observation: Observation) -> None:
        """State a fact."""
        self._out.append(Tell(observation))

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
