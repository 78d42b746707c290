"""The real command over a table without a stream: loaded, refreshed, killed, refreshed again."""

import json

import pytest

from headrace.cli import main
from support.deadline import eventually
from support.endpoint import Endpoint

ENGINES = ("orders", "duckdb", "sqlite", "cayenne")
"""``orders`` is in PostgreSQL, the others in the engines of their names."""

SLOW = ", refresh_check_interval: 1h"


class Table:
    """A table without a stream."""

    def __init__(self, url):
        self._ask = Endpoint(url)
        self(
            "CreateTable",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        eventually(
            lambda: self("DescribeTable")["Table"]["TableStatus"] == "ACTIVE", within=10, what="a table"
        )

    def __call__(self, operation, **request):
        answer = self._ask(operation, {"TableName": "orders", **request})
        assert not answer.code, answer.message
        return answer.body

    def put(self, id_, placed, **more):
        item = {"id": {"S": id_}, "placed": {"N": str(placed)}}
        self("PutItem", Item=item | {name: {"S": text} for name, text in more.items()})

    def delete(self, id_):
        self("DeleteItem", Key={"id": {"S": id_}})


@pytest.fixture
def table(endpoint):
    return Table(endpoint)


def ids(process, name="orders", condition="true"):
    return [row["id"] for row in process.sql(f"SELECT id FROM {name} WHERE {condition} ORDER BY id")]


def cli(*arguments):
    from click.testing import CliRunner

    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
@pytest.mark.parametrize("endpoint", ["simulator"], indirect=True)
def test_a_table_without_a_stream_is_refreshed_in_every_engine(endpoint, table, pod, headrace):
    for number in range(5):
        table.put(f"k{number}", number, note="x")
    others = "".join(
        f"  - from: dynamodb:orders\n    name: {engine}\n"
        f"    params: {{endpoint_url: '{endpoint}', aws_region: us-east-1}}\n"
        f"    acceleration: {{engine: {engine}, mode: file, refresh_mode: full{SLOW}}}\n"
        for engine in ENGINES[1:]
    )
    folder = pod(endpoint, refresh="full", acceleration=SLOW, dataset=others)
    first = headrace(folder)
    first.until_ready()
    for name in ENGINES:
        assert ids(first, name) == ["k0", "k1", "k2", "k3", "k4"]
        status = first.dataset(name)
        assert (status["status"], status["live"], status["fresh"], status["rows"]) == ("Ready", True, True, 5)
    table.delete("k3")
    table.put("new", 9)
    for name in ENGINES:
        code, said = cli("refresh", name, "--wait", "--http", first.url)
        assert (code, said.splitlines()[0]) == (0, f"Dataset refresh triggered for {name}.")
        assert said.splitlines()[1].startswith("5 rows in ")
        assert ids(first, name) == ["k0", "k1", "k2", "k4", "new"]
        assert first.metric("refreshes_total", name) == 2
        assert first.metric("last_refresh_timestamp_seconds", name) > 1e9
    first.kill()
    second = headrace(folder)
    second.until_ready()
    for name in ENGINES:
        assert ids(second, name) == ["k0", "k1", "k2", "k4", "new"]
    assert len(second.events("copy_resumed")) == len(ENGINES)
    assert not second.events("refresh_started")
    assert second.stop() == 0


@pytest.mark.parametrize("endpoint", ["ministack"], indirect=True)
def test_an_append_adds_what_is_newer_and_a_schedule_copies_anew(endpoint, table, pod, headrace):
    for number in range(3):
        table.put(f"k{number}", number)
    timely = (
        "    time_column: placed\n  - from: dynamodb:orders\n    name: timely\n"
        f"    params: {{endpoint_url: '{endpoint}', aws_region: us-east-1}}\n"
        "    acceleration: {refresh_check_interval: 1s}\n"
    )
    process = headrace(pod(endpoint, refresh="append", acceleration=SLOW, dataset=timely))
    process.until_ready()
    table.delete("k0")
    table.put("k1", 7)
    table.put("new", 9)
    code, said = cli("refresh", "orders", "--wait", "--http", process.url)
    assert code == 0, said
    assert ids(process) == ["k0", "k1", "k2", "new"]
    assert ids(process, condition="placed >= 7") == ["k1", "new"]
    code, said = cli("refresh", "orders", "--wait", "--refresh-mode", "full", "--http", process.url)
    assert code == 0, said
    assert ids(process) == ["k1", "k2", "new"]
    eventually(lambda: ids(process, "timely") == ["k1", "k2", "new"], within=60, what="a refresh by itself")
    assert process.get("/v1/ready").status == 200


@pytest.mark.parametrize("endpoint", ["simulator"], indirect=True)
def test_refresh_sql_is_changed_for_once_and_until_the_end(endpoint, table, pod, headrace):
    for number in range(6):
        table.put(f"k{number}", number)
    process = headrace(pod(endpoint, refresh="full", acceleration=""))
    process.until_ready()

    def asked(method, path, body):
        answer = process._http.request(
            method,
            f"{process.url}/v1/datasets/orders/acceleration{path}",
            body=json.dumps(body),
            headers={"Content-Type": "application/json"},
        )
        return answer.status, json.loads(answer.data)

    def refreshed(**body):
        status, said = asked("POST", "/refresh", body)
        assert status == 201, said
        path = f"/v1/datasets/orders/acceleration/refresh/{said['refresh']}"
        eventually(lambda: json.loads(process.get(path).data)["state"] == "done", within=60, what="a refresh")
        return ids(process)

    assert refreshed(refresh_sql="SELECT * FROM orders WHERE placed > 3") == ["k4", "k5"]
    assert len(refreshed()) == 6
    assert asked("PATCH", "", {"refresh_sql": "SELECT id FROM orders WHERE placed < 2"})[0] == 200
    assert len(ids(process)) == 6
    assert refreshed() == ["k0", "k1"]
    assert process.sql("SELECT * FROM orders ORDER BY id LIMIT 1") == [{"id": "k0"}]
    status, said = asked("POST", "/refresh", {"refresh_sql": "SELECT nonsense("})
    assert status == 400, said
    status, said = asked("POST", "/refresh", {"refresh_mode": "changes"})
    assert (status, "is not one of full, append" in said["error"]["message"]) == (400, True)
    status, said = asked("POST", "/refresh", {"refresh_jitter_max": "soon"})
    assert (status, "'soon' is not a duration" in said["error"]["message"]) == (400, True)
    status, said = asked("POST", "/refresh", {"refresh_mode": "append"})
    assert (status, "add time_column" in said["error"]["message"]) == (400, True)
    assert process.get("/v1/datasets/orders/acceleration/refresh/99").status == 404
    summary = json.loads(process.get("/v1/datasets/orders/key?partition=k0").data)["summary"]
    assert summary[1].startswith("The copy is of the table as a Scan found it that began ")
