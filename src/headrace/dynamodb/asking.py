"""Requests for one statement: patient, within the table's budget, and given up once nobody wants the answer."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Final, TypeVar

from headrace.backoff import delay
from headrace.dynamodb.capacity import consumed
from headrace.errors import QueryError, QueryFault, Throttled, Unavailable
from headrace.observe import Observer, TableAsked, TransientFault
from headrace.read_budget import ReadBudget
from headrace.wire import Response

PATIENCE: Final = 30.0
"""Seconds for which one request may fail again and again. A statement may take 60."""

T = TypeVar("T")


class Asking:
    """Makes the requests of one statement over ``dataset``. Any thread may ask, and ``stop`` it.

    What is throttled or fails is asked again, with growing pauses, until a request has failed for PATIENCE.
    """

    def __init__(self, dataset: str, budget: ReadBudget | None, observe: Observer) -> None:
        self.dataset = dataset
        self._budget = budget
        self._observe = observe
        self._salt = str(uuid.uuid4())
        self._stopped = threading.Event()

    @property
    def units_per_second(self) -> float | None:
        """The table's budget; None if there is none."""
        return None if self._budget is None else self._budget.units

    @property
    def stopped(self) -> bool:
        """Whether nobody wants answers any more."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Let what runs fail soon."""
        self._stopped.set()

    def wait(self, seconds: float) -> None:
        """Wait, but not longer than anybody wants answers. Raises QueryError then."""
        self._stopped.wait(seconds)
        self.expect_wanted()

    def expect_wanted(self) -> None:
        """Raise QueryError if nobody wants answers any more."""
        if self.stopped:
            raise QueryError(QueryFault.FAILED, f"reading {self.dataset} from DynamoDB was cancelled")

    def read(self, operation: str, ask: Callable[[], Response]) -> Response:
        """The answer to a request that consumes read units, once the budget allows it. Raises SourceError, QueryError."""

        def measured() -> tuple[Response, float]:
            answer = ask()
            return answer, consumed(answer.body)

        answer, units = self.ask(operation, measured, budget=self._budget)
        if self._budget is not None:
            self._budget.spend(units)
        self._observe(TableAsked(self.dataset, operation, units))
        return answer

    def ask(self, what: str, ask: Callable[[], T], *, budget: ReadBudget | None = None) -> T:
        """The answer, however often it must be asked for. Raises SourceError, QueryError."""
        failures = 0
        since = None
        while True:
            self.expect_wanted()
            while budget is not None and (pause := budget.pause()) > 0:
                self.wait(pause)
            try:
                return ask()
            except (Throttled, Unavailable) as error:
                failures += 1
                now = time.monotonic()
                since = now if since is None else since
                if now - since > PATIENCE:
                    raise
                pause = delay(error, failures, f"{self._salt}/{what}")
                self._observe(TransientFault(self.dataset, what, str(error), pause))
                self.wait(pause)
