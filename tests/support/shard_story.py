"""A table's changes as the shards of a stream would hold them, and a follower that reads them in any order.

The story knows the truth: which shard holds which record, whose child it is, what rows are left. The
follower is the real one; a test chooses which of its requests is answered next, with how much, and when
what was read becomes durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from headrace.accelerator import Notes, Target, Work
from headrace.accelerators.memory import MemoryAccelerator
from headrace.change import ChangeBatch, RecordsPage
from headrace.checkpoint import Checkpoint, SegmentState, Stage
from headrace.dataset import Replication
from headrace.position import Anchor, Position, SequenceNumber
from headrace.replicate.buffer import Buffer, StreamUnit
from headrace.replicate.clock import ServiceClock
from headrace.replicate.commands import GetRecords, ListChildren, ListShards, OpenIterator
from headrace.replicate.desk import Desk
from headrace.replicate.health import Health
from headrace.replicate.journal import Journal
from headrace.replicate.lineage import Lineage
from headrace.replicate.outbox import Outbox
from headrace.replicate.plan import plan_batch, plan_lineage
from headrace.replicate.scan import ScanProgress
from headrace.replicate.stream import StreamFollower
from headrace.shard import Shard, ShardListing
from support.batches import SCHEMA

ARN = "arn:stream"
BITS = 3
KEYS = [f"{number:0{BITS}b}" for number in range(2**BITS)]
"""A shard holds the keys that begin with its prefix."""

BEFORE = Checkpoint("table", ARN, 0.0, (SegmentState(done=True),), (), scan_ended_at=0.0)


@dataclass
class ShardStory:
    """One shard: its records are (number, key, version), version None for a deletion."""

    id: str
    parent: ShardStory | None
    prefix: str
    starting: int
    records: list[tuple[int, str, int | None]] = field(default_factory=list)
    ending: int | None = None
    children: list[ShardStory] = field(default_factory=list)

    @property
    def ancestors(self) -> Iterator[str]:
        above = self.parent
        while above is not None:
            yield above.id
            above = above.parent

    def listed(self, *, shown_open: bool = False) -> Shard:
        ending = None if self.ending is None or shown_open else SequenceNumber(str(self.ending))
        parent = None if self.parent is None else self.parent.id
        return Shard(self.id, parent, SequenceNumber(str(self.starting)), ending)


class Story:
    """What was written, in order; sequence numbers grow past a power of ten, so that their lengths differ."""

    def __init__(self) -> None:
        self.number = 10**21 - 40
        self.versions = 0
        self.rows: dict[str, int] = {}
        self.shards: dict[str, ShardStory] = {}
        self._open(None, "")

    def put(self, key: str) -> None:
        self.versions += 1
        self.rows[key] = self.versions
        self._owner(key).records.append((self._next(), key, self.versions))

    def delete(self, key: str) -> None:
        if self.rows.pop(key, None) is not None:
            self._owner(key).records.append((self._next(), key, None))

    def split(self, key: str) -> None:
        """The shard of ``key`` ends; two take its place, or one where it holds a single key."""
        shard = self._owner(key)
        shard.ending = self._next()
        for end in ("0", "1") if len(shard.prefix) < BITS else ("",):
            self._open(shard, shard.prefix + end)

    def rotate(self, key: str) -> None:
        """The shard of ``key`` ends and one takes its place."""
        shard = self._owner(key)
        shard.ending = self._next()
        self._open(shard, shard.prefix)

    def _open(self, parent: ShardStory | None, prefix: str) -> None:
        shard = ShardStory(f"shard-{len(self.shards)}", parent, prefix, self._next())
        self.shards[shard.id] = shard
        if parent is not None:
            parent.children.append(shard)

    def _owner(self, key: str) -> ShardStory:
        return next(s for s in self.shards.values() if s.ending is None and key.startswith(s.prefix))

    def _next(self) -> int:
        self.number += 7
        return self.number


def page_of(records: list[tuple[int, str, int | None]], *, more: bool) -> RecordsPage:
    """Records as one answer of GetRecords."""
    changes = None
    if records:
        rows = [{"id": key, "version": version} for _, key, version in records]
        gone = pa.array([version is None for _, _, version in records])
        changes = ChangeBatch(SCHEMA, pa.RecordBatch.from_pylist(rows, schema=SCHEMA.arrow()), gone, 100)
    last = SequenceNumber(str(records[-1][0])) if records else None
    at = 1000.0 if records else None
    return RecordsPage(changes, (), len(records), last, at, at, "next" if more else None)


class Following:
    """The real follower, buffer and plans over a story; ``works`` are the transactions that became durable.

    ``choose(least, most)`` decides everything that is open.
    """

    def __init__(self, story: Story, choose: Callable[[int, int], int]) -> None:
        self.story = story
        self.choose = choose
        self.now = 0.0
        self.works: list[Work] = []
        self.sink = MemoryAccelerator()
        self.read_after: dict[str, set[str]] = {}
        root = next(iter(story.shards.values())).listed(shown_open=True)
        lineage = Lineage.first([root], Position.trim_horizon(0.0))
        first = Checkpoint("table", ARN, 0.0, BEFORE.segments, lineage.states(), scan_ended_at=0.0)
        self._apply(Work(Target.LIVE, first, create=SCHEMA, notes=Notes.DROP))
        self.restart()

    def restart(self) -> None:
        """A new process: only what is durable is left."""
        self.checkpoint = self.sink.open().live.checkpoint
        self.outbox = Outbox()
        health = Health("orders", self.outbox, "")
        desk = Desk("orders", Replication(), self.outbox, ServiceClock(), health, Journal(0))
        self.lineage = Lineage(self.checkpoint.shards)
        self.follower = StreamFollower(desk, self.lineage, self.checkpoint)
        self.scan = ScanProgress(self.checkpoint.segments, 0, 0.0)
        self.buffer = Buffer()
        self.outstanding: list[Any] = []

    def step(self) -> None:
        """One thing happens: a request is answered, or what was read becomes durable."""
        self.now += 1.0
        self.outbox.begin(self.now)
        self.follower.advance(self.now, 8 - len(self.outstanding))
        requests = (OpenIterator, GetRecords, ListShards, ListChildren)
        self.outstanding += [one for one in self.outbox.drain() if isinstance(one, requests)]
        if (self.buffer or self.follower.discovery.dirty) and self.choose(0, 3) == 0:
            self.commit()
        elif self.outstanding:
            self._answer(self.outstanding.pop(self.choose(0, len(self.outstanding) - 1)))

    def commit(self) -> None:
        """What is buffered becomes durable, as one transaction."""
        if self.buffer:
            plan = plan_batch(self.buffer, self.follower, self.scan, self.checkpoint, Target.LIVE, self.now)
        else:
            plan = plan_lineage(self.follower, self.scan, self.checkpoint, Target.LIVE)
        self.follower.discovery.dirty = False
        together = {unit.shard_id for unit in plan.units}
        for shard_id in together:
            relatives = together.intersection(self.story.shards[shard_id].ancestors)
            assert not relatives, f"{shard_id} is applied together with {relatives}"
        self._apply(plan.work)
        self.checkpoint = plan.work.checkpoint
        self.follower.commit(plan.units, plan.shards or {}, self.now)

    @property
    def done(self) -> bool:
        """Whether everything that was written is durable."""
        # Their positions are durable; that one is read is not worth a transaction of its own.
        states = {state.id: state for state in self.lineage.states()}
        return all(self._is_read(shard, states.get(shard.id)) for shard in self.story.shards.values())

    def rows(self) -> dict[str, int]:
        return {key[0]: row["version"] for key, row in self.sink.live_rows().items()}

    def _is_read(self, shard: ShardStory, state: Any) -> bool:
        if state is None:
            return False
        if shard.ending is not None:
            return state.stage is Stage.FINISHED
        if state.stage is not Stage.READING:
            return False
        if not shard.records:
            return True
        position = state.position
        return position.anchor is Anchor.AFTER_SEQUENCE_NUMBER and position.sequence == SequenceNumber(
            str(shard.records[-1][0])
        )

    def _apply(self, work: Work) -> None:
        self.sink.apply(work)
        self.works.append(work)

    def _answer(self, request: Any) -> None:
        self.outbox.claim(request.id)
        match request:
            case OpenIterator(shard_id=shard_id, position=position):
                # A shard that listings miss is looked for by its id, which reads nothing.
                if not self.follower.discovery.probes(request.id):
                    self._expect_parent_durable(shard_id)
                if position.anchor is Anchor.TRIM_HORIZON:
                    start = 0
                else:
                    start = int(position.sequence.text)
                    start += position.anchor is Anchor.AFTER_SEQUENCE_NUMBER
                self.follower.opened(request, str(start), self.now)
            case GetRecords(shard_id=shard_id, iterator=iterator):
                self._get(request, self.story.shards[shard_id], int(iterator))
            case ListShards():
                shards = tuple(
                    self._shown(shard) for shard in self.story.shards.values() if self.choose(0, 4)
                )
                self.follower.listed(request, ShardListing(shards, None, "ENABLED"), self.now)
            case ListChildren(parent_id=parent_id):
                children = self.story.shards[parent_id].children
                shown = tuple(self._shown(child) for child in children if self.choose(0, 4))
                self.follower.listed(request, ShardListing(shown, None, "ENABLED"), self.now)

    def _shown(self, shard: ShardStory) -> Shard:
        """A shard as DescribeStream may show it: for a while open after its end."""
        return shard.listed(shown_open=self.choose(0, 3) == 0)

    def _get(self, request: GetRecords, shard: ShardStory, start: int) -> None:
        left = [record for record in shard.records if record[0] >= start]
        count = self.choose(0, 3)
        records = left[:count]
        more = shard.ending is None or count < len(left) or self.choose(0, 2) == 0
        page = page_of(records, more=more)
        if more:
            following = records[-1][0] + 1 if records else start
            page = RecordsPage(
                page.changes, (), page.count, page.last, page.oldest_at, page.newest_at, str(following)
            )
        reader = self.follower.arrived(request, page, self.now)
        if page.count or reader.ended:
            self.buffer.add_stream(StreamUnit(reader.id, (page,)))

    def _expect_parent_durable(self, shard_id: str) -> None:
        """Invariant 2: a child is asked for only after its parent's end is durable."""
        durable = {state.id: state.stage for state in self.sink.open().live.checkpoint.shards}
        parent = self.story.shards[shard_id].parent
        assert parent is None or durable.get(parent.id) is Stage.FINISHED, f"{shard_id} is read too early"
