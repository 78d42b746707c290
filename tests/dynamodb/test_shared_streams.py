"""Readers of one table in threads of their own, over one set of reads of its stream."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter

import pytest

from headrace.dataset import AwsAccess, Secret
from headrace.dynamodb import DynamoDBSource, Follower, SharedStreams, TableEvents
from headrace.dynamodb.shared_streams import FORGOTTEN, SharedReader
from headrace.errors import ShardGone, SourceError, Throttled, Unavailable
from headrace.position import Position
from headrace.simulator import Simulator
from headrace.wire import Response
from support.deadline import eventually

HERE = AwsAccess("us-east-1", "http://127.0.0.1:1", Secret("a"), Secret("b"))


class Service:
    """A simulated table, and what it was asked, by operation and at once for one shard."""

    def __init__(self):
        self.simulator = Simulator(time.time, rotation_seconds=None)
        self.asked = Counter()
        self.under_way = Counter()
        self.most = 0
        self.lock = threading.Lock()
        self.fault = None
        self("CreateTable", **TABLE)

    def __call__(self, operation, **request):
        response = self.simulator(operation, json.dumps(request).encode())
        assert response.status == 200, response.body
        return json.loads(response.body)

    def transport(self, operation, body):
        shard = json.loads(body).get("ShardIterator", "").rpartition("|")[2][:40]
        with self.lock:
            self.asked[operation] += 1
            self.under_way[shard] += operation == "GetRecords"
            self.most = max(self.most, self.under_way[shard])
        try:
            time.sleep(0.001)
            if self.fault is not None and operation == "GetRecords":
                raise self.fault
            return self.simulator(operation, body)
        finally:
            with self.lock:
                self.under_way[shard] -= operation == "GetRecords"

    def put(self, *keys):
        for key in keys:
            self("PutItem", TableName="orders", Item={"id": {"S": key}})


TABLE = {
    "TableName": "orders",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
}


@pytest.fixture
def service():
    return Service()


def read(events, arn, shard, until, found):
    """Follow a shard, and then its children in turn, until as many records were found."""
    iterator = events.open_iterator(arn, shard, Position.trim_horizon(0.0))
    while iterator is not None and len(found) < until:
        page = events.get_records(shard, iterator)
        found += [record.key for record in page.records]
        iterator = page.next_iterator
    for child in events.list_children(arn, shard).shards if len(found) < until else ():
        read(events, arn, child.id, until, found)


def test_threads_that_share_reads_find_every_record_once_and_in_order(service):
    reader = SharedReader(service.transport, interval=0.02)
    sources = [TableEvents(reader.transport(service.transport), "orders") for _ in range(4)]
    arn = sources[0].describe().stream_arn
    [shard] = sources[0].list_shards(arn, None).shards
    keys = [f"k{number:04}" for number in range(1200)]
    found = [[] for _ in sources]
    threads = [
        threading.Thread(target=read, args=(source, arn, shard.id, len(keys), found[who]), daemon=True)
        for who, source in enumerate(sources)
    ]
    for thread in threads:
        thread.start()
    for number, key in enumerate(keys):
        service.put(key)
        if number == 600:
            service.simulator.streams.rotate_shards("orders")
    for thread in threads:
        thread.join(20)
    assert found == [[f'{{"id":{{"S":"{key}"}}}}' for key in keys]] * 4
    assert service.most == 1


def test_what_goes_wrong_upstream_is_raised_by_each_who_waited(service):
    reader = SharedReader(service.transport)
    sources = [TableEvents(reader.transport(service.transport), "orders") for _ in range(3)]
    arn = sources[0].describe().stream_arn
    [shard] = sources[0].list_shards(arn, None).shards
    iterators = [source.open_iterator(arn, shard.id, Position.trim_horizon(0.0)) for source in sources]
    for fault, kind in ((Unavailable("lost"), Unavailable), (Throttled("slow down"), Throttled)):
        service.fault = fault
        raised = []

        def ask(who, raised=raised):
            try:
                sources[who].get_records(shard.id, iterators[who])
            except SourceError as error:
                raised.append(error)  # noqa: B023 - the error is bound here

        threads = [threading.Thread(target=ask, args=(who,), daemon=True) for who in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert [type(error) for error in raised] == [kind] * 3
        assert len({id(error) for error in raised}) == 3
    service.fault = None
    assert sources[0].get_records(shard.id, iterators[0]).count == 0


def test_a_defect_leaves_nobody_waiting(service):
    reader = SharedReader(service.transport)
    source = TableEvents(reader.transport(service.transport), "orders")
    arn = source.describe().stream_arn
    [shard] = source.list_shards(arn, None).shards
    iterator = source.open_iterator(arn, shard.id, Position.trim_horizon(0.0))
    service.fault = RuntimeError("a defect")
    with pytest.raises(RuntimeError, match="a defect"):
        source.get_records(shard.id, iterator)
    service.fault = None
    assert source.get_records(shard.id, iterator).count == 0


def test_a_dataset_and_a_mapping_share_and_read_each_in_its_own_way(service):
    service.put("a", "b")
    streams = SharedStreams(lambda _: service.transport, [Follower(HERE, "orders"), Follower(HERE, "orders")])
    events = TableEvents(streams.transport(HERE, "orders"), "orders")
    copied = DynamoDBSource(streams.transport(HERE, "orders"), "orders")
    arn = copied.describe().stream_arn
    [shard] = copied.list_shards(arn, None).shards
    pages = [
        source.get_records(shard.id, source.open_iterator(arn, shard.id, Position.trim_horizon(0.0)))
        for source in (events, copied)
    ]
    assert [record.key for record in pages[0].records] == ['{"id":{"S":"a"}}', '{"id":{"S":"b"}}']
    assert pages[1].changes.rows.column("id").to_pylist() == ["a", "b"]
    for source, page in zip((events, copied), pages, strict=True):
        again = source.open_iterator(arn, shard.id, Position.at(page.last))
        assert source.get_records(shard.id, again).count == 1
    # The first time each of them came to the horizon for itself, the second time the page was there.
    assert service.asked["GetRecords"] <= 2
    with pytest.raises(ShardGone):
        events.open_iterator(arn, "shardId-00000001700000000000-00000000", Position.trim_horizon(0.0))


def test_who_follows_a_table_alone_has_a_transport_as_it_is(service):
    other = AwsAccess("eu-west-1", "http://127.0.0.1:1", Secret("a"), Secret("b"))
    followers = [Follower(HERE, "orders"), Follower(HERE, "others"), Follower(other, "orders")]
    streams = SharedStreams(lambda _: service.transport, followers)
    for follower in followers:
        assert streams.transport(follower.access, follower.table) == service.transport


def test_an_iterator_of_somebody_else_goes_its_own_way():
    asked = []

    def own(operation, body):
        asked.append((operation, body))
        return Response(200, {}, b"{}")

    reader = SharedReader(lambda *_: pytest.fail("is not asked"))
    call = reader.transport(own)
    bodies = [("GetRecords", b'{"ShardIterator":"arn|1|x"}'), ("Scan", b"not looked into")]
    for operation, body in bodies:
        assert call(operation, body) == Response(200, {}, b"{}")
    assert asked == bodies


def test_shards_that_nobody_asks_for_are_forgotten(service):
    now = 0.0
    reader = SharedReader(service.transport, clock=lambda: now)
    source = TableEvents(reader.transport(service.transport), "orders")
    arn = source.describe().stream_arn
    [old] = source.list_shards(arn, None).shards
    service.put("a")
    source.get_records(old.id, source.open_iterator(arn, old.id, Position.trim_horizon(0.0)))
    [new] = service.simulator.streams.rotate_shards("orders")
    now = FORGOTTEN + 1
    source.open_iterator(arn, new, Position.trim_horizon(0.0))
    assert list(reader._shards) == [(arn, new)]
    assert reader._pages._size == 0


def test_a_wait_for_a_better_time_ends_when_it_comes(service):
    reader = SharedReader(service.transport, interval=0.05)
    source = TableEvents(reader.transport(service.transport), "orders")
    arn = source.describe().stream_arn
    [shard] = source.list_shards(arn, None).shards
    iterator = source.open_iterator(arn, shard.id, Position.trim_horizon(0.0))
    found = []

    def follow():
        at = iterator
        while not found:
            page = source.get_records(shard.id, at)
            found.extend(page.records)
            at = page.next_iterator

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    eventually(lambda: service.asked["GetRecords"] >= 3, within=10, what="looks at the tip")
    service.put("a")
    thread.join(10)
    assert len(found) == 1
    assert reader._held == 0
