"""What must make progress, and since when it has made none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headrace.observe import Stalled
from headrace.replicate.commands import (
    Apply,
    CheckStore,
    Describe,
    FindExpired,
    FindNewest,
    GetRecords,
    ListChildren,
    ListShards,
    ListSnapshots,
    OpenIterator,
    OpenStore,
    ReadLetters,
    ReadSegment,
    Request,
    RestoreSnapshot,
    SaveSnapshot,
)
from headrace.replicate.health import Health
from headrace.replicate.outbox import Outbox

ACCELERATOR = "the accelerator"
DISCOVERY = "shard discovery"
TRANSACTION = "a transaction"
SNAPSHOTS = "snapshots"


SUBJECTS: dict[type[Request], str] = {
    OpenStore: ACCELERATOR,
    CheckStore: ACCELERATOR,
    ReadLetters: ACCELERATOR,
    Apply: TRANSACTION,
    FindNewest: "the newest row",
    FindExpired: "retention",
    Describe: "DescribeTable",
    ListShards: DISCOVERY,
    ListChildren: DISCOVERY,
    ListSnapshots: SNAPSHOTS,
    SaveSnapshot: SNAPSHOTS,
    RestoreSnapshot: SNAPSHOTS,
}
"""What requests are about that name nothing of their own."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """One thing that is expected to make progress, and the time at which it last did, or began to be expected.

    ``why`` is what stands in its way, where that is known to nobody but whoever expects it.
    """

    what: str
    since: float
    why: str | None = None


class Liveness:
    """Finds what has made no progress for longer than a limit, and tells it once until it moves again."""

    def __init__(self, dataset: str, outbox: Outbox, health: Health) -> None:
        self._dataset = dataset
        self._outbox = outbox
        self._health = health
        self._told: str | None = None

    def trouble(self, pulses: Iterable[Pulse], now: float, limit: float) -> str | None:
        """What a person should hear of first, else what stands still."""
        stalled = self.stalled(pulses, now, limit)
        worst = self._health.worst()
        return f"{worst[0]}: {worst[1].error}" if worst is not None else stalled

    def stalled(self, pulses: Iterable[Pulse], now: float, limit: float) -> str | None:
        """Why the dataset is not live: what has stood still for longest, for how long, and its last error."""
        worst = min(pulses, key=lambda pulse: pulse.since, default=None)
        if worst is None or now - worst.since <= limit:
            self._told = None
            return None
        seconds = now - worst.since
        fault = self._health.faults.get(worst.what)
        known = worst.why if fault is None else str(fault.error)
        why = "" if known is None else f": {known}"
        if self._told != worst.what:
            self._told = worst.what
            self._outbox.tell(Stalled(self._dataset, worst.what, seconds))
        return f"{worst.what} has made no progress for {seconds:.0f} s{why}"


def shard(shard_id: str) -> str:
    """How a shard is called in reasons and facts."""
    return f"shard {shard_id}"


def segment(number: int) -> str:
    """How a segment of the Scan is called in reasons and facts."""
    return f"segment {number}"


def subject(request: Request) -> str:
    """What a request is about, in the words of reasons and facts."""
    match request:
        case OpenIterator(shard_id=id_) | GetRecords(shard_id=id_):
            return shard(id_)
        case ReadSegment(segment=number):
            return segment(number)
        case _:
            return SUBJECTS[type(request)]
