from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

import headrace
from headrace.errors import (
    ConfigError,
    ConsumerFailed,
    ConsumerUnavailable,
    EventMalformed,
    TableUnusable,
    Throttled,
)
from support.lambda_functions import FIRST, change, event, recorded
from support.lambda_poller import Context

POSTGRES = {
    "from": "dynamodb:orders",
    "name": "orders",
    "params": {"aws_region": "us-east-1"},
    "acceleration": {
        "engine": "postgres",
        "refresh_mode": "changes",
        "params": {"pg_host": "nowhere.invalid"},
    },
}


def failing(*numbers):
    """An answer that reports these records."""
    return lambda _: {
        "batchItemFailures": [
            {"itemIdentifier": str(FIRST + number), "error": f"no {number}"} for number in numbers
        ]
    }


def raising(error):
    def answer(_):
        raise error

    return answer


def three():
    return event(*(change(number, f"o{number}", {}) for number in range(3)))


def test_a_target_of_the_events_table_takes_its_records_and_is_made_once(package, taker, mapped):
    package.spicepod(event_source_mappings=[mapped()])
    function = package.function()
    assert function(recorded("insert_modify_remove"), Context()) == {"batchItemFailures": []}
    assert function(three()) == {"batchItemFailures": []}
    (made,) = taker.takers
    first, second = made.batches
    assert [record.sequence.text for record in first.records] == [str(FIRST + number) for number in range(4)]
    assert len(second.records) == 3
    assert (first.mapping, first.generation) == ("taken", second.generation)
    assert made.context.table == "orders"
    assert made.context.ledger is None
    assert made.context.file("replica") is None


def test_a_failure_of_a_record_fails_the_whole_batch_unless_reports_are_said_to_be_on(package, taker, mapped):
    """Nothing tells a function whether its event source mapping asks for reports, and one that does not loses what they name."""
    package.spicepod(event_source_mappings=[mapped()])
    taker.answers.append(failing(1))
    with pytest.raises(
        ConsumerFailed, match=rf"from the record {FIRST + 1} on.*no 1.*HEADRACE_PARTIAL_RESPONSES=on"
    ):
        package.function()(three())


def test_with_reports_the_lowest_failure_is_named_by_its_sequence_number_and_nothing_else(
    package, taker, mapped
):
    package.spicepod(event_source_mappings=[mapped()])
    taker.answers.append(failing(2, 1))
    response = package.function(HEADRACE_PARTIAL_RESPONSES="on")(three())
    assert response == {"batchItemFailures": [{"itemIdentifier": str(FIRST + 1)}]}


def many(count, keys=1000):
    return event(*(change(number, f"o{number % keys}", {}) for number in range(count)))


def sizes(taker):
    return [len(batch.records) for batch in taker.takers[0].batches]


def taking(package, each, response=None):
    """An answer that takes ``each`` seconds for a record."""

    def answer(batch):
        package.now += each * len(batch.records)
        return (response or (lambda _: {}))(batch)

    return answer


def test_a_batch_that_takes_too_long_is_done_as_far_as_time_goes(package, taker, mapped):
    package.spicepod(event_source_mappings=[mapped()])
    function = package.function(HEADRACE_PARTIAL_RESPONSES="on")
    taker.answers += [taking(package, 0.5)] * 100
    (failure,) = function(many(1000), Context(60.0))["batchItemFailures"]
    done = sum(sizes(taker))
    assert failure == {"itemIdentifier": str(FIRST + done)}
    assert 80 < done < 120
    assert package.now < 60
    numbers = [record.sequence.text for batch in taker.takers[0].batches for record in batch.records]
    assert numbers == [str(FIRST + number) for number in range(done)]


def test_a_fast_target_gets_a_batch_in_two_pieces(package, taker, mapped):
    package.spicepod(event_source_mappings=[mapped()])
    taker.answers += [taking(package, 0.001)] * 2
    assert package.function()(many(1000), Context(60.0)) == {"batchItemFailures": []}
    assert sizes(taker) == [20, 980]


def test_without_reports_a_batch_that_takes_too_long_says_what_to_do(package, taker, mapped):
    package.spicepod(event_source_mappings=[mapped()])
    taker.answers += [taking(package, 1.0)] * 100
    with pytest.raises(
        ConsumerFailed,
        match=r"of 1000 records were done in the 60 s that there were; with a smaller BatchSize",
    ):
        package.function()(many(1000), Context(60.0))


def test_however_little_time_there_is_something_is_tried(package, taker, mapped):
    package.spicepod(event_source_mappings=[mapped()])
    taker.answers.append(taking(package, 0.01))
    function = package.function(HEADRACE_PARTIAL_RESPONSES="on")
    assert function(many(30), Context(1.0)) == {"batchItemFailures": [{"itemIdentifier": str(FIRST + 20)}]}


