"""One record of a stream as a change of an item: which attributes, from what to what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.attribute import AttributeValue, BrokenValue, plain_json

_SERVICE = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
"""Who deletes what has outlived its time to live (Amazon DynamoDB Developer Guide, "DynamoDB Streams and Time to Live")."""


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """One attribute, or one member of a map (``a.b``). Values are JSON texts without type tags; None where there is none."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class ItemChange:
    """What a record tells. ``event`` is INSERT, MODIFY or REMOVE, ``created`` epoch seconds; ``key`` are names and JSON texts.

    ``expired``: the service deleted the item because its time to live was over. ``compared``: the changes are between two
    images; else the record has none, or one alone, whose attributes are all among them.
    """

    event: str
    created: float
    key: tuple[tuple[str, str], ...]
    changes: tuple[AttributeChange, ...]
    expired: bool
    compared: bool

    @classmethod
    def of(cls, text: bytes) -> ItemChange:
        """Of a record as in Lambda's event. Raises ValueError for anything else."""
        record = json.loads(text)
        try:
            change, event = record["dynamodb"], str(record["eventName"])
            keys, old, new = change["Keys"], change.get("OldImage"), change.get("NewImage")
            view = change.get("StreamViewType")
            return cls(
                event=event,
                created=float(change["ApproximateCreationDateTime"]),
                key=tuple((name, plain_json(value)) for name, value in keys.items()),
                changes=tuple(each for each in _changes("", old or {}, new or {}) if each.name not in keys),
                expired=event == "REMOVE" and record.get("userIdentity") == _SERVICE,
                compared=view == "NEW_AND_OLD_IMAGES" or (old is not None and new is not None),
            )
        except (KeyError, TypeError, AttributeError, BrokenValue) as error:
            raise ValueError(f"it is no record of a stream ({error!r})") from error


def _changes(
    before: str, old: Mapping[str, AttributeValue], new: Mapping[str, AttributeValue]
) -> Iterator[AttributeChange]:
    """Attributes that differ, in the order of their names; of maps on both sides, their members."""
    for name in sorted({*old, *new}):
        one, other, path = old.get(name), new.get(name), f"{before}{name}"
        if one == other:
            continue
        if one is not None and other is not None and one.keys() == other.keys() == {"M"}:
            yield from _changes(f"{path}.", one["M"], other["M"])
        else:
            yield AttributeChange(path, _json(one), _json(other))


def _json(value: Any) -> str | None:
    return None if value is None else plain_json(value)
