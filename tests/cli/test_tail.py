"""``headrace tail``: the changes of a table, as they happen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC

import pytest
from click.testing import CliRunner

from headrace.cli import main
from headrace.cli.change_text import change_text
from headrace.cli.item_change import AttributeChange, ItemChange
from headrace.cli.tailing import Followed, Tail, beginning_text
from headrace.config import load_pod
from headrace.dataset import AwsAccess
from headrace.errors import ConfigError, HeadraceError, TableUnusable
from headrace.event_source_mapping import Pattern
from headrace.testing.dynamodb import SimulatedDynamoDB
from support.deadline import eventually

AT = 1_767_225_600.0
BOTH = "NEW_AND_OLD_IMAGES"


def record(event="MODIFY", old=None, new=None, view=BOTH, **more):
    change = {"Keys": {"id": {"S": "a"}}, "ApproximateCreationDateTime": AT, "StreamViewType": view}
    change |= {} if old is None else {"OldImage": {"id": {"S": "a"}, **old}}
    change |= {} if new is None else {"NewImage": {"id": {"S": "a"}, **new}}
    return json.dumps({"eventName": event, "dynamodb": change, **more}).encode()


def line(*given, width=None, **more):
    return change_text(ItemChange.of(record(*given, **more)), width, UTC).plain


def test_a_change_tells_what_differs_down_to_members_of_maps():
    old = {
        "same": {"S": "x"},
        "n": {"N": "5"},
        "m": {"M": {"a": {"S": "x"}, "b": {"M": {"c": {"BOOL": True}}}}},
    }
    new = {
        "same": {"S": "x"},
        "n": {"N": "7"},
        "m": {"M": {"a": {"S": "x"}, "b": {"M": {}}}},
        "l": {"L": [{"N": "1"}]},
    }
    change = ItemChange.of(record(old=old, new=new))
    assert change.changes == (
        AttributeChange("l", None, "[1]"),
        AttributeChange("m.b.c", "true", None),
        AttributeChange("n", "5", "7"),
    )
    assert (change.event, change.created, change.key) == ("MODIFY", AT, (("id", '"a"'),))
    assert change.compared
    assert not change.expired


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"old": {"n": {"N": "5"}, "x": {"S": "y"}}, "new": {"n": {"N": "7"}, "z": {"S": "y"}}},
            '00:00:00 MODIFY id="a"  n: 5 → 7, -x: "y", +z: "y"',
        ),
        ({"event": "INSERT", "new": {"n": {"N": "1"}}}, '00:00:00 INSERT id="a"  +n: 1'),
        ({"event": "REMOVE", "old": {"n": {"N": "1"}}}, '00:00:00 REMOVE id="a"  -n: 1'),
        (
            {
                "event": "REMOVE",
                "old": {},
                "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
            },
            '00:00:00 REMOVE id="a"  by time to live',
        ),
        ({"view": "KEYS_ONLY"}, '00:00:00 MODIFY id="a"'),
        ({"view": "NEW_IMAGE", "new": {"n": {"N": "1"}}}, '00:00:00 MODIFY id="a"  n: 1'),
        ({"view": "OLD_IMAGE", "old": {"n": {"N": "1"}}}, '00:00:00 MODIFY id="a"  n: 1'),
    ],
)
def test_a_change_is_a_line(given, text):
    assert line(**given) == text


def test_a_long_change_is_a_block_of_a_line_for_each_attribute():
    new = {"a": {"S": "x" * 30}, "b": {"S": "y" * 300}}
    assert line("INSERT", new=new, width=60) == "\n".join(
        ['00:00:00 INSERT id="a"', f'    +a: "{"x" * 30}"', f'    +b: "{"y" * 199}…']
    )


def test_nothing_that_a_terminal_obeys_is_written():
    assert line(new={"a\x1b[31m": {"S": "\x1b]0;\u202e\n"}}).isprintable()


@pytest.mark.parametrize("text", [b"{", b"[]", b"{}", b'{"eventName":"INSERT","dynamodb":{"Keys":3}}'])
def test_what_is_no_record_is_said_to_be_none(text):
    with pytest.raises(ValueError):
        ItemChange.of(text)


POD = """
datasets:
- {from: dynamodb:orders_2026, name: orders, params: {aws_region: us-east-1}}
event_source_mappings:
- name: paid
  from: dynamodb:payments
  params: {aws_region: eu-west-1}
  function: handlers:f
  filter_criteria: {filters: [{pattern: '{"eventName": ["INSERT"]}'}]}
