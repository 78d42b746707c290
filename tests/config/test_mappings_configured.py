"""``event_source_mappings`` of a Spicepod: what is taken, and what is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from headrace.config import describe, load_pod
from headrace.config.mapping_model import MappingEntry
from headrace.config.mappings import is_there
from headrace.dataset import AwsAccess, Secret
from headrace.errors import ConfigError
from headrace.event_source_mapping import (
    Delivering,
    FailureDestination,
    Function,
    OnPoison,
    Pattern,
    StartingPosition,
)
from headrace.target import Replica

NOW = 1_767_225_600.0
FUNCTION = {"name": "m", "from": "dynamodb:orders", "function": "handlers:on_change"}
REPLICA = {
    "name": "copy",
    "from": "dynamodb:orders",
    "params": {"aws_region": "us-east-1"},
    "target": {"replicate": {"table": "replica"}},
}


@pytest.fixture
def load(tmp_path):
    (tmp_path / "handlers.py").write_text("raise RuntimeError('imported')")

    def loaded(*mappings, datasets=(), environ=None):
        """Loads what is YAML too: every scalar is read from its text."""
        document = {"datasets": list(datasets), "event_source_mappings": list(mappings)}
        (tmp_path / "spicepod.yaml").write_text(json.dumps(document, ensure_ascii=False))
        return load_pod(None, environ or {}, tmp_path, clock=lambda: NOW)

    return loaded


@pytest.fixture
def only(load):
    def loaded(**keys):
        [mapping] = load({**FUNCTION, **keys}).mappings
        return mapping

    return loaded


@pytest.fixture
def refusal(load):
    def refused(*mappings, **options):
        with pytest.raises(ConfigError) as error:
            load(*mappings, **options)
        return str(error.value)

    return refused


def test_a_mapping_alone_is_a_whole_spicepod_with_lambdas_defaults(load, tmp_path):
    pod = load(FUNCTION)
    [mapping] = pod.mappings
    assert (mapping.name, mapping.table, mapping.access) == ("m", "orders", AwsAccess())
    assert mapping.consumer == Function("handlers:on_change", tmp_path)
    assert mapping.delivering == Delivering()
    assert (mapping.filters, mapping.on_failure, mapping.dataset) == ((), None, None)
    assert mapping.ledger == tmp_path / ".headrace/data/events.sqlite"
    assert (pod.datasets, pod.warnings, pod.unbuilt) == ((), (), ())


def test_every_key_of_a_function_and_its_deliveries_arrives(load, tmp_path):
    [mapping] = load(
        {
            "name": "order-status",
            "description": "x",
            "metadata": {"team": "a"},
            "from": "dynamodb:orders",
            "params": {
                "dynamodb_aws_region": "us-east-1",
                "endpoint_url": "http://127.0.0.1:1",
                "aws_access_key_id": "${env:id}",
                "aws_secret_access_key": "s",
            },
            "function": "pack.age.handlers:on_change",
            "timeout": "30s",
            "memory_size": 256,
            "processes": 3,
            "environment": {"STAGE": "test", "TOKEN": "a ${secrets:token} b", "EMPTY": ""},
            "starting_position": "AT_TIMESTAMP",
            "starting_position_timestamp": "2025-12-31T23:00:00",
            "batch_size": 10_000,
            "maximum_batching_window": "5m",
            "parallelization_factor": 10,
            "filter_criteria": {
                "filters": [{"pattern": '{"eventName": ["INSERT"]}'}, {"extended_pattern": "{}"}]
            },
            "function_response_types": ["ReportBatchItemFailures"],
            "bisect_batch_on_function_error": True,
            "maximum_retry_attempts": 0,
            "maximum_record_age": "7d",
            "on_poison": "park",
            "on_failure": {
                "destination": "sqs:arn:aws:sqs:us-east-1:000000000000:failures",
                "redrive_interval": "1h",
                "params": {"aws_region": "eu-west-1"},
            },
        },
        environ={"ID": "key", "TOKEN": "secret"},
    ).mappings
    assert mapping.access == AwsAccess("us-east-1", "http://127.0.0.1:1", Secret("key"), Secret("s"))
    assert mapping.consumer == Function(
        "pack.age.handlers:on_change",
        tmp_path,
        timeout=30.0,
        memory=256 * 2**20,
        processes=3,
        environment={"STAGE": "test", "TOKEN": "a secret b", "EMPTY": ""},
    )
    assert "a secret b" not in repr(mapping)
    assert mapping.delivering == Delivering(
        starting_position=StartingPosition.AT_TIMESTAMP,
        starting_timestamp=NOW - 3600,
        batch_size=10_000,
        maximum_batching_window=300.0,
        parallelization_factor=10,
        reports_item_failures=True,
        bisects=True,
        maximum_retry_attempts=0,
        maximum_record_age=604_800.0,
        on_poison=OnPoison.PARK,
        redrive_interval=3600.0,
    )
    assert mapping.filters == (Pattern('{"eventName": ["INSERT"]}'), Pattern("{}", extended=True))
    assert mapping.on_failure == FailureDestination(
        "sqs", "arn:aws:sqs:us-east-1:000000000000:failures", AwsAccess("eu-west-1")
    )


def test_minus_one_is_without_end_and_windows_are_whole_seconds(only):
    delivering = only(maximum_retry_attempts=-1, maximum_record_age=-1, tumbling_window="15m").delivering
    assert (delivering.maximum_retry_attempts, delivering.maximum_record_age) == (None, None)
    assert delivering.tumbling_window == 900.0


def test_as_many_calls_run_at_once_as_a_shard_has_batches(only):
    assert only(parallelization_factor=4).consumer.processes == 4
    assert only(parallelization_factor=4, processes=2).consumer.processes == 2


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("1767225599.5", NOW - 0.5),
        (1_767_225_600, NOW),
        ("2026-01-01T00:00:00Z", NOW),
        ("2026-01-01T01:00:00+01:00", NOW),
        ("2025-12-31", NOW - 86_400),
    ],
)
def test_a_start_by_time_is_iso_or_epoch_seconds(only, written, time):
    mapping = only(starting_position="AT_TIMESTAMP", starting_position_timestamp=written)
    assert mapping.delivering.starting_timestamp == time


def test_a_mapping_may_take_its_table_from_a_dataset(load):
    dataset = {
        "from": "dynamodb:orders_of_2026",
        "name": "orders",
        "params": {"aws_region": "us-east-1", "ready_lag": "1s"},
    }
    [mapping] = load(
        {"name": "m", "dataset": "orders", "function": "handlers:on_change"}, datasets=[dataset]
    ).mappings
    assert (mapping.dataset, mapping.table) == ("orders", "orders_of_2026")
    assert mapping.access == AwsAccess("us-east-1")
    assert mapping.read_units is None


def test_what_reading_a_table_may_consume_stands_with_the_table(load, only):
    params = {"aws_region": "us-east-1", "dynamodb_max_read_capacity_units": 200}
    assert only(params=params).read_units == 200
    dataset = {"from": "dynamodb:orders", "name": "orders", "params": params}
    [mapping] = load(
        {"name": "m", "dataset": "orders", "function": "handlers:on_change"}, datasets=[dataset]
    ).mappings
    assert mapping.read_units == 200
    with pytest.raises(ConfigError, match=r"params.max_read_capacity_units: .* from 1 up"):
        only(params={"max_read_capacity_units": 0})


@pytest.mark.parametrize(
    ("written", "kind", "place"),
    [
        ("file:failures.jsonl", "file", "FOLDER/failures.jsonl"),
        ("file:/tmp/x.jsonl", "file", "/tmp/x.jsonl"),
        ("sqlite:data/failures.sqlite", "sqlite", "FOLDER/data/failures.sqlite"),
        ("sqs:http://127.0.0.1:4566/000000000000/q", "sqs", "http://127.0.0.1:4566/000000000000/q"),
        ("arn:aws:sqs:us-east-1:000000000000:q", "sqs", "arn:aws:sqs:us-east-1:000000000000:q"),
        ("arn:aws:sqs:us-east-1:000000000000:q.fifo", "sqs", "arn:aws:sqs:us-east-1:000000000000:q.fifo"),
        ("sns:arn:aws:sns:us-east-1:000000000000:t", "sns", "arn:aws:sns:us-east-1:000000000000:t"),
        ("arn:aws:sns:us-east-1:000000000000:t", "sns", "arn:aws:sns:us-east-1:000000000000:t"),
        ("s3:my.bucket", "s3", "my.bucket"),
        ("s3://my-bucket/some/prefix/", "s3", "my-bucket/some/prefix"),
        ("arn:aws:s3:::my-bucket", "s3", "my-bucket"),
    ],
)
def test_failures_go_to_files_queues_topics_and_buckets(only, tmp_path, written, kind, place):
    found = only(on_failure={"destination": written}).on_failure
    assert (found.kind, found.place) == (kind, place.replace("FOLDER", str(tmp_path)))


def test_failures_may_only_be_kept_and_tried_again(only):
    mapping = only(on_failure={"redrive_interval": "10m"})
    assert (mapping.on_failure, mapping.delivering.redrive_interval) == (None, 600.0)


def test_a_replica_has_what_it_says_and_else_the_access_of_the_source(load):
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    source = {"aws_region": "us-east-1", "endpoint_url": "http://127.0.0.1:1", **keys}

    def access(params, **replicate):
        target = {"replicate": {"table": "replica", **replicate}}
        [mapping] = load({**REPLICA, "params": params, "target": target}).mappings
        return mapping.consumer.access

    own = AwsAccess("us-east-1", "http://127.0.0.1:1", Secret("a"), Secret("b"))
    assert access(source) == own
    assert access(source, region="us-east-1") == own
    assert access(source, region="eu-west-1") == AwsAccess("eu-west-1")
    assert access(source, endpoint_url="http://127.0.0.1:2") == AwsAccess("us-east-1", "http://127.0.0.1:2")
    assert access({"aws_region": "us-east-1", **keys}, region="eu-west-1") == AwsAccess(
        "eu-west-1", None, Secret("a"), Secret("b")
    )
    assert access(
        {"aws_region": "us-east-1", **keys}, aws_access_key_id="c", aws_secret_access_key="d"
    ) == AwsAccess("us-east-1", None, Secret("c"), Secret("d"))
    assert access({"aws_region": "us-east-1", **keys}, aws_auth="iam_role") == AwsAccess("us-east-1")


def test_every_key_of_a_replica_arrives(load):
    target = {"table": "replica", "version_attribute": "v", "two_way": True, "tombstones": "2h"}
    [mapping] = load({**REPLICA, "target": {"replicate": target}}).mappings
    assert mapping.consumer == Replica(
        "replica", AwsAccess("us-east-1"), version_attribute="v", two_way=True, tombstones=7200.0
    )
    assert mapping.delivering.reports_item_failures
    [batches] = load(
        {**REPLICA, "target": {"replicate": {"table": "replica", "conditional": False}}}
    ).mappings
    assert not batches.consumer.conditional


def test_two_tables_may_be_replicas_of_each_other_if_both_know_it(load, refusal):
    def pair(**options):
        back = {**REPLICA, "name": "back", "from": "dynamodb:replica"}
        return (
            {**REPLICA, "target": {"replicate": {"table": "replica", **options}}},
            {**back, "target": {"replicate": {"table": "orders", "two_way": True}}},
        )

    assert len(load(*pair(two_way=True)).mappings) == 2
    assert "event_source_mappings[1] replicates replica back" in refusal(*pair())


@pytest.mark.parametrize(
    ("aws", "ours"),
    [(aws, ours) for aws, ours in MappingEntry.foreign.items()],
)
def test_the_names_of_aws_are_refused_with_ours(refusal, aws, ours):
    said = refusal({**FUNCTION, aws: "1"})
    assert (
        f"event_source_mappings[0].{aws}: there is no such key; AWS's {aws} is written '{ours}' here" in said
    )
    assert ours in {field.alias or name for name, field in MappingEntry.model_fields.items()}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"name": "a b"}, "name: 'a b' cannot name a mapping"),
        ({"name": "-a"}, "name: '-a' cannot name a mapping"),
        ({"from": "s3:x"}, "from: 's3' is not a source that Headrace reads"),
        ({"dataset": "orders"}, "event_source_mappings[0]: from and dataset both name its table; keep one"),
        ({"from": None}, "from: has no value"),
        ({"params": {"ready_lag": "1s"}}, "params.ready_lag: there is no such key"),
        ({"params": {"aws_access_key_id": "a"}}, "params.aws_access_key_id: needs aws_secret_access_key beside it"),
        ({"function": "handlers.on_change"}, "is no function; write MODULE:FUNCTION, such as handlers:on_change; did you mean 'handlers:on_change'?"),
        ({"function": "handlers:a.b"}, "function: 'handlers:a.b' is no function"),
        ({"target": {"replicate": {"table": "replica"}}}, "function and target are both given; keep one"),
        ({"timeout": "16m"}, "timeout: '16m' is too long; the most is 15m"),
        ({"timeout": 5}, "timeout: '5' has no unit"),
        ({"memory_size": 64}, "memory_size: '64' is not a whole number from 128 to 10240"),
        ({"processes": 0}, "processes: '0' is not a whole number from 1 to 256"),
        ({"environment": "A=B"}, "environment: expected names and values"),
        ({"environment": {"A-B": "x"}}, "environment['A-B']: a variable's name has letters"),
        ({"environment": {"A": ["x"]}}, "environment.A: expected text"),
        ({"environment": {"A": "${env:nothing}"}}, "environment.A: neither NOTHING nor SPICE_NOTHING is set"),
        ({"starting_position": "NOW"}, "starting_position: 'NOW' is not one of TRIM_HORIZON, LATEST, AT_TIMESTAMP"),
        ({"starting_position": "AT_TIMESTAMP"}, "starting_position: AT_TIMESTAMP needs starting_position_timestamp"),
        ({"starting_position_timestamp": 1}, "starting_position_timestamp: belongs to starting_position: AT_TIMESTAMP"),
        ({"starting_position": "AT_TIMESTAMP", "starting_position_timestamp": NOW + 1}, "starting_position_timestamp: is in the future"),
        ({"starting_position_timestamp": "noon"}, "'noon' is not a time of ISO 8601"),
        ({"batch_size": 0}, "batch_size: '0' is not a whole number from 1 to 10000"),
        ({"batch_size": 10_001}, "batch_size: '10001' is not a whole number from 1 to 10000"),
        ({"maximum_batching_window": "301s"}, "maximum_batching_window: '301s' is too long; the most is 5m"),
        ({"maximum_batching_window": 5}, "maximum_batching_window: '5' has no unit; write a duration"),
        ({"parallelization_factor": 11}, "parallelization_factor: '11' is not a whole number from 1 to 10"),
        ({"tumbling_window": "16m"}, "tumbling_window: '16m' is too long; the most is 15m"),
        ({"tumbling_window": "1500ms"}, "tumbling_window: '1500ms' is not a whole number of seconds"),
        ({"tumbling_window": "1m", "parallelization_factor": 2}, "parallelization_factor: must be 1 beside tumbling_window"),
        ({"tumbling_window": "1m", "on_poison": "park", "maximum_retry_attempts": 1}, "on_poison: park cannot stand beside tumbling_window"),
        ({"filter_criteria": {"filters": [{}]}}, "filter_criteria.filters[0]: is one filter: write pattern, or extended_pattern"),
        ({"filter_criteria": {"filters": [{"pattern": "{}", "extended_pattern": "{}"}]}}, "is one filter"),
        ({"filter_criteria": {"filters": [{"pattern": {"a": ["b"]}}]}}, "expected JSON in quotes, such as"),
        ({"filter_criteria": {"filters": [{"Pattern": "{}"}]}}, "AWS's Pattern is written 'pattern' here"),
        ({"filter_criteria": {"Filters": []}}, "AWS's Filters is written 'filters' here"),
        ({"function_response_types": ["ReportBatch"]}, "'ReportBatch' is not one of ReportBatchItemFailures"),
        ({"function_response_types": "ReportBatchItemFailures"}, "function_response_types: expected a list"),
        ({"maximum_retry_attempts": -2}, "maximum_retry_attempts: '-2' is not a whole number from 0 to 10000; -1 tries without end"),
        ({"maximum_retry_attempts": 10_001}, "'10001' is not a whole number from 0 to 10000"),
        ({"maximum_record_age": "59s"}, "maximum_record_age: '59s' is too short; the least is 1m; -1 gives up no record for its age"),
        ({"maximum_record_age": "8d"}, "maximum_record_age: '8d' is too long; the most is 168h"),
        ({"on_poison": "skip"}, "on_poison: 'skip' is not one of block, park"),
        ({"on_poison": "park"}, "on_poison: park needs to know when a record has failed for good"),
        ({"on_failure": {}}, "on_failure: says nothing; add destination, or redrive_interval"),
        ({"on_failure": {"Destination": "x"}}, "AWS's Destination is written 'destination' here"),
        ({"on_failure": {"destination": "failures.jsonl"}}, "'failures.jsonl' is no destination; write file:PATH"),
        ({"on_failure": {"destination": "kafka:x"}}, "'kafka' is not one of file, sqlite, sqs, sns, s3"),
        ({"on_failure": {"destination": "file:"}}, "'file:' is no destination"),
        ({"on_failure": {"destination": "file:."}}, "is a folder; name a file"),
        ({"on_failure": {"destination": "file:~/x"}}, "'~', '//' and references are not expanded here"),
        ({"on_failure": {"destination": "file:.headrace/data/events.sqlite"}}, "is taken: it holds the deliveries of event_source_mappings"),
        ({"on_failure": {"destination": "sqs:queue"}}, "a queue is given by its URL"),
        ({"on_failure": {"destination": "sns:topic"}}, "a topic is given by its ARN"),
        ({"on_failure": {"destination": "sns:arn:aws:sqs:us-east-1:1:q"}}, "a topic is given by its ARN"),
        ({"on_failure": {"destination": "arn:aws:kafka:us-east-1:1:q"}}, "as ARN, a queue of SQS"),
        ({"on_failure": {"destination": "s3:Bucket"}}, "'Bucket' cannot be a bucket"),
        ({"on_failure": {"destination": "file:x", "params": {"aws_region": "us-east-1"}}}, "params: belongs to a destination of AWS"),
        ({"on_failure": {"redrive_interval": "1ms"}}, "redrive_interval: '1ms' is too short"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_its_key(refusal, keys, words):
    said = refusal({**FUNCTION, **keys})
    assert said.startswith("spicepod.yaml:1:")
    assert words in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"target": {}}, "target: names none; write one of replicate"),
        ({"target": {"replicate": {"table": "orders"}}}, "replicate.table: is the table that is read; name another"),
        ({"target": {"replicate": {"table": "x"}}}, "replicate.table: 'x' cannot be a DynamoDB table"),
        ({"target": {"replicate": {"table": "replica", "tombstones": "1m"}}}, "tombstones: '1m' is too short"),
        ({"target": {"replicate": {"table": "replica", "conditional": False, "two_way": True}}}, "two_way: needs versions"),
        ({"target": {"queue": {}}}, "target.queue: there is no such key; known here: replicate"),
        ({"timeout": "5s"}, "timeout: belongs to a function; remove it"),
        ({"environment": {"A": "b"}}, "environment: belongs to a function; remove it"),
        ({"tumbling_window": "5s"}, "tumbling_window: belongs to a function; a target has no windows"),
        ({"function_response_types": []}, "function_response_types: belongs to a function; a target always says"),
    ],
)  # fmt: skip
def test_what_cannot_be_of_a_replica_is_refused_by_its_key(refusal, keys, words):
    said = refusal({**REPLICA, **keys})
    assert words in said
    assert len(said.splitlines()) == 1


def test_a_mapping_needs_a_table_and_something_to_call(refusal):
    said = refusal({"name": "m"})
    assert "reads no table; write from: dynamodb:TABLE, or dataset: NAME" in said
    assert "calls nothing; write function: MODULE:FUNCTION, or target:" in said
    assert "event_source_mappings[0].name: is missing; add name: NAME" in refusal({"from": "dynamodb:orders"})


def test_names_differ_and_not_in_capitals_only(refusal):
    said = refusal(FUNCTION, {**FUNCTION, "name": "M"})
    assert "event_source_mappings[1].name: 'M' is the name of event_source_mappings[0] too" in said


def test_a_dataset_that_is_not_there_is_refused_with_the_nearest(refusal):
    dataset = {"from": "dynamodb:orders", "name": "orders"}
    mapping = {"name": "m", "dataset": "order", "function": "handlers:on_change"}
    assert "there is no dataset 'order'; did you mean 'orders'?" in refusal(mapping, datasets=[dataset])
    beside = {**mapping, "dataset": "orders", "params": {"aws_region": "us-east-1"}}
    assert "params: belongs to from" in refusal(beside, datasets=[dataset])
    # What is wrong with the dataset is said once.
    broken = {**dataset, "params": {"aws_region": "?"}}
    assert len(refusal({**mapping, "dataset": "orders"}, datasets=[broken]).splitlines()) == 1


def test_no_copy_is_where_deliveries_are(refusal):
    def dataset(path):
        return {
            "from": "dynamodb:orders",
            "name": "orders",
            "acceleration": {
                "refresh_mode": "changes",
                "engine": "sqlite",
                "mode": "file",
                "params": {"sqlite_file": path},
            },
        }

    taken = refusal(FUNCTION, datasets=[dataset(".headrace/data/events.sqlite")])
    assert "params.sqlite_file: " in taken
    assert "holds the deliveries of event_source_mappings; name another file" in taken
    failing = {**FUNCTION, "on_failure": {"destination": "sqlite:orders.sqlite"}}
    assert "datasets[0] keeps its copy there" in refusal(failing, datasets=[dataset("orders.sqlite")])


def test_a_spicepod_without_datasets_and_mappings_is_refused(refusal):
    assert "datasets: there is no dataset" in refusal()


def test_a_module_that_is_nowhere_is_a_warning_and_none_is_imported(load):
    assert load(FUNCTION).warnings == ()
    [warning] = load({**FUNCTION, "function": "handler:on_change"}).warnings
    assert "function: there is no module handler in " in warning


def test_modules_are_found_in_the_folder_and_among_packages(tmp_path):
    (tmp_path / "own/deep").mkdir(parents=True)
    (tmp_path / "own/deep/handlers.py").write_text("raise RuntimeError")
    (tmp_path / "own/bare.py").write_text("raise RuntimeError")
    there = ("own.deep.handlers", "own.bare", "msgspec.json", "json", "email.mime.text", "sys")
    nowhere = ("own.handlers", "own.bare.deep", "nothing", "json.nothing", "sys.path")
    assert [name for name in there if not is_there(name, tmp_path)] == []
    assert [name for name in nowhere if is_there(name, tmp_path)] == []


def test_validate_says_what_a_mapping_would_do_and_no_secret(load, tmp_path):
    pod = load(
        {
            **FUNCTION,
            "params": {
                "aws_region": "us-east-1",
                "aws_access_key_id": "AKIA",
                "aws_secret_access_key": "hidden",
            },
            "environment": {"TOKEN": "hidden"},
            "batch_size": 1000,
            "maximum_batching_window": "5s",
            "parallelization_factor": 2,
            "maximum_retry_attempts": 3,
            "maximum_record_age": "1h",
            "on_poison": "park",
            "on_failure": {"destination": "file:f.jsonl", "redrive_interval": "1h"},
        },
        {**REPLICA, "starting_position": "AT_TIMESTAMP", "starting_position_timestamp": NOW},
    )
    said = describe(pod)
    assert "hidden" not in said
    assert "AKIA" not in said
    assert said.splitlines() == [
        f"{tmp_path}/spicepod.yaml is valid: 2 event source mappings",
        "",
        "m",
        "  table       orders in us-east-1",
        "  endpoint    AWS, unless the AWS configuration names another (AWS_ENDPOINT_URL)",
        "  credentials access key from the Spicepod",
        f"  function    handlers:on_change from {tmp_path}: 2 processes, 1m and 512 MB for a call; with TOKEN",
        "  begins      with the oldest records that the stream has",
        "  batches     at most 1,000 records, gathered for at most 5s; 2 of a shard at once",
        "  response    says nothing: a batch is done or failed, whole",
        "  filters     none: every record",
        "  retries     at most 3, up to an age of 1h",
        "  poison      put aside with later records of its item; all others go on",
        f"  failures    kept in the ledger, and sent to file: {tmp_path}/f.jsonl; tried again every 1h",
        f"  ledger      {tmp_path}/.headrace/data/events.sqlite",
        "",
        "copy",
        "  table       orders in us-east-1",
        "  endpoint    AWS, unless the AWS configuration names another (AWS_ENDPOINT_URL)",
        "  credentials from the AWS credential chain",
        "  replica     replica in us-east-1, from the AWS credential chain; no write replaces a newer one (headrace_version)",
        "  view type   any; of KEYS_ONLY and OLD_IMAGE the items are read from the table, as they are by then",
        "  begins      with records since 2026-01-01T00:00:00Z",
        "  batches     at most 100 records",
        "  filters     none: every record",
        "  retries     up to an age of 23h: an hour later the stream forgets it",
        "  poison      blocks its shard until it is given up",
        "  failures    kept in the ledger",
        f"  ledger      {tmp_path}/.headrace/data/events.sqlite",
    ]


def test_the_example_of_the_page_loads(tmp_path):
    page = (Path(__file__).parents[2] / "docs/configuration.md").read_text("utf-8")
    section = page.partition("## An event source mapping")[2]
    example = section.partition("```yaml\n")[2].partition("```")[0]
    assert YAML(typ="safe").load(example)
    (tmp_path / "spicepod.yaml").write_text(example)
    assert len(load_pod(None, {}, tmp_path).mappings) == 2
