"""The event of a batch is Lambda's: the guide's shape, and nothing of a record lost or changed."""

from __future__ import annotations

import base64
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.batch import Batch, Window
from headrace.dynamodb import TableEvents
from headrace.position import Position
from headrace.testing.dynamodb import SimulatedDynamoDB
from support.attribute_values import items
from support.functions import ARN, SHARD, batch, change

# AWS Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB" (example event); ApproximateCreationDateTime is there
# in what the service sends.
RECORD = {"eventID", "eventName", "eventVersion", "eventSource", "awsRegion", "dynamodb", "eventSourceARN"}
CHANGE = {"ApproximateCreationDateTime", "Keys", "SequenceNumber", "SizeBytes", "StreamViewType"}
IMAGES = {"INSERT": {"NewImage"}, "MODIFY": {"NewImage", "OldImage"}, "REMOVE": {"OldImage"}}
# The same guide, "Implementing stateful DynamoDB stream processing in Lambda".
WINDOW = {"window", "state", "shardId", "eventSourceARN", "isFinalInvokeForWindow", "isWindowTerminatedEarly"}


def read(dynamodb, table):
    """All records of a table with one shard, as a mapping reads them."""
    events = TableEvents(dynamodb.simulator, table, region="us-east-1")
    arn = events.describe().stream_arn
    [shard] = events.list_shards(arn, None).shards
    iterator = events.open_iterator(arn, shard.id, Position.trim_horizon(dynamodb.clock.now))
    return Batch("m", arn, shard.id, events.get_records(shard.id, iterator).records)


def test_an_event_has_the_shape_of_the_guide():
    dynamodb = SimulatedDynamoDB()
    arn = dynamodb.create_table("orders", "customer", "placed:N", time_to_live="expires")
    blob = base64.b64encode(b"\x00\xff").decode()
    key = {"customer": {"S": "ada"}, "placed": {"N": "1"}}
    dynamodb.call("PutItem", TableName="orders", Item={**key, "seal": {"B": blob}})
    dynamodb.call("PutItem", TableName="orders", Item={**key, "seal": {"BS": [blob]}, "paid": {"BOOL": True}})
    dynamodb.call("DeleteItem", TableName="orders", Key=key)
    dynamodb.call("PutItem", TableName="orders", Item=key)
    dynamodb.streams.expire_item("orders", key)
    event = json.loads(read(dynamodb, "orders").event())
    assert event.keys() == {"Records"}
    inserted, modified, removed, _, expired = event["Records"]
    for record in event["Records"]:
        ours = record.keys() - {"userIdentity"}
        told = record["dynamodb"]
        assert ours == RECORD
        assert told.keys() == CHANGE | IMAGES[record["eventName"]]
        assert (record["eventVersion"], record["eventSource"]) == ("1.1", "aws:dynamodb")
        assert (record["awsRegion"], record["eventSourceARN"]) == ("us-east-1", arn)
        assert type(told["ApproximateCreationDateTime"]) in (int, float)
        assert type(told["SizeBytes"]) is int
        assert told["SequenceNumber"].isdigit()
        assert told["Keys"] == key
    assert inserted["dynamodb"]["NewImage"] == {**key, "seal": {"B": blob}}
    assert modified["dynamodb"]["NewImage"] == {**key, "seal": {"BS": [blob]}, "paid": {"BOOL": True}}
    assert "userIdentity" not in removed
    assert expired["userIdentity"] == {"principalId": "dynamodb.amazonaws.com", "type": "Service"}
    # What users' tests are given by the plugin is what functions are given in the end.
    assert [event] == list(dynamodb.events("orders"))


def test_a_windowed_event_has_the_shape_of_the_guide():
    event = json.loads(batch(1, Window(1767225600.0, 1767225660.0, '{"a":1}', early=True)).event())
    assert event.keys() == {"Records"} | WINDOW
    assert event["window"] == {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:01:00Z"}
    assert (event["state"], event["shardId"], event["eventSourceARN"]) == ({"a": 1}, SHARD, ARN)
    assert (event["isFinalInvokeForWindow"], event["isWindowTerminatedEarly"]) == (False, True)
    assert json.loads(batch(0, Window(0.0, 60.0)).event())["Records"] == []


@settings(max_examples=25)
@given(
    st.lists(st.tuples(items(), st.one_of(st.none(), items())), max_size=4),
    st.one_of(st.none(), st.builds(Window, st.just(0.0), st.just(60.0), items().map(json.dumps))),
)
def test_any_records_go_through_an_event_as_they_are(images, window):
    records = []
    for number, (new, old) in enumerate(images):
        record = change(number)
        record["dynamodb"] |= {"NewImage": new, "OldImage": old, "Keys": {"pk": new["pk"]}}
        records.append(record)
    event = json.loads(batch(records, window).event())
    assert event["Records"] == records
    assert window is None or event["state"] == json.loads(window.state)
