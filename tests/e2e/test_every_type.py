"""Type by type through the real process: by the bootstrap and by the stream, in SQL, over HTTP and on the terminal."""

import base64
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest

from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from support.deadline import eventually
from support.time_formats import DOCUMENTED

LONG = "12345678901234567890123456789012345678"
TYPES = {
    # attribute: the value, its column's type for people, and what JSON says of it
    "bool": ({"BOOL": True}, "Boolean", True),
    "s": ({"S": "naïve ☃"}, "Utf8", "naïve ☃"),
    "s_empty": ({"S": ""}, "Utf8", ""),
    "s_naive": ({"S": "2024-03-15T14:30:00"}, "Timestamp(Millisecond)", "2024-03-15T14:30:00"),
    "s_zoned": ({"S": "2024-03-15T14:30:00.125Z"}, "Timestamp(Millisecond, UTC)", "2024-03-15T14:30:00.125Z"),
    "s_offset": (
        {"S": "2024-03-15T14:30:00+02:00"},
        "Timestamp(Millisecond, +02:00)",
        "2024-03-15T12:30:00Z",
    ),
    "s_micro": (
        {"S": "2024-03-15T14:30:00.123456Z"},
        "Timestamp(Microsecond, UTC)",
        "2024-03-15T14:30:00.123456Z",
    ),
    "ss": ({"SS": ["a", "b"]}, "List(Utf8)", ["a", "b"]),
    "n": ({"N": "42"}, "Int64", 42),
    "n_long": ({"N": str(2**63 - 1)}, "Int64", str(2**63 - 1)),
    "n_float": ({"N": "0.1"}, "Float64", 0.1),
    "n_small": ({"N": "1E-130"}, "Float64", 1e-130),
    "n_large": ({"N": "9.9E+125"}, "Float64", 9.9e125),
    "n_38": ({"N": LONG}, "Decimal128(38, 0)", LONG),
    "n_exact": ({"N": "1234567890.12345678901"}, "Decimal128(38, 11)", "1234567890.12345678901"),
    "n_text": ({"N": "0." + LONG}, "Utf8", "0." + LONG),
    "ns": ({"NS": ["1", "2"]}, "List(Int64)", [1, 2]),
    "ns_float": ({"NS": ["0.5"]}, "List(Float64)", [0.5]),
    "b": ({"B": base64.b64encode(b"\0\xff").decode()}, "Binary", base64.b64encode(b"\0\xff").decode()),
    "bs": ({"BS": [base64.b64encode(b"x").decode()]}, "List(Binary)", [base64.b64encode(b"x").decode()]),
    "l": (
        {"L": [{"N": "1"}, {"S": "foo"}, {"BOOL": True}, {"NULL": True}, {"M": {"x": {"N": "2"}}}]},
        "List(Utf8)",
        ["1", "foo", "true", None, '{"x":2}'],
    ),
    "l_empty": ({"L": []}, "List(Utf8)", []),
    "l_maps": ({"L": [{"M": {"city": {"S": "San Francisco"}}}]}, "List(Struct)", [{"city": "San Francisco"}]),
    "m": (
        {"M": {"ip": {"S": "::1"}, "deep": {"M": {"z": {"N": "3"}}}}},
        "Struct",
        {"deep": {"z": 3}, "ip": "::1"},
    ),
    "m_empty": ({"M": {}}, "Utf8", "{}"),
    "m_many": (
        {"M": {f"k{n:03}": {"N": str(n)} for n in range(150)}},
        "Map(Utf8, Int64)",
        {f"k{n:03}": n for n in range(150)},
    ),
    "null": ({"NULL": True}, "Utf8", None),
    'select "order".by': ({"N": "1"}, "Int64", 1),
}
WHOLE = {name: value for name, (value, _, _) in TYPES.items()}


@pytest.fixture
def server():
    with SimulatorServer(Simulator(time.time), "127.0.0.1", 0) as running:
        yield running


@pytest.fixture
def client(server):
    access = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    return boto3.client("dynamodb", endpoint_url=server.url, **access)


def wired(value):
    """With bytes where boto3 wants them."""
    ((tag, content),) = value.items()
    match tag:
        case "B":
            return {tag: base64.b64decode(content)}
        case "BS":
            return {tag: [base64.b64decode(one) for one in content]}
        case "L":
            return {tag: [wired(one) for one in content]}
        case "M":
            return {tag: {name: wired(one) for name, one in content.items()}}
        case _:
            return value


def create(client, name="orders", *sort):
    keys = [("id", "S"), *sort]
    client.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": key, "KeyType": kind}
            for (key, _), kind in zip(keys, ("HASH", "RANGE"), strict=False)
        ],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": tag} for key, tag in keys],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )


