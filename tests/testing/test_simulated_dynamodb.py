"""The simulated DynamoDB that tests are given, and the clients that talk to it."""

from __future__ import annotations

import builtins
import socket
import urllib.request

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from headrace.errors import RequestRejected
from headrace.simulator import Cut, Lose, Refuse, Slow
from headrace.testing.dynamodb import SimulatedDynamoDB

ONCE = Config(retries={"total_max_attempts": 1})


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No network, no credentials, and AWS settings that would break a client that read them."""

    def refused(*_, **__):
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(socket, "create_connection", refused)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    broken = tmp_path / "config"
    broken.write_text("[this is no configuration")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(broken))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")


def test_a_client_needs_no_network_and_no_settings(offline, orders):
    client = orders.client()
    client.put_item(TableName="orders", Item={"id": {"S": "a"}, "b": {"B": b"\x00"}})
    assert client.get_item(TableName="orders", Key={"id": {"S": "a"}})["Item"]["b"] == {"B": b"\x00"}
    streams = orders.client("dynamodbstreams")
    arn = client.describe_table(TableName="orders")["Table"]["LatestStreamArn"]
    assert streams.describe_stream(StreamArn=arn)["StreamDescription"]["StreamStatus"] == "ENABLED"
    with pytest.raises(client.exceptions.ConditionalCheckFailedException):
        client.put_item(
            TableName="orders", Item={"id": {"S": "a"}}, ConditionExpression="attribute_not_exists(id)"
        )


def test_boto3_resources_work_with_pythons_own_values(offline, orders):
    table = orders.session().resource("dynamodb").Table("orders")
    table.put_item(Item={"id": "a", "n": 7, "tags": {"x", "y"}})
    assert table.get_item(Key={"id": "a"})["Item"] == {"id": "a", "n": 7, "tags": {"x", "y"}}


def test_without_boto3_the_error_says_what_to_do(dynamodb, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "boto3":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        ImportError, match=r"session\(\) needs boto3: `pip install boto3`; client\(\) does not"
    ):
        dynamodb.session()


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Refuse("ThrottlingException", "slower"), ClientError, "slower"),
        (Lose(), ConnectionClosedError, "Connection was closed"),
        (Cut(share=0.5), HTTPClientError, "IncompleteRead"),
    ],
)
def test_faults_reach_a_client_as_its_own_errors(orders, fault, kind, words):
    orders.simulator.faults = lambda *_: fault
    with pytest.raises(kind, match=words):
        orders.client(config=ONCE).scan(TableName="orders")


def test_a_slow_answer_moves_the_clock(orders):
    orders.simulator.faults = lambda *_: Slow(1.5)
    before = orders.clock.now
    assert orders.client().scan(TableName="orders")["Items"] == []
    assert orders.clock.now == before + 1.5


def test_weather_befalls_clients_and_not_the_test(dynamodb):
    stormy = SimulatedDynamoDB(weather={"internal error": 1.0})
    stormy.create_table("orders", "id")
    client = stormy.client(config=ONCE)
    client.put_item(TableName="orders", Item={"id": {"S": "a"}})
    with pytest.raises(ClientError, match="InternalServerError"):
        client.scan(TableName="orders")
    assert len(stormy.call("Scan", TableName="orders")["Items"]) == 1
    assert stormy.weather.counts == {"internal error": 1}
    broken = SimulatedDynamoDB(weather={"internal error": 1.0}, operations=["PutItem"])
    broken.create_table("orders", "id")
    with pytest.raises(ClientError, match="InternalServerError"):
        broken.client(config=ONCE).put_item(TableName="orders", Item={"id": {"S": "a"}})


def test_time_passes_only_as_told_and_weather_with_it():
    stormy = SimulatedDynamoDB(now=1000.0, weather={"split": 1.0, "pause": 1.0})
    stormy.create_table("orders", "id")
    stormy.advance(10)
    assert stormy.weather.counts == {"split": 1, "pause": 1}
    assert len(stormy.streams.open_shards("orders")) == 2
    assert stormy.clock.now > 1010 + 900
    with pytest.raises(ValueError, match="time cannot pass by -1 seconds"):
        stormy.advance(-1)


def test_a_table_takes_a_line(dynamodb):
    arn = dynamodb.create_table("orders", "customer", "placed:N", view_type="KEYS_ONLY")
    table = dynamodb.call("DescribeTable", TableName="orders")["Table"]
    assert table["LatestStreamArn"] == arn
    assert table["StreamSpecification"]["StreamViewType"] == "KEYS_ONLY"
    assert [element["KeyType"] for element in table["KeySchema"]] == ["HASH", "RANGE"]
    assert table["AttributeDefinitions"] == [
        {"AttributeName": "customer", "AttributeType": "S"},
        {"AttributeName": "placed", "AttributeType": "N"},
    ]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ((), "table 'orders' needs a partition key"),
        (("a", "b", "c"), "table 'orders' needs a partition key, and may have a sort key"),
        (("a:X",), "'a:X' is no key attribute; give NAME or NAME:TYPE, where TYPE is S, N, B"),
        ((":N",), "':N' is no key attribute"),
    ],
)
def test_a_key_that_is_none_is_refused(dynamodb, key, words):
    with pytest.raises(ValueError, match=words):
        dynamodb.create_table("orders", *key)


def test_a_refused_call_says_why(dynamodb):
    with pytest.raises(
        RequestRejected, match="Scan: ResourceNotFoundException: Requested resource not found"
    ):
        dynamodb.call("Scan", TableName="orders")


def test_a_table_without_a_stream_has_no_events(dynamodb):
    dynamodb.call(
        "CreateTable",
        TableName="plain",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(ValueError, match="table 'plain' has no stream"):
        dynamodb.events("plain")


def test_it_is_served_over_http_for_a_while(orders):
    with orders.serve() as url:
        assert b"healthy" in urllib.request.urlopen(url, timeout=10).read()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=10)
