"""The server with real clients: boto3 and the aws command, both unchanged."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from headrace.simulator import Lose, Simulator
from headrace.simulator.server import SimulatorServer

KEY, SECRET = "AKIDEXAMPLE", "a/secret+key"


@pytest.fixture
def simulator():
    return Simulator(time.time)


@pytest.fixture
def server(simulator):
    with SimulatorServer(simulator, credentials={KEY: SECRET}) as running:
        yield running


@pytest.fixture
def client(server):
    opened = []

    def connect(service="dynamodb", key=KEY, secret=SECRET):
        opened.append(
            boto3.client(
                service,
                endpoint_url=server.url,
                region_name="us-east-1",
                aws_access_key_id=key,
                aws_secret_access_key=secret,
                config=Config(retries={"total_max_attempts": 1}),
            )
        )
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


def make_orders(client):
    return client.create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "at", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]


def test_boto3_makes_fills_queries_and_scans_a_table(client):
    dynamodb = client()
    make_orders(dynamodb)
    dynamodb.get_waiter("table_exists").wait(TableName="orders")
    everything = {
        "id": {"S": "all"},
        "at": {"N": "1"},
        "b": {"B": b"\x00\xff"},
        "bs": {"BS": [b"a", b"b"]},
        "ns": {"NS": ["1", "2"]},
        "ss": {"SS": ["a", "b"]},
        "l": {"L": [{"NULL": True}, {"BOOL": False}]},
        "m": {"M": {"k": {"S": "é"}}},
    }
    dynamodb.put_item(TableName="orders", Item=everything)
    key = {"id": {"S": "all"}, "at": {"N": "1.0"}}
    assert dynamodb.get_item(TableName="orders", Key=key)["Item"] == everything
    for number in range(0, 100, 25):
        writes = [
            {"PutRequest": {"Item": {"id": {"S": "many"}, "at": {"N": str(at)}, "x": {"S": "x" * 30_000}}}}
            for at in range(number, number + 25)
        ]
        assert dynamodb.batch_write_item(RequestItems={"orders": writes})["UnprocessedItems"] == {}
    pages = list(
        dynamodb.get_paginator("query").paginate(
            TableName="orders",
            KeyConditionExpression="id = :id",
            ExpressionAttributeValues={":id": {"S": "many"}},
            ProjectionExpression="#at",
            ExpressionAttributeNames={"#at": "at"},
        )
    )
    assert len(pages) == 3
    assert [item["at"]["N"] for page in pages for item in page["Items"]] == [str(at) for at in range(100)]
    scanned = dynamodb.get_paginator("scan").paginate(TableName="orders", PaginationConfig={"PageSize": 7})
    assert sum(page["Count"] for page in scanned) == 101
    updated = dynamodb.update_item(
        TableName="orders",
        Key=key,
        UpdateExpression="SET m.k = :v ADD ns :n REMOVE l DELETE ss :s",
        ExpressionAttributeValues={":v": {"S": "new"}, ":n": {"NS": ["3"]}, ":s": {"SS": ["a"]}},
        ReturnValues="ALL_NEW",
    )["Attributes"]
    assert updated["m"] == {"M": {"k": {"S": "new"}}}
    assert updated["ns"] == {"NS": ["1", "2", "3"]}
    dynamodb.delete_item(TableName="orders", Key=key)
    assert dynamodb.describe_table(TableName="orders")["Table"]["ItemCount"] == 100
    tables = dynamodb.get_paginator("list_tables").paginate()
    assert [name for page in tables for name in page["TableNames"]] == ["orders"]
    dynamodb.delete_table(TableName="orders")
    dynamodb.get_waiter("table_not_exists").wait(TableName="orders")


def test_boto3_reads_a_stream_through_a_split(client, simulator):
    dynamodb, streams = client(), client("dynamodbstreams")
    arn = make_orders(dynamodb)["LatestStreamArn"]
    dynamodb.put_item(TableName="orders", Item={"id": {"S": "a"}, "at": {"N": "1"}})
    simulator.streams.split_shard("orders")
    dynamodb.delete_item(TableName="orders", Key={"id": {"S": "a"}, "at": {"N": "1"}})
    assert [stream["StreamArn"] for stream in streams.list_streams(TableName="orders")["Streams"]] == [arn]
    description = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert description["StreamStatus"] == "ENABLED"
    records = []
    for shard in sorted(description["Shards"], key=lambda shard: "ParentShardId" in shard):
        iterator = streams.get_shard_iterator(
            StreamArn=arn,
            ShardId=shard["ShardId"],
            ShardIteratorType="AT_TIMESTAMP",
            Timestamp=time.time() - 60,
        )["ShardIterator"]
        records += streams.get_records(ShardIterator=iterator)["Records"]
    assert [record["eventName"] for record in records] == ["INSERT", "REMOVE"]
    assert abs(records[0]["dynamodb"]["ApproximateCreationDateTime"].timestamp() - time.time()) < 60
    with pytest.raises(streams.exceptions.ResourceNotFoundException):
        streams.describe_stream(StreamArn=arn + "x")


def test_boto3_writes_and_reads_in_transactions(client):
    dynamodb, streams = client(), client("dynamodbstreams")
    arn = make_orders(dynamodb)["LatestStreamArn"]
    first, second = ({"id": {"S": "a"}, "at": {"N": str(at)}} for at in (1, 2))
    count = {
        "TableName": "orders",
        "Key": second,
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    actions = [
        {"Put": {"TableName": "orders", "Item": first, "ConditionExpression": "attribute_not_exists(id)"}},
        {"Update": count},
    ]
    # boto3 adds a ClientRequestToken of its own; the same one again does nothing again.
    for _ in range(2):
        dynamodb.transact_write_items(TransactItems=actions, ClientRequestToken="once")
    with pytest.raises(dynamodb.exceptions.IdempotentParameterMismatchException):
        dynamodb.transact_write_items(TransactItems=actions[:1], ClientRequestToken="once")
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as cancelled:
        dynamodb.transact_write_items(TransactItems=actions)
    reasons = cancelled.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["ConditionalCheckFailed", "None"]
    gets = [{"Get": {"TableName": "orders", "Key": key}} for key in (first, second)]
    answers = dynamodb.transact_get_items(TransactItems=gets)["Responses"]
    assert answers == [{"Item": first}, {"Item": {**second, "n": {"N": "1"}}}]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    assert [record["eventName"] for record in records] == ["INSERT", "INSERT"]


def test_boto3_gets_batches(client):
    dynamodb = client()
    make_orders(dynamodb)
    keys = [{"id": {"S": "many"}, "at": {"N": str(at)}} for at in range(5)]
    dynamodb.batch_write_item(RequestItems={"orders": [{"PutRequest": {"Item": key}} for key in keys[:3]]})
    answer = dynamodb.batch_get_item(RequestItems={"orders": {"Keys": keys, "ConsistentRead": True}})
    assert answer["Responses"] == {"orders": keys[:3]}
    assert answer["UnprocessedKeys"] == {}


def test_boto3_sees_an_item_expire():
    moment = [1_700_000_000.0]
    with SimulatorServer(Simulator(lambda: moment[0])) as server:
        clients = [
            boto3.client(
                service,
                endpoint_url=server.url,
                region_name="us-east-1",
                aws_access_key_id="any",
                aws_secret_access_key="any",
            )
            for service in ("dynamodb", "dynamodbstreams")
        ]
        dynamodb, streams = clients
        arn = make_orders(dynamodb)["LatestStreamArn"]
        dynamodb.update_time_to_live(
            TableName="orders", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ends"}
        )
        described = dynamodb.describe_time_to_live(TableName="orders")["TimeToLiveDescription"]
        assert described == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ends"}
        item = {"id": {"S": "a"}, "at": {"N": "1"}, "ends": {"N": "1700000060"}}
        dynamodb.put_item(TableName="orders", Item=item)
        moment[0] += 100
        assert dynamodb.scan(TableName="orders")["Count"] == 0
        shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        last = streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"][-1]
        assert last["eventName"] == "REMOVE"
        assert last["userIdentity"] == {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
        for each in clients:
            each.close()


def test_boto3_knows_the_errors(client):
    dynamodb = client()
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.describe_table(TableName="orders")
    make_orders(dynamodb)
    with pytest.raises(dynamodb.exceptions.ResourceInUseException):
        make_orders(dynamodb)
    item = {"id": {"S": "a"}, "at": {"N": "1"}}
    dynamodb.put_item(TableName="orders", Item=item)
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as caught:
        dynamodb.put_item(
            TableName="orders",
            Item=item,
            ConditionExpression="attribute_not_exists(id)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert caught.value.response["Item"] == item
    with pytest.raises(ClientError, match="UnknownOperationException"):
        dynamodb.describe_limits()


@pytest.mark.parametrize(
    ("key", "secret", "code"),
    [
        ("AKIDOTHER", SECRET, "UnrecognizedClientException"),
        (KEY, "wrong", "InvalidSignatureException"),
    ],
)
def test_wrong_credentials_are_told_apart(client, key, secret, code):
    with pytest.raises(ClientError) as caught:
        client(key=key, secret=secret).list_tables()
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def ask(server, method="POST", body=b"{}", **headers):
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        connection.request(
            method, "/", body, {name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_request_without_a_signature_is_refused(server):
    status, body = ask(server, X_Amz_Target="DynamoDB_20120810.ListTables")
    assert status == 400
    assert json.loads(body) == {
        "__type": "com.amazon.coral.service#MissingAuthenticationTokenException",
        "message": "Request is missing Authentication Token",
    }
    _, body = ask(server, X_Amz_Target="DynamoDB_20120810.ListTables", Authorization="Basic abc")
    assert json.loads(body)["__type"].endswith("#IncompleteSignatureException")


def test_any_well_formed_signature_passes_where_no_credentials_are_set(simulator):
    signature = (
        "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/dynamodb/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=00ff"
    )
    with SimulatorServer(simulator) as server:
        asked = {"Authorization": signature, "X_Amz_Target": "DynamoDB_20120810.ListTables"}
        assert ask(server, **asked) == (200, b'{"TableNames":[]}')
        for target in ("DynamoDB_20120810.ListStreams", "DynamoDBStreams_20120810.ListTables", "x", ""):
            status, body = ask(server, Authorization=signature, X_Amz_Target=target)
            assert status == 400
            assert b"UnknownOperationException" in body
        assert ask(server, "GET") == (200, b"healthy: dynamodb.us-east-1.amazonaws.com ")


def test_a_lost_answer_is_a_closed_connection(client, simulator):
    dynamodb = client()
    simulator.faults = lambda _operation, _request: Lose()
    with pytest.raises(ConnectionClosedError):
        dynamodb.list_tables()
    simulator.faults = lambda _operation, _request: None
    assert dynamodb.list_tables()["TableNames"] == []


def test_a_taken_port_is_an_error(server, simulator):
    with pytest.raises(OSError, match="in use"):
        SimulatorServer(simulator, port=server.port)


def test_many_clients_at_once_lose_nothing(client):
    dynamodb = client()
    make_orders(dynamodb)

    def put(number):
        dynamodb.put_item(TableName="orders", Item={"id": {"S": str(number)}, "at": {"N": "0"}})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(200)))
    assert dynamodb.scan(TableName="orders", Select="COUNT")["Count"] == 200


@pytest.mark.skipif(shutil.which("aws") is None, reason="the aws command is not installed on this machine")
def test_the_aws_command_works_unchanged(server, tmp_path):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_PAGER": "",
    }

    def aws(*arguments):
        command = ["aws", "--endpoint-url", server.url, "--output", "json", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or b"{}")

    made = aws(
        *("dynamodb", "create-table", "--table-name", "orders", "--billing-mode", "PAY_PER_REQUEST"),
        *("--key-schema", "AttributeName=id,KeyType=HASH"),
        *("--attribute-definitions", "AttributeName=id,AttributeType=S"),
        *("--stream-specification", "StreamEnabled=true,StreamViewType=NEW_IMAGE"),
    )
    arn = made["TableDescription"]["LatestStreamArn"]
    aws("dynamodb", "put-item", "--table-name", "orders", "--item", '{"id": {"S": "a"}, "n": {"N": "1.50"}}')
    assert aws("dynamodb", "scan", "--table-name", "orders")["Items"] == [
        {"id": {"S": "a"}, "n": {"N": "1.5"}}
    ]
    [shard] = aws("dynamodbstreams", "describe-stream", "--stream-arn", arn)["StreamDescription"]["Shards"]
    iterator = aws(
        *("dynamodbstreams", "get-shard-iterator", "--stream-arn", arn),
        *("--shard-id", shard["ShardId"], "--shard-iterator-type", "TRIM_HORIZON"),
    )["ShardIterator"]
    [record] = aws("dynamodbstreams", "get-records", "--shard-iterator", iterator)["Records"]
    assert record["dynamodb"]["NewImage"]["n"] == {"N": "1.5"}
