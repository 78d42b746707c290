"""Order and idempotency: whatever the interleaving, the batches, the pages and the crashes, the same rows."""

from __future__ import annotations

import itertools
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.accelerator import Notes, Target, Work
from headrace.accelerators.memory import MemoryAccelerator
from headrace.accelerators.merge import join_schemas, merge
from headrace.checkpoint import Checkpoint, SegmentState, ShardState, Stage
from headrace.dataset import Replication
from headrace.position import Position
from headrace.replicate.buffer import WORK_BYTES, Buffer, StreamUnit
from headrace.replicate.clock import ServiceClock
from headrace.replicate.desk import Desk
from headrace.replicate.health import Health
from headrace.replicate.hold import Hold
from headrace.replicate.journal import Journal
from headrace.replicate.lineage import Lineage
from headrace.replicate.outbox import Outbox
from headrace.replicate.reader import ShardReader
from headrace.replicate.scan import ScanProgress
from headrace.replicate.stream import StreamFollower
from support.batches import SCHEMA, batch, records, scanned
from support.shard_story import BEFORE, KEYS, Following, Story, page_of

STEPS = 3000
thorough = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))

WRITES = st.lists(
    st.tuples(st.sampled_from(["put", "put", "put", "delete", "split", "rotate"]), st.sampled_from(KEYS)),
    max_size=30,
)


def told(writes):
    story = Story()
    for what, key in writes:
        getattr(story, what)(key)
    return story


def followed(story, seed, *, crashes=0):
    """Read to the end, everything that is open decided by ``seed``."""
    dice = random.Random(seed)
    following = Following(story, dice.randint)
    for _ in range(STEPS):
        if following.done:
            return following
        if crashes and dice.random() < 0.05:
            following.restart()
            crashes -= 1
        following.step()
    raise AssertionError(f"not read to the end in {STEPS} steps")


@thorough
@given(writes=WRITES, seed=st.integers(0, 10**6))
def test_any_order_of_reading_that_respects_the_lineage_leaves_the_same_rows(writes, seed):
    """No child is asked for before its parent's end is durable, no batch holds a shard and its descendant.

    Listings omit shards and show ended ones open; pages come in any size, empty ones in between; requests
    are answered, and transactions made, in any order.
    """
    story = told(writes)
    assert followed(story, seed).rows() == story.rows


@thorough
@given(writes=WRITES, seed=st.integers(0, 10**6))
def test_a_crash_between_any_two_steps_leaves_the_same_rows(writes, seed):
    """What is read again comes in other pages and other batches."""
    story = told(writes)
    assert followed(story, seed, crashes=3).rows() == story.rows


@thorough
@given(writes=WRITES, seed=st.integers(0, 10**6))
def test_a_replay_of_any_last_transactions_changes_nothing_in_the_end(writes, seed):
    story = told(writes)
    following = followed(story, seed)
    first = random.Random(seed).randint(1, len(following.works))
    for work in following.works[first:]:
        following.sink.apply(work)
    assert following.rows() == story.rows


@thorough
@given(writes=WRITES, seed=st.integers(0, 10**6))
def test_all_transactions_coalesced_to_one_leave_the_same_rows(writes, seed):
    """Last write per key, across shards, in the order in which they became durable."""
    story = told(writes)
    batches = tuple(one for work in followed(story, seed).works for one in work.stream)
    merged = merge(batches, (), join_schemas(SCHEMA, batches))
    assert {row["id"]: row["version"] for row in merged.written.to_pylist()} == story.rows
    assert not story.rows.keys() & {row["id"] for row in merged.removed.to_pylist()}


CHANGES = st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 99)), max_size=12)


def in_pieces(changes, cuts):
    edges = [0, *sorted(cut % (len(changes) + 1) for cut in cuts), len(changes)]
    return [changes[start:end] for start, end in itertools.pairwise(edges)]


