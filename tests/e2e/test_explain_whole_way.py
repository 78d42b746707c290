"""``headrace explain`` against a whole runtime, over a simulated table that can be made to fail."""

from __future__ import annotations

import json
import threading
import time

import pytest
import urllib3
from click.testing import CliRunner

from headrace.cli import main
from headrace.config import load_pod
from headrace.errors import QueryError
from headrace.runtime import Runtime
from headrace.simulator import Simulator
from headrace.simulator.faults import Refuse
from support.deadline import eventually

KEYS = {"orders": (("customer", "S"), ("number", "N")), "pictures": (("hash", "B"),), "parts": (("id", "S"),)}


class Running:
    """A runtime in this process, its tables, and the command that asks it."""

    def __init__(self, folder):
        self.refused = set()
        self.simulator = Simulator(time.time, initial_shards=2, faults=self._fault)
        for table, keys in KEYS.items():
            self.call(
                "CreateTable",
                TableName=table,
                KeySchema=[
                    {"AttributeName": name, "KeyType": kind}
                    for (name, _), kind in zip(keys, ("HASH", "RANGE"), strict=False)
                ],
                AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t in keys],
                BillingMode="PAY_PER_REQUEST",
                StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
            )
        (folder / "spicepod.yaml").write_text(
            "datasets:\n"
            + "".join(
                f"  - from: dynamodb:{name}\n    name: {name}\n    params: {{aws_region: us-east-1}}\n"
                "    acceleration: {engine: duckdb, refresh_mode: changes}\n"
                for name in KEYS
            )
            + "  - from: dynamodb:parts\n    name: bare\n    params: {aws_region: us-east-1}\n"
        )
        pod = load_pod(folder, {}, folder)
        address = ("127.0.0.1", 0)
        self.runtime = Runtime(pod, http=address, metrics=address, connect=lambda _: self.simulator)

    def _fault(self, operation, _request):
        return Refuse("AccessDeniedException") if operation in self.refused else None

    def call(self, operation, **request):
        response = self.simulator(operation, json.dumps(request).encode())
        assert response.status == 200, response.body
        return json.loads(response.body)

    def put(self, table, **item):
        self.call("PutItem", TableName=table, Item=item)

    def headrace(self, *arguments):
        return CliRunner().invoke(main, [*arguments, "--http", self.runtime.http_url])

    def explained(self, *arguments):
        done = self.headrace("explain", *arguments, "--format", "json")
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    def ready(self):
        eventually(
            lambda: all(s.ready for s in self.runtime.statuses() if s.name in KEYS), within=30, what="ready"
        )


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    before = set(threading.enumerate())
    one = Running(tmp_path_factory.mktemp("pod"))
    for number in ("1", "2", "-4"):
        one.put("orders", customer={"S": "ann"}, number={"N": number}, total={"N": "9.5"})
    one.put("orders", customer={"S": "--x"}, number={"N": "-4"})
    for picture in ("/+8=", "AAAA"):
        one.put("pictures", hash={"B": picture}, name={"S": "sky"})
    one.runtime.start()
    one.ready()
    yield one
    one.runtime.stop()
    with pytest.raises(QueryError, match="not being replicated"):
        one.runtime.explain_stream("orders")
    assert not [t for t in set(threading.enumerate()) - before if t.name.startswith("replicate")]


@pytest.fixture
def running(started):
    yield started
    started.refused.clear()


def test_the_life_of_a_key_from_its_change_to_its_row(running):
    for total in ("10", "11"):
        running.put("orders", customer={"S": "ann"}, number={"N": "2"}, total={"N": total})

    def newest():
        told = running.explained("key", "orders", "ann", "2.0")
        return told if told["row"]["total"] == 11 else None

    told = eventually(newest, within=20, what="the change is applied")
    assert told["key"] == {"customer": {"S": "ann"}, "number": {"N": "2.0"}}
    assert [change["kind"] for change in told["changes"]][:2] == ["upsert", "upsert"]
    newest, before = told["changes"][:2]
    assert newest["state"] == "applied"
    assert int(newest["sequence_number"]) > int(before["sequence_number"])
    assert newest["shard"] == before["shard"]
    assert 0 <= newest["applied_seconds_ago"] <= newest["created_seconds_ago"] < 30
    assert told["table"] == {
        "read_at": told["table"]["read_at"],
        "error": None,
        "found": True,
        "same": True,
        "differences": [],
    }
    assert told["summary"][0] == "orders has a row of this key."
    assert told["summary"][1].startswith("The last change applied is the upsert in shard ")
    assert told["summary"][-1] == "The table's item is the same."


def test_a_deleted_key_has_no_row_and_its_deletion_is_told(running):
    running.call("DeleteItem", TableName="pictures", Key={"hash": {"B": "AAAA"}})
    told = eventually(
        lambda: (one := running.explained("key", "pictures", "AAAA"))["row"] is None and one,
        within=20,
        what="the deletion is applied",
    )
    assert told["changes"][0]["kind"] == "delete"
    assert told["table"]["found"] is False
    assert told["table"]["same"] is True
    assert told["summary"][-1] == "The table has no such item either."


