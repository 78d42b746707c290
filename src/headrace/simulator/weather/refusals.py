"""Requests that are refused, or lost: the client must ask again.

Codes: "Errors" of each operation in the API references of DynamoDB and of DynamoDB Streams, and their
"Common errors".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headrace.simulator.answers import Refusal
from headrace.simulator.faults import Fault, Lose, Refuse
from headrace.simulator.streams import read_iterator
from headrace.simulator.weather.chance import Chance, While

Strike = Callable[[str, dict[str, Any]], Fault | None]
"""Asked at each request that it may befall: the operation and its parameters; gives a fault, or None."""

_THROTTLES = {
    "DescribeTable": ("ThrottlingException",),
    "DescribeStream": ("ThrottlingException", "LimitExceededException"),
    "ListStreams": ("ThrottlingException",),
    "GetShardIterator": ("ThrottlingException", "LimitExceededException"),
    "GetRecords": ("ThrottlingException", "LimitExceededException", "ProvisionedThroughputExceededException"),
}
_DATA_THROTTLES = ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded")
_WHILE_SECONDS = (1.0, 20.0)
_UNKNOWN_SECONDS = (0.5, 10.0)


def throttle(chance: Chance) -> Strike:
    """Too many requests, in the words of the operation."""

    def strike(operation: str, _: dict[str, Any]) -> Fault | None:
        if not chance.hits():
            return None
        code = chance.random.choice(_THROTTLES.get(operation, _DATA_THROTTLES))
        return Refuse(code, "Rate of requests exceeds the allowed throughput.", told=chance.happened)

    return strike


def internal_error(chance: Chance) -> Strike:
    """500."""
    return _at_once(chance, Refuse("InternalServerError", "Internal server error", 500, told=chance.happened))


def unavailable(chance: Chance) -> Strike:
    """503."""
    refuse = Refuse("ServiceUnavailable", "Service is not available.", 503, told=chance.happened)
    return _at_once(chance, refuse)


def lost_request(chance: Chance) -> Strike:
    """The service never hears of it."""
    return _at_once(chance, Lose(told=chance.happened))


def lost_answer(chance: Chance) -> Strike:
    """The service does it, and nobody hears of that."""
    return _at_once(chance, Lose(after_effect=True, told=chance.happened))


def expired_iterator(chance: Chance) -> Strike:
    """An iterator that is refused although it is young."""
    message = "The provided iterator exceeds the maximum age allowed."
    return _at_once(chance, Refuse("ExpiredIteratorException", message, told=chance.happened))


def expired_credentials(chance: Chance) -> Strike:
    """Nothing is answered until somebody renews them, which takes a while."""
    message = "The security token included in the request is expired"
    return _for_a_while(chance, Refuse("ExpiredTokenException", message, told=chance.happened))


def access_denied(chance: Chance) -> Strike:
    """Nothing is answered until somebody mends the policy, which takes a while."""
    message = "User: arn:aws:iam::123456789012:user/weather is not authorized to perform this operation"
    return _for_a_while(chance, Refuse("AccessDeniedException", message, told=chance.happened))


def table_not_found(chance: Chance) -> Strike:
    """The table seems to be gone for a while, and is not.

    Right after CreateTable "DynamoDB might return a ResourceNotFoundException", since DescribeTable is eventually
    consistent (API reference); at other times it is an endpoint or a region that was mistaken for a while.
    """
    message = "Requested resource not found"
    return _for_a_while(chance, Refuse("ResourceNotFoundException", message, told=chance.happened))


def shard_not_found(chance: Chance) -> Strike:
    """A shard that was just opened is not known everywhere yet; which ones, and how long, is their fate."""

    def strike(operation: str, request: dict[str, Any]) -> Fault | None:
        shard_id = request["ShardId"] if operation == "GetShardIterator" else _shard_of(request)
        dice = None if shard_id is None else chance.fate(shard_id)
        if shard_id is None or dice is None:
            return None
        if chance.clock() >= opened_at(shard_id) + dice.uniform(*_UNKNOWN_SECONDS):
            return None
        message = f"Requested resource not found: Shard does not exist: {shard_id}"
        return Refuse("ResourceNotFoundException", message, told=chance.happened)

    return strike


def opened_at(shard_id: str) -> float:
    """When a shard of the simulator was opened: its id says it in milliseconds."""
    return int(shard_id.split("-")[1]) / 1000


def _shard_of(request: dict[str, Any]) -> str | None:
    try:
        return read_iterator(request["ShardIterator"])[1]
    except Refusal:
        return None


def _at_once(chance: Chance, fault: Fault) -> Strike:
    return lambda _operation, _request: fault if chance.hits() else None


def _for_a_while(chance: Chance, fault: Fault) -> Strike:
    spell = While()

    def strike(_operation: str, _request: dict[str, Any]) -> Fault | None:
        now = chance.clock()
        if chance.hits():
            spell.begin(now, chance.random.uniform(*_WHILE_SECONDS))
        return fault if spell.lasts(now) else None

    return strike
