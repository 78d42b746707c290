"""Records that are handed over together, and again after a failure, until they are done or given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from headrace.ledger import Condition, Fault
from headrace.stream_record import StreamRecord


@dataclass(slots=True, eq=False)
class Entry:
    """A record on its way. ``done``: it need not come again, whatever became of it."""

    record: StreamRecord
    done: bool = False


@dataclass(slots=True, eq=False)
class Portion:
    """Records of one lane in their order; none at the end of a window.

    ``failures`` counts the tries in which the first record was among those that failed: what uses up retries.
    ``invoked`` counts every time that it was handed over. ``troubles`` are tries in a row that could not be made at all.
    ``named``: the consumer has named the first record as failed. Not before ``due_at`` (the caller's clock) is it tried.
    ``final`` is the end of a window, ``early`` of one whose state is too large.
    """

    entries: list[Entry]
    failures: int = 0
    invoked: int = 0
    troubles: int = 0
    named: bool = False
    due_at: float = 0.0
    fault: Fault | None = None
    final: bool = False
    early: bool = False

    @property
    def records(self) -> tuple[StreamRecord, ...]:
        """What is handed over."""
        return tuple(entry.record for entry in self.entries)

    def part(self, entries: list[Entry], *, failures: int = 0, named: bool = False) -> Portion:
        """Some of the records, as a portion of its own with the same past."""
        return Portion(entries, failures, self.invoked, named=named, fault=self.fault)

    def halves(self) -> tuple[Portion, Portion]:
        """Two parts, each to be tried on its own. A split uses up no retry (AWS Lambda API reference)."""
        middle = (len(self.entries) + 1) // 2
        return self.part(self.entries[:middle]), self.part(self.entries[middle:])


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Records of which no further try is made."""

    entries: Sequence[Entry]
    condition: Condition
    invoked: int
    fault: Fault | None


@dataclass(slots=True)
class Settlement:
    """What became of the records of one try, or of what was looked at before it."""

    done: list[Entry] = field(default_factory=list)
    given_up: list[GivenUp] = field(default_factory=list)
    parked: list[Entry] = field(default_factory=list)
    why_parked: Fault | None = None
    bisected: int = 0
