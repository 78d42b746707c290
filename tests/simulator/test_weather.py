"""Weather as a whole: its dice, its counts, its end, and what it does to the table by itself."""

from __future__ import annotations

import json

import pytest

from headrace.errors import Unavailable
from headrace.simulator.weather import READS, WEATHER, Weather

HOUR = 3600.0


def over(call, seed=0, **rates):
    call.weather = Weather(
        seed, {name.replace("_", " "): rate for name, rate in rates.items()}, lambda: call.now
    )
    call.simulator.faults = call.weather
    return call.weather


def test_what_is_no_weather_is_refused_by_name():
    with pytest.raises(ValueError, match="'rain' is no weather; there is throttle, internal error, "):
        Weather(0, {"rain": 0.1}, lambda: 0.0)
    for rate in (-0.1, 1.1, float("nan")):
        with pytest.raises(
            ValueError, match=f"the rate of 'throttle' is {rate}, and must be between 0 and 1"
        ):
            Weather(0, {"throttle": rate}, lambda: 0.0)


def test_every_fault_is_described_in_a_line():
    assert len(WEATHER) > 30
    for name, says in WEATHER.items():
        assert name == name.lower()
        assert len(says) < 100
        assert "\n" not in says


def run(call, rates, seed=3):
    """A reader and a writer for a minute; what was answered, and which decisions fell."""
    call.arn = call.table(view="NEW_IMAGE")
    weather = over(call, seed, **rates)
    trace = []
    for step in range(300):
        with weather.paused():
            call.put(f"k{step % 7}", n={"N": str(step)})
            shard = call.simulator.streams.open_shards("orders")[0]
            iterator = call.iterator(call.arn, shard)
        for operation, request in (
            ("DescribeStream", {"StreamArn": call.arn}),
            ("GetRecords", {"ShardIterator": iterator, "Limit": 5}),
            ("Scan", {"TableName": "orders"}),
        ):
            try:
                response = call.simulator(operation, json.dumps(request).encode())
            except Unavailable as error:
                trace.append(str(error))
            else:
                trace.append((response.status, response.headers["x-amz-crc32"], response.body))
        call.now += 0.2
    return trace, weather.counts


STORM = {
    "throttle": 0.1,
    "lost_answer": 0.1,
    "empty_page": 0.3,
    "stale_scan": 0.3,
    "damaged_body": 0.1,
    "early_children": 0.5,
}


def test_one_seed_decides_everything(caller):
    one, again, other = run(caller(), STORM), run(caller(), STORM), run(caller(), STORM, seed=4)
    assert one == again
    assert one != other
    assert all(count for name, count in one[1].items() if name != "early children")


def test_leaving_a_fault_out_leaves_the_decisions_of_the_others(caller):
    """Asked the same, the others strike where they did."""

    def strikes(rates):
        weather = Weather(9, rates, lambda: 1000.0)
        found = []
        for _ in range(200):
            for operation in READS:
                request = {
                    "StreamArn": "arn",
                    "ShardId": "shardId-00000000000000001000-0a",
                    "ShardIterator": "x",
                }
                found.append({type(fault).__name__ for fault in weather(operation, request)})
        return found

    rates = {"slow body": 0.2, "tiny pages": 0.3, "stale scan": 0.4, "late end": 0.3}
    everything = strikes(rates)
    for name, kind in (("slow body", "Slow"), ("tiny pages", "Amend"), ("late end", "LateEnd")):
        without = strikes({other: rate for other, rate in rates.items() if other != name})
        assert without == [names - {kind} for names in everything]
    hidden = strikes({**rates, "throttle": 0.5})
    assert all(now in ({"Refuse"}, before) for now, before in zip(hidden, everything, strict=True))


def test_only_the_requests_of_a_reader_are_befallen_unless_told_otherwise(call):
    call.table()
    over(call, internal_error=1.0)
    call.put("a")
    assert "InternalServerError" in call.refused("Scan", TableName="orders")
    call.simulator.faults = Weather(0, {"internal error": 1.0}, lambda: call.now, ("PutItem",))
    assert "InternalServerError" in call.refused("PutItem", TableName="orders", Item={"id": {"S": "b"}})
    assert len(call("Scan", TableName="orders")["Items"]) == 1


def test_a_pause_meets_no_fault_and_throws_no_dice(call):
    call.table()
    weather = over(call, internal_error=1.0)
    with weather.paused():
        call("Scan", TableName="orders")
    assert weather.counts == {"internal error": 0}
    assert "InternalServerError" in call.refused("Scan", TableName="orders")


def test_calm_ends_all_of_it(caller):
    call = caller(initial_shards=3, rotation_seconds=None)
    arn = call.table(view="KEYS_ONLY")
    weather = over(call, **{name.replace(" ", "_"): 1.0 for name in WEATHER if name != "table recreated"})
    for _ in range(5):
        call.now += weather.act(call.simulator, "orders")
    assert not weather.is_calm
    assert weather.calm()
    counts = dict(weather.counts)
    assert weather.act(call.simulator, "orders") == 0.0
    now = call("DescribeTable", TableName="orders")["Table"]
    assert now["LatestStreamArn"] != arn
    assert now["StreamSpecification"]["StreamEnabled"]
    shards = call.shards(now["LatestStreamArn"])
    assert sorted(shard["ShardId"] for shard in shards) == sorted(
        call.simulator.streams.open_shards("orders")
    )
    call.put("a")
    assert len(call.changes(now["LatestStreamArn"])) == 1
    assert weather.counts == counts