def test_a_failure_in_one_piece_keeps_only_its_own_item_from_the_next(package, taker, mapped):
    package.spicepod(event_source_mappings=[mapped()])
    taker.answers += [taking(package, 0.001, failing(19))]
    function = package.function(HEADRACE_PARTIAL_RESPONSES="on")
    # Ten items in turns; the last record of the first piece fails.
    assert function(many(100, keys=10), Context(60.0)) == {
        "batchItemFailures": [{"itemIdentifier": str(FIRST + 19)}]
    }
    _, after = taker.takers[0].batches
    assert {record.key for record in after.records} == {
        f'{{"id":{{"S":"o{number}"}}}}' for number in range(9)
    }


def test_what_a_target_raises_later_leaves_done_what_was_done(package, taker, mapped):
    package.spicepod(event_source_mappings=[mapped()])
    taker.answers += [taking(package, 0.001), raising(Throttled("too fast"))]
    function = package.function(HEADRACE_PARTIAL_RESPONSES="on")
    assert function(many(100), Context(60.0)) == {"batchItemFailures": [{"itemIdentifier": str(FIRST + 20)}]}


def test_each_of_several_mappings_has_its_part_of_the_time(package, taker, mapped):
    package.spicepod(event_source_mappings=[mapped("one"), mapped("two")])
    taker.answers += [taking(package, 1.0)] * 100
    function = package.function(HEADRACE_PARTIAL_RESPONSES="on")
    function(many(1000), Context(60.0))
    one, two = ([len(batch.records) for batch in each.batches] for each in taker.takers)
    assert 20 < sum(one) < 30
    assert 20 < sum(two) < 40


def test_a_target_that_names_no_record_of_the_batch_fails_all_of_it(package, taker, mapped):
    package.spicepod(event_source_mappings=[mapped()])
    taker.answers.append(lambda _: {"batchItemFailures": [{"itemIdentifier": "an eventID"}]})
    response = package.function(HEADRACE_PARTIAL_RESPONSES="on")(three())
    assert response == {"batchItemFailures": [{"itemIdentifier": str(FIRST)}]}


@pytest.mark.parametrize("partial", ["on", "off"])
def test_what_a_target_raises_fails_the_whole_batch(package, taker, mapped, partial):
    package.spicepod(event_source_mappings=[mapped()])
    function = package.function(HEADRACE_PARTIAL_RESPONSES=partial)
    for raised, expected in (
        (ConsumerFailed("Refused", "it will not"), ConsumerFailed),
        (KeyError("price"), ConsumerFailed),
        (Throttled("too fast"), ConsumerUnavailable),
    ):
        taker.answers.append(raising(raised))
        with pytest.raises(expected, match=r"event source mapping taken: .*(it will not|price|too fast)"):
            function(three())


def test_several_mappings_of_a_table_take_each_event_and_the_earliest_failure_counts(package, taker, mapped):
    package.spicepod(event_source_mappings=[mapped("one"), mapped("two"), mapped("three")])
    taker.answers += [failing(2), failing(1), lambda _: None]
    response = package.function(HEADRACE_PARTIAL_RESPONSES="on")(three())
    assert response == {"batchItemFailures": [{"itemIdentifier": str(FIRST + 1)}]}
    assert [[len(batch.records) for batch in one.batches] for one in taker.takers] == [[3], [3], [3]]


def test_one_that_cannot_take_a_batch_keeps_it_from_no_other(package, taker, mapped):
    package.spicepod(event_source_mappings=[mapped("one"), mapped("two")])
    taker.answers.append(raising(Throttled("too fast")))
    with pytest.raises(ConsumerUnavailable, match="mapping one: too fast"):
        package.function()(three())
    assert len(taker.takers[1].batches) == 1


def test_a_mapping_may_be_chosen_by_its_name(package, taker, mapped):
    package.spicepod(event_source_mappings=[mapped("one"), mapped("two"), mapped("three")])
    package.function(HEADRACE_MAPPING="two, three")(three())
    assert [one.context.mapping for one in taker.takers] == ["two", "three"]


def test_filters_of_the_spicepod_hold_here_too_and_what_they_leave_out_is_done(package, taker, mapped):
    filters = {"filters": [{"pattern": '{"eventName": ["REMOVE"]}'}]}
    package.spicepod(event_source_mappings=[mapped(filter_criteria=filters)])
    function = package.function(HEADRACE_PARTIAL_RESPONSES="on")
    assert function(three()) == {"batchItemFailures": []}
    taker.answers.append(failing(3))
    assert function(recorded("insert_modify_remove")) == {
        "batchItemFailures": [{"itemIdentifier": str(FIRST + 3)}]
    }
    (batch,) = taker.takers[0].batches
    assert [json.loads(record.text)["eventName"] for record in batch.records] == ["REMOVE"]


