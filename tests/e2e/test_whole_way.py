"""The real process over HTTP: every value of every type, through bootstrap, stream and restarts."""

import time

import pytest

from headrace import connect
from headrace.simulator import Simulator
from headrace.simulator.faults import Refuse
from headrace.simulator.server import SimulatorServer
from support.deadline import eventually
from support.items import TableUnderTest, comparable, reads_as


def differences(headrace, table):
    """Keys whose rows are not what the table holds, with both sides of the first."""
    rows = {row["id"]: comparable(row) for row in headrace.sql("SELECT * FROM orders")}
    items = {key: reads_as(item) for key, item in table.items.items()}
    wrong = [key for key in rows.keys() | items.keys() if rows.get(key) != items.get(key)]
    return [(key, rows.get(key), items.get(key)) for key in sorted(wrong)[:1]]


def until_equal(headrace, table, within=60):
    deadline = time.monotonic() + within
    while found := differences(headrace, table):
        assert time.monotonic() < deadline, found
    assert headrace.sql("SELECT count(*) AS n FROM orders") == [{"n": len(table.items)}]


def expect_the_same_over_flight(process, table):
    """Whatever engine holds them: the columns are told as they come, and a key finds its row."""
    key = next(iter(table.items))
    with connect(process.flight_url) as connection, connection.cursor() as cursor:
        rows = cursor.execute("SELECT * FROM orders").fetch_arrow_table()
        assert rows.num_rows == len(table.items)
        assert connection.adbc_get_table_schema("orders").equals(rows.schema)
        assert cursor.execute("SELECT id FROM orders WHERE id = ?", (key,)).fetchall() == [(key,)]


ITEMS = 1500
INDEXES = ", indexes: {revision: enabled, '(created, QUANTITY)': enabled, '(revision, never)': enabled}"


@pytest.mark.parametrize(
    ("endpoint", "engine"),
    [
        ("ministack", "duckdb"),
        pytest.param("simulator", "duckdb", marks=pytest.mark.long),
        pytest.param("simulator", "sqlite", marks=pytest.mark.long),
        pytest.param("simulator", "postgres", marks=pytest.mark.long),
    ],
    indirect=["endpoint", "engine"],
)
def test_every_value_survives_bootstrap_stream_and_restart(endpoint, engine, pod, headrace):
    """Items of every type, mixed changes of them, a kill in the middle: equal at every stage."""
    table = TableUnderTest(endpoint)
    table.fill(ITEMS)
    folder = pod(endpoint, acceleration=INDEXES)

    first = headrace(folder)
    first.until_ready()
    assert len(first.events("bootstrap_started")) == 1
    until_equal(first, table)
    expect_the_same_over_flight(first, table)
    table.change(ITEMS // 8, seed=1)
    first.kill()
    table.change(ITEMS // 8, seed=2)

    second = headrace(folder)
    second.until_ready()
    until_equal(second, table)
    assert second.events("bootstrap_started") == []
    assert len(second.events("stream_resumed")) == 1
    waiting = [] if engine == "duckdb" else ["(revision, never)"]
    assert second.dataset("orders")["waiting_indexes"] == waiting
    assert second.stop() == 0


class ScanGate:
    """Lets a number of Scan pages through and throttles the rest; notes where each page began."""

    def __init__(self, pages):
        self.pages = pages
        self.begun = []

    def __call__(self, operation, request):
        if operation != "Scan":
            return None
        if self.pages == 0:
            return Refuse("ProvisionedThroughputExceededException")
        self.pages -= 1
        self.begun.append((request["Segment"], str(request.get("ExclusiveStartKey"))))
        return None


def test_a_kill_during_the_bootstrap_resumes_the_scan_and_does_not_repeat_it(pod, headrace):
    gate = ScanGate(pages=3)
    with SimulatorServer(Simulator(time.time, initial_shards=2, faults=gate), "127.0.0.1", 0) as server:
        table = TableUnderTest(server.url)
        table.fill(1_000, padding=5_000)
        folder = pod(server.url, more=", scan_segments: 2")
        first = headrace(folder)
        eventually(lambda: first.events("transient_fault"), within=30, what="the throttle is met")
        eventually(lambda: first.dataset("orders")["rows"], within=30, what="the pages that came are durable")
        table.change(200, seed=1)
        first.kill()

        before, gate.begun, gate.pages = gate.begun, [], 10**6
        second = headrace(folder)
        second.until_ready()
        until_equal(second, table)
        assert second.events("bootstrap_started") == []
        assert len(second.events("bootstrap_resumed")) == 1
        assert (0, "None") not in gate.begun
        assert (1, "None") not in gate.begun
        repeated = set(before) & set(gate.begun)
        assert len(repeated) <= 4, "only pages that were not durable are read again"
        second.stop()


@pytest.mark.parametrize("mode", ["file", pytest.param("memory", marks=pytest.mark.long)])
def test_a_write_is_visible_in_sql_soon_after_put_item_returns(pod, headrace, mode):
    with SimulatorServer(Simulator(time.time), "127.0.0.1", 0) as server:
        table = TableUnderTest(server.url)
        running = headrace(pod(server.url, mode=mode))
        running.until_ready()
        assert running.sql("SELECT count(*) AS n FROM orders") == [{"n": 0}]
        table.fill(1)
        eventually(
            lambda: running.sql("SELECT count(*) AS n FROM orders") == [{"n": 1}],
            within=5,
            what="the new item is counted",
        )
        running.stop()


def test_splits_and_rotations_are_followed_while_running(pod, headrace):
    simulator = Simulator(time.time, initial_shards=2)
    with SimulatorServer(simulator, "127.0.0.1", 0) as server:
        table = TableUnderTest(server.url)
        table.fill(500)
        running = headrace(pod(server.url))
        running.until_ready()
        for round_ in range(1, 7):
            table.change(60, seed=round_)
            if round_ % 2:
                simulator.streams.split_shard("orders")
            else:
                simulator.streams.rotate_shards("orders")
        until_equal(running, table)
        metrics = running.metrics()
        active = len(simulator.streams.open_shards("orders"))
        assert f'dataset_dynamodb_shards_active{{dataset="orders"}} {active}.0' in metrics
        running.stop()


def test_a_stream_that_dies_turns_ready_off_with_the_reason_and_on_again_when_it_heals(pod, headrace):
    down = []

    def faults(operation, request):
        return (
            Refuse("AccessDeniedException", "not authorized") if down and operation == "GetRecords" else None
        )

    with SimulatorServer(Simulator(time.time, faults=faults), "127.0.0.1", 0) as server:
        table = TableUnderTest(server.url)
        table.fill(10)
        running = headrace(pod(server.url))
        running.until_ready()
        down.append(True)
        eventually(lambda: running.get("/v1/ready").status == 503, within=20, what="not ready")
        assert b"dynamodb:GetRecords" in running.get("/v1/ready").data
        assert running.sql("SELECT count(*) AS n FROM orders") == [{"n": 10}], "it may still be queried"
        down.clear()
        running.until_ready()
        running.stop()
