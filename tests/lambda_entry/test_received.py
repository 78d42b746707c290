from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import EventMalformed
from headrace.lambda_entry.received import SINCE, UNIT, StreamName, received
from support.lambda_functions import ARN, change, event, recorded

LAST = SINCE + timedelta(seconds=UNIT * 10**8)


def stream(label: str) -> StreamName:
    return StreamName("us-east-1", "orders", label)


def label(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


def test_a_recorded_event_is_a_batch_of_its_records_byte_for_byte():
    """Numbers stay the texts that DynamoDB wrote, binary values base64, and nothing is left out."""
    told = recorded("insert_modify_remove")
    got = received(copy.deepcopy(told))
    assert [json.loads(record.text) for record in got.batch.records] == told["Records"]
    assert [json.loads(record.text, parse_float=Decimal) for record in got.batch.records] == json.loads(
        json.dumps(told), parse_float=Decimal
    )["Records"]
    assert [record.key for record in got.batch.records] == [f'{{"id":{{"S":"o{n}"}}}}' for n in (1, 1, 2, 1)]
    assert got.batch.stream_arn == ARN
    assert got.stream == StreamName("us-east-1", "orders", "2026-06-27T00:48:05.899")
    assert not got.windowed


def test_versions_of_one_item_grow_within_an_event():
    batch = received(recorded("insert_modify_remove")).batch
    versions = [batch.version(record) for record in batch.records]
    assert versions == sorted(set(versions))
    assert {len(version) for version in versions} == {48}


def test_records_of_several_streams_are_no_event_and_none_goes_where_it_does_not_belong():
    told = recorded("insert_modify_remove")
    other = ARN.replace("table/orders/", "table/payments/")
    told["Records"][1]["eventSourceARN"] = other
    with pytest.raises(EventMalformed, match="several streams") as raised:
        received(told)
    assert other in str(raised.value)


instants = st.datetimes(SINCE.replace(tzinfo=None), LAST.replace(tzinfo=None) - timedelta(seconds=UNIT))


@given(instants, instants)
def test_a_later_stream_of_a_table_never_has_a_smaller_generation_nor_its_records_smaller_versions(one, two):
    earlier, later = sorted((one, two))
    assert stream(label(earlier)).generation <= stream(label(later)).generation
    if (later - earlier).total_seconds() >= UNIT + 1:
        assert stream(label(earlier)).generation < stream(label(later)).generation
    assert len(f"{stream(label(later)).generation:08d}") == 8


@given(instants, st.integers(1, 10**40 - 1), st.integers(1, 10**40 - 1))
def test_any_change_of_a_later_stream_is_newer_by_its_version_than_any_of_an_earlier_one(began, one, two):
    def version(label_: str, number: int) -> str:
        told = change(0, "a", {}, arn=ARN.replace("2026-06-27T00:48:05.899", label_))
        told["dynamodb"]["SequenceNumber"] = str(number)
        batch = received(event(told)).batch
        return batch.version(batch.records[0])

    later = began + timedelta(seconds=UNIT)
    if later < LAST.replace(tzinfo=None):
        assert version(label(began), one) < version(label(later), two)


def test_streams_from_before_the_count_begins_have_generation_0():
    assert stream("2019-05-11T21:21:33.291").generation == 0
    assert stream(label(SINCE)).generation == 0


def test_a_stream_beyond_what_a_version_holds_is_refused():
    assert stream(label(LAST - timedelta(seconds=1))).generation == 10**8 - 1
    with pytest.raises(EventMalformed, match="beyond what a version can hold"):
        _ = stream(label(LAST)).generation
    assert LAST.year == 2041


def test_a_label_is_in_utc_whether_it_says_so_or_not():
    assert stream("2026-06-27T00:48:05.899").generation == stream("2026-06-27T00:48:05.899Z").generation
    at = datetime(2026, 6, 27, 0, 48, 5, tzinfo=UTC)
    assert stream("2026-06-27T00:48:05.899").generation == (at - SINCE) // timedelta(seconds=UNIT)


def test_a_record_is_known_by_its_event_id_because_nobody_tells_the_shard():
    batch = received(recorded("insert_modify_remove")).batch
    keys = {batch.idempotency_key(record) for record in batch.records}
    assert len(keys) == len(batch.records)
    assert batch.idempotency_key(batch.records[0]) == f"{ARN}/c4ca4238a0b923820dcc509a6f75849b"


def test_a_window_has_a_state_to_hand_back():
    got = received(recorded("window"))
    assert got.windowed
    assert got.state == {"1": "state1"}
    assert got.batch.shard == "shardId-00000001790000000000-0a1b2c3d"


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"key1": "value1"}, "the event: is neither an event"),
        ([], "the event: is a list"),
        (None, "the event: is missing, or null"),
        ({"Records": {}}, "the event.Records: is an object; expected a list"),
        ({"Records": [{"eventSource": "aws:sqs", "body": "x"}]}, r"the event.Records\[0\]: is no record"),
        ({"Records": [{"dynamodb": {"Keys": {"id": {"S": "a"}}}}]}, r"SequenceNumber: is missing"),
        (
            {"Records": [{"dynamodb": {"SequenceNumber": 12, "Keys": {"id": {"S": "a"}}}}]},
            "SequenceNumber: is 12",
        ),
        ({"Records": [{"dynamodb": {"SequenceNumber": "12"}}]}, "Keys: its Keys are empty"),
        (
            {"Records": [{"dynamodb": {"SequenceNumber": "12", "Keys": {"id": "a"}}}]},
            r"Keys: .*expected DynamoDB JSON",
        ),
        (
            {"Records": [{"dynamodb": {"SequenceNumber": "12", "Keys": {"id": {"S": "a"}}}}]},
            "not of a table's stream",
        ),
        (
            event(change(1, "a", {}, arn="arn:aws:kinesis:us-east-1:1:stream/orders")),
            "not of a table's stream",
        ),
        (event(change(1, "a", {}, arn=ARN[:-23] + "soon")), "label 'soon' is no time"),
    ],
)
def test_what_is_no_event_of_a_stream_is_refused_with_the_place(told, message):
    with pytest.raises(EventMalformed, match=message):
        received(told)


def test_a_record_without_an_event_id_has_no_idempotency_key():
    told = change(1, "a", {})
    del told["eventID"]
    batch = received(event(told)).batch
    with pytest.raises(EventMalformed, match="has no eventID"):
        batch.idempotency_key(batch.records[0])
