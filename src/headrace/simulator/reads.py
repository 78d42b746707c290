"""Reading operations: GetItem and Scan.

Rules: DynamoDB API reference; a page ends before it would exceed 1 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headrace.simulator.answers import encode, invalid
from headrace.simulator.capacity import capacity_members, read_units
from headrace.simulator.keys import RING, Key
from headrace.simulator.rows import StoredItem, segment_bounds
from headrace.simulator.tables import Table, Tables

PAGE_BYTES = 1024 * 1024


class Reads:
    """The operations that read items."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def get_item(self, request: dict[str, Any], _: float) -> bytes:
        """GetItem. No item is an answer without one."""
        table = self._tables.get(request["TableName"])
        key, _keys = table.schema.of_request(request["Key"])
        item = table.rows.get(key)
        units = read_units(item.size if item else 0, consistent=request.get("ConsistentRead", False))
        members = capacity_members(request, table.name, units)
        if item is not None:
            members.insert(0, b'"Item":' + item.body)
        return b"{" + b",".join(members) + b"}"

    def scan(self, request: dict[str, Any], _: float) -> bytes:
        """Scan, whole or by segments. The order is that of the hash ring, and stable."""
        table = self._tables.get(request["TableName"])
        low, high = _bounds(request)
        after = _scan_start(table, request, low, high)
        return _page(request, table, table.rows.between(low, high, after))


def _bounds(request: dict[str, Any]) -> tuple[int, int]:
    segment, total = request.get("Segment"), request.get("TotalSegments")
    if segment is None and total is None:
        return 0, RING
    if total is None:
        raise invalid(
            "The TotalSegments parameter is required but was not present in the request "
            "when Segment parameter is present"
        )
    if segment is None:
        raise invalid(
            "The Segment parameter is required but was not present in the request "
            "when parameter TotalSegments is present"
        )
    if segment >= total:
        raise invalid(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            f"Segment: {segment} is not less than TotalSegments: {total}"
        )
    return segment_bounds(segment, total)


def _scan_start(table: Table, request: dict[str, Any], low: int, high: int) -> Key | None:
    given = request.get("ExclusiveStartKey")
    if given is None:
        return None
    key, _ = table.schema.of_request(given)
    if not low <= key.token < high:
        raise invalid(
            "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey "
            f"with correct Segment. TotalSegments: {request['TotalSegments']} Segment: {request['Segment']}"
        )
    return key


def _page(request: dict[str, Any], table: Table, items: Iterator[StoredItem]) -> bytes:
    limit = request.get("Limit")
    bodies: list[bytes] = []
    scanned = size = 0
    last: StoredItem | None = None
    more = False
    for item in items:
        if scanned and size + item.size > PAGE_BYTES:
            more = True
            break
        scanned += 1
        size += item.size
        last = item
        bodies.append(item.body)
        if scanned == limit:
            # AWS looks no further: a full page has a cursor even if nothing follows.
            more = True
            break
    members = [b'"Count":%d' % len(bodies), b'"ScannedCount":%d' % scanned]
    if request.get("Select") != "COUNT":
        members.insert(0, b'"Items":[' + b",".join(bodies) + b"]")
    if more and last is not None:
        members.append(b'"LastEvaluatedKey":' + encode(table.schema.attributes_of(last.attributes)))
    units = read_units(size, consistent=request.get("ConsistentRead", False))
    members += capacity_members(request, table.name, units)
    return b"{" + b",".join(members) + b"}"
