"""A benchmark is worth nothing if its server lies."""

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer

from pages import ROWS, TEMPLATES, Table, Totals


def totals(items):
    read = TypeDeserializer().deserialize
    rows = [{name: read(value) for name, value in item.items()} for item in items]
    return Totals(
        len(rows),
        len({row["id"] for row in rows}),
        int(sum(row["quantity"] for row in rows)),
        int(sum(row["amount"] * 100 for row in rows)),
        sum(row["paid"] for row in rows),
        sum(len(row["note"]) for row in rows),
    )


def test_a_scan_returns_every_key_once_and_adds_up_to_what_is_promised(client):
    assert totals(client.scan()) == Table(10_000).totals()
    assert totals(client.scan()).keys == 10_000


@pytest.mark.parametrize("segments", [2, 3, 7])
def test_all_segments_together_return_what_a_whole_scan_returns(client, segments):
    parts = [client.scan(Segment=n, TotalSegments=segments) for n in range(segments)]
    assert totals([item for part in parts for item in part]) == Table(10_000).totals()


def test_full_pages_are_about_one_megabyte_of_items_of_ten_attributes(client):
    items = client.scan()
    assert all(0.9 * 2**20 < size < 2**20 for size in client.sizes[:-1])
    assert client.sizes[-1] < 2**20
    assert {len(item) for item in items} == {10}
    tags = [next(iter(value)) for value in items[0].values()]
    assert (tags.count("S"), tags.count("N"), tags.count("BOOL")) == (5, 4, 1)


def test_pages_beyond_the_templates_repeat_the_values_under_new_keys():
    table = Table(ROWS * TEMPLATES * 2 + 7)
    early, late = table.page(1).body, table.page(TEMPLATES + 1).body
    assert b"ord-000001-" not in late
    assert late.replace(b"ord-%06d-" % (TEMPLATES + 1), b"ord-000001-") == early
    assert table.totals().keys == table.items
    assert table.rows_in(table.pages - 1) == 7


def test_boto3_reads_the_table_and_its_empty_stream(url):
    access = {"endpoint_url": url, "region_name": "us-east-1", "aws_access_key_id": "a"}
    dynamodb = boto3.client("dynamodb", aws_secret_access_key="b", **access)
    streams = boto3.client("dynamodbstreams", aws_secret_access_key="b", **access)
    table = dynamodb.describe_table(TableName="orders")["Table"]
    assert table["ItemCount"] == 10_000
    arn = table["LatestStreamArn"]
    [shard] = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    place = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator = streams.get_shard_iterator(**place)["ShardIterator"]
    page = streams.get_records(ShardIterator=iterator)
    assert page["Records"] == []
    assert page["NextShardIterator"]


@pytest.mark.parametrize(
    ("operation", "request_", "words"),
    [
        ("PutItem", {"TableName": "orders"}, "this server answers Scan"),
        ("Scan", {"TableName": "other"}, "table orders"),
        ("Scan", {"TableName": "orders", "FilterExpression": "a = b"}, "with nothing but"),
        (
            "Scan",
            {"TableName": "orders", "ExclusiveStartKey": {"id": {"S": "ord-000000-00001"}}},
            "no page ends",
        ),
    ],
)
def test_what_it_cannot_answer_it_refuses(client, operation, request_, words):
    assert words in client.ask(operation, status=400, **request_)["message"]
