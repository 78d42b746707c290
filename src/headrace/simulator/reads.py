"""Reading operations: GetItem, Query and Scan.

Rules: DynamoDB API reference. A page ends before it would exceed 1 MB of items, filtered out or not.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from random import Random
from typing import Any

from headrace.simulator.answers import encode, invalid
from headrace.simulator.capacity import capacity_members, read_units
from headrace.simulator.expressions import (
    Condition,
    KeyRange,
    Path,
    Placeholders,
    Projection,
    holds,
    key_range,
    parse_condition,
    parse_projection,
    paths_in,
)
from headrace.simulator.indexes import Entry
from headrace.simulator.items import Item
from headrace.simulator.keys import RING, Key, KeyAttribute, KeySchema, sortable
from headrace.simulator.rows import StoredItem, segment_bounds
from headrace.simulator.tables import Table, Tables
from headrace.simulator.targets import Target, target_of

PAGE_BYTES = 1024 * 1024
_KEY_TRIES = 256


@dataclass(frozen=True, slots=True)
class View:
    """What of the items that were read is answered: those that meet a condition, or the projected part of each.

    ``names`` are the attributes that condition and projection read.
    """

    condition: Condition | None
    projection: Projection | None
    names: tuple[str, ...] = ()

    def of(self, item: StoredItem) -> bytes | None:
        """The item's answer; None if it is filtered out."""
        if self.condition is None and self.projection is None:
            return item.body
        attributes = item.attributes
        if self.condition is not None and not holds(self.condition, attributes):
            return None
        return item.body if self.projection is None else encode(self.projection.of(attributes))


class Reads:
    """The operations that read items. Every read is consistent unless told otherwise; ConsistentRead costs."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def get_item(self, request: dict[str, Any], _: float) -> bytes:
        """GetItem. No item is an answer without one."""
        view = view_of(request)
        table = self._tables.get(request["TableName"])
        key, _keys = table.schema.of_request(request["Key"])
        item = table.rows.get(key)
        units = read_units(item.size if item else 0, consistent=request.get("ConsistentRead", False))
        members = capacity_members(request, table.name, units)
        body = None if item is None else view.of(item)
        if body is not None:
            members.insert(0, b'"Item":' + body)
        return b"{" + b",".join(members) + b"}"

    def scan(
        self,
        request: dict[str, Any],
        _: float,
        *,
        as_of: float | None = None,
        empty: Random | None = None,
    ) -> bytes:
        """Scan, whole or by segments. The order is that of the hash ring, and stable.

        ``as_of``: what a replica at that time answers, unless ConsistentRead. ``empty``: no item, and a cursor
        that lies before the next one, which this Random finds.
        """
        placeholders = Placeholders(request, ("FilterExpression",), ("ProjectionExpression",))
        view = _view(request, placeholders)
        placeholders.finish()
        low, high = _bounds(request)
        table = self._tables.get(request["TableName"])
        target = target_of(table, request, view.names)
        after = _scan_start(target, request, low, high)
        items = target.between(low, high, after)
        if as_of is not None and not request.get("ConsistentRead", False) and not isinstance(after, Entry):
            items = items if target.index else table.history.as_of(as_of, items, low, high, after)
        following = None if empty is None or target.index else next(items, None)
        if empty is None or following is None:
            return _page(request, target, items, view)
        cursor = _key_before(following, table, request, low, empty)
        items = iter(()) if cursor else chain((following,), items)
        return _page(request, target, items, view, cursor)

    def query(self, request: dict[str, Any], _: float) -> bytes:
        """Query, in the order of the sort key or against it."""
        if "KeyConditionExpression" not in request:
            raise invalid(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."
            )
        placeholders = Placeholders(
            request, ("FilterExpression", "KeyConditionExpression"), ("ProjectionExpression",)
        )
        text = request["KeyConditionExpression"]
        condition = parse_condition("KeyConditionExpression", text, placeholders)
        view = _view(request, placeholders)
        placeholders.finish()
        target = target_of(self._tables.get(request["TableName"]), request, view.names)
        wanted = key_range(condition, target.schema)
        _check_filter(view.condition, target.schema)
        start = _query_start(target, request, wanted)
        partition = target.partition(wanted.partition[target.schema.hash.kind])
        forward = request.get("ScanIndexForward", True)
        return _page(request, target, _in_range(partition, wanted, start, forward=forward), view)


def view_of(request: dict[str, Any]) -> View:
    """The view of a request that names its items by key."""
    placeholders = Placeholders(request, (), ("ProjectionExpression",))
    paths = _projected(request, placeholders)
    placeholders.finish()
    return View(None, None if paths is None else Projection(paths))


def _view(request: dict[str, Any], placeholders: Placeholders) -> View:
    text = request.get("FilterExpression")
    condition = None if text is None else parse_condition("FilterExpression", text, placeholders)
    _check_select(request)
    paths = _projected(request, placeholders)
    read = [*(() if condition is None else paths_in(condition)), *(paths or ())]
    names = tuple(dict.fromkeys(str(path.parts[0]) for path in read))
    return View(condition, None if paths is None else Projection(paths), names)


def _projected(request: dict[str, Any], placeholders: Placeholders) -> Sequence[Path] | None:
    text = request.get("ProjectionExpression")
    return None if text is None else parse_projection(text, placeholders)


def _check_select(request: dict[str, Any]) -> None:
    select, projected = request.get("Select"), "ProjectionExpression" in request
    if select == "ALL_PROJECTED_ATTRIBUTES" and "IndexName" not in request:
        raise invalid(
            "One or more parameter values were invalid: ALL_PROJECTED_ATTRIBUTES can be used only when "
            "Querying using an IndexName"
        )
    if select == "SPECIFIC_ATTRIBUTES" and not projected:
        raise invalid(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get "
            "SPECIFIC_ATTRIBUTES"
        )
    if projected and select not in {None, "SPECIFIC_ATTRIBUTES"}:
        what = "only the Count" if select == "COUNT" else select
        raise invalid(f"Cannot specify the ProjectionExpression when choosing to get {what}")


def _check_filter(condition: Condition | None, schema: KeySchema) -> None:
    """A Query filters what its key condition left; a key attribute in the filter is a mistake."""
    if condition is None:
        return
    for path in paths_in(condition):
        if path.parts[0] in schema.names:
            raise invalid(
                "Filter Expression can only contain non-primary key attributes: "
                f"Primary key attribute: {path.parts[0]}"
            )


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


def _scan_start(target: Target, request: dict[str, Any], low: int, high: int) -> Key | Entry | None:
    given = request.get("ExclusiveStartKey")
    if given is None:
        return None
    key, _ = target.place(given)
    if not low <= key.token < high:
        raise invalid(
            "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey "
            f"with correct Segment. TotalSegments: {request['TotalSegments']} Segment: {request['Segment']}"
        )
    return key


def _query_start(target: Target, request: dict[str, Any], wanted: KeyRange) -> Key | Entry | None:
    given = request.get("ExclusiveStartKey")
    if given is None:
        return None
    key, attributes = target.place(given)
    if attributes[target.schema.hash.name] != wanted.partition:
        raise invalid("The provided starting key is outside query boundaries based on provided conditions")
    if target.schema.sort is not None:
        sort = sortable(attributes[target.schema.sort.name])
        if wanted.places([sort]) != (0, 1):
            raise invalid("The provided starting key does not match the range key predicate")
    return key


def _in_range(
    partition: Any, wanted: KeyRange, start: Key | Entry | None, *, forward: bool
) -> Iterator[StoredItem]:
    """Of a partition of a table or of an index, whose places are ``start``'s."""
    first, last = wanted.places(partition.sorts)
    before, behind = (last, first) if start is None else partition.around(start)
    places = range(max(first, behind), last) if forward else range(min(last, before) - 1, first - 1, -1)
    return (partition.items[place] for place in places)


