"""Pages of GetRecords and Scan that say less than they could."""

from __future__ import annotations

import re
from typing import Any

from headrace.simulator.answers import Refusal
from headrace.simulator.faults import EmptyPage, EmptyScanPage, Fault, LateEnd, StaleScan, Watch
from headrace.simulator.history import HISTORY_SECONDS
from headrace.simulator.streams import read_iterator
from headrace.simulator.weather.chance import Chance
from headrace.simulator.weather.refusals import Strike

EMPTY_PAGES_PROVING_THE_TIP = 5
"""So many pages without records, one after the other, are taken as proof that none lies ahead."""

_LONGEST_SILENCE = 12
_TIME = re.compile(rb'"ApproximateCreationDateTime":([^,]+),')

_Place = tuple[str, str, int]


def empty_page(chance: Chance) -> Strike:
    """No records although some lie ahead; at any one place of a shard never so often that it proves the tip."""
    given: dict[_Place, int] = {}

    def strike(_operation: str, request: dict[str, Any]) -> Fault | None:
        hit, place = chance.hits(), _place(request)
        if not hit or place is None or given.get(place, 0) >= EMPTY_PAGES_PROVING_THE_TIP - 1:
            return None

        def told() -> None:
            given[place] = given.get(place, 0) + 1
            chance.happened()

        return EmptyPage(told=told)

    return strike


def long_silence(chance: Chance) -> Strike:
    """So many pages without records that they prove the tip, although records lie ahead.

    A silence is counted when it is as long as that, and ends by itself.
    """
    left: dict[_Place, int] = {}
    given: dict[_Place, int] = {}

    def strike(_operation: str, request: dict[str, Any]) -> Fault | None:
        hit, place = chance.hits(), _place(request)
        if place is None:
            return None
        if hit and place not in left:
            left[place] = chance.random.randint(EMPTY_PAGES_PROVING_THE_TIP, _LONGEST_SILENCE)
        if not left.get(place):
            return None

        def told() -> None:
            left[place] -= 1
            given[place] = given.get(place, 0) + 1
            if given[place] == EMPTY_PAGES_PROVING_THE_TIP:
                chance.happened()

        return EmptyPage(told=told)

    return strike


def late_end(chance: Chance) -> Strike:
    """A closed shard's last records come with an iterator, and only the page after them without one."""

    def strike(_operation: str, _request: dict[str, Any]) -> Fault | None:
        return LateEnd(told=chance.happened) if chance.hits() else None

    return strike


def last_page_with_records(chance: Chance) -> Strike:
    """Looks for pages that hold records and end their shard."""

    def sees(body: bytes) -> bool:
        return body.endswith(b"]}") and body != b'{"Records":[]}'

    return lambda _operation, _request: Watch(sees, told=chance.happened)


def same_second(chance: Chance) -> Strike:
    """Looks for pages whose records cannot be told apart by their times."""

    def sees(body: bytes) -> bool:
        times = _TIME.findall(body)
        return len(set(times)) < len(times)

    return lambda _operation, _request: Watch(sees, told=chance.happened)


def stale_scan(chance: Chance) -> Strike:
    """What the table held up to some seconds ago, where ConsistentRead is false."""

    def strike(_operation: str, request: dict[str, Any]) -> Fault | None:
        if not chance.hits():
            return None
        as_of = chance.clock() - chance.random.uniform(0.0, HISTORY_SECONDS)
        return None if request.get("ConsistentRead", False) else StaleScan(as_of, told=chance.happened)

    return strike


def empty_scan_page(chance: Chance) -> Strike:
    """No items and a LastEvaluatedKey, although items lie ahead."""

    def strike(_operation: str, _request: dict[str, Any]) -> Fault | None:
        return EmptyScanPage(chance.random, told=chance.happened) if chance.hits() else None

    return strike


def _place(request: dict[str, Any]) -> _Place | None:
    try:
        arn, shard_id, position, *_ = read_iterator(request["ShardIterator"])
    except Refusal:
        return None
    return arn, shard_id, position
