"""What is failing right now, and since when."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.backoff import delay
from headrace.errors import (
    AcceleratorError,
    AccessDenied,
    ConfigError,
    HeadraceError,
    InternalError,
    QueryError,
    RequestRejected,
    SnapshotError,
    TableUnusable,
)
from headrace.observe import TransientFault
from headrace.replicate.outbox import Outbox

_FOR_A_PERSON = (
    AccessDenied,
    AcceleratorError,
    ConfigError,
    InternalError,
    QueryError,
    RequestRejected,
    SnapshotError,
    TableUnusable,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that fails, its last error, and the time of its first failure in a row."""

    error: HeadraceError
    since: float

    @property
    def needs_a_person(self) -> bool:
        """Whether waiting alone is not expected to heal it."""
        return isinstance(self.error, _FOR_A_PERSON)


class Health:
    """The unresolved faults of one dataset, by what fails."""

    def __init__(self, dataset: str, outbox: Outbox, salt: str) -> None:
        self.faults: dict[str, Fault] = {}
        self._dataset = dataset
        self._outbox = outbox
        self._salt = salt

    def failed(self, what: str, error: HeadraceError, attempt: int, now: float) -> float:
        """Note a failure, tell it, and return the seconds to wait before the next try."""
        known = self.faults.get(what)
        self.faults[what] = Fault(error, known.since if known else now)
        wait = delay(error, attempt, f"{self._salt}/{what}")
        self._outbox.tell(TransientFault(self._dataset, what, str(error), wait))
        return wait

    def healed(self, what: str) -> None:
        """Note that ``what`` works."""
        self.faults.pop(what, None)

    def forget(self) -> None:
        """Drop what concerned readers that are no more."""
        self.faults = {}

    def worst(self) -> tuple[str, Fault] | None:
        """The fault that a person should hear of first, if there is one."""
        for what, fault in self.faults.items():
            if fault.needs_a_person:
                return what, fault
        return None
