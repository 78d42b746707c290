"""A mapping's threads: they stop in every state, and whoever waits for them is answered."""

from __future__ import annotations

import json
import threading
import time

import pytest

from headrace.batch import Batch
from headrace.dynamodb import TableEvents
from headrace.event_source_mapping import Delivering
from headrace.ledgers import Ledgers
from headrace.mapping_facts import MappingObserver
from headrace.replicate.delivery.machine import DeliveryMachine
from headrace.replicate.delivery.runner import DeliveryRunner
from headrace.simulator import Simulator
from support.delivery_world import TABLE, TABLE_OF_ORDERS


class _Consumer:
    """Takes batches when it is ``let``; ``close`` raises where it is told to."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.taken = threading.Event()
        self.let = threading.Event()
        self.breaks = breaks
        self.done = self.closed_early = False

    def consume(self, _batch: Batch) -> object:
        self.taken.set()
        self.let.wait(20.0)
        self.done = True
        return None

    def close(self) -> None:
        self.closed_early = not self.done
        self.let.set()
        if self.breaks:
            raise OSError("a process does not end")


def _runner(consumer: _Consumer, observe: MappingObserver = lambda _fact: None) -> DeliveryRunner:
    simulator = Simulator(time.time, 1, initial_shards=1, rotation_seconds=None)
    simulator("CreateTable", json.dumps(TABLE_OF_ORDERS).encode())
    item = {"TableName": TABLE, "Item": {"id": {"S": "a"}}}
    simulator("PutItem", json.dumps(item).encode())
    machine = DeliveryMachine("watch", Delivering(), "handlers:watch")
    source = TableEvents(simulator, TABLE)
    return DeliveryRunner(machine, source, consumer, Ledgers(None).of("watch"), None, observe)


def test_a_mapping_that_was_never_started_stops_and_answers_whoever_asks():
    runner = _runner(_Consumer())
    runner.stop()
    runner.stop()
    settled = runner.redrive(None).result(1.0)
    assert settled.outcome is None
    assert settled.refusal


def test_a_stop_waits_for_the_batch_under_way():
    consumer = _Consumer()
    runner = _runner(consumer)
    runner.start()
    assert consumer.taken.wait(20.0)
    threading.Timer(0.1, consumer.let.set).start()
    runner.stop()
    assert consumer.done
    assert not consumer.closed_early
    assert not any(thread.name.startswith("deliver watch") for thread in threading.enumerate())


def test_a_consumer_that_cannot_be_closed_keeps_nobody_waiting():
    runner = _runner(_Consumer(breaks=True))
    asked = runner.redrive(None)
    with pytest.raises(OSError, match="does not end"):
        runner.stop()
    assert asked.result(1.0).refusal


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_whoever_asks_a_mapping_that_has_died_is_told_so():
    def broken(_fact: object) -> None:
        raise ValueError("of an observer")

    runner = _runner(_Consumer(), broken)
    asked = runner.redrive(None)
    runner.start()
    assert "internal error" in (asked.result(20.0).refusal or "")
    runner.stop()