def _key_before(
    following: StoredItem, table: Table, request: dict[str, Any], low: int, random: Random
) -> Item | None:
    """A key that no item has, between the start of the page and the item ``following``; else the start itself."""
    schema, start = table.schema, request.get("ExclusiveStartKey")
    after = None if start is None else schema.of_request(start)[0]
    for _ in range(_KEY_TRIES):
        key, attributes = schema.of_request({each.name: _made_up(each, random) for each in schema.attributes})
        if key < following.key and (key.token >= low if after is None else key > after):
            return attributes
    return start


def _made_up(attribute: KeyAttribute, random: Random) -> dict[str, str]:
    number = random.getrandbits(48)
    content = binascii.b2a_base64(number.to_bytes(6), newline=False).decode()
    return {attribute.kind: {"S": f"{number:012x}", "N": str(number), "B": content}[attribute.kind]}


def _page(
    request: dict[str, Any],
    target: Target,
    items: Iterator[StoredItem],
    view: View,
    cursor: Item | None = None,
) -> bytes:
    """``cursor`` is that of a page without items."""
    limit = request.get("Limit")
    bodies: list[bytes] = []
    scanned = size = 0
    fetched = 0.0
    consistent = request.get("ConsistentRead", False)
    last: StoredItem | None = None
    more = False
    for item in items:
        if scanned and size + item.size > PAGE_BYTES:
            more = True
            break
        scanned += 1
        size += item.size
        last = item
        whole, more_bytes = target.whole(item)
        fetched += read_units(more_bytes, consistent=consistent) if more_bytes else 0
        body = view.of(whole)
        if body is not None:
            bodies.append(body)
        if scanned == limit:
            # AWS looks no further: a full page has a cursor even if nothing follows.
            more = True
            break
    members = [b'"Count":%d' % len(bodies), b'"ScannedCount":%d' % scanned]
    if request.get("Select") != "COUNT":
        members.insert(0, b'"Items":[' + b",".join(bodies) + b"]")
    if more and last is not None:
        cursor = target.cursor(last)
    if cursor is not None:
        members.append(b'"LastEvaluatedKey":' + encode(cursor))
    units = read_units(size, consistent=consistent)
    members += capacity_members(request, target.table.name, units, target.index, fetched)
    return b"{" + b",".join(members) + b"}"
