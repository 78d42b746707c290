"""A table and its stream through the source, against the simulator and against answers made up here."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from headrace.accelerator import Target
from headrace.column_type import LONG, TEXT
from headrace.dataset import AwsAccess, Secret
from headrace.dynamodb import DynamoDBSource, botocore_transport
from headrace.errors import RequestRejected, ShardGone, TableUnusable, Unavailable
from headrace.mapping import Declared, Mapping
from headrace.position import Position, SequenceNumber
from headrace.replicate.plan import plan_copy
from headrace.schema import TableSchema
from headrace.shard import Shard
from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from headrace.wire import Response

NOON = 1_700_000_000.25
TABLE = {
    "TableName": "orders",
    "TableId": "id-1",
    "TableStatus": "ACTIVE",
    "LatestStreamArn": "arn:stream",
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    "KeySchema": [
        {"AttributeName": "at", "KeyType": "RANGE"},
        {"AttributeName": "id", "KeyType": "HASH"},
    ],
    "AttributeDefinitions": [
        {"AttributeName": "at", "AttributeType": "N"},
        {"AttributeName": "id", "AttributeType": "S"},
        {"AttributeName": "by", "AttributeType": "B"},
    ],
    "ItemCount": 5,
    "TableSizeBytes": 99,
}


class Script:
    """A Transport that answers from a list and keeps what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def __call__(self, operation, body):
        self.asked.append((operation, json.loads(body)))
        answer = self.answers.pop(0)
        if isinstance(answer, Response):
            return answer
        return Response(200, {}, json.dumps(answer).encode())


def described(**changes):
    table = {name: value for name, value in (TABLE | changes).items() if value is not None}
    return DynamoDBSource(Script({"Table": table}), "orders", region="eu-west-1")


class Orders:
    """The simulator with a table ``orders``, and a source on it."""

    def __init__(self, simulator, transport=None, **options):
        self.simulator = simulator
        self.source = DynamoDBSource(transport or simulator, "orders", region="us-east-1", **options)

    def __call__(self, operation, **request):
        response = self.simulator(operation, json.dumps(request).encode())
        assert response.status == 200, response.body
        return json.loads(response.body)

    def create(self, view="NEW_AND_OLD_IMAGES"):
        stream = {"StreamEnabled": False} if view is None else {"StreamEnabled": True, "StreamViewType": view}
        self(
            "CreateTable",
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification=stream,
        )

    def put(self, identity, **item):
        self("PutItem", TableName="orders", Item={"id": {"S": identity}, **item})


@pytest.fixture
def orders():
    return Orders(Simulator(lambda: NOON))


def test_a_table_is_copied_and_followed(orders):
    orders.create()
    orders.put("a", n={"N": "1.5"}, m={"M": {"x": {"L": [{"N": "1"}]}}})
    orders.put("b", n={"S": "x"})
    orders("DeleteItem", TableName="orders", Key={"id": {"S": "a"}})
    table = orders.source.describe()
    assert (table.keys, table.item_count, table.service_time) == ((("id", "S"),), 1, 1_700_000_000.0)
    scanned = orders.source.scan_page(0, 1, None)
    assert scanned.changes.rows.to_pylist() == [{"id": "b", "n": "x"}]
    listing = orders.source.list_shards(table.stream_arn, None)
    assert (listing.status, listing.next_start, len(listing.shards)) == ("ENABLED", None, 1)
    shard = listing.shards[0].id
    iterator = orders.source.open_iterator(table.stream_arn, shard, Position.trim_horizon(NOON))
    page = orders.source.get_records(shard, iterator)
    assert page.changes.rows.to_pylist() == [
        {"id": "a", "n": "1.5", "m": {"x": ["1"]}},
        {"id": "b", "n": "x", "m": None},
        {"id": "a", "n": None, "m": None},
    ]
    assert page.changes.deleted.to_pylist() == [False, False, True]
    assert page.oldest_at == page.newest_at == 1_700_000_000.0
    after = orders.source.open_iterator(table.stream_arn, shard, Position.after(page.last))
    assert orders.source.get_records(shard, after).count == 0
    again = orders.source.open_iterator(table.stream_arn, shard, Position.at(page.last))
    assert orders.source.get_records(shard, again).count == 1
    since = orders.source.open_iterator(table.stream_arn, shard, Position.at_timestamp(NOON - 60, NOON))
    assert orders.source.get_records(shard, since).count == 3


def test_an_empty_table_has_the_declared_columns_from_the_start():
    simulator = Simulator(lambda: NOON)
    Orders(simulator, simulator).create()
    declared = (Declared("total", LONG), Declared("free"))
    mapping = Mapping(declared=declared, json_column="rest")
    table = DynamoDBSource(simulator, "orders", mapping=mapping).describe()
    plan = plan_copy(table, Target.LIVE, 1, (), (), NOON)
    assert plan.work.create.arrow().names == ["id", "total", "free", "rest"]
    frozen = DynamoDBSource(simulator, "orders", mapping=replace(mapping, freeze=True)).describe()
    assert frozen.columns.arrow().names == ["id"], "frozen columns are known once there is a sample"


