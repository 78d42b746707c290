from dataclasses import replace

import pytest

from headrace.position import Position, SequenceNumber
from headrace.replicate.reader import BUSY_WAIT, PROOF, ShardReader, idle_ceiling
from support.batches import records


def reader():
    return ShardReader("s", Position.trim_horizon(0.0), answered_at=0.0, due_at=0.0)


def test_one_empty_page_proves_nothing():
    it = reader()
    it.take(records(), asked_at=50.0)

    assert not it.at_tip
    assert it.applied_up_to is None


def test_enough_empty_pages_vouch_for_the_time_before_the_oldest_was_asked_for():
    it = reader()
    for second in range(PROOF + 2):
        it.take(records(), asked_at=50.0 + second)

    assert it.at_tip
    assert it.applied_up_to == 52.0 - 1.0


def test_a_record_among_empty_pages_starts_the_proof_anew():
    it = reader()
    for _ in range(PROOF - 1):
        it.take(records(), asked_at=50.0)
    it.take(records(("a", 1), at=40.0), asked_at=51.0)
    it.take(records(), asked_at=60.0)

    assert not it.at_tip
    assert it.read_up_to == 40.0


def test_what_was_read_is_vouched_for_only_when_it_is_applied():
    it = reader()
    it.take(records(("a", 1), at=40.0), asked_at=45.0)
    it.take(records(("a", 2), at=43.0), asked_at=46.0)
    assert it.applied_up_to is None

    it.applied(1, 40.0)
    assert it.applied_up_to == 40.0
    it.applied(1, 43.0)
    assert it.applied_up_to == 43.0


def test_empty_pages_behind_an_unapplied_page_vouch_for_nothing_yet():
    it = reader()
    it.take(records(("a", 1), at=40.0), asked_at=45.0)
    for _ in range(PROOF):
        it.take(records(), asked_at=50.0)
    assert it.applied_up_to is None

    it.applied(1, 40.0)
    assert it.applied_up_to == 49.0


def test_the_last_page_of_a_shard_counts_even_when_it_is_empty():
    it = reader()
    it.take(records(more=False), asked_at=45.0)

    assert it.ended
    assert it.unapplied == 1


def test_the_position_follows_the_last_record_read():
    it = reader()
    it.take(records(("a", 1), last=900), asked_at=45.0)

    assert it.position == Position.after(SequenceNumber("900"))


def test_polls_slow_down_while_nothing_comes_and_hurry_when_something_does():
    it = reader()
    waits = []
    for _ in range(6):
        it.schedule(records(), now=0.0, least=0.0, most=0.2)
        waits.append(it.due_at)
    assert waits == sorted(waits)
    assert waits[-1] == 0.2

    it.schedule(records(("a", 1)), now=0.0, least=0.0, most=0.2)
    assert it.due_at == BUSY_WAIT


def test_scan_interval_is_the_least_time_between_polls():
    it = reader()
    it.schedule(records(("a", 1)), now=10.0, least=5.0, most=5.0)
    assert it.due_at == 15.0


def test_the_proof_of_a_tip_fits_into_ready_lag():
    for ready_lag in (0.5, 1.0, 2.0, 60.0):
        assert idle_ceiling(ready_lag) * (PROOF - 1) < ready_lag


@pytest.mark.parametrize(
    ("position", "last", "repeats"),
    [
        (Position.after(SequenceNumber("99")), "100", False),
        (Position.after(SequenceNumber("100")), "100", True),
        (Position.after(SequenceNumber("100")), "99", True),
        (Position.at(SequenceNumber("100")), "100", False),
        (Position.at(SequenceNumber("100")), "99", True),
        (Position.trim_horizon(0.0), "1", False),
    ],
)
def test_a_page_that_ends_before_the_position_repeats_what_was_read(position, last, repeats):
    it = ShardReader("s", position, answered_at=0.0, due_at=0.0)
    page = replace(records(("a", 1), at=40.0), last=SequenceNumber(last))

    assert it.repeats(page) is repeats
    assert not it.repeats(records()), "an empty page goes nowhere"