def applied(pieces, *, per_work):
    """The rows after the pieces, ``per_work`` of them in a transaction."""
    sink = MemoryAccelerator()
    sink.apply(Work(Target.LIVE, BEFORE, create=SCHEMA))
    batches = [batch(*piece) for piece in pieces if piece]
    for first in range(0, len(batches), per_work):
        sink.apply(Work(Target.LIVE, BEFORE, stream=tuple(batches[first : first + per_work])))
    return sink.live_rows()


@given(changes=CHANGES, cuts=st.lists(st.integers(0, 12), max_size=5), per_work=st.integers(1, 6))
@settings(deadline=None)
def test_neither_pages_nor_transactions_show_in_the_rows(changes, cuts, per_work):
    rows = {}
    for key, version in changes:
        rows.pop(key, None)
        if version is not None:
            rows[key,] = {"id": key, "version": version}
        else:
            rows.pop((key,), None)
    assert applied([changes], per_work=1) == rows
    assert applied(in_pieces(changes, cuts), per_work=per_work) == rows


# What is durable after which pages


def follower_of(*states):
    outbox = Outbox()
    desk = Desk("o", Replication(), outbox, ServiceClock(), Health("o", outbox, ""), Journal(0))
    checkpoint = Checkpoint("t", "arn", 0.0, (SegmentState(done=True),), states)
    return StreamFollower(desk, Lineage(states), checkpoint)


def state_of(shard_id):
    return ShardState(shard_id, None, None, Stage.READING, Position.trim_horizon(0.0))


SHARD_PAGES = st.lists(st.tuples(st.sampled_from("st"), st.integers(0, 3)), max_size=10)


@given(read=SHARD_PAGES, ends=st.sets(st.sampled_from("st")), cuts=st.lists(st.integers(0, 10), max_size=4))
def test_the_checkpoint_after_some_pages_does_not_depend_on_how_they_are_grouped(read, ends, cuts):
    """It is after the last record of each shard, and says finished exactly where the last page was taken."""
    number, pages = 10**21 - 3, []
    for shard_id, count in read:
        numbers = range(number, number + count)
        pages.append((shard_id, page_of([(n, "k", n % 100) for n in numbers], more=True)))
        number += count
    pages += [(shard_id, page_of([], more=False)) for shard_id in sorted(ends)]
    one = [StreamUnit(shard_id, (page,)) for shard_id, page in pages]
    by_shard = [StreamUnit(s, tuple(p for shard, p in pages if shard == s)) for s in "st"]
    follower = follower_of(state_of("s"), state_of("t"))
    at_once = follower.after(one)
    grouped = {s: state for s, state in follower.after(by_shard).items() if s in at_once}
    assert grouped == at_once
    for piece in in_pieces(one, cuts):
        for state in follower.after(piece).values():
            follower.lineage.update(state)
    assert {state.id: state for state in follower.lineage.states() if state.id in at_once} == at_once
    for shard_id, state in at_once.items():
        last = [page.last for shard, page in pages if shard == shard_id and page.last is not None]
        assert (state.stage is Stage.FINISHED) is (shard_id in ends)
        if shard_id not in ends:
            assert state.position == (Position.after(last[-1]) if last else Position.trim_horizon(0.0))


UNITS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, WORK_BYTES)), max_size=12)


@given(units=UNITS, pages=st.lists(st.integers(1, WORK_BYTES), max_size=8))
def test_the_buffer_gives_everything_once_in_order_and_within_its_bound(units, pages):
    buffer = Buffer()
    stream = [
        StreamUnit(s, (page_with(batch((f"k{n}", n), wire_bytes=size)),)) for n, (s, size) in enumerate(units)
    ]
    scan = [(n % 2, scan_with(batch((f"s{n}", n), wire_bytes=size))) for n, size in enumerate(pages)]
    for unit in stream:
        buffer.add_stream(unit)
    for segment, page in scan:
        buffer.add_scan(segment, page, 0.0)
    assert buffer.wire_bytes == sum(size for _, size in units) + sum(pages)
    taken_stream, taken_scan = [], []
    while buffer:
        some, more = buffer.take()
        assert some or more
        assert sum(unit.wire_bytes for unit in some[:-1]) < WORK_BYTES
        assert sum(page.changes.wire_bytes for _, page in more[:-1]) < WORK_BYTES
        taken_stream += some
        taken_scan += more
    assert all(a is b for a, b in zip(taken_stream, stream, strict=True))
    assert all(a[1] is b[1] for a, b in zip(taken_scan, scan, strict=True))
    assert buffer.wire_bytes == 0