def test_the_same_over_http_with_real_botocore():
    simulator = Simulator(time.time)
    with SimulatorServer(simulator) as server:
        access = AwsAccess("us-east-1", server.url, Secret("AKID"), Secret("secret"))
        orders = Orders(simulator, botocore_transport(access))
        orders.create()
        for number in range(50):
            orders.put(str(number), n={"N": str(number)})
        table = orders.source.describe()
        rows = []
        for segment in range(3):
            page = orders.source.scan_page(segment, 3, None)
            assert page.cursor is None
            rows += [] if page.changes is None else page.changes.rows.column("n").to_pylist()
        (shard,) = orders.source.list_shards(table.stream_arn, None).shards
        iterator = orders.source.open_iterator(table.stream_arn, shard.id, Position.trim_horizon(NOON))
        streamed = orders.source.get_records(shard.id, iterator).changes.rows.column("n").to_pylist()
        with pytest.raises(
            TableUnusable, match=f"nothing does not exist in region us-east-1 at {server.url}"
        ):
            DynamoDBSource(botocore_transport(access), "nothing").describe()
    assert sorted(rows) == streamed == list(range(50))


def test_the_children_of_a_shard_are_listed_alone(orders):
    orders.create()
    stream = orders.source.describe().stream_arn
    (parent,) = orders.source.list_shards(stream, None).shards
    assert orders.source.list_children(stream, parent.id).shards == ()
    orders.simulator.streams.split_shard("orders", parent.id)
    children = orders.source.list_children(stream, parent.id).shards
    assert [child.parent_id for child in children] == [parent.id] * 2
    assert len(orders.source.list_shards(stream, None).shards) == 3


def test_a_scan_goes_on_at_its_cursor(orders):
    orders.create()
    for number in range(8):
        orders.put(str(number), blob={"S": "x" * 300_000})
    orders.source.describe()
    cursor, seen, pages = None, [], 0
    while pages == 0 or cursor is not None:
        page = orders.source.scan_page(0, 1, cursor)
        seen += page.changes.rows.column("id").to_pylist() if page.changes is not None else []
        cursor, pages = page.cursor, pages + 1
    assert pages > 1
    assert sorted(seen) == [str(number) for number in range(8)]


def test_a_shard_that_is_not_there_is_gone(orders):
    orders.create()
    stream = orders.source.describe().stream_arn
    with pytest.raises(ShardGone):
        orders.source.open_iterator(
            stream, "shardId-00000001700000000250-00000000", Position.trim_horizon(NOON)
        )


def test_a_table_without_a_stream_gets_the_command_that_enables_it(orders):
    orders.create(view=None)
    with pytest.raises(TableUnusable) as caught:
        orders.source.describe()
    assert (
        "`aws dynamodb update-table --table-name orders --stream-specification "
        "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES --region us-east-1`"
    ) in str(caught.value)


def test_the_command_goes_to_the_endpoint_that_was_asked():
    source = DynamoDBSource(
        Script({"Table": TABLE | {"StreamSpecification": {"StreamEnabled": False}}}),
        "orders",
        region="us-east-1",
        endpoint_url="http://127.0.0.1:8000",
    )
    with pytest.raises(TableUnusable, match=r"--region us-east-1 --endpoint-url http://127\.0\.0\.1:8000`"):
        source.describe()


@pytest.mark.parametrize("view", ["KEYS_ONLY", "OLD_IMAGE"])
def test_a_stream_without_new_images_is_refused_with_the_way_to_change_it(orders, view):
    orders.create(view)
    with pytest.raises(TableUnusable) as caught:
        orders.source.describe()
    message = str(caught.value)
    assert view in message
    assert "--stream-specification StreamEnabled=false --region us-east-1`" in message
    assert "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES --region us-east-1`" in message


@pytest.mark.parametrize("view", ["NEW_IMAGE", "NEW_AND_OLD_IMAGES"])
def test_a_stream_with_new_images_will_do(orders, view):
    orders.create(view)
    assert orders.source.describe().stream_arn.startswith("arn:")


@pytest.mark.parametrize(
    "status", ["CREATING", "DELETING", "ARCHIVED", "INACCESSIBLE_ENCRYPTION_CREDENTIALS"]
)
def test_a_table_that_is_not_active_is_not_read(status):
    with pytest.raises(TableUnusable, match=f"is {status}, not ACTIVE"):
        described(TableStatus=status).describe()


def test_a_table_that_is_updating_is_read():
    assert described(TableStatus="UPDATING").describe().item_count == 5


def test_the_partition_key_comes_first_whatever_the_order_of_the_answer():
    assert described().describe().keys == (("id", "S"), ("at", "N"))


def test_a_table_without_an_id_is_known_by_its_arn_and_birth():
    changes = {"TableId": None, "TableArn": "arn:t", "CreationDateTime": 1.5}
    assert described(**changes).describe().table_id == "arn:t@1.5"


@pytest.mark.parametrize("answer", [{}, {"Table": None}, {"Table": TABLE | {"KeySchema": None}}])
def test_an_answer_that_is_not_as_documented_is_unavailable(answer):
    with pytest.raises(Unavailable):
        DynamoDBSource(Script(answer), "orders").describe()