def put(client, **item):
    client.put_item(TableName="orders", Item={name: wired(value) for name, value in item.items()})


def terminal(process, statement):
    """What ``headrace sql -c`` prints."""
    command = [Path(sys.executable).parent / "headrace", "sql", "-c", statement, "--http", process.url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def until_rows(process, expected, statement="SELECT * FROM orders ORDER BY id"):
    eventually(lambda: process.sql(statement) == expected or None, within=30, what="these rows")


@pytest.mark.parametrize(
    ("engine", "mode", "way"),
    [
        pytest.param("duckdb", "memory", "bootstrap", marks=pytest.mark.long),
        pytest.param("duckdb", "memory", "stream", marks=pytest.mark.long),
        pytest.param("duckdb", "file", "bootstrap", marks=pytest.mark.long),
        ("duckdb", "file", "stream"),
        pytest.param("sqlite", "memory", "bootstrap", marks=pytest.mark.long),
        ("postgres", "file", "stream"),
    ],
    indirect=["engine"],
)
def test_each_type_of_the_table_has_its_column_and_its_value(server, client, pod, headrace, mode, way):
    create(client)
    if way == "bootstrap":
        put(client, id={"S": "a"}, **WHOLE)
    process = headrace(pod(server.url, mode=mode))
    process.until_ready()
    if way == "stream":
        put(client, id={"S": "a"}, **WHOLE)
    expected = {"id": "a"} | {name: shown for name, (_, _, shown) in TYPES.items()}
    eventually(lambda: process.sql("SELECT * FROM orders") != [], within=30, what="the row")
    (row,) = process.sql("SELECT * FROM orders")
    assert row == expected
    described = {line["column_name"]: line["data_type"] for line in process.sql("DESCRIBE orders")}
    assert described == {"id": "Utf8"} | {name: type_ for name, (_, type_, _) in TYPES.items()}
    table = terminal(process, "describe orders")
    assert [line.strip() for line in table.splitlines()[1].strip("|").split("|")] == [
        "column_name",
        "data_type",
        "is_nullable",
    ]
    for name, (_, type_, _) in TYPES.items():
        assert any(name in line and f"| {type_} " in line and "| YES " in line for line in table.splitlines())
    assert "naïve ☃" in terminal(process, "SELECT s FROM orders")


@pytest.fixture
def run(server, tmp_path, headrace):
    """Starts one process over several datasets: each has its name, its table, and what its entry says."""

    def start(*datasets):
        entries = [
            f"  - {{from: 'dynamodb:{table}', name: {name}, "
            f"params: {{endpoint_url: '{server.url}', aws_region: us-east-1{params}}}, "
            f"acceleration: {{engine: duckdb, mode: {mode}, refresh_mode: changes}}}}\n"
            for name, table, params, mode in datasets
        ]
        (tmp_path / "spicepod.yaml").write_text("datasets:\n" + "".join(entries))
        process = headrace(tmp_path)
        process.until_ready()
        return process

    return start


def types_of(process, name):
    return {line["column_name"]: line["data_type"] for line in process.sql(f"DESCRIBE {name}")}


def test_structs_are_read_by_their_members_and_lists_of_them_unnested(client, run):
    create(client)
    put(client, id={"S": "a"}, **WHOLE)
    names = ("memory", "file")
    process = run(*((f"in_{mode}", "orders", "", mode) for mode in names))
    for table in (f"in_{mode}" for mode in names):
        assert process.sql(f"SELECT m.ip, m.deep.z FROM {table} LIMIT 5") == [{"ip": "::1", "z": 3}]
        assert process.sql(
            f"SELECT address.city FROM (SELECT unnest(l_maps) AS address FROM {table}) "
            "WHERE address.city = 'San Francisco'"
        ) == [{"city": "San Francisco"}]
        assert process.sql(f"SELECT m_many['k007'] AS seven FROM {table}") == [{"seven": 7}]
        assert process.sql(
            f"SELECT id FROM {table} WHERE s_zoned BETWEEN '2024-03-15T14:00:00Z' AND '2024-03-15T15:00:00Z'"
        ) == [{"id": "a"}]


UNNESTED = [
    ({"a": "Int64", "b": "Utf8"}, {"a": 1, "b": '{"x":2,"y":{"z":3}}'}),
    ({"a": "Int64", "b.x": "Int64", "b.y": "Utf8"}, {"a": 1, "b.x": 2, "b.y": '{"z":3}'}),
    ({"a": "Int64", "b.x": "Int64", "b.y.z": "Int64"}, {"a": 1, "b.x": 2, "b.y.z": 3}),
]
"""The columns and a row, by the depth that is asked for."""


def test_maps_are_unnested_as_deep_as_the_spicepod_says(client, run):
    create(client)
    document = {"a": {"N": "1"}, "b": {"M": {"x": {"N": "2"}, "y": {"M": {"z": {"N": "3"}}}}}}
    put(client, id={"S": "one"}, **document)
    depths = range(len(UNNESTED))
    process = run(*((f"deep_{depth}", "orders", f", unnest_depth: {depth}", "file") for depth in depths))
    put(client, id={"S": "two"}, **document)
    for depth, (columns, row) in enumerate(UNNESTED):
        expected = [{"id": "one"} | row, {"id": "two"} | row]
        until_rows(process, expected, f"SELECT * FROM deep_{depth} ORDER BY id")
        assert types_of(process, f"deep_{depth}") == {"id": "Utf8"} | columns


SORT_KEYS = {
    "S": ["2024-03-15T14:30:00Z", "2024-03-15T14:30:00+02:00", "soon"],
    "N": ["7", "0.5", LONG],
    "B": [b"\0", b"\xff"],
}


def test_a_sort_key_of_any_look_finds_updates_and_deletes_its_item(client, run):
    for tag, (first, *_) in SORT_KEYS.items():
        create(client, f"by_{tag}", ("at", tag))
        key = {"id": {"S": "a"}, "at": {tag: first}}
        client.put_item(TableName=f"by_{tag}", Item=key | {"n": {"N": "1"}})
    process = run(*((f"by_{tag}", f"by_{tag}", "", "file") for tag in SORT_KEYS))
    for tag, keys in SORT_KEYS.items():
        expect_every_change(
            process, client, f"by_{tag}", [{"id": {"S": "a"}, "at": {tag: one}} for one in keys]
        )


def expect_every_change(process, client, table, keys):
    """Of items of these keys, of which the first is in the table already."""
    numbers = f"SELECT n FROM {table} ORDER BY n"
    for number, key in enumerate(keys):
        client.put_item(TableName=table, Item=key | {"n": {"N": str(number)}})
    until_rows(process, [{"n": number} for number in range(len(keys))], numbers)
    for number, key in enumerate(keys):
        client.update_item(
            TableName=table,
            Key=key,
            UpdateExpression="SET n = :n",
            ExpressionAttributeValues={":n": {"N": str(10 + number)}},
        )
    until_rows(process, [{"n": 10 + number} for number in range(len(keys))], numbers)
    for key in keys[1:]:
        client.delete_item(TableName=table, Key=key)
    until_rows(process, [{"n": 10}], numbers)
    client.delete_item(TableName=table, Key=keys[0])
    until_rows(process, [], numbers)


def test_a_time_format_makes_times_of_strings_and_text_of_them_again(client, run):
    formats = {f"format_{number}": one for number, one in enumerate(DOCUMENTED)}
    for name, (_, text) in formats.items():
        create(client, name)
        client.put_item(TableName=name, Item={"id": {"S": "a"}, "seen": {"S": text}})
    process = run(*((name, name, f", time_format: '{one}'", "file") for name, (one, _) in formats.items()))
    for name in formats:
        assert types_of(process, name)["seen"].startswith("Timestamp(Millisecond")
        minute = process.sql(f"SELECT minute(seen) AS minute, year(seen) AS year FROM {name}")
        assert minute == [{"minute": 30, "year": 2024}]
        client.put_item(TableName=name, Item={"id": {"S": "b"}, "seen": {"S": "not a time"}})
    for name, (_, text) in formats.items():
        expected = [{"id": "a", "seen": text}, {"id": "b", "seen": "not a time"}]
        until_rows(process, expected, f"SELECT * FROM {name} ORDER BY id")


def test_a_restart_with_other_settings_makes_all_rows_by_them(server, client, pod, headrace):
    create(client)
    for number in range(50):
        put(client, id={"S": f"{number:02}"}, m={"M": {"x": {"N": str(number)}}})
    first = headrace(pod(server.url))
    first.until_ready()
    assert first.sql("SELECT m.x FROM orders WHERE id = '07'") == [{"x": 7}]
    first.kill()
    second = headrace(pod(server.url, more=", unnest_depth: 1"))
    second.until_ready()
    assert [event["reason"] for event in second.events("reinitialized")] == [
        "other settings of its columns than the stored copy was made by"
    ]
    rows = second.sql("SELECT * FROM orders ORDER BY id")
    assert rows == [{"id": f"{number:02}", "m.x": number} for number in range(50)]
    second.kill()
    third = headrace(pod(server.url, more=", unnest_depth: 1"))
    third.until_ready()
    assert third.events("bootstrap_started") == third.events("reinitialized") == []
    assert third.sql("SELECT * FROM orders ORDER BY id") == rows
