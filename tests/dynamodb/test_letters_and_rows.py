"""From a page to a dead letter, and back to a row."""

from __future__ import annotations

import json

import pytest

from headrace.dynamodb.decode import Decoder
from headrace.schema import TableSchema

KEYS = TableSchema.of_keys((("pk", "S"),))
NOW = 1_700_000_000.0


def record(number, event, key, image=None):
    change = {
        "Keys": {"pk": {"S": key}},
        "SequenceNumber": str(10**20 + number),
        "ApproximateCreationDateTime": NOW,
    }
    if event != "REMOVE":
        change["NewImage"] = {"pk": {"S": key}, **(image or {})}
    return {"eventID": str(number), "eventName": event, "dynamodb": change}


def records_page(decoder, *records):
    body = json.dumps({"Records": records, "NextShardIterator": "next"}).encode()
    return decoder.records_page(body, shard="shard-1", at=NOW)


def scan_page(decoder, *items):
    return decoder.scan_page(json.dumps({"Items": items}).encode(), at=NOW)


@pytest.mark.parametrize("learned", [False, True])
def test_every_row_of_a_page_can_be_set_aside_whole(learned):
    decoder = Decoder(KEYS)
    records = [
        record(1, "INSERT", "a", {"n": {"N": "1"}}),
        record(2, "REMOVE", "b"),
        record(3, "MODIFY", "é"),
    ]
    for _ in range(1 + learned):
        page = records_page(decoder, *records)
    letters = [page.changes.page.letter(row, "refused") for row in range(3)]
    assert [json.loads(letter.record) for letter in letters] == records
    assert [letter.sequence.text for letter in letters] == [str(10**20 + n) for n in (1, 2, 3)]
    assert [json.loads(letter.key) for letter in letters] == [{"pk": {"S": key}} for key in ("a", "b", "é")]
    assert {(letter.shard, letter.reason, letter.at) for letter in letters} == {("shard-1", "refused", NOW)}


def test_rows_find_their_records_behind_those_that_were_dead_and_letters_know_the_rows_before_them():
    bad = record(2, "INSERT", "b", {"n": {"X": "1"}})
    page = records_page(Decoder(KEYS), record(1, "INSERT", "a"), bad, record(3, "INSERT", "c"), bad)
    assert [letter.place for letter in page.dead] == [1, 2]
    assert json.loads(page.changes.page.letter(1, "refused").record) == record(3, "INSERT", "c")


def test_a_large_page_gives_its_records_too():
    items = [{"pk": {"S": f"k{number}"}, "text": {"S": "é" * 5000}} for number in range(50)]
    page = scan_page(Decoder(KEYS), *items)
    assert json.loads(page.changes.page.letter(49, "refused").record) == items[49]


def test_an_item_of_a_scan_can_be_set_aside_whole():
    items = [{"pk": {"S": "a"}}, {"pk": {"S": "b"}, "m": {"M": {"x": {"NS": ["1", "2.50"]}}}}]
    letter = scan_page(Decoder(KEYS), *items).changes.page.letter(1, "refused")
    assert json.loads(letter.record) == items[1]
    assert (letter.shard, letter.sequence, json.loads(letter.key)) == (None, None, {"pk": {"S": "b"}})


@pytest.mark.parametrize("event", ["INSERT", "MODIFY", "REMOVE"])
def test_a_letter_decodes_to_the_row_that_its_record_is(event):
    given = record(7, event, "a", {"n": {"N": "1.5"}, "new": {"BOOL": True}})
    row = records_page(Decoder(KEYS), given).changes
    letter = row.page.letter(0, "refused")
    decoder = Decoder(KEYS)
    redriven = decoder.redecode(letter)
    assert (redriven.id, redriven.sequence, redriven.reason) == (letter.id, letter.sequence.text, None)
    assert redriven.changes.rows.to_pylist() == row.rows.to_pylist()
    assert redriven.changes.deleted == row.deleted
    assert redriven.changes.page.letter(0, "again").record == letter.record
    # What the letter holds, the next page may hold too.
    assert decoder.schema.column("new") is not None or event == "REMOVE"


def test_a_letter_of_a_scan_decodes_to_its_item():
    item = {"pk": {"S": "a"}, "n": {"N": "1"}}
    letter = scan_page(Decoder(KEYS), item).changes.page.letter(0, "refused")
    assert Decoder(KEYS).redecode(letter).changes.rows.to_pylist() == [{"pk": "a", "n": 1}]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"eventName":"INSERT"}', '"\\ud800"', '{"pk":{"S":"\\xff"}}']
)
@pytest.mark.parametrize("scan", [False, True])
def test_what_cannot_be_decoded_still_says_why(text, scan):
    page = (
        scan_page(Decoder(KEYS), {"pk": {"S": "a"}, "n": {"X": "1"}})
        if scan
        else records_page(Decoder(KEYS), record(1, "INSERT", "a", {"n": {"X": "1"}}))
    )
    (letter,) = page.dead
    broken = type(letter)(letter.shard, letter.sequence, letter.key, letter.reason, text, letter.at)
    redriven = Decoder(KEYS).redecode(broken)
    assert redriven.changes is None
    assert redriven.reason
