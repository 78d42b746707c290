"""Ready is a promise about keys: it needs the watermark past the Scan's end, little lag, and nothing held back."""

import pytest

from headrace.accelerator import Target
from headrace.checkpoint import Checkpoint, SegmentState, ShardState, Stage
from headrace.dataset import Replication
from headrace.position import Position, SequenceNumber
from headrace.replicate.buffer import StreamUnit
from headrace.replicate.clock import ServiceClock
from headrace.replicate.commands import GetRecords
from headrace.replicate.desk import Desk
from headrace.replicate.health import Health
from headrace.replicate.journal import Journal
from headrace.replicate.lane import Lane
from headrace.replicate.outbox import Outbox
from headrace.replicate.plan import plan_ready
from headrace.replicate.reader import ShardReader
from headrace.replicate.report import lag
from headrace.replicate.run import Run
from support.batches import records

SCAN_ENDED = 1000.4


def run(scan_ended_at=SCAN_ENDED, shards=()):
    outbox = Outbox()
    health = Health("orders", outbox, "")
    desk = Desk("orders", Replication(ready_lag=2.0), outbox, ServiceClock(), health, Journal(0))
    checkpoint = Checkpoint("t", "arn", 900.0, (SegmentState(None, done=True),), shards, scan_ended_at)
    return Run(desk, checkpoint, Lane(outbox, health), 1000.0)


def caught_up(it, watermark, now):
    it._watermark, it._watermark_at = watermark, now
    return it.caught_up(now)


@pytest.mark.parametrize(("watermark", "ready"), [(1000.0, False), (1000.9, False), (1001.0, True)])
def test_the_watermark_must_pass_the_second_in_which_the_scan_ended(watermark, ready):
    """Times are floored to the second: a record of the Scan's last second may still be on its way."""
    assert caught_up(run(), watermark, now=1001.5) is ready


def test_a_copy_far_behind_is_not_ready():
    assert caught_up(run(), 1001.0, now=1003.9)
    assert not caught_up(run(), 1001.0, now=1004.1)


def test_nothing_is_ready_before_the_scan_ends_or_without_a_watermark():
    assert not caught_up(run(scan_ended_at=None), 2000.0, now=2000.0)
    assert not caught_up(run(), None, now=1001.5)


def test_a_copy_that_holds_records_back_is_not_ready():
    it = run()
    reader = ShardReader("s", Position.trim_horizon(0.0), answered_at=0.0, due_at=0.0)
    page = records(("a", 1), at=990.0)
    reader.held.append(page)
    it.hold.wire_bytes = page.changes.wire_bytes
    assert not caught_up(it, 1001.0, now=1001.5)


def test_lag_is_measured_beyond_the_second_to_which_times_are_floored():
    assert lag(1000.0, 1000.7) == 0.0
    assert lag(1000.0, 1003.5) == 2.5
    assert lag(None, 1000.0) is None


def test_a_copy_whose_buffer_holds_what_the_scan_has_seen_is_not_ready():
    """A shard that seemed to be at its tip was not: what it brings now would be applied after Ready."""
    it = run()
    it.buffer.add_stream(StreamUnit("s", (records(("a", 1), at=990.0),)))
    assert not caught_up(it, 1001.0, now=1001.5)
    it.buffer.take()
    it.buffer.add_stream(StreamUnit("s", (records(("a", 1), at=1001.0),)))
    assert caught_up(it, 1001.0, now=1001.5)


def test_what_arrives_while_the_copy_is_being_made_ready_is_held_as_if_it_were():
    """It would be applied after that transaction, to a copy that is served."""
    reading = ShardState("s", None, None, Stage.READING, Position.after(SequenceNumber("5")))
    it = run(shards=(reading,))
    it.read(1001.0, scan_from=0.0)
    it.stream._asked_at[7] = 1001.0
    it._lane.send(plan_ready(it.stream, it.scan, it.checkpoint, Target.LIVE), 1001.0)
    assert it.received(GetRecords(7, "s", "iterator"), records(("a", 1), at=990.0), 1001.1)
    assert it.hold.wire_bytes > 0
    assert not it.buffer