"""


def test_a_name_is_a_mapping_a_dataset_or_a_table(tmp_path):
    (tmp_path / "spicepod.yaml").write_text(POD)
    pod, own = load_pod(tmp_path, {}, tmp_path), AwsAccess("us-west-2")
    mapping = Followed.of("paid", pod, own)
    assert (mapping.table, mapping.access.region) == ("payments", "eu-west-1")
    assert mapping.filters == (Pattern('{"eventName": ["INSERT"]}'),)
    dataset = Followed.of("orders", pod, own)
    assert (dataset.table, dataset.access.region, dataset.filters) == ("orders_2026", "us-east-1", ())
    table = Followed.of("payments", pod, own)
    assert (table.table, table.access, table.filters) == ("payments", mapping.access, ())
    for name, where in (("dynamodb:orders", pod), ("orders", None)):
        assert Followed.of(name, where, own) == Followed("orders", own, "table orders")
    with pytest.raises(
        HeadraceError, match=r"no dataset or mapping 'users'; it has: orders, paid\. .* dynamodb:users"
    ):
        Followed.of("users", pod, own)


@pytest.fixture
def simulated():
    dynamodb = SimulatedDynamoDB()
    dynamodb.create_table("orders", "id")
    return dynamodb


def put(simulated, key, **item):
    simulated.call("PutItem", TableName="orders", Item={"id": {"S": key}, **item})


def keys_of(found):
    return [json.loads(each.key)["id"]["S"] for each in found]


def test_changes_come_as_they_happen_and_from_now_on(simulated):
    followed = Followed("orders", AwsAccess("us-east-1"), "table orders")
    put(simulated, "before")
    found, before = [], []
    tail = Tail(followed, (), None, found.append, pytest.fail, lambda _: simulated.simulator)
    whole = Tail(
        followed,
        (Pattern('{"eventName": ["INSERT"]}'),),
        0.0,
        before.append,
        pytest.fail,
        lambda _: simulated.simulator,
    )
    simulated.advance(5)
    tail.start()
    whole.start()
    try:
        eventually(lambda: before, within=10, what="the oldest record")
        simulated.advance(5)
        put(simulated, "a", n={"N": "1"})
        put(simulated, "a", n={"N": "2"})
        eventually(lambda: len(found) == 2 and len(before) == 2, within=10, what="the records")
    finally:
        tail.stop()
        whole.stop()
    assert keys_of(found) == ["a", "a"]
    assert keys_of(before) == ["before", "a"]


def test_a_table_that_cannot_be_followed_is_refused_at_once(simulated):
    followed = Followed("others", AwsAccess("us-east-1"), "table others")
    tail = Tail(followed, (), None, print, print, lambda _: simulated.simulator)
    with pytest.raises(TableUnusable, match="does not exist"):
        tail.start()
    tail.stop()


def test_who_does_not_look_any_more_ends_it(simulated):
    def gone(_record):
        raise BrokenPipeError(32, "Broken pipe")

    put(simulated, "a")
    followed = Followed("orders", AwsAccess("us-east-1"), "table orders")
    tail = Tail(followed, (), 0.0, gone, pytest.fail, lambda _: simulated.simulator)
    tail.start()
    assert tail.ended.wait(10)
    tail.stop()


def test_a_pattern_that_is_wrong_is_refused():
    followed = Followed("orders", AwsAccess("us-east-1"), "table orders")
    with pytest.raises(ConfigError):
        Tail(followed, (Pattern("{"),), None, print, print, lambda _: pytest.fail("is not asked"))


def test_beginnings_in_words():
    assert [beginning_text(each) for each in (None, 0.0, AT)] == [
        "from now on",
        "from the oldest record on",
        "since 2026-01-01T00:00:00Z",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["orders", "--from", "noon"], "'noon' is not a time of ISO 8601"),
        (["orders", "--format", "xml"], "'xml' is not one of"),
        (["paid", "POD", "--region", "us-east-1"], "are for tables"),
        (["users", "POD"], "no dataset or mapping 'users'"),
        (["orders", "--filter", "{"], "filter"),
    ],
)
def test_what_cannot_be_is_refused_with_the_choices(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    pod = tmp_path / "pod.yaml"
    pod.write_text(POD)
    asked = [str(pod) if each == "POD" else each for each in arguments]
    refused = CliRunner().invoke(main, ["tail", *asked])
    assert refused.exit_code != 0
    assert words in refused.output


def test_ctrl_c_ends_it_cleanly(simulated, tmp_path):
    environ = {**os.environ, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "NO_COLOR": "1"}
    command = [
        sys.executable,
        "-c",
        "from headrace.cli import main; main()",
        "tail",
        "orders",
        "--from",
        "horizon",
        "--format",
    ]
    put(simulated, "a", n={"N": "1"})
    with simulated.serve() as url:
        ends = {}
        for format_ in ("text", "json"):
            asked = [*command, format_, "--region", "us-east-1", "--endpoint-url", url]
            process = subprocess.Popen(asked, env=environ, cwd=tmp_path, text=True, stdout=-1, stderr=-1)
            timer = threading.Timer(30, process.kill)
            timer.start()
            first = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate()
            timer.cancel()
            ends[format_] = (process.returncode, first, errors)
    assert [code for code, _, _ in ends.values()] == [0, 0]
    assert ends["text"][1].endswith('INSERT id="a"  +n: 1\n')
    assert json.loads(ends["json"][1])["dynamodb"]["NewImage"]["n"] == {"N": "1"}
    assert "from the oldest record on; Ctrl-C ends" in ends["text"][2]
    assert "Traceback" not in ends["text"][2]
