"""What a test may plant: the service misbehaving in the ways in which AWS does.

Each fault calls its ``told`` when it changed what the client gets; a fault that changes nothing is no fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from headrace.simulator.shards import ListedShard
from headrace.wire import Response


def _nobody() -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """What every fault has: ``told`` is called each time it changed what the client gets."""

    told: Callable[[], None] = field(default=_nobody, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Refuse(Planted):
    """Answer with this error instead of doing the operation: a throttle, an outage, a denial."""

    code: str
    message: str = "Refused by the test."
    status: int = 400


@dataclass(frozen=True, slots=True)
class Lose(Planted):
    """No answer comes: the transport raises Unavailable, before or after the operation took effect."""

    after_effect: bool = False


@dataclass(frozen=True, slots=True)
class Amend(Planted):
    """Do the operation as if these members had been in the request: a smaller Limit."""

    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EmptyPage(Planted):
    """GetRecords gives no record although some lie ahead, and an iterator at the same place.

    AWS allows it at any time: "it might take multiple calls to get to a portion of the shard that contains
    stream records" (GetRecords, API reference).
    """


@dataclass(frozen=True, slots=True)
class LateEnd(Planted):
    """GetRecords gives a closed shard's last records with an iterator; the page after is empty, without one."""


@dataclass(frozen=True, slots=True)
class Relist(Planted):
    """DescribeStream lists what ``change`` makes of the stream's shards, before it filters and pages them."""

    change: Callable[[Sequence[ListedShard]], Sequence[ListedShard]]


@dataclass(frozen=True, slots=True)
class StaleScan(Planted):
    """Scan answers from a replica that stands at ``as_of``; how far back it can be, see ``History``.

    Only where ConsistentRead is false: "the results from an eventually consistent Scan may not include the
    latest item changes" (Scan, API reference).
    """

    as_of: float


@dataclass(frozen=True, slots=True)
class EmptyScanPage(Planted):
    """Scan gives no item although some lie ahead, and a LastEvaluatedKey before them.

    "The only way to know when you have reached the end of the result set is when LastEvaluatedKey is empty"
    (Scan, API reference). The key is one that no item has, which ``random`` finds; else the request's
    ExclusiveStartKey.
    """

    random: Random


@dataclass(frozen=True, slots=True)
class Unprocessed(Planted):
    """BatchWriteItem and BatchGetItem do only the first ``most`` of what they are asked, and give back the rest.

    "If any requested operations fail because the table's provisioned throughput is exceeded or an internal processing failure
    occurs" (BatchWriteItem, API reference); where nothing can be done at all, they are throttled instead.
    """

    most: int


@dataclass(frozen=True, slots=True)
class Alter(Planted):
    """Do the operation, then change its answer: ``change`` receives the decoded answer and gives another."""

    change: Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Watch(Planted):
    """Change nothing, and look at the answer's body: ``told`` is called where ``sees`` is true of it."""

    sees: Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Cut(Planted):
    """The connection ends in the middle of the answer's body; its headers are those of the whole.

    ``keep`` bytes come, and that ``share`` of those after them; never all.
    """

    keep: int = 0
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Damage(Planted):
    """The answer does not match its CRC: the header is wrong, or else the byte at this ``share`` of the body."""

    header: bool = False
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Slow(Planted):
    """The answer takes this long to come: a SlowResponse from the function, a trickle over HTTP."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SlowResponse(Response):
    """An answer that is whole only ``seconds`` after it began; whoever carries it waits for as long."""

    seconds: float


Fault = (
    Refuse
    | Lose
    | Amend
    | EmptyPage
    | LateEnd
    | Relist
    | StaleScan
    | EmptyScanPage
    | Unprocessed
    | Alter
    | Watch
    | Cut
    | Damage
    | Slow
)
Faults = Callable[[str, dict[str, Any]], "Fault | Sequence[Fault] | None"]


def no_faults(_operation: str, _request: dict[str, Any]) -> None:
    """The service behaves."""