def test_filters_that_are_wrong_are_told_with_their_place(package, mapped):
    filters = {"filters": [{"pattern": '{"eventName": "REMOVE"}'}]}
    package.spicepod(event_source_mappings=[mapped(filter_criteria=filters)])
    with pytest.raises(ConfigError, match=r"event_source_mappings: taken: filter_criteria: filters\[0\]"):
        package.function()(three())


def test_a_window_is_given_its_state_back_and_its_end_asks_nobody(package, taker, mapped):
    """A response without a state would fail the batch."""
    package.spicepod(event_source_mappings=[mapped()])
    function = package.function()
    told = recorded("window")
    assert function(told) == {"batchItemFailures": [], "state": {"1": "state1"}}
    assert taker.takers[0].batches[0].window is None
    final = {**told, "Records": [], "isFinalInvokeForWindow": True}
    assert function(final) == {"batchItemFailures": [], "state": {"1": "state1"}}
    assert len(taker.takers[0].batches) == 1


def test_keys_that_lambdas_own_mapping_decides_are_told_once(package, mapped, caplog):
    package.spicepod(
        event_source_mappings=[
            mapped(batch_size=10, maximum_retry_attempts=3, on_failure={"destination": "file:failures.jsonl"})
        ]
    )
    function = package.function()
    function(three())
    function(three())
    told = [
        record.getMessage()
        for record in caplog.records
        if "decides what these keys say" in record.getMessage()
    ]
    assert len(told) == 1
    assert told[0].endswith("batch_size, maximum_retry_attempts, on_failure")


def test_a_timeout_that_is_too_short_is_told_once(package, mapped, caplog):
    package.spicepod(event_source_mappings=[mapped()])
    function = package.function()
    function(three(), Context(3.0))
    function(three(), Context(3.0))
    assert [record.getMessage() for record in caplog.records].count(caplog.records[0].getMessage()) == 1
    assert "timeout leaves 3 s" in caplog.records[0].getMessage()
    caplog.clear()
    package.function()(three(), Context(60.0))
    assert not caplog.records


def test_an_event_of_another_table_or_region_is_refused_with_those_that_are_there(package, mapped):
    package.spicepod(event_source_mappings=[mapped()])
    function = package.function()
    other = change(1, "a", {}, arn="arn:aws:dynamodb:us-east-1:1:table/users/stream/2026-06-27T00:48:05.899")
    with pytest.raises(
        ConfigError, match=r"has nothing for table users in us-east-1.*it has some for: orders"
    ):
        function(event(other))
    far = change(1, "a", {}, arn="arn:aws:dynamodb:eu-west-1:1:table/orders/stream/2026-06-27T00:48:05.899")
    with pytest.raises(ConfigError, match="has nothing for table orders in eu-west-1"):
        function(event(far))


def test_a_mapping_with_a_function_is_left_to_lambda_and_told(package, taker, mapped, caplog):
    package.write("handlers.py", "def on_change(event, context): ...")
    called = {"name": "called", "from": "dynamodb:orders", "params": {"aws_region": "us-east-1"}}
    package.spicepod(event_source_mappings=[{**called, "function": "handlers:on_change"}, mapped()])
    package.function()(three())
    assert "called has a function, which is not called from here" in caplog.text
    assert len(taker.takers) == 1
    with pytest.raises(ConfigError, match=r"called has a function, handlers:on_change"):
        package.function(HEADRACE_MAPPING="called")(three())


LASTING = {
    "view": (
        {"view": {"table": "totals", "sql": "SELECT status, count(*) AS n FROM orders GROUP BY status"}},
        "a view counts each change once",
    ),
    "two_way": (
        {"replicate": {"table": "orders-replica", "two_way": True}},
        "a two_way replica remembers in a file",
    ),
    "file": ({"outbox": {"to": "file:events.jsonl"}}, "its events go to a file"),
}


@pytest.mark.parametrize("kind", LASTING)
def test_what_needs_a_file_that_lasts_is_refused(package, kind):
    target, message = LASTING[kind]
    package.spicepod(
        event_source_mappings=[
            {
                "name": "told",
                "from": "dynamodb:orders",
                "params": {"aws_region": "us-east-1"},
                "target": target,
            }
        ]
    )
    with pytest.raises(ConfigError, match=rf"event source mapping told: {message}.*`headrace run`"):
        package.function()(three())


