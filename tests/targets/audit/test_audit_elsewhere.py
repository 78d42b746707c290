"""The same over HTTP, with an implementation of DynamoDB that is not ours: it takes the rows, and gives them back as they were."""

from __future__ import annotations

import json
from random import Random

import pytest

from headrace.batch import Batch
from headrace.dataset import AwsAccess, Secret
from headrace.dynamodb import TableEvents, botocore_transport
from headrace.errors import TableUnusable
from headrace.position import Position
from headrace.target import AuditTrail, OutputTable
from headrace.target_context import TargetContext
from headrace.targets.audit import AuditTarget
from headrace.targets.audit.row import KEY
from headrace.targets.table_rows import TableRows
from headrace.testing.asking import ask
from support.audited import expect_row
from support.ministack import Ministack
from support.output_table import plain

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def access():
    with Ministack() as stand_in:
        keys = {"access_key_id": Secret("test"), "secret_access_key": Secret("test")}
        yield AwsAccess("us-east-1", stand_in.url, **keys)


def create(transport, name, key):
    ask(
        transport,
        "CreateTable",
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )


def records(transport, table):
    events = TableEvents(transport, table)
    arn = events.describe().stream_arn
    found = []
    for shard in events.list_shards(arn, None).shards:
        iterator = events.open_iterator(arn, shard.id, Position.trim_horizon(0.0))
        while iterator is not None:
            page = events.get_records(shard.id, iterator)
            found += page.records
            iterator = page.next_iterator if page.count else None
    return arn, found


@pytest.mark.parametrize("conditional", [False, True])
def test_every_record_has_its_row_elsewhere_too(access, conditional):
    transport = botocore_transport(access)
    source, trail = f"orders-{conditional}", f"trail-{conditional}"
    create(transport, source, "id")
    random = Random(7)
    for number in range(70):
        key = {"id": {"S": random.choice("abc")}}
        if random.random() < 0.2:
            ask(transport, "DeleteItem", TableName=source, Key=key)
        else:
            values = {"n": {"N": f"{number}.5"}, "s": {"SS": ["x", "y"]}, "b": {"B": "/wA="}}
            large = {"text": {"S": f"{number}" * 150_000}} if number % 30 == 0 else {}
            ask(transport, "PutItem", TableName=source, Item={**key, **values, **large})
    arn, every = records(transport, source)
    assert len(every) > 25
    context = TargetContext(
        "trail", source, access, transport, lambda *_: transport, lambda *_: None, lambda _: None
    )
    target = AuditTarget(AuditTrail(OutputTable(trail, access), conditional=conditional), context)
    try:
        with pytest.raises(TableUnusable, match="create it"):
            target.consume(Batch("trail", arn, "shard", tuple(every)))
        create(transport, trail, "event_id")
        for first in (0, 20, 0):
            batch = Batch("trail", arn, "shard", tuple(every[first:]))
            assert target.consume(batch) == {"batchItemFailures": []}
    finally:
        target.close()
    rows = TableRows.of(context, OutputTable(trail, access), KEY)
    try:
        found = {row["event_id"]["S"]: row for page in rows.rows() for row in map(plain, page)}
    finally:
        rows.close()
    told = {record["eventID"]: record for record in (json.loads(each.text) for each in every)}
    assert found.keys() == told.keys()
    for id_, row in found.items():
        expect_row(row, told[id_])
    assert any("diff" not in row for row in found.values())
