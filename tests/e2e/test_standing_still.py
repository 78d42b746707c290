"""The running system notices what stands still in it: threads, answers, transactions; and notices that they move again."""

import json
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import urllib3

from headrace.config import Pod
from headrace.dataset import Acceleration, AwsAccess, Dataset, Mode, RefreshMode, Replication
from headrace.metrics import status as status_board
from headrace.runtime import Runtime
from headrace.simulator import Simulator
from support.deadline import eventually

LIMIT = 1.0


class Gate:
    """A transport to the simulator in which requests of one operation can be made to wait."""

    def __init__(self):
        self.simulator = Simulator(time.time)
        self.closed = None
        self.open = threading.Event()
        self.open.set()

    def __call__(self, operation, body):
        if operation == self.closed:
            self.open.wait(60)
        return self.simulator(operation, body)

    def close(self, operation):
        self.open.clear()
        self.closed = operation

    def release(self):
        self.open.set()

    def call(self, operation, **request):
        answer = self.simulator(operation, json.dumps(request).encode())
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def put(self, key):
        self.call("PutItem", TableName="orders", Item={"id": {"S": key}})


class Valve:
    """An observer that blocks the thread that tells it, as a log does that nobody reads."""

    def __init__(self):
        self.stuck = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def __call__(self, _):
        if not self.open.is_set():
            self.stuck.set()
            self.open.wait(60)


class Running:
    def __init__(self, runtime, gate, valve):
        self.runtime = runtime
        self.gate = gate
        self.valve = valve
        self._http = urllib3.PoolManager()

    def ready(self):
        answer = self._http.request("GET", self.runtime.http_url + "/v1/ready")
        return answer.status, answer.data.decode()

    def until_ready(self):
        eventually(lambda: self.ready()[0] == 200, within=20, what="ready")

    def until_not_ready(self, words):
        return eventually(
            lambda: (said := self.ready()) and said[0] == 503 and words in said[1] and said[1],
            within=20,
            what=f"503 with {words!r}; {self.ready()}",
        )

    def dataset(self):
        answer = self._http.request("GET", self.runtime.http_url + "/v1/datasets?status=true")
        return json.loads(answer.data)[0]

    def metric(self, name):
        text = self._http.request("GET", self.runtime.metrics_url + "/metrics").data.decode()
        sample = f'dataset_dynamodb_{name}{{dataset="orders"}} '
        return next(float(line[len(sample) :]) for line in text.splitlines() if line.startswith(sample))


@contextmanager
def running(folder: Path):
    gate, valve = Gate(), Valve()
    gate.call(
        "CreateTable",
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    acceleration = Acceleration(
        mode=Mode.FILE, refresh_mode=RefreshMode.CHANGES, path=folder / "orders.duckdb"
    )
    access = AwsAccess(region="us-east-1", endpoint_url="http://127.0.0.1:9")
    dataset = Dataset(
        "orders", "orders", access=access, acceleration=acceleration, replication=Replication(liveness=LIMIT)
    )
    pod = Pod(folder / "spicepod.yaml", folder, "test", (dataset,))
    with ExitStack() as closing:
        free = ("127.0.0.1", 0)
        runtime = Runtime(pod, http=free, metrics=free, observers=[valve], connect=lambda _: gate)
        closing.callback(runtime.stop)
        closing.callback(gate.release)
        closing.callback(valve.open.set)
        runtime.start()
        up = Running(runtime, gate, valve)
        up.until_ready()
        yield up


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    """One system for all stories: each leaves it as healthy as it found it."""
    with running(tmp_path_factory.mktemp("up")) as system:
        yield system


@pytest.mark.parametrize(
    ("operation", "words"),
    [("GetRecords", "shard shardId-"), ("DescribeStream", "the search for children of shard shardId-")],
)
def test_an_answer_that_does_not_come_turns_ready_off_and_on_again(up, operation, words):
    before = up.metric("stalls_total")
    up.gate.close(operation)
    if operation == "DescribeStream":
        up.gate.simulator.streams.rotate_shards("orders")
    said = up.until_not_ready(words)
    assert "has made no progress for" in said
    dataset = up.dataset()
    assert dataset["ready"], "it may still be queried"
    assert not dataset["live"]
    assert dataset["status"] == "Error"
    assert up.metric("live") == 0
    assert up.metric("stalls_total") > before
    up.gate.release()
    up.until_ready()
    assert up.metric("live") == 1
    assert up.dataset()["status"] == "Ready"


def test_a_commit_that_does_not_return_turns_ready_off_and_on_again(up):
    """The lane's connection is held, as by an engine that hangs: neither status nor readiness wait for it."""
    rows = up.dataset()["rows"]
    with up.runtime._engines._instance.lane("orders"):
        up.gate.put("stuck")
        up.until_not_ready("a transaction has made no progress for")
        assert up.metric("live") == 0
        assert up.dataset()["rows"] == rows
    up.until_ready()
    eventually(lambda: up.dataset()["rows"] == rows + 1, within=10, what="the row is there")


def test_readiness_answers_while_the_engine_is_being_opened(up):
    """Opening may replay a long log; whoever asks for readiness gets an answer meanwhile."""
    with up.runtime._engines._instance._lock:
        began = time.monotonic()
        assert up.ready()[0] == 200
        assert time.monotonic() - began < 2


def test_a_replication_thread_that_hangs_is_noticed_from_outside(up, monkeypatch):
    monkeypatch.setattr(status_board, "SILENCE", LIMIT)
    up.valve.stuck.clear()
    up.valve.open.clear()
    assert up.valve.stuck.wait(10)
    said = up.until_not_ready("nothing was heard from the replication of orders")
    assert "restart headrace" in said
    assert not up.dataset()["live"]
    up.valve.open.set()
    up.until_ready()


def test_a_thread_that_cannot_be_had_is_asked_for_again(up):
    runner = up.runtime._runners["orders"]
    submit = runner._pool.submit

    def refused(*_):
        raise RuntimeError("can't start new thread")

    runner._pool.submit = refused
    up.until_not_ready("no thread for it")
    runner._pool.submit = submit
    up.until_ready()


def test_a_replication_thread_that_dies_says_why(tmp_path, monkeypatch):
    """A defect ends the thread; it does not end the word about it."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with running(tmp_path) as dying:
        dying.runtime._runners["orders"]._machine.step = None
        said = dying.until_not_ready("internal error")
        assert "restart headrace" in said
        assert not dying.dataset()["ready"]
