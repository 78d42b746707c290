"""What an event says of a change, in each format, and that it always says the same."""

import json
import random
import uuid
from decimal import Decimal

import pytest
from hypothesis import given, settings

from headrace.errors import ConsumerFailed
from headrace.targets.outbox.cloudevents import CloudEvents
from headrace.targets.outbox.nakadi import DataChangeEvents
from headrace.targets.outbox.occurrence import Occurrence, attribute_text
from support.attribute_values import items
from support.json_patch import applied, exact, same
from support.outbox import TABLE, batch, record

CLOUD, NAKADI = CloudEvents(), DataChangeEvents("orders")


def event(format_, of, **more):
    occurrence = Occurrence.read(batch(of, **more), of)
    id_, body = format_.event(occurrence)
    assert body.startswith(format_.beginning)
    assert b"\n" not in body
    return id_, exact(body)


def test_an_item_that_came_to_be_is_a_cloudevent():
    new = {"total": {"N": "12345678901234567890.12"}, "tags": {"SS": ["b", "a"]}, "note": {"NULL": True}}
    id_, told = event(CLOUD, record(7, new=new), generation=3)
    assert id_ == told["id"] == f"{7:032x}"
    assert told == {
        "specversion": "1.0",
        "id": id_,
        "source": TABLE,
        "type": "dynamodb.item.inserted",
        "subject": '{"id":"a"}',
        "time": "2026-01-01T00:00:00Z",
        "datacontenttype": "application/json",
        "partitionkey": '{"id":"a"}',
        "sequence": "00000003" + "7".rjust(40, "0"),
        "data": {
            "op": "inserted",
            "keys": {"id": "a"},
            "new": {"id": "a", "total": Decimal("12345678901234567890.12"), "tags": ["a", "b"], "note": None},
        },
    }


def test_a_field_set_to_null_one_taken_away_and_an_item_removed_are_three_things():
    old = {"x": {"N": "1"}, "y": {"S": "s"}}
    _, nulled = event(CLOUD, record(1, old=old, new=old | {"x": {"NULL": True}}))
    assert nulled["data"]["patch"] == [{"op": "replace", "path": "/x", "value": None}]
    assert nulled["data"]["new"]["x"] is None
    _, taken = event(CLOUD, record(2, old=old, new={"y": {"S": "s"}}))
    assert taken["data"]["patch"] == [{"op": "remove", "path": "/x"}]
    assert "x" not in taken["data"]["new"]
    assert nulled["type"] == taken["type"] == "dynamodb.item.modified"
    _, removed = event(CLOUD, record(3, old=old))
    assert removed["type"] == "dynamodb.item.removed"
    assert removed["data"] == {"op": "removed", "keys": {"id": "a"}, "old": {"id": "a", "x": 1, "y": "s"}}


def test_a_removal_by_time_to_live_says_who_removed():
    service = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    for format_, at in ((CLOUD, "data"), (NAKADI, None)):
        _, told = event(format_, record(1, old={}, identity=service))
        assert (told[at] if at else told)["user_identity"] == service


def test_an_event_is_what_the_mapping_says_of_itself():
    format_ = CloudEvents("https://example.com/orders", "com.example.order", patched=False)
    _, told = event(format_, record(1, old={}, new={"x": {"S": "1"}}))
    assert (told["source"], told["type"]) == ("https://example.com/orders", "com.example.order.modified")
    assert "patch" not in told["data"]


def test_nakadis_events_have_the_whole_item_and_the_patch_beside():
    old, new = {"x": {"N": "1"}}, {"x": {"N": "2"}}
    made = [
        event(NAKADI, one)[1] for one in (record(1, new=old), record(2, old=old, new=new), record(3, old=new))
    ]
    assert [one["data_op"] for one in made] == ["C", "U", "D"]
    assert [one["data"] for one in made] == [{"id": "a", "x": 1}, {"id": "a", "x": 2}, {"id": "a", "x": 2}]
    assert [one.get("patch") for one in made] == [None, [{"op": "replace", "path": "/x", "value": 2}], None]
    assert {one["data_type"] for one in made} == {"orders"}
    for one in made:
        assert one["metadata"] == {
            "eid": str(uuid.UUID(one["metadata"]["eid"])),
            "occurred_at": "2026-01-01T00:00:00Z",
        }
    assert len({one["metadata"]["eid"] for one in made}) == 3