def page_with(changes):
    from dataclasses import replace

    return replace(records(("x", 1)), changes=changes)


def scan_with(changes):
    from dataclasses import replace

    return replace(scanned(("x", 1)), changes=changes)


READY = Checkpoint("t", "arn", 0.0, (SegmentState(done=True),), (), scan_ended_at=2000.0, was_ready=True)
LATER = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([1000.0, 1999.0, 2000.0, 2001.0, 3000.0])), max_size=20
)


@given(pages=LATER, ends=st.booleans())
def test_what_is_held_is_given_once_in_order_and_whole_when_the_shard_is_at_its_tip(pages, ends):
    """A record older than the Scan's end holds its page and those after it, until none is missing."""
    hold, reader = Hold(), ShardReader("s", Position.trim_horizon(0.0), 0.0, 0.0)
    number, read, given_out = 100, [], []
    last_pages = [(2, 1000.0)] if ends else [(0, 0.0)] * 5
    for place, (count, at) in enumerate([*pages, *last_pages]):
        more = not (ends and place == len(pages))
        page = records(*[("k", n) for n in range(count)], at=at, last=number + count, more=more)
        number += count
        reader.take(page, asked_at=5000.0)
        held_before = bool(reader.held)
        unit = hold.admit(reader, page, READY)
        if count:
            read.append(page)
            late = at < 2001.0  # Times are floored: a record of the second of the end may be older than it.
            waits = (held_before or late) and not reader.ended
            assert (unit is None) is waits, "held from the first late page on"
        if unit is not None:
            given_out += unit.pages
            assert reader.at_tip or not held_before
    assert len(given_out) == len(read)
    assert all(a is b for a, b in zip(given_out, read, strict=True))
    assert (hold.wire_bytes, reader.held) == (0, [])


SEGMENTS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.booleans()), max_size=12)


@given(pages=SEGMENTS, cuts=st.lists(st.integers(0, 12), max_size=4))
def test_the_scans_cursors_and_count_do_not_depend_on_how_pages_are_grouped(pages, cuts):
    open_segments, taken = {0, 1, 2}, []
    for place, (segment, count, last) in enumerate(pages):
        if segment in open_segments:
            page = scanned(*[(f"k{n}", n) for n in range(count)], cursor=None if last else f"c{place}")
            taken.append((segment, page))
            open_segments -= {segment} if last else set()
    start = (SegmentState(),) * 3
    at_once = ScanProgress(start, 5, 0.0).after(taken)
    progress = ScanProgress(start, 5, 0.0)
    for segment, page in taken:
        progress.readers[segment].take(page)
    for piece in in_pieces(taken, cuts):
        states, rows = progress.after(piece)
        progress.commit(states, rows, piece)
    assert (tuple(progress.durable), progress.rows) == at_once
    assert at_once[1] == 5 + sum(page.count for _, page in taken)
    assert progress.done is not open_segments or not open_segments
    assert all(reader.unapplied == 0 for reader in progress.readers)


def test_a_segment_that_ended_without_items_is_done():
    assert ScanProgress((SegmentState(),), 0, 0.0).after([(0, scanned())])[0] == (
        SegmentState(None, done=True),
    )


def test_a_work_with_the_scan_of_a_key_and_its_deletion_leaves_no_row():
    """The stream is the newer, whichever came first into the buffer."""
    sink = MemoryAccelerator()
    sink.apply(Work(Target.LIVE, BEFORE, create=SCHEMA, scanning=True))
    sink.apply(
        Work(Target.LIVE, BEFORE, stream=(batch(("a", None)),), scan=(batch(("a", 1)),), scanning=True)
    )
    sink.apply(Work(Target.LIVE, BEFORE, scan=(batch(("a", 1)),), scanning=True, notes=Notes.KEEP))
    assert sink.live_rows() == {}
