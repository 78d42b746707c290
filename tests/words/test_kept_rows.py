"""Datasets whose rows a target writes: in every engine, through a whole runtime."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager

import msgspec
import pytest

from headrace.accelerators.duckdb.accelerator import DuckDBAccelerator
from headrace.accelerators.duckdb.instance import DuckDBInstance
from headrace.config import load_pod
from headrace.dataset import Acceleration, Dataset, Mode
from headrace.errors import AcceleratorError, CommitUnknown, ConfigError, QueryError, RowRefused
from headrace.kept_rows import KeptRows
from headrace.row_table import Row
from headrace.runtime import Runtime
from headrace.simulator import Simulator
from support.deadline import eventually
from support.fed_acceleration import fed_acceleration

_TARGET = """
import json
from headrace.row_table import Row
from headrace.targets import Change

class Rows:
    def __init__(self, context):
        self._rows = context.dataset((("order", "S"),))

    def consume(self, batch):
        last = {record.key: Change.read(record) for record in batch.records}
        rows = [Row({"order": change.key["id"]}, self._row(change)) for change in last.values()]
        assert not any(self._rows.write(rows))
        return {"batchItemFailures": []}

    def _row(self, change):
        if change.removed:
            return None
        kept = {name: value for name, value in change.new.items() if name != "id"}
        return {"order": change.key["id"], **kept}

    def close(self):
        pass
