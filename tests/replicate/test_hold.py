from dataclasses import replace

from headrace.checkpoint import Checkpoint, SegmentState
from headrace.position import Position
from headrace.replicate.hold import Hold
from headrace.replicate.reader import PROOF, ShardReader
from support.batches import records

SERVED = Checkpoint("t", "arn", 900.0, (SegmentState(None, done=True),), (), 1000.5, was_ready=True)
OLD, NEW = 990.0, 1001.0


def reader():
    return ShardReader("s", Position.trim_horizon(0.0), answered_at=0.0, due_at=0.0)


def admit(hold, it, page, checkpoint=SERVED):
    it.take(page, asked_at=2000.0)
    return hold.admit(it, page, checkpoint)


def test_a_record_from_before_the_scans_end_waits_once_the_copy_is_served():
    hold, it = Hold(), reader()
    assert admit(hold, it, records(("a", 1), at=OLD)) is None
    assert hold.wire_bytes > 0


def test_a_record_of_the_second_in_which_the_scan_ended_may_be_older_and_waits():
    """Its time is floored to the second, so it does not tell."""
    assert admit(Hold(), reader(), records(("a", 1), at=1000.0)) is None


def test_nothing_waits_before_the_copy_is_served():
    unit = admit(Hold(), reader(), records(("a", 1), at=OLD), replace(SERVED, was_ready=False))
    assert unit is not None


def test_newer_records_of_its_shard_wait_behind_it_and_become_visible_with_it():
    hold, it = Hold(), reader()
    old, new = records(("a", 1), at=OLD), records(("a", 2), at=NEW)
    assert admit(hold, it, old) is None
    assert admit(hold, it, new) is None
    for _ in range(PROOF - 1):
        assert admit(hold, it, records()) is None, "an empty page is not the tip"

    unit = admit(hold, it, records())
    assert unit.pages == (old, new)
    assert unit.serves
    assert hold.wire_bytes == 0
    assert it.held == []


def test_the_end_of_the_shard_lets_everything_go_but_the_copy_does_not_serve_with_it():
    """The shard's children may hold newer records of its keys, and are read only after its end."""
    hold, it = Hold(), reader()
    old, end = records(("a", 1), at=OLD), records(more=False)
    admit(hold, it, old)
    unit = admit(hold, it, end)
    assert unit.pages == (old, end)
    assert not unit.serves


def test_a_last_page_with_late_records_does_not_serve():
    assert not admit(Hold(), reader(), records(("a", 1), at=OLD, more=False)).serves


def test_a_reader_takes_back_what_it_vouched_for_when_older_records_arrive():
    it = reader()
    for second in range(PROOF):
        it.take(records(), asked_at=2000.0 + second)
    assert it.applied_up_to == 1999.0
    late = records(("a", 1), at=OLD)
    it.take(late, asked_at=2010.0)
    it.recant((late,))
    assert it.applied_up_to == OLD - 1.0

    it.applied(1, OLD)
    assert it.applied_up_to == OLD


def test_another_shard_does_not_wait():
    hold, late, other = Hold(), reader(), reader()
    admit(hold, late, records(("a", 1), at=OLD))
    assert admit(hold, other, records(("b", 1), at=NEW)) is not None
