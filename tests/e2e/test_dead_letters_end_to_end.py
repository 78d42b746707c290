"""Poison on the real process: seen, counted, superseded, retried, discarded, and nothing else waits for it.

DynamoDB refuses every value that our decoder or DuckDB would refuse, so the poison is planted in its answers: a
type tag that does not exist, as a later version of the service might send.
"""

import json
import subprocess
import time

import boto3
import pytest

from headrace.simulator import Simulator
from headrace.simulator.faults import Alter
from headrace.simulator.server import SimulatorServer
from support.deadline import eventually
from support.process import HEADRACE, environment


def poisoned(operation, request):
    """An attribute ``poison`` arrives under a tag that nobody knows."""
    if operation not in ("GetRecords", "Scan"):
        return None
    return Alter(lambda answer: json.loads(json.dumps(answer).replace('"poison": {"S"', '"poison": {"Z"')))


@pytest.fixture
def world(pod):
    with SimulatorServer(Simulator(time.time, faults=poisoned), "127.0.0.1", 0) as server:
        client = boto3.client(
            "dynamodb",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        client.create_table(
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )

        def put(key, n, **more):
            item = {"id": {"S": key}, "n": {"N": str(n)}, **more}
            client.put_item(TableName="orders", Item=item)

        yield put, pod(server.url)


BAD = {"poison": {"S": "x"}}


def letters(running):
    found = running.sql("SELECT * FROM headrace_dead_letter")
    return sorted((json.loads(one["key"])["id"]["S"], one["superseded_at"] is not None) for one in found)


def command(running, *arguments):
    return subprocess.run(
        [HEADRACE, "dead-letters", *arguments, "--http", running.url],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )


def settles(running, expected):
    eventually(lambda: letters(running) == expected, within=20, what=f"the letters are {expected}")


@pytest.mark.parametrize(
    "engine",
    ["duckdb", *(pytest.param(engine, marks=pytest.mark.long) for engine in ("sqlite", "postgres"))],
    indirect=True,
)
def test_the_life_of_a_dead_letter(world, headrace):
    put, folder = world
    put("scanned", 1, **BAD)
    put("good", 1)
    running = headrace(folder)
    running.until_ready()
    # The Scan's item, and the record that wrote it: the stream has the say.
    scanned = [("scanned", False), ("scanned", True)]
    settles(running, scanned)

    # From the stream: all others are applied, and the letters are seen wherever one looks.
    for key in ("a", "b"):
        put(key, 1)
        put(key, 2, **BAD)
    put("last", 1)
    settles(running, [("a", False), ("b", False), *scanned])
    eventually(
        lambda: "last" in [row["id"] for row in running.sql("SELECT id FROM orders")], within=20, what="last"
    )
    rows = {row["id"]: row["n"] for row in running.sql("SELECT id, n FROM orders")}
    assert rows == {"a": 1, "b": 1, "good": 1, "last": 1}
    (letter,) = running.sql('SELECT * FROM headrace_dead_letter WHERE "key" LIKE \'%"a"%\'')
    assert json.loads(letter["record"])["dynamodb"]["NewImage"]["poison"] == {"Z": "x"}
    assert letter["record"].count(letter["sequence_number"]) == 1
    assert "'Z' is not a type tag" in letter["reason"]
    assert running.dataset("orders")["dead_letters"] == 3
    assert running.metric("dead_letters_total") == 4
    assert running.metric("dead_letters_waiting") == 3
    listed = command(running, "list", "orders", "--format", "json")
    assert [one["id"] for one in json.loads(listed.stdout) if one["id"] == letter["id"]] == [letter["id"]]

    # It fails again for as long as nobody can decode it.
    retried = command(running, "retry", "orders", "--all")
    assert (retried.returncode, retried.stdout) == (1, "0 applied\n3 failed again\n")

    # A later change of the key supersedes it, and a retry leaves it alone.
    put("a", 3)
    settles(running, [("a", True), ("b", False), *scanned])
    retried = command(running, "retry", "orders", letter["id"])
    assert (retried.returncode, retried.stdout) == (1, "0 applied\n1 superseded, left alone\n")
    assert {row["id"]: row["n"] for row in running.sql("SELECT id, n FROM orders")}["a"] == 3
    assert running.metric("dead_letters_superseded_total") == 2

    # They outlive the process, and are discarded.
    running.kill()
    again = headrace(folder)
    again.until_ready()
    settles(again, [("a", True), ("b", False), *scanned])
    assert command(again, "discard", "orders", "--superseded").stdout == "2 discarded\n"
    assert command(again, "discard", "orders", "no-such-letter").returncode == 1
    assert command(again, "discard", "orders", "--all").stdout == "2 discarded\n"
    assert letters(again) == []
    assert again.metric("dead_letters_discarded_total") == 4
    eventually(
        lambda: again.dataset("orders")["dead_letters"] == 0, within=20, what="the status forgets them"
    )
    assert again.stop() == 0


def test_a_letter_that_can_be_decoded_by_now_is_applied(world, headrace):
    """What an upgrade does: the stored record is one that this version decodes."""
    duckdb = pytest.importorskip("duckdb")
    put, folder = world
    put("good", 1)
    running = headrace(folder)
    running.until_ready()
    put("a", 5, **BAD)
    settles(running, [("a", False)])
    assert running.stop() == 0
    (file,) = folder.rglob("*.duckdb")
    with duckdb.connect(str(file)) as database:
        database.execute("""UPDATE headrace_dead_letter SET record = replace(record, '{"Z":', '{"S":')""")
        database.execute("""UPDATE headrace_dead_letter SET record = replace(record, '{"Z": ', '{"S": ')""")
    again = headrace(folder)
    again.until_ready()
    retried = command(again, "retry", "orders", "--all")
    assert (retried.returncode, retried.stdout) == (0, "1 applied\n")
    assert again.sql("SELECT id, n, poison FROM orders ORDER BY id") == [
        {"id": "a", "n": 5, "poison": "x"},
        {"id": "good", "n": 1, "poison": None},
    ]
    assert letters(again) == []
    assert again.metric("dead_letters_retried_total") == 1
    assert again.stop() == 0