"""


class _World:
    def __init__(self, folder, acceleration):
        self.simulator = Simulator(time.time, initial_shards=1)
        self.folder = folder
        self.call(
            "CreateTable",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        access = {"aws_region": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
        pod = {
            "datasets": [{"from": "target:feed", "name": "kept", "acceleration": acceleration}],
            "event_source_mappings": [
                {"name": "feed", "from": "dynamodb:orders", "params": access, "target": {"custom": {"class": "feeding:Rows"}}}
            ],
        }  # fmt: skip
        (folder / "spicepod.yaml").write_text(json.dumps(pod))
        (folder / "feeding.py").write_text(_TARGET)

    def call(self, operation, **request):
        answer = self.simulator(operation, json.dumps({"TableName": "orders", **request}).encode())
        assert answer.status == 200, answer.body

    def put(self, order, **attributes):
        self.call("PutItem", Item={"id": {"S": order}, **attributes})

    @contextmanager
    def running(self):
        runtime = Runtime(load_pod(self.folder, {}, self.folder), connect=lambda _: self.simulator)
        runtime.start()
        try:
            yield runtime
        finally:
            runtime.stop()


def _rows(runtime):
    try:
        return runtime.rows('SELECT * FROM kept ORDER BY "order"').to_pylist()
    except QueryError:
        return None


@pytest.mark.parametrize("engine", ["duckdb", "sqlite", "cayenne", "postgres"])
def test_rows_of_a_target_are_a_table_in_any_engine_and_are_there_after_a_restart(tmp_path, engine):
    with fed_acceleration(engine) as acceleration:
        world = _World(tmp_path, acceleration)
        exact = "12345678901234567890.000000000000000001"
        with world.running() as runtime:
            world.put("a", total={"N": "1"})
            world.put("b", total={"N": "2"}, paid={"BOOL": True})
            eventually(lambda: len(_rows(runtime) or ()) == 2, within=20, what="two rows")
            world.call("DeleteItem", Key={"id": {"S": "b"}})
            world.put("a", total={"N": exact})
            eventually(
                lambda: str((_rows(runtime) or [{}])[0].get("total")) == exact, within=20, what="one row"
            )
            (status,) = runtime.statuses()
            assert (status.name, status.source, status.status, status.rows) == (
                "kept",
                "target:feed",
                "Ready",
                1,
            )
            with pytest.raises(QueryError, match="kept is written by the target of feed"):
                runtime.explain_stream("kept")
        with world.running() as runtime:
            eventually(lambda: _rows(runtime) is not None, within=20, what="the rows of before")
            (row,) = _rows(runtime)
            assert (row["order"], str(row["total"]), row["paid"]) == ("a", exact, None)


class _Sink:
    """An engine of which some commits fail, or refuse a row."""

    def __init__(self, folder):
        self._instance = DuckDBInstance({"kept": folder / "kept.duckdb"})
        self.engine = DuckDBAccelerator(self._instance, "kept")
        self.fault = None

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def apply(self, work):
        if self.fault is not None:
            self.fault(work)
        return self.engine.apply(work)

    def read(self):
        with self._instance.cursor() as cursor:
            yield from cursor.execute('SELECT * FROM "kept"').to_arrow_reader()

    def close(self):
        self.engine.close()
        self._instance.close()


@pytest.fixture
def sink(tmp_path):
    made = _Sink(tmp_path)
    yield made
    made.close()


def _kept(sink, told=lambda _: None, fed_by="feed", key=(("k", "S"),)):
    dataset = Dataset("kept", "", fed_by=fed_by, acceleration=Acceleration(mode=Mode.FILE))
    rows = KeptRows(dataset, sink, sink.read, told, "salt")
    return rows.keyed(key)


def _raw(value):
    return msgspec.Raw(json.dumps(value).encode())


def _row(key, **attributes):
    k = {"k": _raw({"S": key})}
    return Row(
        k, None if not attributes else {**k, **{name: _raw(value) for name, value in attributes.items()}}
    )


def _plain(rows):
    found = {}
    for images in rows.rows():
        for image in images:
            plain = {name: json.loads(bytes(value)) for name, value in image.items()}
            found[plain.pop("k")["S"]] = plain
    return found


def test_rows_come_back_as_they_were_written(sink):
    rows = _kept(sink)
    item = {
        "n": {"N": "1.50"},
        "t": {"S": "2026-01-01T00:00:00Z"},
        "b": {"B": "AQI="},
        "f": {"BOOL": False},
        "z": {"NULL": True},
    }
    assert rows.write([_row("x", **item), _row("y", n={"N": "2"})]) == [None, None]
    assert rows.write([_row("y")]) == [None]
    expected = {name: value for name, value in item.items() if name != "z"} | {"n": {"N": "1.5"}}
    assert _plain(rows) == {"x": expected}


def test_a_row_that_the_engine_refuses_is_told_and_the_others_are_written(sink):
    def refuse(work):
        if any("bad" in change.rows.column(0).to_pylist() for change in work.stream):
            raise RowRefused("it does not like it")

    rows = _kept(sink)
    rows.write([_row("a", n={"N": "1"})])
    sink.fault = refuse
    told = rows.write([_row(key, n={"N": "2"}) for key in ("a", "b", "bad", "c")])
    assert [None if error is None else str(error) for error in told] == [
        None,
        None,
        "it does not like it",
        None,
    ]
    assert set(_plain(rows)) == {"a", "b", "c"}


def test_a_row_that_cannot_be_read_is_told_and_the_others_are_written(sink):
    rows = _kept(sink)
    told = rows.write([_row("a", n={"N": "1"}), _row("b", n={"N": "one"}), _row("c", n={"N": "3"})])
    assert told[0] is None
    assert told[2] is None
    assert "numbers as text" in str(told[1])
    assert set(_plain(rows)) == {"a", "c"}


@pytest.mark.parametrize("happened", [True, False])
def test_after_a_commit_that_may_have_happened_the_same_rows_are_written_again(sink, happened):
    def lose(work):
        sink.fault = None
        if happened:
            sink.engine.apply(work)
        raise CommitUnknown("nobody knows")

    rows = _kept(sink)
    rows.write([_row("a", n={"N": "1"})])
    sink.fault = lose
    with pytest.raises(AcceleratorError):
        rows.write([_row("a", n={"N": "2"})])
    assert rows.write([_row("a", n={"N": "2"})]) == [None]
    assert _plain(rows) == {"a": {"n": {"N": "2"}}}


def test_what_was_made_anew_has_another_identity(sink, tmp_path):
    first = _kept(sink).identity()
    assert _kept(sink).identity() == first
    other = tmp_path / "other"
    other.mkdir()
    beside = _Sink(other)
    assert _kept(beside).identity() != first
    beside.close()


def test_a_place_that_holds_other_rows_is_refused(sink):
    _kept(sink).write([_row("a", n={"N": "1"})])
    with pytest.raises(ConfigError, match="holds rows of target:feed with the key k"):
        _kept(sink, fed_by="another").write([_row("a", n={"N": "1"})])
    with pytest.raises(ConfigError, match="holds rows of target:feed with the key k"):
        _kept(sink, key=(("j", "S"),)).write([_row("a", n={"N": "1"})])


def test_columns_are_told_as_they_come(sink):
    told = []
    rows = _kept(sink, told.append)
    rows.write([_row("a", n={"N": "1"})])
    rows.write([_row("b", n={"N": "1"})])
    rows.write([_row("b", m={"S": "x"})])
    columns = [fact.columns for fact in told if type(fact).__name__ == "ColumnsKnown"]
    assert [[name for name, _ in each] for each in columns] == [["k"], ["k", "n"], ["k", "n", "m"]]
