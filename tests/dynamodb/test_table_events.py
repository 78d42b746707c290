"""A table's stream as mappings see it: the records of Lambda's events, filtered, against the simulator and answers made up here."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.dynamodb import TableEvents
from headrace.dynamodb.events import event_page
from headrace.errors import InternalError, IteratorExpired, TableUnusable, Unavailable
from headrace.position import Position, SequenceNumber
from headrace.simulator import Simulator
from headrace.testing.events import lambda_event
from support.attribute_values import names, texts, values

NOON = 1_700_000_000.25
ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"


def record(number="100000000000000000001", keys=None, **changes):
    change = {
        "ApproximateCreationDateTime": 1_700_000_000,
        "Keys": {"id": {"S": "a"}} if keys is None else keys,
        "SequenceNumber": number,
    }
    return {"eventID": "e1", "eventName": "INSERT", "dynamodb": change | changes}


def page_of(*records, following="next", passes=None):
    body = json.dumps({"Records": records} | ({"NextShardIterator": following} if following else {}))
    return event_page(body.encode(), ARN, shard="s1", at=NOON, passes=passes)


def keys_of(page):
    return [each.key for each in page.records]


class Orders:
    """The simulator with a table ``orders``."""

    def __init__(self, view="NEW_AND_OLD_IMAGES"):
        self.simulator = Simulator(lambda: NOON)
        stream = {"StreamEnabled": False} if view is None else {"StreamEnabled": True, "StreamViewType": view}
        self(
            "CreateTable",
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification=stream,
        )

    def __call__(self, operation, **request):
        response = self.simulator(operation, json.dumps(request).encode())
        assert response.status == 200, response.body
        return json.loads(response.body)

    def events(self, **options):
        return TableEvents(self.simulator, "orders", region="us-east-1", **options)

    def page(self, **options):
        events = self.events(**options)
        arn = events.describe().stream_arn
        [shard] = events.list_shards(arn, None).shards
        return events.get_records(
            shard.id, events.open_iterator(arn, shard.id, Position.trim_horizon(NOON))
        ), arn


def test_records_are_those_of_lambdas_event():
    orders = Orders()
    orders("PutItem", TableName="orders", Item={"id": {"S": "a"}, "n": {"N": "1.50"}})
    orders("PutItem", TableName="orders", Item={"id": {"S": "b"}, "blob": {"B": "AP8="}})
    orders("DeleteItem", TableName="orders", Key={"id": {"S": "a"}})
    page, arn = orders.page()
    assert keys_of(page) == ['{"id":{"S":"a"}}', '{"id":{"S":"b"}}', '{"id":{"S":"a"}}']
    assert [json.loads(each.text)["eventName"] for each in page.records] == ["INSERT", "INSERT", "REMOVE"]
    assert {json.loads(each.text)["eventSourceARN"] for each in page.records} == {arn}
    assert {each.created for each in page.records} == {1_700_000_000.0}
    assert (page.count, page.filtered, page.dead, page.changes) == (3, 0, (), None)
    assert page.last == page.records[-1].sequence
    assert page.oldest_at == page.newest_at == 1_700_000_000.0
    assert page.next_iterator is not None


@pytest.mark.parametrize("view", ["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"])
def test_every_view_type_is_told_and_taken(view):
    orders, described = Orders(view), []
    table = orders.events(described=described.append).describe()
    assert (table.view, table.keys) == (view, (("id", "S"),))
    assert described == [view]
    assert table.stream_arn


def test_a_view_type_that_does_not_do_is_refused_with_the_cure():
    orders = Orders("KEYS_ONLY")
    events = orders.events(views=frozenset({"NEW_AND_OLD_IMAGES", "OLD_IMAGE"}))
    with pytest.raises(
        TableUnusable, match=r"is KEYS_ONLY.*must be OLD_IMAGE or NEW_AND_OLD_IMAGES\. .*turn it off"
    ):
        events.describe()


def test_a_table_without_a_stream_is_refused_with_the_cure():
    orders = Orders(None)
    with pytest.raises(TableUnusable, match=r"enable it with .*StreamViewType=NEW_AND_OLD_IMAGES"):
        orders.events().describe()


def test_what_the_filters_leave_out_counts_and_moves_the_position():
    page = page_of(record("11"), record("12"), record("13"), passes=lambda text: b'"12"' in text)
    assert [each.sequence.text for each in page.records] == ["12"]
    assert (page.count, page.filtered, page.last) == (3, 2, SequenceNumber("13"))


def test_a_filter_that_raises_is_a_defect():
    def fails(text):
        raise KeyError("x")

    with pytest.raises(InternalError, match=r"record 11 of shard s1: KeyError"):
        page_of(record("11"), passes=fails)


def test_a_record_that_cannot_be_read_is_a_dead_letter_and_the_others_go_on():
    broken = record("12")
    del broken["dynamodb"]["Keys"]
    unnumbered = record("14")
    del unnumbered["dynamodb"]["SequenceNumber"]
    odd = record("x7")
    page = page_of(
        record("11"), broken, record("13"), unnumbered, odd, {"eventName": "INSERT"}, following=None
    )
    assert [each.sequence.text for each in page.records] == ["11", "13"]
    assert [letter.sequence and letter.sequence.text for letter in page.dead] == ["12", None, None, None]
    assert [letter.place for letter in page.dead] == [1, 3, 4, 5]
    assert "Keys" in page.dead[0].reason
    assert json.loads(page.dead[0].record) == broken
    assert {(letter.shard, letter.at) for letter in page.dead} == {("s1", NOON)}
    assert (page.count, page.filtered, page.last) == (6, 0, SequenceNumber("13"))
    assert page.next_iterator is None


def test_the_last_record_that_cannot_be_read_is_passed_too():
    broken = record("12")
    broken["dynamodb"]["Keys"] = {"id": {"N": "no number"}}
    page = page_of(record("11"), broken)
    assert page.last == SequenceNumber("12")
    assert page.dead[0].key == '{"id": {"N": "no number"}}'


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"Records":{}}', b'{"Records":[],"NextShardIterator":1}']
)
def test_an_answer_that_is_not_whole_is_asked_for_again(body):
    with pytest.raises(Unavailable, match="asked for again"):
        event_page(body, ARN, shard="s1", at=NOON)


def test_an_iterator_that_was_not_opened_here_is_opened_again():
    orders = Orders()
    with pytest.raises(IteratorExpired):
        orders.events().get_records("s1", "an iterator")


def test_keys_of_one_item_are_one_text_however_they_are_written():
    same = [
        {"a": {"N": "10"}, "b": {"B": "AP8="}},
        {"b": {"B": "AP8="}, "a": {"N": "1E1"}},
        {"b": {"B": "AP8="}, "a": {"N": "10.0"}},
    ]
    page = page_of(*(record(keys=keys) for keys in same))
    assert set(keys_of(page)) == {'{"a":{"N":"10"},"b":{"B":"AP8="}}'}
    written = page_of(record(keys={"a": {"S": "10"}, "b": {"B": "AP8="}}))
    assert keys_of(written) != keys_of(page)[:1]


def test_numbers_and_strings_stay_byte_for_byte_as_they_came():
    wire = (
        b'{"Records":[{"eventName":"MODIFY","dynamodb":{"Keys":{"id":{"S":"\\u00e9"}},"ApproximateCreationDateTime":1.7E9,'
        b'"NewImage":{"id":{"S":"\\u00e9"},"n":{"N":"1.0E+3"}},"SequenceNumber":"12"},'
        b'"userIdentity":{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}}]}'
    )
    [made] = event_page(wire, ARN, shard="s1", at=NOON).records
    for kept in (b'{"S":"\\u00e9"}', b'{"N":"1.0E+3"}', b"1.7E9"):
        assert kept in made.text
    assert b'"userIdentity":{"principalId":"dynamodb.amazonaws.com","type":"Service"}' in made.text
    assert made.key == '{"id":{"S":"é"}}'


keys = st.dictionaries(
    st.one_of(st.sampled_from(["id", "userIdentity", "dynamodb"]), texts.filter(bool)),
    st.one_of(
        texts.map(lambda text: {"S": text}),
        st.integers(-(10**30), 10**30).map(lambda number: {"N": str(number)}),
        st.just({"B": "AP8="}),
    ),
    min_size=1,
    max_size=2,
)
images = st.dictionaries(st.one_of(names, st.just("userIdentity")), values, max_size=4)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 10**39),
            keys,
            images,
            st.sampled_from([None, {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}]),
        ),
        max_size=4,
    ),
    st.sampled_from([None, 1]),
)
@settings(max_examples=150, deadline=None)
def test_any_records_become_what_lambda_makes_of_them(drawn, indent):
    records = [
        record(str(number), key, NewImage=image) | ({} if identity is None else {"userIdentity": identity})
        for number, key, image, identity in drawn
    ]
    body = json.dumps({"Records": records}, indent=indent, ensure_ascii=indent is None)
    page = event_page(body.encode(), ARN, shard="s1", at=NOON)
    assert [json.loads(each.text) for each in page.records] == lambda_event(records, ARN)["Records"]
    assert [(each.sequence.text, json.loads(each.key)) for each in page.records] == [
        (str(number), key) for number, key, _, _ in drawn
    ]
