"""Pages of GetRecords and Scan in bad weather."""

from __future__ import annotations

import pytest

from headrace.simulator import StaleScan
from headrace.simulator.weather import Weather


@pytest.fixture
def over(call):
    """Weather over a table with a stream."""
    call.arn = call.table(view="KEYS_ONLY")
    call.shard = call.shards(call.arn)[0]["ShardId"]

    def over(seed=0, **rates):
        call.weather = Weather(
            seed, {name.replace("_", " "): rate for name, rate in rates.items()}, lambda: call.now
        )
        call.simulator.faults = call.weather
        return call

    return over


def pages(call, count, limit=1000):
    """How many records each of the next pages holds, None for the end."""
    iterator = call.iterator(call.arn, call.shard)
    sizes = []
    for _ in range(count):
        if iterator is None:
            sizes.append(None)
            break
        page = call("GetRecords", ShardIterator=iterator, Limit=limit)
        sizes.append(len(page["Records"]))
        iterator = page.get("NextShardIterator")
    return sizes


def test_empty_pages_come_at_most_four_times_at_a_place(over):
    call = over(empty_page=1.0)
    for name in "abc":
        call.put(name)
    assert pages(call, 15, limit=1) == [0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    assert call.weather.counts == {"empty page": 12}
    assert pages(call, 5, limit=1)[:3] == [1, 1, 1], "another reader of the same place counts as well"


def test_an_empty_page_at_the_tip_is_nothing(over):
    call = over(empty_page=1.0)
    assert pages(call, 10) == [0] * 10
    assert call.weather.counts == {"empty page": 0}


def test_a_long_silence_outlasts_what_is_taken_as_proof_of_the_tip(over):
    lengths = set()
    for seed in range(20):
        call = over(seed, long_silence=1.0)
        call.put(str(seed))
        sizes = pages(call, 40, limit=1000)
        lengths.add(next(place for place, size in enumerate(sizes) if size))
        assert call.weather.counts == {"long silence": 1}
    assert min(lengths) >= 5
    assert max(lengths) > 8


def test_a_shard_may_end_late(over):
    call = over(late_end=1.0, last_page_with_records=1.0)
    call.put("a")
    call.simulator.streams.rotate_shards("orders")
    assert pages(call, 3) == [1, 0, None]
    assert call.weather.counts == {"late end": 1, "last page with records": 0}


def test_last_pages_with_records_are_counted(over):
    call = over(last_page_with_records=1.0)
    call.put("a")
    assert pages(call, 2) == [1, 0]
    assert call.weather.counts == {"last page with records": 0}
    call.simulator.streams.rotate_shards("orders")
    assert pages(call, 2) == [1, None]
    assert call.weather.counts == {"last page with records": 1}


def test_pages_with_records_of_one_second_are_counted(over):
    call = over(same_second=1.0)
    call.put("a")
    call.now += 1
    call.put("b")
    assert pages(call, 1) == [2]
    assert call.weather.counts == {"same second": 0}
    call.put("c")
    assert pages(call, 1) == [3]
    assert call.weather.counts == {"same second": 1}


def names(page):
    return sorted(item["id"]["S"] for item in page["Items"])


def test_a_stale_scan_shows_what_the_table_held_some_seconds_ago(over):
    call = over(stale_scan=1.0)
    for name in "abc":
        call.put(name, n={"N": "1"})
    call.now += 60
    for name in "bd":
        call.put(name, n={"N": "2"})
        call.put(name, n={"N": "3"})
    call("DeleteItem", TableName="orders", Key={"id": {"S": "c"}})
    call.now += 0.001
    stale = call("Scan", TableName="orders")
    assert names(stale) == ["a", "b", "c"]
    assert {item["n"]["N"] for item in stale["Items"]} == {"1"}
    assert names(call("Scan", TableName="orders", ConsistentRead=True)) == ["a", "b", "d"]
    assert call.weather.counts == {"stale scan": 1}
    call.now += 5
    assert names(call("Scan", TableName="orders")) == ["a", "b", "d"]
    assert call.weather.counts == {"stale scan": 1}


def test_a_consistent_scan_is_never_stale(call):
    call.table()
    call.simulator.faults = lambda operation, _: StaleScan(0.0) if operation == "Scan" else None
    call.put("a")
    assert names(call("Scan", TableName="orders")) == []
    assert names(call("Scan", TableName="orders", ConsistentRead=True)) == ["a"]


def test_a_stale_scan_pages_like_any_other(over):
    call = over(stale_scan=1.0)
    for number in range(40):
        call.put(f"k{number:02}")
    call.now += 60
    for number in range(40, 60):
        call.put(f"k{number:02}")
    for number in range(0, 40, 2):
        call("DeleteItem", TableName="orders", Key={"id": {"S": f"k{number:02}"}})
    call.now += 0.001
    found, start = [], {}
    for segment in (0, 1):
        while True:
            page = call("Scan", TableName="orders", Limit=3, Segment=segment, TotalSegments=2, **start)
            found += names(page)
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        start = {}
    assert sorted(found) == [f"k{number:02}" for number in range(40)]


@pytest.mark.parametrize("kind", ["S", "N", "B"])
@pytest.mark.parametrize("sort", [None, "N", "S"])
def test_an_empty_scan_page_has_a_cursor_and_loses_nothing(caller, kind, sort):
    call = caller()
    call.table(sort=sort, hash_kind=kind)
    for number in range(30):
        value = {"S": f"k{number}", "N": str(number), "B": f"{number:04}"}[kind]
        item = {"id": {kind: value}, **({} if sort is None else {"at": {sort: str(number)}})}
        call("PutItem", TableName="orders", Item=item)
    weather = Weather(1, {"empty scan page": 0.5}, lambda: call.now)
    call.simulator.faults = weather
    for segments in (1, 3):
        found, empty = 0, 0
        for segment in range(segments):
            start = {}
            while True:
                page = call(
                    "Scan", TableName="orders", Limit=4, Segment=segment, TotalSegments=segments, **start
                )
                found += len(page["Items"])
                empty += page["ScannedCount"] == 0 and "LastEvaluatedKey" in page
                if "LastEvaluatedKey" not in page:
                    break
                start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        assert found == 30
        assert empty > 1
    assert weather.counts["empty scan page"] >= empty
