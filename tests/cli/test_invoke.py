"""``headrace invoke``: a mapping's function, run by hand in its own process."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from headrace.cli import main
from headrace.testing.dynamodb import SimulatedDynamoDB
from support.functions import SEQUENCE, SHARD, change

POD = """
version: v1
kind: Spicepod
name: shop
event_source_mappings:
- name: orders
  from: dynamodb:orders
  params: {{aws_region: us-east-1, endpoint_url: "{endpoint}", aws_access_key_id: x, aws_secret_access_key: x}}
  function: handlers:on_change
  batch_size: 3
  {more}
- name: copy
  from: dynamodb:orders
  params: {{aws_region: us-east-1}}
  target: {{replicate: {{table: orders-replica, region: eu-west-1}}}}
"""

HANDLER = """
import sys
def on_change(event, context):
    for record in event["Records"]:
        print("seen", record["dynamodb"]["Keys"]["id"]["S"])
    bad = [r["dynamodb"]["SequenceNumber"] for r in event["Records"] if "bad" in r["dynamodb"]["NewImage"]]
    if "window" in event: print(event["window"]["start"], file=sys.stderr)
    return {"batchItemFailures": [{"itemIdentifier": number} for number in bad]}
"""

REPORTS = "function_response_types: [ReportBatchItemFailures]"
BAD = {"bad": {"BOOL": True}}


@pytest.fixture
def shop(tmp_path):
    """Writes a pod with these further keys of its mapping, and runs the verb on it."""
    (tmp_path / "handlers.py").write_text(HANDLER)

    def run(*arguments, more="", endpoint="http://127.0.0.1:1", given=None):
        (tmp_path / "spicepod.yaml").write_text(POD.format(more=more, endpoint=endpoint))
        return CliRunner().invoke(main, ["invoke", "orders", str(tmp_path), *arguments], input=given)

    run.folder = tmp_path
    return run


def lines(*records):
    return "\n".join(json.dumps(record) for record in records)


def test_what_a_function_does_with_a_file_is_printed(shop):
    events = shop.folder / "events.jsonl"
    events.write_text(lines(change(1), change(2)))
    result = shop("--events", str(events), more=REPORTS)
    assert result.exit_code == 0, result.output
    first, *rest = result.stdout.splitlines()
    assert first.startswith("2 records of shardId-00000000000000000000-00000000, ")
    assert first.endswith(" ms")
    assert rest == [
        "response: {",
        '  "batchItemFailures": []',
        "}",
        "the mapping: nothing would come again of 2 records",
    ]
    assert result.stderr.splitlines() == ["stdout | seen item-1", "stdout | seen item-2"]


def test_it_is_said_which_records_would_come_again_and_how(shop):
    given = json.dumps({"Records": [change(1), change(2, **BAD), change(3)], "shardId": SHARD})
    more = f"{REPORTS}\n  maximum_retry_attempts: 2\n  bisect_batch_on_function_error: true"
    result = shop("--events", "-", given=given, more=more)
    assert result.exit_code == 1
    told = result.stdout.partition("}\nthe mapping: ")[2].splitlines()
    assert told[0] == f"of 3 records, 2 would come again, from sequence number {SEQUENCE + 2} on"
    assert told[1] == "  1 of 3 records were reported as failed"
    assert told[2] == "  retries: at most 2, each time in two parts"
    assert [line.split(":")[0].strip() for line in told[3:]] == ["poison", "failures"]


def test_programs_get_objects(shop):
    result = shop("--events", "-", "--format", "json", given=lines(change(1, **BAD)), more=REPORTS)
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told.pop("seconds") > 0
    number = str(SEQUENCE + 1)
    assert told == {
        "shard": "shardId-00000000000000000000-00000000",
        "records": 1,
        "response": {"batchItemFailures": [{"itemIdentifier": number}]},
        "done": 0,
        "retried": [number],
        "why": "BatchItemFailures: 1 of 1 records were reported as failed",
        "output": [{"stream": "stdout", "line": "seen item-1"}],
    }


def test_an_error_is_printed_with_its_trace_and_the_rest_is_tried(shop):
    broken = change(1)
    del broken["dynamodb"]["NewImage"]
    given = lines({"Records": [broken]}, {"Records": [change(2)]})
    result = shop("--events", "-", given=given)
    assert result.exit_code == 1
    assert "error: KeyError: 'NewImage'\n" in result.stdout
    assert '/handlers.py", line 6, in on_change\n' in result.stdout
    assert "the mapping: of 1 record, 1 would come again" in result.stdout
    assert "the mapping: nothing would come again of 1 record\n" in result.stdout
    [told, _] = map(json.loads, shop("--events", "-", "--format", "json", given=given).stdout.splitlines())
    assert told["error"]["errorType"] == "KeyError"
    assert "response" not in told


def test_a_response_that_is_not_looked_at_is_told(shop):
    result = shop("--events", "-", given=lines(change(1, **BAD)))
    assert result.exit_code == 0
    assert "batchItemFailures is not looked at: the mapping's function_response_types" in result.stdout


FILTERED = """filter_criteria: {filters: [{pattern: '{"dynamodb": {"Keys": {"id": {"S": ["item-2"]}}}}'}]}"""


def test_filters_choose_records_unless_told_otherwise(shop):
    given = lines(change(1), change(2), change(3))
    chosen = shop("--events", "-", given=given, more=FILTERED)
    assert [line for line in chosen.stderr.splitlines() if "seen" in line] == ["stdout | seen item-2"]
    assert "the mapping's filters left out 2 records" in chosen.stderr
    assert shop("--events", "-", "--no-filter", given=given, more=FILTERED).stderr.count("seen") == 3
    none = shop("--events", "-", given=lines(change(1)), more=FILTERED)
    assert (none.exit_code, none.stdout) == (1, "")
    assert "there is nothing to run it on" in none.stderr


def test_records_come_in_batches_and_windows_as_the_mapping_makes_them(shop):
    records = [change(number) for number in range(5)]
    result = shop("--events", "-", given=lines(*records))
    assert [line.split(" of ")[0] for line in result.stdout.splitlines() if " of shardId" in line] == [
        "3 records",
        "2 records",
    ]
    records[4]["dynamodb"]["ApproximateCreationDateTime"] += 60
    result = shop("--events", "-", given=lines(*records[3:]), more="tumbling_window: 1m")
    assert [line for line in result.stderr.splitlines() if "stderr" in line] == [
        "stderr | 2026-01-01T00:00:00Z",
        "stderr | 2026-01-01T00:01:00Z",
    ]
    # The function returns no state, which a window needs.
    assert result.exit_code == 1


def test_the_last_records_of_the_stream_are_read_and_nothing_moves(shop):
    dynamodb = SimulatedDynamoDB()
    dynamodb.create_table("orders", "id")
    for number in range(1, 6):
        dynamodb.call("PutItem", TableName="orders", Item={"id": {"S": f"item-{number}"}})
    with dynamodb.serve() as endpoint:
        for _ in range(2):
            result = shop("--last", "2", endpoint=endpoint)
            assert result.exit_code == 0, result.output
            assert result.stderr.splitlines() == ["stdout | seen item-4", "stdout | seen item-5"]
        filtered = shop("--last", "2", endpoint=endpoint, more=FILTERED)
        assert filtered.stderr.splitlines() == ["stdout | seen item-2"]
    assert not (shop.folder / ".headrace").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "in one way: --events FILE, or --last N"),
        (["--events", "-", "--last", "1"], 2, "in one way"),
        (["--last", "0"], 2, "0 is not in the range"),
        (["--events", "nowhere.json"], 1, "nowhere.json: cannot be read: No such file"),
    ],
)
def test_wrong_use_is_told(shop, arguments, code, words):
    result = shop(*arguments)
    assert result.exit_code == code
    assert words in result.stderr


def test_what_has_no_function_is_told(shop):
    shop("--last", "0")
    for name, words in (
        ("copy", "mapping copy has no function: it has a target, replicate:orders-replica"),
        ("order", "there is no mapping 'order'; the mappings are: orders, copy"),
    ):
        result = CliRunner().invoke(main, ["invoke", name, str(shop.folder), "--last", "1"])
        assert result.exit_code == 1
        assert words in result.stderr


def test_an_event_that_lambda_would_not_make_is_refused(shop):
    records = [change(number, t={"S": "x" * 390_000}) for number in range(17)]
    result = shop("--events", "-", given=json.dumps({"Records": records}))
    assert result.exit_code == 1
    assert "Lambda's have 6,291,456 at most: give fewer records" in result.stderr
