"""What the response of a consumer says of a batch.

Source of the rules: AWS Lambda developer guide, "Configuring partial batch response with DynamoDB and Lambda", and for
windows "Implementing stateful DynamoDB stream processing in Lambda".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from headrace.batch import Batch
from headrace.ledger import INVALID_RESPONSE, REPORTED, Fault

FAILURES: Final = "batchItemFailures"
IDENTIFIER: Final = "itemIdentifier"
REASON: Final = "error"
"""Beside an identifier, perhaps: why the record failed. Targets say it; AWS Lambda does not know it."""

_NONE: Final[tuple[object, ...]] = (None, "", [], {})


@dataclass(frozen=True, slots=True)
class Verdict:
    """The first ``done`` records are done, the others must come again; ``fault`` says why, None where all are done.

    ``named``: the consumer has named the first of the others. ``state`` is that of the window from now on, as JSON;
    None where it stays.
    """

    done: int
    fault: Fault | None = None
    named: bool = False
    state: str | None = None


def judge(batch: Batch, response: object, *, reports: bool) -> Verdict:
    """What a response means.

    Where failures are reported, the record with the lowest sequence number among them, and everything from it on, must
    come again. An empty or missing list, and an empty or null response, are a complete success; an identifier that is
    empty, null, of another name, or of no record of the batch, is a complete failure. Otherwise the response is not looked
    at. With a window it must hold the state, whatever else it says.
    """
    verdict = _reported(batch, response) if reports else Verdict(len(batch.records))
    if batch.window is None:
        return verdict
    if not isinstance(response, Mapping) or "state" not in response:
        return _wrong("the response has no `state`, which a mapping with a tumbling window must return")
    if verdict.fault is not None and not verdict.done:
        return verdict
    try:
        state = msgspec.json.encode(response["state"]).decode()
    except (TypeError, ValueError, RecursionError) as error:
        return _wrong(f"the `state` of the response cannot be written as JSON: {error}")
    return Verdict(verdict.done, verdict.fault, verdict.named, state)


def named_in(response: object) -> frozenset[str]:
    """The sequence numbers of all records that a response reports, where ``judge`` found it ``named``."""
    failures = response[FAILURES] if isinstance(response, Mapping) else ()
    return frozenset(str(failure[IDENTIFIER]) for failure in failures)


def _reported(batch: Batch, response: object) -> Verdict:
    count = len(batch.records)
    if response in _NONE:
        return Verdict(count)
    if not isinstance(response, Mapping):
        return _wrong(f"the response is {_kind(response)}, not an object with {FAILURES}")
    failures = response.get(FAILURES)
    if failures in _NONE:
        return Verdict(count)
    if not isinstance(failures, list):
        return _wrong(f"{FAILURES} is {_kind(failures)}, not a list")
    places = {record.sequence.text: place for place, record in enumerate(batch.records)}
    lowest, reason = count, ""
    for failure in failures:
        identifier = failure.get(IDENTIFIER) if isinstance(failure, Mapping) else None
        place = places.get(identifier) if isinstance(identifier, str) else None
        if place is None:
            return _wrong(_unknown(failure, identifier))
        if place < lowest:
            lowest, reason = place, str(failure.get(REASON) or "")
    first = f", the first because {reason}" if reason else ""
    fault = Fault(REPORTED, f"{len(failures)} of {count} records were reported as failed{first}")
    return Verdict(lowest, fault, named=True)


def _unknown(failure: object, identifier: object) -> str:
    if not isinstance(failure, Mapping) or IDENTIFIER not in failure:
        return f"an element of {FAILURES} has no {IDENTIFIER}"
    if not identifier:
        return f"an {IDENTIFIER} is empty"
    return (
        f"{IDENTIFIER} {identifier!r} is the sequence number of no record of the batch; it must be the record's "
        "dynamodb.SequenceNumber, not its eventID"
    )


def _wrong(why: str) -> Verdict:
    return Verdict(0, Fault(INVALID_RESPONSE, f"{why}; the whole batch counts as failed"))


def _kind(value: object) -> str:
    names = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "an object")