def test_rows_for_a_dataset_of_headrace_run_are_refused(package):
    package.spicepod(
        datasets=[
            {"from": "target:trail", "name": "trail", "acceleration": {"engine": "duckdb", "mode": "file"}}
        ],
        event_source_mappings=[
            {
                "name": "trail",
                "from": "dynamodb:orders",
                "params": {"aws_region": "us-east-1"},
                "target": {"audit": {}},
            }
        ],
    )
    with pytest.raises(ConfigError, match=r"trail writes to dataset trail, which only `headrace run` holds"):
        package.function()(three())


def test_a_stream_without_new_items_is_no_use_to_a_copy(package):
    package.spicepod(datasets=[POSTGRES])
    told = change(1, "a", {})
    told["dynamodb"]["StreamViewType"] = "KEYS_ONLY"
    with pytest.raises(TableUnusable, match=r"dataset orders needs .*NEW_IMAGE.*the records are KEYS_ONLY"):
        package.function()(event(told))


def test_a_database_that_cannot_be_reached_fails_the_batch_with_its_name(package):
    package.spicepod(datasets=[POSTGRES])
    with pytest.raises(
        ConsumerUnavailable, match="dataset orders: cannot connect to the PostgreSQL of orders"
    ):
        package.function()(three())


def test_a_dataset_that_is_no_copy_in_postgres_is_not_written(package, taker, mapped):
    package.spicepod(
        datasets=[{**POSTGRES, "acceleration": {"refresh_mode": "changes"}}], event_source_mappings=[mapped()]
    )
    package.function()(three())
    assert len(taker.takers) == 1
    with pytest.raises(
        ConfigError, match=r"dataset orders is no copy that can be written from here.*engine: postgres"
    ):
        package.function(HEADRACE_MAPPING="orders")(three())


def test_a_name_that_nothing_has_and_a_setting_that_is_none_are_refused(package, mapped):
    package.spicepod(event_source_mappings=[mapped()])
    with pytest.raises(
        ConfigError, match=r"HEADRACE_MAPPING: .* no event source mapping or dataset 'copy'; it has: taken"
    ):
        package.function(HEADRACE_MAPPING="copy")
    with pytest.raises(ConfigError, match="HEADRACE_PARTIAL_RESPONSES: 'yes' is neither on nor off"):
        package.function(HEADRACE_PARTIAL_RESPONSES="yes")


def test_the_spicepod_may_lie_elsewhere(package, taker, mapped, tmp_path):
    (tmp_path / "pods").mkdir()
    package.spicepod(event_source_mappings=[mapped()])
    (tmp_path / "spicepod.yaml").rename(tmp_path / "pods" / "orders.yaml")
    package.function(HEADRACE_SPICEPOD="pods/orders.yaml")(three())
    assert len(taker.takers) == 1
    with pytest.raises(ConfigError, match="there is no such file"):
        package.function()


def test_lambda_finds_its_handler_and_a_failed_start_is_tried_again(package, taker, mapped, monkeypatch):
    import headrace.lambda_entry as entry

    monkeypatch.setattr(entry, "_OPENED", [])
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(package.folder))
    handler = headrace.lambda_handler
    with pytest.raises(ConfigError, match="there is no such file"):
        handler(three(), Context())
    package.spicepod(event_source_mappings=[mapped()])
    assert handler(three(), Context()) == {"batchItemFailures": []}
    with pytest.raises(EventMalformed):
        handler({"key1": "value1"}, Context())


COLD = """
import json, sys
import headrace
handler = headrace.lambda_handler
print(handler(json.load(open(sys.argv[1])), None))
print(sorted({"duckdb", "starlette", "uvicorn", "structlog", "prometheus_client", "click", "rich", "psycopg", "vortex"} & sys.modules.keys()))
"""


def test_a_cold_start_loads_no_engine_and_no_server(package, mapped):
    """Neither what answers queries, nor what a terminal needs: an invocation waits for what is imported."""
    package.write(
        "takes.py",
        "class Taker:\n    def __init__(self, context): ...\n    def consume(self, batch): ...\n    def close(self): ...\n",
    )
    package.spicepod(event_source_mappings=[{**mapped(), "target": {"custom": {"class": "takes:Taker"}}}])
    (package.folder / "event.json").write_text(json.dumps(recorded("insert_modify_remove")))
    done = subprocess.run(
        [sys.executable, "-c", COLD, str(package.folder / "event.json")],
        capture_output=True,
        text=True,
        check=True,
        cwd=package.folder,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["{'batchItemFailures': []}", "[]"]


def test_what_targets_tell_is_logged_where_the_log_asks_for_it(package, taker, mapped, caplog):
    from headrace.mapping_facts import RecordsFiltered

    caplog.set_level(logging.INFO, "headrace")
    package.spicepod(event_source_mappings=[mapped()])
    function = package.function()
    function(three())
    taker.takers[0].context.observe(RecordsFiltered("taken", "s", 3))
    assert "RecordsFiltered mapping='taken' shard='s' records=3" in caplog.text
