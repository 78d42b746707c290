"""AWS Lambda Powertools works in a function as it does in Lambda; nothing of it is replaced."""

from __future__ import annotations

import pytest

from headrace.batch import Batch
from headrace.dynamodb import TableEvents
from headrace.errors import ConsumerFailed
from headrace.position import Position
from headrace.testing.dynamodb import SimulatedDynamoDB

HANDLERS = """
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
    from aws_lambda_powertools.utilities.data_classes import DynamoDBStreamEvent, event_source
    from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecordEventName
    from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
    from aws_lambda_powertools.utilities.idempotency.exceptions import (
        IdempotencyItemAlreadyExistsError, IdempotencyItemNotFoundError)
    from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer

    processor = BatchProcessor(EventType.DynamoDBStreams)

    def partial(event, context):
        def one(record):
            if record.dynamodb.new_image.get("amount", 0) < 0:
                raise ValueError("an amount below zero")
        return process_partial_response(event, one, processor, context)

    @event_source(data_class=DynamoDBStreamEvent)
    def typed(event, context):
        return [[
            record.event_name is DynamoDBRecordEventName.INSERT, record.event_source_arn, record.dynamodb.keys,
            record.dynamodb.new_image.get("amount"), record.dynamodb.stream_view_type.name,
            record.dynamodb.approximate_creation_date_time, record.user_identity,
        ] for record in event.records]

    class Kept(BasePersistenceLayer):
        kept = {}
        def _get_record(self, idempotency_key):
            if idempotency_key not in self.kept: raise IdempotencyItemNotFoundError
            return self.kept[idempotency_key]
        def _put_record(self, data_record):
            if data_record.idempotency_key in self.kept: raise IdempotencyItemAlreadyExistsError
            self.kept[data_record.idempotency_key] = data_record
        def _update_record(self, data_record): self.kept[data_record.idempotency_key] = data_record
        def _delete_record(self, data_record): self.kept.pop(data_record.idempotency_key, None)

    done = []
    store, config = Kept(), IdempotencyConfig(event_key_jmespath="key")

    def once(event, context):
        config.register_lambda_context(context)
        @idempotent_function(data_keyword_argument="data", persistence_store=store, config=config)
        def one(data, record): done.append(record["eventID"])
        for record in event["Records"]:
            one(data={"key": context.idempotency_key(record)}, record=record)
        return [len(done), len(set(done))]
"""


def of_table(amounts):
    """A batch as a mapping reads it: items that were written, and one that has expired."""
    dynamodb = SimulatedDynamoDB()
    dynamodb.create_table("orders", "id", time_to_live="expires")
    for number, amount in enumerate(amounts):
        item = {"id": {"S": f"{number}"}, "amount": {"N": str(amount)}}
        dynamodb.call("PutItem", TableName="orders", Item=item)
    dynamodb.streams.expire_item("orders", {"id": {"S": "0"}})
    events = TableEvents(dynamodb.simulator, "orders", region="us-east-1")
    arn = events.describe().stream_arn
    [shard] = events.list_shards(arn, None).shards
    iterator = events.open_iterator(arn, shard.id, Position.trim_horizon(dynamodb.clock.now))
    return Batch("m", arn, shard.id, events.get_records(shard.id, iterator).records)


def test_the_batch_processor_reports_the_records_that_failed(pod):
    pod.write("m.py", HANDLERS)
    consumer = pod.consumer("m:partial")
    given = of_table([5, -1, 7, -2])
    wrong = [given.records[1], given.records[3]]
    assert consumer.consume(given) == {
        "batchItemFailures": [{"itemIdentifier": record.sequence.text} for record in wrong]
    }
    assert consumer.consume(Batch("m", given.stream_arn, given.shard, given.records[2:3])) == {
        "batchItemFailures": []
    }
    with pytest.raises(ConsumerFailed) as raised:
        consumer.consume(Batch("m", given.stream_arn, given.shard, given.records[1:2]))
    assert raised.value.type == "BatchProcessingError"
    assert "All records failed processing" in str(raised.value)


def test_the_data_class_and_its_decorator_read_the_event(pod):
    pod.write("m.py", HANDLERS)
    given = of_table([5])
    at = int(given.records[0].created)
    common = [given.stream_arn, {"id": "0"}]
    service = {"principalId": "dynamodb.amazonaws.com", "type": "Service"}
    assert pod.consumer("m:typed").consume(given) == [
        [True, *common, 5, "NEW_AND_OLD_IMAGES", at, {}],
        [False, *common, None, "NEW_AND_OLD_IMAGES", at, service],
    ]


def test_records_that_come_again_are_known_by_their_keys(pod):
    pod.write("m.py", HANDLERS)
    consumer = pod.consumer("m:once")
    given = of_table([1, 2, 3])
    # The third comes alone before all come, and all come twice.
    alone = Batch("m", given.stream_arn, given.shard, given.records[2:3])
    assert [consumer.consume(each) for each in (alone, given, given)] == [[1, 1], [4, 4], [4, 4]]