def test_what_differs_from_the_table_is_named_attribute_by_attribute(running):
    running.refused.add("GetRecords")
    eventually(
        lambda: any(
            "backing off" in shard["reason"] for shard in running.explained("shard", "orders")["shards"]
        ),
        within=20,
        what="the stream is refused",
    )
    running.put("orders", customer={"S": "ann"}, number={"N": "1"}, total={"N": "1E1"}, note={"S": "[bold]x"})
    told = running.explained("key", "orders", "ann", "1")
    assert told["table"]["same"] is False
    assert told["table"]["differences"] == [
        {"attribute": "total", "row": "9.5", "item": '{"N":"10"}'},
        {"attribute": "note", "row": None, "item": '{"S":"[bold]x"}'},
    ]
    drawn = running.headrace("explain", "key", "orders", "ann", "1").stdout
    assert "The table's item differs in: total, note." in drawn
    assert 'note: row None, table {"S":"[bold]x"}' in drawn


def test_shards_tell_their_failures_and_when_they_are_asked_again(running):
    running.refused.add("GetRecords")
    stream = eventually(
        lambda: (
            (one := running.explained("shard", "orders")) and all(s["error"] for s in one["shards"]) and one
        ),
        within=20,
        what="every shard is refused",
    )
    for shard in stream["shards"]:
        assert shard["failures"] >= 1
        assert "allow dynamodb:GetRecords on table/orders/stream/*" in shard["error"]
    assert "not permitted" in stream["reason"]
    drawn = running.headrace("explain", "shard", "orders").stdout
    assert "next try at 20" in drawn or "asked again after" in drawn


def test_a_split_is_drawn_with_the_children_beneath_their_parent(running):
    running.simulator.streams.split_shard("parts")
    eventually(
        lambda: len(running.explained("shard", "parts")["shards"]) == 4,
        within=20,
        what="the children are found",
    )

    def family():
        shards = running.explained("shard", "parts")["shards"]
        parent = next(s for s in shards if any(c["parent"] == s["id"] for c in shards))
        return parent if parent["stage"] == "finished" else None

    parent = eventually(family, within=20, what="the parent's end is durable")
    one = running.explained("shard", "parts", parent["id"])["shards"]
    assert len(one) == 3
    assert {shard["parent"] for shard in one} == {None, parent["id"]}
    drawn = running.headrace("explain", "shard", "parts", parent["id"]).stdout.splitlines()
    assert drawn[0].startswith("parts · running")
    assert drawn[1].startswith(f"└── {parent['id']} finished: read to its end")
    assert sum(line.startswith(("    ├── ", "    └── ")) for line in drawn) == 2


def test_a_table_that_may_not_be_asked_is_said_and_the_rest_is_told(running):
    running.refused.add("GetItem")
    told = running.explained("key", "pictures", "/+8=")
    assert told["row"] == {"hash": "/+8=", "name": "sky"}
    assert "allow dynamodb:GetItem on table/pictures" in told["table"]["error"]
    assert told["table"]["same"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("key", "ordres", "a"),
            "there is no dataset 'ordres'; the datasets are: orders, pictures, parts, bare",
        ),
        (
            ("key", "orders", "ann"),
            "the key of orders is customer (a string) and number (a number): give 2 values, not 1",
        ),
        (("key", "orders", "ann", "two"), "number, of the key of orders, is a number: 'two' is not"),
        (
            ("key", "pictures", "zz"),
            "hash, of the key of pictures, is binary, written as base64: 'zz' is not",
        ),
        (("shard", "orders", "shardId-1"), "orders has no shard 'shardId-1'; the nearest is shardId-0"),
        (("shard", "bare"), "bare has no copy that could be asked about: "),
    ],
)
def test_what_cannot_be_explained_is_an_error_that_names_what_can(running, arguments, message):
    done = running.headrace("explain", *arguments)
    assert done.exit_code == 1
    assert message in done.stderr
    assert done.stdout == ""


def test_negative_numbers_and_dashes_are_keys_too(running):
    done = running.headrace("explain", "key", "orders", "ann", "-4")
    assert "orders has a row of this key." in done.stdout
    assert (
        "orders has no row of this key." in running.headrace("explain", "key", "orders", "ann", "-.5").stdout
    )
    url = running.runtime.http_url
    done = CliRunner().invoke(main, ["explain", "key", "--http", url, "orders", "--", "--x", "-4"])
    assert "orders has a row of this key." in done.stdout
    done = running.headrace("explain", "key", "orders", "ann", "--formt")
    assert done.exit_code == 2


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("orders/key", 400, "name the key: ?partition=VALUE"),
        (
            "orders/key?partition=ann&sort=1&kind=S",
            400,
            "unknown parameter 'kind'; the parameters here: partition, sort",
        ),
        ("orders/shards?all=true", 400, "unknown parameter 'all'; the parameters here: none"),
        ("orders/shards/nothing", 404, "orders has no shard 'nothing'"),
        ("ORDERS/shards", 200, ""),
        ("nothing/shards", 404, "there is no dataset 'nothing'"),
        ("bare/key?partition=a", 503, "bare has no copy that could be asked about"),
    ],
)
def test_over_http_each_mistake_has_its_status(running, path, status, message):
    reply = urllib3.request("GET", f"{running.runtime.http_url}/v1/datasets/{path}")
    assert reply.status == status
    assert message in ("" if status == 200 else reply.json()["error"]["message"])
