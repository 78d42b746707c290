"""What a step of the delivery machine has to say, and its requests that have not been answered yet."""

from __future__ import annotations

from collections.abc import Callable

from headrace.mapping_facts import MappingFact
from headrace.replicate.delivery.commands import (
    DeliveryCommand,
    DeliveryRequest,
    Report,
    Rested,
    Settled,
)


class Post:
    """Numbers requests and remembers them until they are answered: their effects may come at any time."""

    def __init__(self) -> None:
        self._next_id = 1
        self._waiting: dict[int, DeliveryRequest] = {}
        self._out: list[DeliveryCommand] = []

    def send(self, make: Callable[[int], DeliveryRequest]) -> int:
        """Send the request that ``make`` builds from its id; the id."""
        request = make(self._next_id)
        self._next_id += 1
        self._waiting[request.id] = request
        self._out.append(request)
        return request.id

    def claim(self, request_id: int) -> DeliveryRequest | None:
        """The request that this id answers; None if nothing waits for it."""
        return self._waiting.pop(request_id, None)

    def count(self, kind: type[DeliveryRequest]) -> int:
        """How many requests of a kind are unanswered."""
        return sum(isinstance(request, kind) for request in self._waiting.values())

    def report(self, fact: MappingFact) -> None:
        """State a fact."""
        self._out.append(Report(fact))

    def settle(self, settled: Settled) -> None:
        """Answer an operator."""
        self._out.append(settled)

    def rested(self) -> None:
        """Say that nothing is under way."""
        self._out.append(Rested())

    def drain(self) -> list[DeliveryCommand]:
        """What this step has to say."""
        out, self._out = self._out, []
        return out