class TestActs:
    """What happens to the table as time passes."""

    @pytest.fixture
    def act(self, caller):
        """Lets one thing happen, for certain."""

        def act(name, seed=0, **options):
            call = caller(initial_shards=2, rotation_seconds=None, **options)
            call.arn = call.table(view="NEW_IMAGE")
            for number in range(20):
                call.put(f"k{number}")
            over(call, seed, **{name: 1.0})
            call.moved = call.weather.act(call.simulator, "orders")
            call.now += call.moved
            return call

        return act

    def test_a_shard_is_split(self, act):
        call = act("split")
        assert len(call.simulator.streams.open_shards("orders")) == 3
        for _ in range(100):
            call.weather.act(call.simulator, "orders")
        assert len(call.simulator.streams.open_shards("orders")) == 24
        assert call.weather.counts == {"split": 22}

    def test_shards_are_split_faster_than_they_can_be_found(self, act):
        generations = set()
        for seed in range(12):
            call = act("chain_of_splits", seed)
            shards = {shard["ShardId"]: shard.get("ParentShardId") for shard in call.shards(call.arn)}
            depth = 0
            at = max(shards, key=lambda shard: self.depth(shard, shards))
            depth = self.depth(at, shards)
            generations.add(depth)
            assert len(shards) == 2 + 2 * depth
        assert generations == {2, 3, 4}

    def depth(self, shard, parents):
        parent = parents[shard]
        return 0 if parent is None else 1 + self.depth(parent, parents)

    def test_every_shard_is_rotated(self, act):
        call = act("rotation")
        shards = call.shards(call.arn)
        assert sum("ParentShardId" in shard for shard in shards) == 2
        assert sum("EndingSequenceNumber" in shard["SequenceNumberRange"] for shard in shards) == 2

    def test_sequence_numbers_grow_and_sort_otherwise_as_text(self, act):
        call = act("longer_numbers")
        for number in range(60):
            call.put(f"more{number}")
        lengths = set()
        for shard in call.shards(call.arn):
            numbers = [
                record["dynamodb"]["SequenceNumber"] for record in call.records(call.arn, shard["ShardId"])
            ]
            assert [int(number) for number in numbers] == sorted(map(int, numbers))
            lengths |= {len(number) for number in numbers}
        assert len(lengths) > 2
        for _ in range(200):
            call.weather.act(call.simulator, "orders")
            call.put("a", n={"N": str(_)})
        call.simulator.streams.rotate_shards("orders")
        numbers = [record["dynamodb"]["SequenceNumber"] for record in call.changes(call.arn)]
        assert max(map(len, numbers)) == 40
        assert len(numbers) == 280

    def test_a_day_passes_and_what_was_not_read_is_trimmed(self, act):
        call = act("trim")
        assert 24 * HOUR < call.moved <= 25 * HOUR
        assert call.weather.counts == {"trim": 1}
        assert call.changes(call.arn) == []
        call.weather.act(call.simulator, "orders")
        assert call.weather.counts == {"trim": 1}, "there was nothing left to lose"

    def test_a_pause_lets_iterators_expire(self, act):
        call = act("pause")
        assert 0.25 * HOUR < call.moved <= 0.5 * HOUR
        iterator = call.iterator(call.arn, call.shards(call.arn)[0]["ShardId"])
        call.now += call.weather.act(call.simulator, "orders")
        assert "ExpiredIteratorException" in call.refused("GetRecords", ShardIterator=iterator)

    def test_a_stream_is_disabled_and_later_another_enabled(self, act):
        call = act("stream_replaced")
        assert "StreamSpecification" not in call("DescribeTable", TableName="orders")["Table"]
        call.put("in neither")
        call.now += 30
        call.weather._acts[0].chance._rate = 0.0
        call.weather.act(call.simulator, "orders")
        table = call("DescribeTable", TableName="orders")["Table"]
        assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
        assert table["LatestStreamArn"] != call.arn
        assert call.changes(table["LatestStreamArn"]) == []
        assert len(call.changes(call.arn)) == 20

    def test_a_table_is_made_anew(self, act):
        call = act("table_recreated")
        table = call("DescribeTable", TableName="orders")["Table"]
        assert table["LatestStreamArn"] != call.arn
        assert table["ItemCount"] == 0
        assert call("Scan", TableName="orders")["Items"] == []
        assert len(call.changes(call.arn)) == 20

    def test_a_table_is_made_anew_as_soon_as_the_old_one_is_gone(self, caller):
        call = caller(table_seconds=5.0)
        call.table(view="NEW_IMAGE")
        call.now += 5
        old = call("DescribeTable", TableName="orders")["Table"]["TableId"]
        weather = over(call, table_recreated=1.0)
        weather.act(call.simulator, "orders")
        assert call("DescribeTable", TableName="orders")["Table"]["TableStatus"] == "DELETING"
        assert not weather.calm()
        call.now += 5
        assert "ResourceNotFoundException" in call.refused("DescribeTable", TableName="orders")
        weather.act(call.simulator, "orders")
        assert weather.is_calm
        assert weather.counts == {"table recreated": 1}
        assert call("DescribeTable", TableName="orders")["Table"]["TableId"] != old

    def test_the_service_deletes_an_item(self, act):
        call = act("ttl_delete")
        [record] = [record for record in call.changes(call.arn) if record["eventName"] == "REMOVE"]
        assert record["userIdentity"] == {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
        assert call.get(record["dynamodb"]["Keys"]["id"]["S"]) is None
        for _ in range(25):
            call.weather.act(call.simulator, "orders")
        assert call.weather.counts == {"ttl delete": 20}

    def test_nothing_happens_to_a_table_without_a_stream(self, call):
        call.table()
        over(call, **{name.replace(" ", "_"): 1.0 for name in WEATHER})
        assert call.weather.act(call.simulator, "orders") == 0.0
        assert set(call.weather.counts.values()) == {0}
