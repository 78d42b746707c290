"""What a test may plant: the service misbehaving in the ways in which AWS does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with this error instead of doing the operation: a throttle, an outage, a denial."""

    code: str
    message: str = "Refused by the test."
    status: int = 400


@dataclass(frozen=True, slots=True)
class EmptyPage:
    """GetRecords gives no record although some lie ahead, and an iterator at the same place.

    AWS allows it at any time: "it might take multiple calls to get to a portion of the shard that contains
    stream records" (GetRecords, API reference).
    """


@dataclass(frozen=True, slots=True)
class Alter:
    """Do the operation, then change its answer: ``change`` receives the decoded answer and gives another."""

    change: Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Lose:
    """No answer comes: the transport raises Unavailable, before or after the operation took effect."""

    after_effect: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """The operation is done, but only the first ``keep`` bytes of its answer come; the CRC is of all of them."""

    keep: int = 0


Fault = Refuse | EmptyPage | Alter | Lose | Cut
Faults = Callable[[str, dict[str, Any]], Fault | None]


def no_faults(_operation: str, _request: dict[str, Any]) -> Fault | None:
    """The service behaves."""
    return None