def test_a_table_made_anew_under_another_key_is_decoded_by_that_key():
    renewed = TABLE | {"KeySchema": [{"AttributeName": "by", "KeyType": "HASH"}]}
    items = {"Items": [{"by": {"B": "aGk="}, "id": {"N": "1"}}]}
    source = DynamoDBSource(Script({"Table": TABLE}, {"Table": renewed}, items), "orders")
    source.describe()
    source.describe()
    page = source.scan_page(0, 1, None)
    assert page.dead == ()
    assert page.changes.rows.to_pylist() == [{"by": b"hi", "id": 1}]


def test_the_requests_are_as_documented():
    script = Script(
        {"Items": []},
        {"Items": []},
        {"Records": []},
        {"ShardIterator": "i"},
        {"ShardIterator": "i"},
        {"ShardIterator": "i"},
        {"StreamDescription": {"StreamStatus": "ENABLED", "Shards": []}},
        {"StreamDescription": {"StreamStatus": "ENABLED", "Shards": []}},
    )
    source = DynamoDBSource(script, "orders")
    source.scan_page(0, 1, None)
    source.scan_page(2, 4, '{"id":{"S":"x"}}')
    source.get_records("s", "iterator")
    source.open_iterator("arn", "s", Position.at_timestamp(5.25, NOON))
    source.open_iterator("arn", "s", Position.after(SequenceNumber("7")))
    source.open_iterator("arn", "s", Position.trim_horizon(NOON))
    source.list_shards("arn", "s-1")
    source.list_children("arn", "s")
    assert script.asked == [
        ("Scan", {"TableName": "orders", "ConsistentRead": True}),
        (
            "Scan",
            {
                "TableName": "orders",
                "ConsistentRead": True,
                "Segment": 2,
                "TotalSegments": 4,
                "ExclusiveStartKey": {"id": {"S": "x"}},
            },
        ),
        ("GetRecords", {"ShardIterator": "iterator", "Limit": 1000}),
        (
            "GetShardIterator",
            {"StreamArn": "arn", "ShardId": "s", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 5.25},
        ),
        (
            "GetShardIterator",
            {
                "StreamArn": "arn",
                "ShardId": "s",
                "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
                "SequenceNumber": "7",
            },
        ),
        ("GetShardIterator", {"StreamArn": "arn", "ShardId": "s", "ShardIteratorType": "TRIM_HORIZON"}),
        ("DescribeStream", {"StreamArn": "arn", "ExclusiveStartShardId": "s-1"}),
        ("DescribeStream", {"StreamArn": "arn", "ShardFilter": {"Type": "CHILD_SHARDS", "ShardId": "s"}}),
    ]


def test_a_listing_without_numbers_and_a_date_is_taken_as_it_is():
    stream = {
        "StreamStatus": "DISABLED",
        "LastEvaluatedShardId": "b",
        "Shards": [
            {"ShardId": "a", "SequenceNumberRange": {"EndingSequenceNumber": "9"}},
            {"ShardId": "b", "ParentShardId": "a"},
        ],
    }
    listing = DynamoDBSource(Script({"StreamDescription": stream}), "orders").list_shards("arn", None)
    assert listing.shards == (Shard("a", ending=SequenceNumber("9")), Shard("b", "a"))
    assert (listing.next_start, listing.status, listing.service_time) == ("b", "DISABLED", None)


def test_a_date_that_is_none_is_no_time():
    broken = Response(200, {"date": "yesterday"}, b'{"Items":[]}')
    assert DynamoDBSource(Script(broken), "orders").scan_page(0, 1, None).service_time is None


def test_a_dead_letter_is_dated_by_the_clock_where_the_service_sends_no_date():
    script = Script({"Table": TABLE}, {"Items": [{"id": {"S": "a"}, "at": {"N": "?"}}]})
    source = DynamoDBSource(script, "orders", clock=lambda: 77.0)
    source.describe()
    assert [letter.at for letter in source.scan_page(0, 1, None).dead] == [77.0]


def test_a_service_that_knows_no_timestamp_anchor_rejects_it_as_such():
    refused = Response(400, {}, b'{"__type":"x#ValidationException","message":"unknown AT_TIMESTAMP"}')
    with pytest.raises(RequestRejected, match="unknown AT_TIMESTAMP"):
        DynamoDBSource(Script(refused), "orders").open_iterator("arn", "s", Position.at_timestamp(1.0, 1.0))


def test_a_schema_that_was_stored_is_decoded_with():
    stored = TableSchema.of_keys((("id", "S"), ("at", "N"))).including({("n",): TEXT})
    script = Script({"Table": TABLE}, {"Items": [{"id": {"S": "a"}, "at": {"N": "1"}, "n": {"N": "2.50"}}]})
    source = DynamoDBSource(script, "orders")
    source.learn(stored, Mapping().fingerprint)
    source.describe()
    page = source.scan_page(0, 1, None)
    assert page.changes.schema == stored
    assert page.changes.rows.to_pylist() == [{"id": "a", "at": 1, "n": "2.5"}]
