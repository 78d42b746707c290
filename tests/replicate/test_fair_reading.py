"""However many shards are due, the Scan ends; and however long a position waits, nothing is passed over."""

import pytest

from headrace.checkpoint import Checkpoint, SegmentState, ShardState, Stage
from headrace.dataset import Replication
from headrace.errors import ShardGone
from headrace.position import Position, SequenceNumber
from headrace.replicate.clock import ServiceClock
from headrace.replicate.commands import GetRecords, ListChildren, ListShards, OpenIterator, ReadSegment
from headrace.replicate.desk import Desk
from headrace.replicate.health import Health
from headrace.replicate.journal import Journal
from headrace.replicate.lane import Lane
from headrace.replicate.listing import YOUNG, is_torn
from headrace.replicate.outbox import Outbox
from headrace.replicate.run import Run
from headrace.shard import Shard, ShardListing
from support.batches import records

HOUR = 3600.0


def shard_state(number, position=None):
    position = position or Position.after(SequenceNumber("5"))
    return ShardState(f"shard-{number}", None, None, Stage.READING, position)


def run_of(shards, *, buffer_bytes=2 * 2**20):
    outbox = Outbox()
    health = Health("orders", outbox, "")
    settings = Replication(buffer_bytes=buffer_bytes)
    desk = Desk("orders", settings, outbox, ServiceClock(), health, Journal(0))
    checkpoint = Checkpoint("t", "arn", 900.0, (SegmentState(),), shards)
    return Run(desk, checkpoint, Lane(outbox, health), 1000.0), outbox


def requests(outbox):
    return [command for command in outbox.drain() if hasattr(command, "id")]


@pytest.mark.parametrize("megabytes", [1, 2, 3])
def test_the_scan_gets_its_turn_while_polls_would_take_all_the_room(megabytes):
    run, outbox = run_of(tuple(shard_state(n) for n in range(40)), buffer_bytes=megabytes * 2**20)
    now = 1000.0
    for _ in range(20):
        outbox.begin(now)
        run.read(now, scan_from=0.0)
        for request in requests(outbox):
            if isinstance(request, ReadSegment):
                return
            outbox.claim(request.id)
            if isinstance(request, OpenIterator):
                run.stream.opened(request, "iterator", now)
            elif isinstance(request, GetRecords):
                run.stream.arrived(request, records(), now)
            elif isinstance(request, (ListShards, ListChildren)):
                shards = tuple(Shard(f"shard-{n}") for n in range(40))
                run.stream.listed(request, ShardListing(shards, None, "ENABLED"), now)
        now += 0.5
    pytest.fail("forty shards that are always due leave nothing to the Scan")


def opened_after(hours, position):
    run, outbox = run_of((shard_state(1, position),), buffer_bytes=40 * 2**20)
    run.read(1000.0, scan_from=0.0)
    request = next(one for one in requests(outbox) if isinstance(one, OpenIterator))
    return run.stream.opened(request, "iterator", 1000.0 + hours * HOUR)


@pytest.mark.parametrize(("hours", "gap"), [(22.9, False), (23.1, True)])
def test_a_position_without_a_number_that_the_stream_has_outlived_is_a_gap_while_running_too(hours, gap):
    """Nothing else would say so: the service passes over what it has trimmed."""
    found = opened_after(hours, Position.at_timestamp(700.0, 1000.0))
    assert (found is not None) is gap


def test_a_sequence_number_does_not_age_because_its_being_trimmed_raises():
    assert opened_after(100.0, Position.after(SequenceNumber("5"))) is None


def test_a_shard_that_is_not_found_for_a_moment_is_no_gap_though_listings_miss_it_too():
    run, outbox = run_of((shard_state(1),), buffer_bytes=40 * 2**20)
    now, gap = 1000.0, None
    while gap is None:
        outbox.begin(now)
        run.read(now, scan_from=1e12)
        for request in requests(outbox):
            outbox.claim(request.id)
            if isinstance(request, ListShards):
                run.stream.listed(request, ShardListing((Shard("other"),), None, "ENABLED"), now)
            elif isinstance(request, OpenIterator) and request.shard_id == "shard-1":
                gap = run.stream.failed(request, ShardGone("not known"), now)
            else:
                run.stream.failed(request, ShardGone("not known"), now)
        now += 0.5
        assert now < 1100.0
    assert now - 1000.0 >= YOUNG


CLOSED = SequenceNumber("9")


@pytest.mark.parametrize(
    ("shards", "torn"),
    [
        ((Shard("a"),), False),
        ((Shard("a", None, None, CLOSED), Shard("b", "a")), False),
        ((Shard("a", None, None, CLOSED),), True),
        ((Shard("a", None, None, CLOSED), Shard("c", "b")), True),
    ],
)
def test_a_listing_with_a_closed_shard_without_children_has_a_hole(shards, torn):
    assert is_torn(shards) is torn
