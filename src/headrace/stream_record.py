"""One record of a stream, as AWS Lambda gives it to a function."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.position import SequenceNumber


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One change of one item.

    ``text`` is the record's JSON exactly as in Lambda's event: eventSourceARN is in it, and the keys of userIdentity are
    in lower case. ``key`` is the JSON of the item's key with its attributes in the order of their names: equal for
    records of one item, and for no others. ``created`` is ApproximateCreationDateTime (epoch seconds, floored by the
    service to the second).
    """

    sequence: SequenceNumber
    created: float
    key: str
    text: bytes
