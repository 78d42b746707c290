"""DescribeStream that says other things than are so. The shards themselves can be read all the while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from headrace.simulator.faults import Amend, Fault, Relist
from headrace.simulator.shards import ListedShard
from headrace.simulator.weather.chance import Chance, While
from headrace.simulator.weather.refusals import Strike

_CHILD_SECONDS = (1.0, 120.0)
_LAG_SECONDS = (1.0, 120.0)
_MISSING_SECONDS = (1.0, 30.0)
_SMALLEST_PAGES = (1, 3)

_Shards = Sequence[ListedShard]


def tiny_pages(chance: Chance) -> Strike:
    """Pages of one to three shards."""

    def strike(_operation: str, request: dict[str, Any]) -> Fault | None:
        if not chance.hits():
            return None
        limit = chance.random.randint(*_SMALLEST_PAGES)
        return Amend({"Limit": min(limit, request.get("Limit", limit))}, told=chance.happened)

    return strike


def late_children(chance: Chance) -> Strike:
    """Children that are listed only long after their parent closed, which is as long a leaf; its fate."""

    def change(shards: _Shards) -> _Shards:
        now = chance.clock()
        hiding = {shard.id for shard in shards if _is_young(shard, chance, now)}
        return [shard for shard in shards if shard.parent not in hiding]

    return lambda _operation, _request: Relist(change, told=chance.happened)


def early_children(chance: Chance) -> Strike:
    """Children that are listed while their parent still seems to be open; its fate."""

    def change(shards: _Shards) -> _Shards:
        now = chance.clock()
        return [
            replace(shard, end=None, closed_at=None) if _is_young(shard, chance, now) else shard
            for shard in shards
        ]

    return lambda _operation, _request: Relist(change, told=chance.happened)


def lagging_listing(chance: Chance) -> Strike:
    """A whole listing, over all its pages, as it was up to two minutes ago."""
    lags: dict[str, float] = {}

    def strike(_operation: str, request: dict[str, Any]) -> Fault | None:
        arn = request["StreamArn"]
        if "ExclusiveStartShardId" not in request:
            hit = chance.hits()
            lags[arn] = chance.clock() - chance.random.uniform(*_LAG_SECONDS) if hit else float("inf")
        as_of = lags.get(arn, float("inf"))
        if as_of == float("inf"):
            return None

        def change(shards: _Shards) -> _Shards:
            first = min((shard.opened_at for shard in shards), default=as_of)
            return _as_it_was(shards, max(as_of, first))

        return Relist(change, told=chance.happened)

    return strike


def childless_parent(chance: Chance) -> Strike:
    """A closed shard whose children are missing from this answer, none of which has children itself."""

    def strike(_operation: str, _request: dict[str, Any]) -> Fault | None:
        if not chance.hits():
            return None
        pick = chance.random.random()

        def change(shards: _Shards) -> _Shards:
            parents = {shard.parent for shard in shards}
            eldest = {shard.parent for shard in shards if shard.id in parents}
            candidates = sorted({shard.id for shard in shards} & parents - eldest)
            bare = candidates[int(pick * len(candidates))] if candidates else None
            return [shard for shard in shards if bare is None or shard.parent != bare]

        return Relist(change, told=chance.happened)

    return strike


def missing_shard(chance: Chance) -> Strike:
    """A shard, whichever, that no answer lists for a while."""
    spells: dict[str, While] = {}

    def strike(_operation: str, _request: dict[str, Any]) -> Fault | None:
        now = chance.clock()
        chosen: float | None = chance.random.random() if chance.hits() else None
        seconds = None if chosen is None else chance.random.uniform(*_MISSING_SECONDS)

        def change(shards: _Shards) -> _Shards:
            nonlocal chosen
            if chosen is not None and seconds is not None and shards:
                spells.setdefault(shards[int(chosen * len(shards))].id, While()).begin(now, seconds)
                chosen = None
            return [shard for shard in shards if shard.id not in spells or not spells[shard.id].lasts(now)]

        return Relist(change, told=chance.happened)

    return strike


def missing_in_paging(chance: Chance) -> Strike:
    """A shard that a page after the first leaves out."""

    def strike(_operation: str, request: dict[str, Any]) -> Fault | None:
        start = request.get("ExclusiveStartShardId")
        if not chance.hits() or start is None:
            return None

        def change(shards: _Shards) -> _Shards:
            left_out = next((shard.id for shard in shards if shard.id > start), None)
            return [shard for shard in shards if shard.id != left_out]

        return Relist(change, told=chance.happened)

    return strike


def _is_young(shard: ListedShard, chance: Chance, now: float) -> bool:
    """Whether it is the fate of a closed shard to be listed wrongly until later than now."""
    if shard.closed_at is None or now >= shard.closed_at + _CHILD_SECONDS[1]:
        return False
    dice = chance.fate(shard.id)
    return dice is not None and now < shard.closed_at + dice.uniform(*_CHILD_SECONDS)


def _as_it_was(shards: _Shards, moment: float) -> _Shards:
    return [
        replace(shard, end=None, closed_at=None) if shard.closed_at and shard.closed_at > moment else shard
        for shard in shards
        if shard.opened_at <= moment
    ]
