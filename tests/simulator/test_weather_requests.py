"""Each fault that befalls requests, as a client sees it."""

from __future__ import annotations

import itertools
import json
from zlib import crc32

import pytest

from headrace.errors import Unavailable
from headrace.simulator import SlowResponse
from headrace.simulator.weather import Weather


@pytest.fixture
def stormy(call):
    """A table with a stream and one item, and weather over it."""
    call.arn = call.table(view="KEYS_ONLY")
    call.put("a")
    call.shard = call.shards(call.arn)[0]["ShardId"]

    def stormy(seed=0, **rates):
        call.weather = Weather(
            seed, {name.replace("_", " "): rate for name, rate in rates.items()}, lambda: call.now
        )
        call.simulator.faults = call.weather
        return call

    return stormy


def answer(call, operation="GetRecords", **request):
    if operation == "GetRecords":
        with call.weather.paused():
            request = {"ShardIterator": call.iterator(call.arn, call.shard), **request}
    return call.simulator(operation, json.dumps(request).encode())


def code(response):
    return json.loads(response.body)["__type"].partition("#")[2]


@pytest.mark.parametrize(
    ("operation", "codes"),
    [
        ("DescribeTable", {"ThrottlingException"}),
        ("Scan", {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"}),
        (
            "GetRecords",
            {"ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException"},
        ),
    ],
)
def test_a_throttle_speaks_the_operations_words(stormy, operation, codes):
    call = stormy(throttle=1.0)
    request = {} if operation == "GetRecords" else {"TableName": "orders"}
    responses = [answer(call, operation, **request) for _ in range(40)]
    assert {code(response) for response in responses} == codes
    assert {response.status for response in responses} == {400}
    assert call.weather.counts == {"throttle": 40}


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("internal error", 500, "InternalServerError"),
        ("unavailable", 503, "ServiceUnavailable"),
        ("expired iterator", 400, "ExpiredIteratorException"),
    ],
)
def test_an_error_comes_at_once_and_not_always(stormy, name, status, said):
    call = stormy(**{name.replace(" ", "_"): 0.5})
    responses = [answer(call) for _ in range(60)]
    failed = [response for response in responses if response.status != 200]
    assert {(response.status, code(response)) for response in failed} == {(status, said)}
    assert 15 < len(failed) < 45
    assert call.weather.counts == {name: len(failed)}


@pytest.mark.parametrize(
    ("name", "when"), [("lost_request", "request arrived"), ("lost_answer", "answer arrived")]
)
def test_a_connection_is_lost(stormy, name, when):
    call = stormy(**{name: 1.0})
    with pytest.raises(Unavailable, match=f"lost before the {when}"):
        answer(call)
    assert list(call.weather.counts.values()) == [1]


@pytest.mark.parametrize(
    ("name", "operation", "said"),
    [
        ("expired credentials", "GetRecords", "ExpiredTokenException"),
        ("access denied", "GetRecords", "AccessDeniedException"),
        ("table not found", "Scan", "ResourceNotFoundException"),
    ],
)
def test_a_denial_lasts_for_a_while(stormy, name, operation, said):
    """Once it has begun, every request meets it until some seconds have passed."""
    call = stormy(**{name.replace(" ", "_"): 0.05})
    seen = []
    for _ in range(400):
        response = answer(call, operation, **({"TableName": "orders"} if operation == "Scan" else {}))
        seen.append(None if response.status == 200 else code(response))
        call.now += 0.5
    assert set(seen) == {None, said}
    turns = sum(before != after for before, after in itertools.pairwise(seen))
    assert call.weather.counts == {name: seen.count(said)}
    assert seen.count(said) > 3 * turns


def test_a_new_shard_is_not_found_for_a_while(stormy):
    call = stormy(shard_not_found=1.0)
    call.now += 20
    held = call.iterator(call.arn, call.shard)
    [child] = call.simulator.streams.rotate_shards("orders")
    assert child in {shard["ShardId"] for shard in call.shards(call.arn)}
    asked = {"StreamArn": call.arn, "ShardId": child, "ShardIteratorType": "TRIM_HORIZON"}
    assert "ResourceNotFoundException: Requested resource not found: Shard does not exist" in call.refused(
        "GetShardIterator", **asked
    )
    assert len(call("GetRecords", ShardIterator=held)["Records"]) == 1
    call.now += 10.1
    assert "ShardIterator" in call("GetShardIterator", **asked)
    assert call.weather.counts == {"shard not found": 1}


def test_a_body_is_cut_and_its_headers_are_of_the_whole(stormy):
    call = stormy(cut_body=1.0)
    responses = [answer(call) for _ in range(20)]
    call.weather.calm()
    whole = answer(call)
    assert len({len(response.body) for response in responses}) > 5
    for response in responses:
        assert len(response.body) < int(response.headers["content-length"]) == len(whole.body)
        assert whole.body.startswith(response.body)


def test_a_crc_is_wrong_over_a_whole_body(stormy):
    call = stormy(wrong_crc=1.0)
    bad = answer(call)
    call.weather.calm()
    good = answer(call)
    assert bad.body == good.body
    assert int(bad.headers["x-amz-crc32"]) != crc32(bad.body)


def test_a_body_is_damaged_under_the_right_crc_and_can_still_be_read(stormy):
    call = stormy(damaged_body=1.0)
    bad = [answer(call) for _ in range(10)]
    call.weather.calm()
    good = answer(call)
    for response in bad:
        assert len(response.body) == len(good.body)
        assert sum(a != b for a, b in zip(response.body, good.body, strict=True)) == 1
        assert response.headers["x-amz-crc32"] == good.headers["x-amz-crc32"] != str(crc32(response.body))
    assert any(json.loads(response.body) for response in bad)


def test_a_slow_body_says_how_long_it_takes(stormy):
    call = stormy(slow_body=0.5)
    responses = [answer(call) for _ in range(40)]
    slow = [response for response in responses if isinstance(response, SlowResponse)]
    assert call.weather.counts == {"slow body": len(slow)}
    assert 5 < len(slow) < 35
    assert all(0 < response.seconds <= 2 for response in slow)
    assert {response.body for response in slow} <= {response.body for response in responses}


def test_a_request_meets_one_fault_that_takes_its_answer_and_any_others(stormy):
    call = stormy(throttle=1.0, internal_error=1.0, slow_body=1.0)
    assert code(answer(call)) in {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "LimitExceededException",
    }
    assert call.weather.counts == {"throttle": 1, "internal error": 0, "slow body": 0}
    call = stormy(cut_body=1.0, wrong_crc=1.0, slow_body=1.0)
    answer(call)
    assert call.weather.counts == {"cut body": 1, "wrong crc": 0, "slow body": 0}
