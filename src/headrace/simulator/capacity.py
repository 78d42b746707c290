"""Consumed capacity, as ReturnConsumedCapacity asks for it.

Rules: developer guide, "DynamoDB read and write operations": a write unit per KB, a read unit per 4 KB, half
of it for a read that may be stale.
"""

from __future__ import annotations

from typing import Any

from headrace.simulator.answers import encode
from headrace.simulator.indexes import Index

WRITE_UNIT_BYTES = 1024
READ_UNIT_BYTES = 4096


def write_units(*sizes: int) -> float:
    """Units of one write; the larger of the item before and after counts."""
    return float(max(1, -(-max(sizes, default=0) // WRITE_UNIT_BYTES)))


def read_units(size: int, *, consistent: bool) -> float:
    """Units of one read of ``size`` bytes in all."""
    units = max(1, -(-size // READ_UNIT_BYTES))
    return float(units) if consistent else units / 2


def consumed(request: dict[str, Any], table_name: str, units: float) -> dict[str, Any] | None:
    """The ConsumedCapacity element, if the request asks for one."""
    asked = request.get("ReturnConsumedCapacity", "NONE")
    if asked == "NONE":
        return None
    answer: dict[str, Any] = {"TableName": table_name, "CapacityUnits": units}
    return answer | {"Table": {"CapacityUnits": units}} if asked == "INDEXES" else answer


def capacity_members(
    request: dict[str, Any], table_name: str, units: float, index: Index | None = None, fetched: float = 0.0
) -> list[bytes]:
    """The same as a member of an answer that is being joined: one or none.

    Of ``units`` that an index consumed, and ``fetched`` that its table did beside it.
    """
    element = consumed(request, table_name, units + fetched)
    if element is None:
        return []
    if index is not None and "Table" in element:
        kind = "LocalSecondaryIndexes" if index.local else "GlobalSecondaryIndexes"
        element |= {"Table": {"CapacityUnits": fetched}, kind: {index.name: {"CapacityUnits": units}}}
    return [b'"ConsumedCapacity":' + encode(element)]
