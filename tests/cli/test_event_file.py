"""Events, records and failures in files, in every form that people have them in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.batch import Batch, Window
from headrace.cli.event_file import EventFile, parts
from headrace.errors import ConfigError
from headrace.ledger import Condition, Failure, Fault
from support.attribute_values import items
from support.functions import ARN, SHARD, batch, change

OTHER = "arn:aws:dynamodb:eu-west-1:000000000000:table/orders/stream/1970-01-01T00:00:00.000"


def read(text):
    return list(EventFile("f.json", "m", OTHER).batches(text if isinstance(text, bytes) else text.encode()))


def told(found):
    return [json.loads(one.event())["Records"] for one, _ in found]


RECORDS = [change(1), change(2, note={"S": "ü"}), change(3)]
LINES = "\n".join(json.dumps(record) for record in RECORDS)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"Records": RECORDS}),
        json.dumps({"Records": RECORDS, "NextShardIterator": None}, indent=2),
        json.dumps([{"Records": RECORDS}]),
        json.dumps({"Records": RECORDS}) + "\n",
    ],
)
def test_an_event_is_a_batch_as_it_stands(text):
    found = read(text)
    assert told(found) == [RECORDS]
    assert [stands for _, stands in found] == [True]


@pytest.mark.parametrize("text", [json.dumps(RECORDS), LINES, LINES.replace("\n", "\r\n\r\n") + "\n"])
def test_records_in_a_row_are_one_batch(text):
    [(found, stands)] = read(text)
    assert told([(found, stands)]) == [RECORDS]
    assert not stands
    assert (found.mapping, found.stream_arn) == ("m", ARN)
    assert [record.key for record in found.records] == [f'{{"id":{{"S":"item-{n}"}}}}' for n in (1, 2, 3)]
    assert [record.created for record in found.records] == [1767225601.0, 1767225602.0, 1767225603.0]


def test_events_and_records_may_follow_each_other():
    lines = [RECORDS[0], {"Records": RECORDS[1:2]}, {"Records": []}, RECORDS[2], RECORDS[1]]
    found = read("\n".join(map(json.dumps, lines)))
    assert told(found) == [RECORDS[:1], RECORDS[1:2], [], [RECORDS[2], RECORDS[1]]]
    assert [stands for _, stands in found] == [False, True, True, False]


def test_records_of_two_streams_are_two_batches():
    elsewhere = change(2) | {"eventSourceARN": OTHER}
    found = read(json.dumps([RECORDS[0], elsewhere, elsewhere]))
    assert [(one.stream_arn, len(one.records)) for one, _ in found] == [(ARN, 1), (OTHER, 2)]


def test_a_window_and_its_shard_are_kept():
    window = Window(1767225600.0, 1767225660.0, '{"total": 7}', final=True)
    given_event = batch(RECORDS, window).event()
    [(found, _)] = read(given_event)
    assert (found.shard, found.stream_arn, found.window) == (SHARD, ARN, window)
    assert json.loads(found.event()) == json.loads(given_event)


def test_records_of_getrecords_become_lambdas():
    raw = change(1) | {"userIdentity": {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}}
    del raw["eventSourceARN"]
    # As version 2 of the AWS CLI prints times.
    raw["dynamodb"]["ApproximateCreationDateTime"] = "2026-01-01T01:00:01+01:00"
    [[record]] = told(read(json.dumps({"Records": [raw]})))
    assert record["userIdentity"] == {"principalId": "dynamodb.amazonaws.com", "type": "Service"}
    assert record["dynamodb"]["ApproximateCreationDateTime"] == 1767225601.0
    assert record["eventSourceARN"] == OTHER


def test_a_record_needs_no_more_than_what_places_it():
    [(found, _)] = read('{"dynamodb": {"Keys": {"id": {"N": "1.0"}}, "SequenceNumber": "111"}}')
    assert found.records[0].key == '{"id":{"N":"1"}}'
    assert json.loads(found.records[0].text).keys() == {"dynamodb", "eventSourceARN"}


def test_files_of_failures_are_read_as_they_are_written():
    from headrace.destinations import document

    given_batch = batch(RECORDS)
    failure = Failure(
        "m",
        "h:f",
        Condition.RETRY_ATTEMPTS_EXHAUSTED,
        ARN,
        SHARD,
        0,
        3,
        given_batch.records,
        Fault("E", "e"),
        0.0,
    )
    for text in (document.whole(failure), document.with_payload(failure)):
        [(found, stands)] = read(text + b"\n" + text)[:1]
        assert (found.shard, found.stream_arn, stands) == (SHARD, ARN, True)
        assert told([(found, stands)]) == [RECORDS]
    with pytest.raises(ConfigError, match="holds no records, only where they were"):
        read(document.fitting(failure, 10))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "f.json: is no JSON"),
        ("{", "f.json: is no JSON: Expecting property name"),
        ('{"Records": []}\n{', "f.json:2: is no JSON: .*; nor is the file as a whole"),
        ("7", "f.json: is 7; expected an event or a record"),
        ('["a"]', r"f.json\[0\]: is the text 'a'"),
        ('{"id": {"S": "a"}}', "f.json: is neither an event, for it has no Records, nor a record"),
        ('{"Records": {}}', "f.json.Records: is an object; expected a list"),
        ('{"Records": [], "more": 1}', "f.json: more is not known"),
        ('{"Records": [{"id": 1}]}', r"f.json.Records\[0\]: is no record, for it has no dynamodb"),
        ('{"dynamodb": {"Keys": {"a": {"S": "b"}}}}', "f.json.dynamodb.SequenceNumber: is missing"),
        ('{"dynamodb": {"SequenceNumber": "1"}}', "f.json.dynamodb.Keys: its Keys are empty"),
        (
            '{"dynamodb": {"SequenceNumber": "1", "Keys": {"a": "b"}}}',
            "f.json.dynamodb.Keys: .*DynamoDB JSON",
        ),
        (
            '{"dynamodb": {"SequenceNumber": "1", "Keys": {"a": {"S": "b"}}, "ApproximateCreationDateTime": "soon"}}',
            "is no time",
        ),
        ('{"Records": [], "window": {"start": 1}}', 'f.json.window: expected {"start"'),
    ],
)
def test_what_is_none_of_it_is_refused_with_its_place(text, words):
    with pytest.raises(ConfigError, match=words):
        read(text)


def test_parts_hold_so_many_records_and_bytes_at_most():
    one = batch(7, Window(0.0, 60.0))
    assert [len(part.records) for part in parts(one, 3)] == [3, 3, 1]
    assert all(part.window == one.window for part in parts(one, 3))
    large = batch([change(number, t={"S": "x" * 390_000}) for number in range(20)])
    sizes = [len(part.event()) for part in parts(large, 100)]
    assert len(sizes) == 2
    assert max(sizes) <= 6 * 2**20
    assert not list(parts(batch(0), 5))


@settings(max_examples=25)
@given(st.lists(items(), max_size=3), st.booleans())
def test_any_event_is_read_back(images, indented):
    records = []
    for number, image in enumerate(images):
        record = change(number)
        record["dynamodb"] |= {"NewImage": image, "Keys": {"pk": image["pk"]}}
        records.append(record)
    text = json.dumps({"Records": records}, indent=2 if indented else None)
    [(found, _)] = read(text.encode("utf-8", "surrogatepass"))
    assert isinstance(found, Batch)
    assert json.loads(found.event()) == {"Records": records}
