"""The same over HTTP, with an implementation of DynamoDB that is not ours: it takes what a replica sends, and means the same."""

from __future__ import annotations

from random import Random

import pytest

from headrace.batch import Batch
from headrace.dataset import AwsAccess, Secret
from headrace.dynamodb import TableEvents, botocore_transport
from headrace.position import Position
from headrace.refusal import Place
from headrace.target import Replica
from headrace.targets.replication import ReplicaComparison, ReplicaTarget
from headrace.targets.table import Patience, Table
from headrace.testing.asking import ask
from support.ministack import Ministack


@pytest.fixture(scope="module")
def transport():
    with Ministack() as stand_in:
        keys = {"access_key_id": Secret("test"), "secret_access_key": Secret("test")}
        yield botocore_transport(AwsAccess("us-east-1", stand_in.url, **keys))


def create(transport, name):
    ask(
        transport,
        "CreateTable",
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "at", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )


def write(transport, table, random, number):
    key = {"id": {"S": random.choice("ab")}, "at": {"N": str(random.randint(1, 4))}}
    values = {"n": {"N": f"{number}"}, "s": {"SS": ["x", "y"]}, "m": {"M": {"l": {"L": [{"NULL": True}]}}}}
    match random.randint(0, 3):
        case 0 | 1:
            ask(transport, "PutItem", TableName=table, Item={**key, **values})
        case 2:
            ask(
                transport,
                "UpdateItem",
                TableName=table,
                Key=key,
                UpdateExpression="SET n = :n",
                ExpressionAttributeValues={":n": {"N": str(number)}},
            )
        case _:
            ask(transport, "DeleteItem", TableName=table, Key=key)


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


def items(transport, table):
    found = ask(transport, "Scan", TableName=table, ConsistentRead=True)["Items"]
    plain = [{name: value for name, value in item.items() if name != "headrace_version"} for item in found]
    return sorted(plain, key=str)


@pytest.mark.parametrize("mode", ["conditional", "plain", "two_way"])
def test_a_replica_elsewhere_ends_equal_whatever_comes_again(transport, mode):
    random = Random(mode)
    source, copy = f"{mode}-source", f"{mode}-copy"
    create(transport, source)
    create(transport, copy)
    for number in range(60):
        write(transport, source, random, number)
    arn, every = records(transport, source)
    settings = Replica(copy, conditional=mode != "plain", two_way=mode == "two_way")
    told = []
    target = ReplicaTarget(
        "copy", settings, transport, None, source=transport, table=source, observe=told.append
    )
    done = 0
    while done < len(every):
        # Some again, and some more.
        first = random.randint(max(0, done - 8), done) if mode != "plain" else done
        done = max(done, first + random.randint(1, 12))
        batch = Batch("copy", arn, "shard", tuple(every[first:done]))
        assert target.consume(batch) == {"batchItemFailures": []}
    assert items(transport, copy) == items(transport, source) != []
    assert sum(fact.newer for fact in told) > 0 or mode == "plain"
    if mode == "two_way":
        arn, echoes = records(transport, copy)
        back = ReplicaTarget(
            "back",
            Replica(source, two_way=True),
            transport,
            None,
            source=transport,
            table=copy,
            observe=told.append,
        )
        before = len(records(transport, source)[1])
        for record in echoes:
            back.consume(Batch("back", arn, "shard", (record,)))
        assert len(records(transport, source)[1]) == before, "an echo was written back"
        back.close()
    target.close()


@pytest.mark.parametrize("mode", ["conditional", "plain", "two_way"])
def test_a_replica_elsewhere_is_compared_and_repaired(transport, mode):
    random = Random(mode)
    source, copy = f"{mode}-one", f"{mode}-other"
    create(transport, source)
    create(transport, copy)
    for number in range(40):
        write(transport, source, random, number)
        write(transport, copy, random, number)
    patience = Patience(5.0, "verify", lambda _: None)
    settings = Replica(copy, conditional=mode != "plain", two_way=mode == "two_way")
    tables = [Table(transport, name, Place("us-east-1"), patience) for name in (source, copy)]
    comparison = ReplicaComparison(*tables, settings, settle=0.0)
    found = []
    assert comparison.run(found.append, repair=True).repaired == len(found) > 0
    assert items(transport, copy) == items(transport, source)
    assert comparison.run(found.append).is_equal
