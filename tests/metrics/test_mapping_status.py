from pathlib import Path

import pytest

from headrace.event_source_mapping import EventSourceMapping, Function
from headrace.mapping_facts import (
    BatchBisected,
    FillFailed,
    FillFinished,
    FillProgressed,
    FillStarted,
    Invoked,
    MappingStatusChanged,
    RecordsFiltered,
    RecordsGivenUp,
)
from headrace.metrics.mapping_status import MappingBoard
from headrace.observe import RecordsRead, TransientFault
from headrace.status import SILENCE, MappingStatus, State
from headrace.target import Replica

LEDGER = Path("/ledger.sqlite")
ORDERS = EventSourceMapping("orders", "orders_table", Function("handlers:on_change", Path("/pod")), LEDGER)
COPY = EventSourceMapping("copy", "orders_table", Replica("orders-replica"), LEDGER)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board(clock):
    return MappingBoard([ORDERS, COPY], clock)


def told(mapping="orders", **more):
    return MappingStatusChanged(mapping, **({"status": State.READY, "live": True, "lag": 0.5} | more))


def invoked(done, error=None, *, attempt=1, mapping="orders"):
    return Invoked(mapping, "shard-1", 10, done, attempt, 0.02, 3.0, error)


def test_before_anything_is_told_every_mapping_is_loading_and_says_why(board):
    orders, copy = board.statuses()
    assert orders == MappingStatus(
        name="orders",
        source="dynamodb:orders_table",
        consumer="handlers:on_change",
        status=State.LOADING,
        live=False,
        reason="the mapping has not been opened yet",
    )
    assert copy.consumer == "replicate:orders-replica"


def test_what_happens_is_counted_for_the_mapping_that_it_is_about(board):
    for fact in (
        invoked(10),
        invoked(0, "ValueError: 5", attempt=2),
        invoked(4, "BatchItemFailures: 1 of 10", attempt=3),
        BatchBisected("orders", "shard-1", 6),
        RecordsFiltered("orders", "shard-1", 7),
        RecordsGivenUp("orders", "shard-1", 2, "RetryAttemptsExhausted", "0123", "ValueError: 5"),
        RecordsRead("orders", "shard-1", 20),
        TransientFault("orders", "GetRecords", "throttled", retry_in=0.2),
        invoked(10, mapping="somebody-else"),
    ):
        board(fact)
    orders, copy = board.statuses()
    counts = ("invocations", "errors", "retries", "bisected", "delivered", "filtered", "given_up")
    assert [getattr(orders, name) for name in counts] == [3, 1, 2, 1, 14, 7, 2]
    assert [getattr(copy, name) for name in counts] == [0] * 7


def test_ages_of_what_waits_and_the_lag_grow_until_the_next_status(board, clock):
    board(told(ages={"shard-1": 4.0, "shard-2": 0.0}, parked=2, failures=3))
    clock.now += 1.5
    orders, _ = board.statuses()
    assert orders.shards == {"shard-1": 5500, "shard-2": 0}
    assert (orders.iterator_age_ms, orders.lag_ms) == (5500, 2000)
    assert (orders.status, orders.live, orders.parked, orders.failures) == (State.READY, True, 2, 3)
    board(told(lag=None))
    orders, _ = board.statuses()
    assert (orders.shards, orders.iterator_age_ms, orders.lag_ms) == ({}, None, None)


def test_a_mapping_of_which_nothing_is_heard_is_not_live(board, clock):
    board(told())
    clock.now += SILENCE
    assert board.statuses()[0].live
    clock.now += 0.1
    board(invoked(10))
    orders, copy = board.statuses()
    assert (orders.status, orders.live) == (State.ERROR, False)
    assert orders.reason.startswith(
        "nothing was heard of the mapping orders for 30 s: its thread has died or hangs"
    )
    assert copy.status is State.ERROR
    board(told())
    assert board.statuses()[0].live


def test_an_error_that_was_told_last_stays_the_reason(board, clock):
    board(told(status=State.ERROR, live=False, reason="access denied"))
    clock.now += 2 * SILENCE
    assert board.statuses()[0].reason == "access denied"


def test_how_far_a_fill_is_and_why_it_rests_is_told_until_it_has_ended(board):
    def seen():
        _, copy = board.statuses()
        return copy.filling, copy.filled, copy.reason

    board(told("copy"))
    board(FillStarted("copy", "it was asked for", resumed=False))
    board(FillProgressed("copy", 500))
    assert seen() == (True, 500, None)
    board(FillFailed("copy", "the index is away"))
    assert seen() == (True, 500, "its fill rests: the index is away")
    board(FillStarted("copy", "it was asked for", resumed=True))
    assert seen() == (True, 500, None)
    board(FillFinished("copy", 900, 2.5))
    assert seen() == (False, 900, None)
    board(FillStarted("copy", "it was asked for", resumed=False))
    assert seen() == (True, 0, None)
