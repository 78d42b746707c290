import threading
import time
from dataclasses import replace

from headrace.dataset import Acceleration, Dataset, Engine, Index, ReadyState
from headrace.errors import AcceleratorError
from headrace.evolution import ColumnChange, Happened
from headrace.metrics.status import StatusBoard
from headrace.observe import ColumnsKnown, RecordsRead, SchemaEvolved, StatusChanged
from headrace.status import DatasetStatus, LastChange, State

ORDERS = Dataset("orders", "orders_table", acceleration=Acceleration(Engine.DUCKDB))
USERS = Dataset("users", "users")


def ready(dataset, lag=0.1):
    return StatusChanged(dataset, State.READY, ready=True, live=True, fresh=True, lag=lag, reason=None)


def all_ready(statuses):
    return all(status.ready for status in statuses)


def test_before_anything_is_told_every_dataset_is_loading_and_says_why():
    orders, users = StatusBoard([ORDERS, USERS]).statuses()
    assert orders == DatasetStatus(
        name="orders",
        source="dynamodb:orders_table",
        engine="duckdb",
        status=State.LOADING,
        ready=False,
        live=False,
        fresh=False,
        lag_ms=None,
        rows=None,
        reason="the dataset has not been opened yet",
    )
    assert (users.name, users.engine) == ("users", None)


def test_the_latest_status_is_shown_with_the_rows_counted_now():
    counts = iter([10, 11])
    board = StatusBoard([ORDERS, USERS], rows={"orders": lambda: next(counts)})
    board(ready("orders"))
    assert [status.rows for status in board.statuses()] == [10, None]
    assert board.statuses()[0].rows == 11


def test_rows_that_cannot_be_counted_are_not_known():
    def count():
        raise AcceleratorError("locked")

    board = StatusBoard([ORDERS], rows={"orders": count})
    assert board.statuses()[0].rows is None


def test_the_lag_of_a_status_grows_until_the_next_is_told():
    now = [50.0]
    board = StatusBoard([ORDERS], clock=lambda: now[0])
    board(ready("orders", lag=0.5))
    now[0] += 2
    assert board.statuses()[0].lag_ms == 2500


def test_other_facts_and_other_datasets_change_nothing():
    board = StatusBoard([ORDERS])
    before = board.statuses()
    board(RecordsRead("orders", "shard", 1))
    board(ready("nobody"))
    assert board.statuses() == before


def test_what_happens_to_columns_is_counted_and_the_last_of_it_kept_with_its_time():
    wall = iter([1000.0, 2000.0])
    board = StatusBoard([ORDERS, USERS], wall=lambda: next(wall))
    board(ColumnsKnown("orders", (("id", "Utf8"),)))
    board(SchemaEvolved("orders", (ColumnChange(Happened.ADDED, "price", after="Int64"),)))
    widened = ColumnChange(Happened.RETYPED, "price", "Int64", "Float64")
    board(SchemaEvolved("orders", (ColumnChange(Happened.ADDED, "x", after="Utf8"), widened)))
    board(ColumnsKnown("orders", (("id", "Utf8"), ("price", "Float64"), ("x", "Utf8"))))
    board(ColumnsKnown("nobody", ()))
    orders, users = board.statuses()
    assert (orders.columns, orders.schema_changes) == (3, 3)
    assert orders.last_schema_change == LastChange("price: Int64 -> Float64", 2000.0)
    assert (users.columns, users.schema_changes, users.last_schema_change) == (None, 0, None)


def test_indexes_wait_until_all_their_columns_are_there():
    asked = (Index(("Status",)), Index(("customer", "created")), Index(("headrace_x",)), Index(("b.x",)))
    acceleration = Acceleration(Engine.SQLITE, indexes=asked)
    board = StatusBoard([replace(ORDERS, acceleration=acceleration), USERS])
    assert [status.waiting_indexes for status in board.statuses()] == [(), ()]
    board(ColumnsKnown("orders", (("id", "Utf8"), ("created", "Utf8")), ("id", "created")))
    board(ColumnsKnown("users", (("id", "Utf8"),), ("id",)))
    orders, users = board.statuses()
    assert orders.waiting_indexes == ("(Status)", "(customer, created)", "(headrace_x)", "(b.x)")
    assert users.waiting_indexes == ()
    columns = ("id", "created", "status", "item_headrace_x_1", "b.x")
    board(ColumnsKnown("orders", tuple((name, "Utf8") for name in columns), (*columns[:3], "headrace_x")))
    assert board.statuses()[0].waiting_indexes == ("(customer, created)",)


def test_a_dataset_that_is_answered_from_the_source_is_ready_until_its_copy_is_and_then_by_it():
    board = StatusBoard([replace(ORDERS, ready_state=ReadyState.ON_REGISTRATION), USERS])
    orders, users = board.statuses()
    assert (orders.ready, orders.remote, users.ready, users.remote) == (True, True, False, False)
    assert orders.reason == (
        "answered from DynamoDB until the copy is complete; the dataset has not been opened yet"
    )
    board(ready("orders"))
    (orders, _) = board.statuses()
    assert (orders.ready, orders.remote, orders.reason) == (True, False, None)


def test_waiting_ends_when_the_statuses_become_what_is_waited_for():
    board = StatusBoard([ORDERS, USERS])
    outcome = []
    waiter = threading.Thread(target=lambda: outcome.append(board.wait(all_ready, time.monotonic() + 20)))
    waiter.start()
    board(ready("orders"))
    board(ready("users"))
    waiter.join(20)
    assert outcome == [True]


def test_waiting_ends_at_its_deadline_and_says_so():
    board = StatusBoard([ORDERS])
    assert board.wait(all_ready, time.monotonic() + 0.05) is False
    board(ready("orders"))
    assert board.wait(all_ready, time.monotonic() - 1) is True


def test_a_dataset_of_which_nothing_is_heard_is_not_live():
    """Whoever tells the status may have died; the last word is not the truth for ever."""
    now = [1000.0]
    board = StatusBoard([ORDERS], {}, lambda: now[0])
    board(ready("orders"))
    now[0] += 29
    assert board.statuses()[0].live
    now[0] += 2
    status = board.statuses()[0]
    assert not status.live
    assert not status.fresh
    assert status.ready, "what was copied may still be queried"
    assert status.status is State.ERROR
    assert "nothing was heard from the replication of orders for 31 s" in status.reason
    board(ready("orders"))
    assert board.statuses()[0].live


def test_a_dataset_that_a_target_writes_stays_live_without_a_word():
    """It is told of when it is opened; whether records reach it is told by its mapping."""
    now = [1000.0]
    board = StatusBoard([replace(ORDERS, fed_by="order-trail")], {}, lambda: now[0])
    board(ready("orders", lag=None))
    now[0] += 86_400
    status = board.statuses()[0]
    assert (status.status, status.live, status.fresh, status.reason) == (State.READY, True, True, None)


def test_readiness_is_told_without_asking_an_engine():
    def hanging():
        raise AssertionError("rows were counted")

    board = StatusBoard([ORDERS], {"orders": hanging})
    assert board.statuses(rows=False)[0].rows is None
