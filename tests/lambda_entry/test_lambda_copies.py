"""A dataset in PostgreSQL that functions write: on a real server."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import psycopg
import pytest

from headrace.accelerator import Target, Work
from headrace.accelerators.postgres import PostgresAccelerator, pushed
from headrace.checkpoint import Checkpoint
from headrace.config import load_pod
from headrace.dynamodb import DynamoDBSource
from headrace.errors import ConsumerUnavailable
from headrace.replicate.entry import CopyTable, decide
from support.lambda_functions import ARN, Package, change, event, recorded
from support.postgres_server import SUPERUSER, new_schema, shared_server
from support.replication import Side


@pytest.fixture
def schema():
    return new_schema()


@pytest.fixture
def rows(schema):
    """What a reader of the table sees."""

    def asked(columns="*", order="id"):
        with shared_server().connect() as connection:
            cursor = connection.execute(f"SELECT {columns} FROM {schema}.orders ORDER BY {order}")
            return cursor.fetchall()

    return asked


@pytest.fixture
def package(tmp_path, schema):
    server = shared_server()
    made = Package(tmp_path, Side())
    params = {"pg_host": "127.0.0.1", "pg_port": server.port, "pg_db": "postgres", "pg_user": SUPERUSER}
    made.spicepod(
        datasets=[
            {
                "from": "dynamodb:orders",
                "name": "orders",
                "params": {"aws_region": "us-east-1"},
                "acceleration": {
                    "engine": "postgres",
                    "refresh_mode": "changes",
                    "params": {**params, "pg_schema": schema},
                },
            }
        ]
    )
    yield made
    made.close()


def status(text):
    return {"status": {"S": text}}


def held_by_headrace_run(package):
    """The accelerator that `headrace run` has of the same Spicepod, and the table as it sees it."""
    (dataset,) = load_pod(None, {}, package.folder).datasets
    source = DynamoDBSource(package._transport, "orders", mapping=dataset.mapping)
    accelerator = PostgresAccelerator("orders", dataset.acceleration.postgres)
    return accelerator, source.describe()


def test_from_an_empty_database_on_the_function_makes_the_table_and_keeps_it(package, rows, caplog):
    function = package.function()
    assert function(recorded("insert_modify_remove")) == {"batchItemFailures": []}
    assert "there was no copy, so one was begun" in caplog.text
    total = Decimal("123456789012345678901234567890.12345678")
    assert rows("id, status, total, photo, gift, tags::text, prices::text, paid_at, note") == [
        ("o2", "new", total, b"\x00\x01\x02\xff", True, '["b", "a"]', "[1.1, 2]", None, None)
    ]
    function(event(change(10, "o1", status("new")), change(11, "o2", status("paid")), change(12, "o3", {})))
    assert rows("id, status") == [("o1", "new"), ("o2", "paid"), ("o3", None)]


def test_columns_come_and_widen_in_whichever_environment_first_meets_them(package, rows):
    one, two = package.function(), package.function()
    one(event(change(1, "a", {"n": {"N": "1"}})))
    two(event(change(2, "b", {"n": {"S": "text"}, "paid": {"BOOL": True}})))
    one(event(change(3, "c", {"n": {"N": "2.50"}, "late": {"S": "x"}})))
    assert rows("id, n, paid, late") == [
        ("a", "1", None, None),
        ("b", "text", True, None),
        ("c", "2.5", None, "x"),
    ]


def test_a_batch_that_comes_again_in_parts_takes_no_row_back_and_brings_no_deleted_one(package, rows):
    """Lambda has not heard that a batch was done, and cuts it in two: its first half alone is older than what is there."""
    function = package.function()
    batch = [
        change(1, "a", status("new")),
        change(2, "b", status("new")),
        change(3, "a", status("paid")),
        change(4, "b", None),
    ]
    function(event(*batch))
    for part in (batch[:2], batch[:1], batch[2:], batch):
        package.function()(event(*part))
        assert rows("id, status") == [("a", "paid")]
    function(event(change(5, "b", status("back"))))
    function(event(*batch))
    assert rows("id, status") == [("a", "paid"), ("b", "back")]


def test_a_record_that_cannot_be_stored_is_kept_as_a_dead_letter_and_all_others_are_stored(
    package, rows, schema, caplog
):
    function = package.function()
    function(
        event(change(1, "a", status("x")), change(2, "b", status("nul \x00")), change(3, "c", status("z")))
    )
    assert rows("id, status") == [("a", "x"), ("c", "z")]
    with shared_server().connect() as connection:
        found = connection.execute(
            f"SELECT key, sequence_number, superseded_at FROM {schema}.headrace_dead_letter"
        ).fetchall()
        assert found == [('{"id":{"S":"b"}}', change(2, "b", {})["dynamodb"]["SequenceNumber"], None)]
        assert "1 records could not be stored" in caplog.text
        function(event(change(2, "b", status("nul \x00"))))
        function(event(change(4, "b", status("fine"))))
        assert rows("id, status") == [("a", "x"), ("b", "fine"), ("c", "z")]
        found = connection.execute(
            f"SELECT superseded_at IS NULL FROM {schema}.headrace_dead_letter"
        ).fetchall()
        assert found == [(False,)]


def test_environments_that_write_at_once_wait_for_each_other(package, rows, schema):
    """Each has a shard of its own, and all make the same new table, and new columns, at the same moment."""
    functions = [package.function() for _ in range(4)]
    ready = threading.Barrier(4, timeout=15)

    def shard(number):
        for turn in range(6):
            ready.wait()
            column = f"c{number}_{turn}"
            functions[number](
                event(
                    change(
                        100 * number + turn, f"{number}/{turn}", {column: {"N": str(turn)}, "n": {"N": "1"}}
                    )
                )
            )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(shard, range(4)))
    made = [(number, turn) for number in range(4) for turn in range(6)]
    columns = ", ".join(f"c{number}_{turn}" for number, turn in made)
    assert rows(f"id, n, coalesce({columns})") == [
        (f"{number}/{turn}", Decimal(1), Decimal(turn)) for number, turn in made
    ]
    with shared_server().connect() as connection:
        counted = connection.execute(f"SELECT rows FROM {schema}.headrace_checkpoint").fetchall()
    assert counted == [(24,)]


def test_while_headrace_run_holds_the_copy_a_function_waits_and_fails_the_batch(package, rows, monkeypatch):
    monkeypatch.setattr("headrace.lambda_entry.copied.MARGIN", 59.0)
    accelerator, _ = held_by_headrace_run(package)
    accelerator.open()
    function = package.function()
    with pytest.raises(
        ConsumerUnavailable, match=r"is held by another session .*for more than 0.5 s; a `headrace run`"
    ):
        function(event(change(1, "a", status("new"))))
    accelerator.close()
    function(event(change(1, "a", status("new"))))
    assert rows("id, status") == [("a", "new")]


def test_between_two_events_nobody_holds_the_copy(package):
    package.function()(event(change(1, "a", status("new"))))
    accelerator, _ = held_by_headrace_run(package)
    stored = accelerator.open()
    accelerator.close()
    assert stored.live.checkpoint.pushed


def run_has_copied(package, *, was_ready=True, stream=ARN):
    """`headrace run` has copied the table, and has stopped; what it left."""
    accelerator, table = held_by_headrace_run(package)
    accelerator.open()
    checkpoint = Checkpoint(
        table.table_id, stream, 1.0, (), (), scan_ended_at=2.0, was_ready=was_ready, reading=table.reading
    )
    accelerator.apply(Work(Target.LIVE, checkpoint, create=table.columns))
    accelerator.close()
    return table


def test_a_copy_of_headrace_run_is_gone_on_with_and_then_headrace_run_copies_the_table_anew(package, rows):
    """Its positions are of before: to go on from them would show each row in its older states."""
    table = run_has_copied(package)
    package.function()(event(change(1, "a", status("new"))))
    assert rows("id, status") == [("a", "new")]
    accelerator, _ = held_by_headrace_run(package)
    stored = accelerator.open()
    accelerator.close()
    assert stored.live.checkpoint.was_ready
    decided = decide(stored, table, 3.0, gap=None, drained=False)
    assert isinstance(decided, CopyTable)
    assert "AWS Lambda" in decided.reason


@pytest.mark.parametrize(
    ("left", "message"),
    [
        ({"was_ready": False}, "the copy of orders is not complete yet"),
        ({"stream": ARN.replace("06-27", "06-26")}, "changes between the two may be missing"),
    ],
)
def test_a_copy_that_the_records_do_not_continue_is_left_alone(package, rows, left, message):
    run_has_copied(package, **left)
    with pytest.raises(ConsumerUnavailable, match=message):
        package.function()(event(change(1, "a", status("new"))))
    assert rows("id") == []


def test_another_stream_of_the_table_is_not_gone_on_with(package, rows):
    function = package.function()
    function(event(change(1, "a", status("new"))))
    later = ARN.replace("06-27", "06-28")
    with pytest.raises(ConsumerUnavailable, match="changes between the two may be missing"):
        function(event(change(2, "a", status("paid"), arn=later)))
    assert rows("id, status") == [("a", "new")]


def test_a_copy_that_was_dropped_to_begin_anew_gets_all_records_once_more(package, rows, schema):
    batch = event(change(1, "a", status("new")), change(2, "b", status("new")))
    function = package.function()
    function(batch)
    with shared_server().connect() as connection:
        connection.execute(f"DROP TABLE {schema}.orders")
        connection.execute(f"DELETE FROM {schema}.headrace_checkpoint WHERE dataset = 'orders'")
    function(batch)
    assert rows("id, status") == [("a", "new"), ("b", "new")]


def test_a_lost_connection_is_made_anew(package, rows):
    """The server has ended it, as it does with one that is idle for long, or an environment was frozen over it."""
    function = package.function()
    function(event(change(1, "a", status("new"))))
    with shared_server().connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'headrace orders%'"
        )
    function(event(change(2, "a", status("paid"))))
    assert rows("id, status") == [("a", "paid")]


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_whose_answer_is_lost_is_asked_for_again_and_done_once(
    package, rows, monkeypatch, committed
):
    function = package.function()
    function(event(change(1, "a", status("new"))))
    commit = pushed.PushedCopy._commit
    lost = []

    def losing(self, session):
        if not lost:
            lost.append(session)
            if committed:
                commit(self, session)
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        commit(self, session)

    monkeypatch.setattr(pushed.PushedCopy, "_commit", losing)
    function(event(change(2, "a", status("paid")), change(3, "b", status("new"))))
    assert rows("id, status") == [("a", "paid"), ("b", "new")]
    assert lost


def test_numbers_that_contradict_the_times_stop_the_copy(package, rows):
    """Should a child shard's numbers not follow its parent's, its changes would seem to be older than what is there."""
    function = package.function()
    function(event(change(100, "a", status("new"), created=1790000000.0)))
    with pytest.raises(
        ConsumerUnavailable,
        match=r"created 60 s after the one that was applied last, and has a smaller sequence number",
    ):
        function(event(change(50, "a", status("paid"), created=1790000060.0)))
    # Of one second, or of clocks that differ a little, it is an old record that comes again.
    function(event(change(50, "a", status("old"), created=1790000001.0)))
    assert rows("id, status") == [("a", "new")]


def test_versions_are_forgotten_after_a_week_and_no_sooner(package, schema, monkeypatch):
    def known():
        with shared_server().connect() as connection:
            return connection.execute(f"SELECT count(*) FROM {schema}.headrace_version").fetchone()[0]

    package.function()(event(change(1, "a", status("new")), change(2, "b", None)))
    assert known() == 2
    monkeypatch.setattr(pushed, "REMEMBERED", 60.0)
    package.function()(event(change(3, "c", status("new"))))
    assert known() == 3
    with shared_server().connect() as connection:
        connection.execute(f"UPDATE {schema}.headrace_version SET written_at = written_at - 61")
    package.function()(event(change(4, "d", status("new"))))
    assert known() == 1


def test_a_sampled_copy_is_not_begun_here(package):
    text = (package.folder / "spicepod.yaml").read_text()
    (package.folder / "spicepod.yaml").write_text(
        text.replace("aws_region: us-east-1", "aws_region: us-east-1\n    schema_evolution: freeze")
    )
    with pytest.raises(
        ConsumerUnavailable, match=r"schema_evolution: freeze takes the columns of orders from a Scan"
    ):
        package.function()(event(change(1, "a", status("new"))))
