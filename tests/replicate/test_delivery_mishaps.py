"""What goes wrong beside a mapping, or is changed under it, loses nothing and stops nothing for ever."""

from __future__ import annotations

import json

import pytest

from headrace.batch import MOST_BYTES, Batch
from headrace.dynamodb import TableEvents
from headrace.errors import AccessDenied, ConsumerUnavailable, LedgerError
from headrace.event_source_mapping import Delivering, OnPoison
from headrace.ledger import Condition, Failure, Fault
from headrace.mapping_facts import MappingStatusChanged
from headrace.replicate.delivery.commands import RedriveFailures, Rest
from headrace.status import State
from support.deliveries import failure
from support.delivery_world import START
from support.scripted_delivery import Scripted, fails, poisoned

PARK = Delivering(maximum_retry_attempts=0, on_poison=OnPoison.PARK)


def _counting(batch: Batch) -> object:
    if batch.window is None:
        return None
    return {"state": {"count": json.loads(batch.window.state).get("count", 0) + len(batch.records)}}


def _status(world: Scripted) -> MappingStatusChanged:
    last = world.of_kind(MappingStatusChanged)[-1]
    assert isinstance(last, MappingStatusChanged)
    return last


def _without_records(at: float, message: str) -> Failure:
    fault = Fault("RecordUnreadable", message)
    return failure(condition=Condition.RECORD_UNREADABLE, fault=fault, at=at)


def test_failures_of_other_records_or_of_another_unreadable_one_have_other_ids():
    assert failure(1, 2, 3).id == failure(1, 2, 3).id
    assert failure(1, 2, 3).id != failure(1, 3).id
    assert _without_records(START, "record 1").id != _without_records(START, "record 2").id


@pytest.mark.parametrize("size", [7.0, 90.0, 900.0])
def test_an_open_window_of_another_size_ends_when_it_would_have(size):
    world = Scripted(Delivering(tumbling_window=60.0), otherwise=_counting)
    world.put("a")
    world.run(1.0)
    world.delivering = Delivering(tumbling_window=size)
    world.boot()
    world.put("b")
    world.run(100.0)
    world.put("c")
    world.run(1.0)
    first, second, third, *_ = (batch.window for batch in world.batches)
    assert first is not None
    assert second is not None
    assert third is not None
    assert (second.start, second.end, json.loads(second.state)) == (first.start, first.end, {"count": 1})
    assert (third.end, third.final, third.state) == (first.end, True, '{"count":2}')
    last = world.batches[-1].window
    assert last is not None
    assert last.end - last.start == size


def test_a_mapping_that_has_no_windows_any_more_asks_for_no_state():
    world = Scripted(Delivering(tumbling_window=60.0), otherwise=_counting)
    world.put("a")
    world.run(1.0)
    world.delivering = Delivering(parallelization_factor=4)
    world.boot()
    world.put("b")
    world.run(1.0)
    assert world.keys == [["a"], ["b"]]
    assert world.batches[-1].window is None
    world.boot()
    delivery = world.ledger.open()
    assert delivery is not None
    assert all(one.window is None for one in delivery.shards)


def test_parked_records_come_back_in_events_of_no_more_than_six_megabytes():
    world = Scripted(PARK, otherwise=poisoned('"a"'))
    world.put(*"a" * 20, size=390_000)
    world.run()
    assert world.failures == ()
    world.otherwise = lambda _batch: None
    first = len(world.batches)
    world.tell(RedriveFailures(1)).run()
    again = world.batches[first:]
    assert sum(len(batch.records) for batch in again) == 20
    assert all(len(batch.event()) <= MOST_BYTES for batch in again)
    numbers = [int(record.sequence.text) for batch in again for record in batch.records]
    assert numbers == sorted(numbers)


def test_an_error_that_nobody_expected_of_a_consumer_uses_up_retries():
    def strange(_batch: Batch) -> object:
        raise ZeroDivisionError("of all things")

    world = Scripted(Delivering(maximum_retry_attempts=1), [strange, strange])
    world.put("a")
    world.run()
    (stored,) = world.failures
    assert stored.failure.fault is not None
    assert (stored.failure.fault.type, stored.failure.fault.message) == ("ZeroDivisionError", "of all things")
    assert stored.failure.fault.trace


def test_a_state_that_is_no_text_fails_the_batch():
    world = Scripted(Delivering(tumbling_window=60.0), [lambda _batch: {"state": "\ud800"}], _counting)
    world.put("a")
    world.run()
    assert world.keys == [["a"], ["a"]]


def test_a_consumer_that_cannot_be_reached_for_long_is_said_to_and_no_longer_once_it_is():
    def away(_batch: Batch) -> object:
        raise ConsumerUnavailable("no process can be started")

    world = Scripted(Delivering(), otherwise=away)
    world.put("a")
    world.run(90.0)
    assert (_status(world).status, _status(world).live) == (State.ERROR, False)
    assert "no process can be started" in (_status(world).reason or "")
    world.otherwise = lambda _batch: None
    world.run(30.0)
    assert (_status(world).status, _status(world).reason) == (State.READY, None)


def test_a_batch_that_failed_until_it_was_too_old_is_no_reason_any_more():
    world = Scripted(Delivering(maximum_record_age=60.0), otherwise=fails)
    world.put("a")
    world.run(50.0)
    assert _status(world).status is State.ERROR
    reason = _status(world).reason or ""
    assert "a batch of shard" in reason
    assert reason.endswith("ValueError: a record is wrong"), "what the consumer said"
    world.run(40.0)
    assert len(world.failures) == 1
    assert (_status(world).status, _status(world).reason) == (State.READY, None)


def test_a_ledger_that_takes_nothing_for_long_is_said_to_and_loses_nothing(monkeypatch):
    world = Scripted(Delivering(batch_size=1))
    world.put("a")
    world.run()

    def full(_work: object) -> None:
        raise LedgerError("the disk is full")

    monkeypatch.setattr(world.ledger, "commit", full)
    world.put("b")
    world.run(90.0)
    assert _status(world).status is State.ERROR
    assert "the disk is full" in (_status(world).reason or "")
    monkeypatch.undo()
    world.run(40.0)
    assert _status(world).status is State.READY
    world.boot()
    assert world.run().keys == [["a"], ["b"]]


@pytest.mark.parametrize("most", [3, None])
def test_a_mapping_that_is_far_behind_gives_nothing_up_that_fails_but_once(most):
    world = Scripted(Delivering(maximum_retry_attempts=most), [fails, fails])
    world.put("a")
    world.clock.now += 23.5 * 3600.0
    world.boot()
    assert world.run().keys == [["a"]] * 3
    assert world.failures == ()


def test_a_mapping_that_is_to_rest_hands_no_parked_record_over():
    world = Scripted(PARK, otherwise=poisoned('"a"'))
    world.put("a")
    world.run()
    world.otherwise = lambda _batch: None
    world.tell(RedriveFailures(1)).tell(Rest()).run()
    assert world.rested
    assert len(world.batches) == 1
    (settled,) = world.settled
    assert settled.refusal is not None


def test_a_table_that_could_not_be_described_is_no_reason_once_a_mapping_goes_on(monkeypatch):
    world = Scripted()
    world.put("a")
    world.run()

    def denied(_source: object) -> None:
        raise AccessDenied("dynamodb:DescribeTable is not allowed")

    monkeypatch.setattr(TableEvents, "describe", denied)
    world.boot()
    world.put("b")
    world.run(60.0)
    assert world.keys == [["a"], ["b"]]
    assert (_status(world).status, _status(world).reason) == (State.READY, None)