def test_nakadis_events_may_have_no_member_that_nakadi_does_not_know():
    format_ = DataChangeEvents("orders", "shop.order", patched=False, compacted=True)
    service = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    for one in (record(1, old={}, new={"x": {"S": "1"}}), record(2, old={}, identity=service)):
        _, told = event(format_, one)
        assert told.keys() == {"data_op", "data_type", "metadata", "data"}
        assert told["metadata"]["event_type"] == "shop.order"
        assert told["metadata"]["partition_compaction_key"] == '{"id":"a"}'


# That it is always the same


def shuffled(value, dice):
    if isinstance(value, dict):
        return {name: shuffled(value[name], dice) for name in dice.sample(sorted(value), len(value))}
    return [shuffled(each, dice) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("format_", [CLOUD, NAKADI])
def test_a_record_that_comes_again_is_the_same_event_to_the_byte_whatever_the_order_of_its_members(format_):
    service = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    old = {"m": {"M": {"a": {"S": "1"}, "b": {"SS": ["x", "y"]}}}, "n": {"NS": ["1", "2"]}}
    for one in (record(1, old=old, new=old | {"z": {"S": "1"}}), record(2, old=old, identity=service)):
        seen = set()
        for seed in range(5):
            told = shuffled(json.loads(one.text), random.Random(seed))
            for image in ("OldImage", "NewImage"):
                if image in told["dynamodb"]:
                    told["dynamodb"][image]["n"]["NS"].sort(reverse=seed % 2 == 0)
            copy = type(one)(one.sequence, one.created, one.key, json.dumps(told).encode())
            seen.add(format_.event(Occurrence.read(batch(copy), copy)))
        assert len(seen) == 1


def test_without_an_id_of_its_own_a_record_has_one_by_its_place():
    one, other = record(1, event_id=None), record(2, event_id=None)
    id_, _ = event(CLOUD, one)
    assert id_ == event(CLOUD, one, attempt=5)[0] != event(CLOUD, other)[0]
    assert len(id_) == 32


def test_a_time_with_fractions_keeps_them():
    assert event(CLOUD, record(1, created=1_767_225_600.25))[1]["time"] == "2026-01-01T00:00:00.250Z"


@pytest.mark.parametrize("key", ["\x00\x1f", "\x7f\x85\x9f", "\ufdd0\uffff\U0001ffff", 'é"\\漢🚰'])
def test_an_attribute_holds_no_letter_that_a_cloudevent_may_not_have(key):
    _, told = event(CLOUD, record(1, key))
    assert json.loads(told["subject"]) == {"id": key}
    codes = [ord(letter) for letter in told["subject"]]
    assert not any(code < 0x20 or 0x7F <= code <= 0x9F or code & 0xFFFE == 0xFFFE for code in codes)
    assert not any(0xFDD0 <= code <= 0xFDEF for code in codes)
    assert attribute_text('"é"') == '"é"'


@settings(max_examples=60, deadline=None)
@given(items(), items())
def test_the_patch_of_an_event_makes_the_new_item_of_the_old_one(old, new):
    for format_ in (CLOUD, NAKADI):
        _, created = event(format_, record(1, new=old))
        _, told = event(format_, record(2, old=old, new=new))
        before = created["data"] if format_ is NAKADI else created["data"]["new"]
        patch, after = (
            (told["patch"], told["data"])
            if format_ is NAKADI
            else (told["data"]["patch"], told["data"]["new"])
        )
        assert same(applied(before, patch), after)


# What is none


@pytest.mark.parametrize(
    "text", [b"{", b'{"eventName":"INSERT"}', b"\xff", b'{"eventName":"WHAT","dynamodb":{"Keys":{}}}']
)
def test_a_record_that_is_none_has_failed(text):
    broken = record(1)
    broken = type(broken)(broken.sequence, broken.created, broken.key, text)
    with pytest.raises(ConsumerFailed) as raised:
        Occurrence.read(batch(broken), broken)
    assert raised.value.type == "BrokenRecord"


def test_a_record_without_an_image_that_it_needs_has_failed():
    told = json.loads(record(1, old={}, new={}).text)
    del told["dynamodb"]["OldImage"]
    one = record(1)
    one = type(one)(one.sequence, one.created, one.key, json.dumps(told).encode())
    with pytest.raises(
        ConsumerFailed, match="has no old image; the stream must be of the view type NEW_AND_OLD_IMAGES"
    ):
        Occurrence.read(batch(one), one)
