"""When an item's time to live is over, and when the service gets round to deleting it.

Rules: developer guide, "Using time to live (TTL) in DynamoDB" and "Computing Time to Live (TTL)". The attribute is a
Number of epoch seconds at the top level; anything else, and a time more than five years ago, never expires. The
service deletes "within a few days", never on the second, and until then the item is read and written as any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random

from headrace.simulator.rows import StoredItem

SERVICE_IDENTITY = b'"userIdentity":{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}'
OLDEST_SECONDS = 5 * 365 * 24 * 3600.0


@dataclass(slots=True)
class TimeToLive:
    """A table's setting. ``status`` is ENABLING, ENABLED, DISABLING or DISABLED, as the API spells it."""

    attribute: str = ""
    status: str = "DISABLED"


def expiry_of(item: StoredItem, attribute: str) -> float | None:
    """The item's time of expiry in epoch seconds; None if it has none that counts."""
    text = item.attributes.get(attribute, {}).get("N")
    return None if text is None else float(Decimal(text))


def deletion_time(expiry: float, now: float, longest: float, random: Random) -> float | None:
    """When the service deletes it, at most ``longest`` seconds after it can; None if it never does."""
    if expiry < now - OLDEST_SECONDS:
        return None
    return max(expiry, now) + longest * (1 - random.random())
