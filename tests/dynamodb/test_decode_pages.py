"""Pages of any items: the compiled way and the generic way agree, and no value is lost."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import permutations
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.accelerators.plain import plain_rows
from headrace.change import ChangeBatch
from headrace.column_type import BOOL, INT, NULL, TEXT
from headrace.dynamodb.decode import WIDEST_COMPILED, Decoder
from headrace.errors import Unavailable
from headrace.position import SequenceNumber
from headrace.schema import TableSchema
from support.attribute_values import AV, items, scalars, values
from support.held import holds

KEYS = TableSchema.of_keys((("pk", "S"),))
COMPACT = (",", ":")
SPACED = (", ", ": ")
NOW = 1_700_000_000.0

generous = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def scan_body(page: list[dict[str, AV]], separators: tuple[str, str] = COMPACT, **more: Any) -> bytes:
    answer = {"Count": len(page), "Items": page, **more, "ScannedCount": len(page)}
    return json.dumps(answer, separators=separators, ensure_ascii=separators == SPACED).encode()


def record(number: int, event: str, pk: str = "k", image: dict[str, AV] | None = None, **more: Any) -> Any:
    change = {
        "ApproximateCreationDateTime": 1_700_000_000 + number,
        "Keys": {"pk": {"S": pk}},
        "SequenceNumber": str(10**20 + number),
        "SizeBytes": 3,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    if image is not None:
        change["NewImage"] = {"pk": {"S": pk}, **image}
    return {"eventID": str(number), "eventName": event, "eventVersion": "1.1", "dynamodb": change | more}


def records_body(records: list[Any], following: str | None = "next") -> bytes:
    answer = {"Records": records} | ({} if following is None else {"NextShardIterator": following})
    return json.dumps(answer, separators=COMPACT).encode()


def rows_of(changes: ChangeBatch | None) -> list[dict[str, Any]]:
    return [] if changes is None else plain_rows(pa.Table.from_batches([changes.rows]))


def assert_holds(changes: ChangeBatch | None, page: list[dict[str, AV]]) -> None:
    rows = rows_of(changes)
    assert len(rows) == len(page)
    for row, item in zip(rows, page, strict=True):
        assert changes is not None
        assert changes.rows.schema == changes.schema.arrow()
        for column in changes.schema.columns:
            cell = row[column.name]
            if column.attribute in item:
                assert holds(cell, item[column.attribute], column.type), (column, cell, item)
            else:
                assert cell is None
        assert set(item) <= {column.attribute for column in changes.schema.columns}


def compiled_rows(decoder: Decoder, body: bytes) -> pa.RecordBatch:
    compiled = decoder._ready()
    assert compiled is not None
    return compiled.rows(compiled.scan.decode(body).rows)


@generous
@given(st.lists(items(), max_size=4), st.sampled_from([COMPACT, SPACED]))
def test_every_value_of_any_item_comes_back_exactly(page, separators):
    decoder = Decoder(KEYS)
    body = scan_body(page, separators)
    assert_holds(decoder.scan_page(body, at=NOW).changes, page)
    assert_holds(decoder.scan_page(body, at=NOW).changes, page)


@generous
@given(st.lists(items(), min_size=1, max_size=4), st.sampled_from([COMPACT, SPACED]))
def test_the_compiled_way_gives_the_same_rows_as_the_generic_way_that_taught_it(page, separators):
    decoder = Decoder(KEYS)
    body = scan_body(page, separators)
    learned = decoder.scan_page(body, at=NOW).changes
    if any('"' in name or "\\" in name or min(name, default=" ") < " " for item in page for name in item):
        return  # Such names cannot be compiled; the first law covers them.
    assert compiled_rows(decoder, body) == learned.rows


@generous
@given(st.lists(st.lists(items(), min_size=1, max_size=2), min_size=2, max_size=3))
def test_pages_in_any_order_join_to_the_same_types(pages):
    types = []
    for order in permutations(pages):
        decoder = Decoder(KEYS)
        for page in order:
            assert_holds(decoder.scan_page(scan_body(page), at=NOW).changes, page)
        types.append({column.path: (column.type, column.name) for column in decoder.schema.columns})
        assert len({column.name.lower() for column in decoder.schema.columns}) == len(decoder.schema.columns)
    assert all(each == types[0] for each in types)


@generous
@given(st.lists(st.tuples(st.dictionaries(st.sampled_from("abc"), values), st.booleans()), max_size=4))
def test_stream_records_hold_what_scanned_items_hold(changes):
    page = [{"pk": {"S": str(index)}, **image} for index, (image, _) in enumerate(changes)]
    records = [
        record(index, "REMOVE" if removed else "MODIFY", str(index), None if removed else page[index])
        for index, (_, removed) in enumerate(changes)
    ]
    expected = [
        {"pk": item["pk"]} if removed else item for item, (_, removed) in zip(page, changes, strict=True)
    ]
    decoder = Decoder(KEYS)
    for _ in range(2):
        answer = decoder.records_page(records_body(records), shard="s", at=NOW)
        assert answer.dead == ()
        assert_holds(answer.changes, expected)
        removed = [removed for _, removed in changes]
        if any(removed):
            assert answer.changes.deleted.to_pylist() == removed
        else:
            assert answer.changes is None or answer.changes.deleted is None


@generous
@given(st.lists(items(scalars), min_size=1, max_size=3), st.data())
def test_a_page_cut_anywhere_is_asked_for_again(page, data):
    body = scan_body(page, LastEvaluatedKey={"pk": {"S": "z"}})
    cut = body[: data.draw(st.integers(0, len(body) - 1))]
    with pytest.raises(Unavailable, match="not whole"):
        Decoder(KEYS).scan_page(cut, at=NOW)


def test_an_answer_that_is_json_but_not_of_scan_is_not_taken_for_an_empty_page():
    with pytest.raises(Unavailable, match="no Items"):
        Decoder(KEYS).scan_page(b"{}", at=NOW)
    with pytest.raises(Unavailable, match="no Records"):
        Decoder(KEYS).records_page(b'{"Items":[]}', shard="s", at=NOW)


def test_the_cursor_is_the_last_evaluated_key_as_it_came():
    decoder = Decoder(KEYS)
    body = b'{"Items":[],"Count":0,"ScannedCount":0,"LastEvaluatedKey":{"pk":{"S":"\\u00e9"} } }'
    page = decoder.scan_page(body, at=NOW)
    assert page.cursor == '{"pk":{"S":"\\u00e9"} }'
    assert page.changes is None
    assert decoder.scan_page(b'{"Items":[],"LastEvaluatedKey":null}', at=NOW).cursor is None
    assert decoder.scan_page(b'{"Items":[]}', at=NOW).cursor is None


def test_the_size_on_the_wire_travels_with_the_batch():
    body = scan_body([{"pk": {"S": "a"}}])
    page = Decoder(KEYS).scan_page(body, at=NOW, service_time=5.0)
    assert page.changes.wire_bytes == len(body)
    assert page.service_time == 5.0


def test_a_records_page_tells_its_last_number_its_times_and_what_follows():
    records = [record(3, "INSERT", image={}), record(1, "MODIFY", image={}), record(2, "REMOVE")]
    page = Decoder(KEYS).records_page(records_body(records), shard="s", at=NOW, service_time=9.0)
    assert (page.count, page.last) == (3, SequenceNumber(str(10**20 + 2)))
    assert (page.oldest_at, page.newest_at) == (1_700_000_001.0, 1_700_000_003.0)
    assert (page.next_iterator, page.service_time) == ("next", 9.0)


@pytest.mark.parametrize("learned", [False, True], ids=["generic", "compiled"])
def test_each_row_tells_the_record_that_it_comes_from_and_broken_ones_leave_no_trace(learned):
    decoder = Decoder(KEYS)
    whole = [
        record(1, "INSERT", "a", {"x": {"S": "1"}}),
        record(3, "REMOVE", "b"),
        record(4, "MODIFY", "a", {"x": {"S": "2"}}),
    ]
    if learned:
        decoder.records_page(records_body(whole), shard="s", at=NOW)
    broken = record(2, "INSERT", "c")
    for page, dead in ((whole, 0), ([whole[0], broken, *whole[1:]], 1)):
        changes = decoder.records_page(records_body(page), shard="s", at=NOW)
        assert len(changes.dead) == dead
        assert rows_of(changes.changes) == [
            {"pk": "a", "x": "1"},
            {"pk": "b", "x": None},
            {"pk": "a", "x": "2"},
        ]
        origins = changes.changes.origins
        assert origins.numbers.to_pylist() == [str(10**20 + number) for number in (1, 3, 4)]
        assert origins.created.to_pylist() == [NOW + number for number in (1, 3, 4)]
    assert decoder.scan_page(scan_body([{"pk": {"S": "a"}}]), at=NOW).changes.origins is None


def test_the_last_page_of_a_shard_may_hold_records():
    decoder = Decoder(KEYS)
    page = decoder.records_page(records_body([record(1, "REMOVE")], None), shard="s", at=NOW)
    assert (page.next_iterator, page.count) == (None, 1)
    empty = decoder.records_page(b'{"Records":[],"NextShardIterator":null}', shard="s", at=NOW)
    assert (empty.next_iterator, empty.count, empty.last, empty.changes) == (None, 0, None, None)
    assert (empty.oldest_at, empty.newest_at) == (None, None)


BROKEN_RECORDS = {
    "no NewImage": record(2, "MODIFY", "bad"),
    "no Keys": {"eventName": "REMOVE", "dynamodb": {"SequenceNumber": str(10**20 + 2)}},
    "eventName is 'UPSERT'": record(2, "UPSERT", "bad", {}),
    "numbers as text": record(2, "MODIFY", "bad", {"n": {"N": "NaN"}}),
    "exactly one type tag": record(2, "MODIFY", "bad", {"n": {"N": "1", "S": "1"}}),
    "not a type tag": record(2, "MODIFY", "bad", {"n": {"X": "1"}}),
    "base64": record(2, "MODIFY", "bad", {"b": {"B": "?"}}),
    "key attribute 'pk' is missing": record(2, "MODIFY", NewImage={"n": {"N": "1"}}),
    "cannot be decoded": record(2, "MODIFY", NewImage=[1]),
}


@pytest.mark.parametrize("reason", BROKEN_RECORDS)
@pytest.mark.parametrize("learned", [False, True])
def test_a_broken_record_becomes_a_dead_letter_and_the_rest_goes_on(reason, learned):
    decoder = Decoder(KEYS)
    if learned:
        good = [record(1, "MODIFY", "x", {"n": {"N": "1"}, "b": {"B": "aGk="}})]
        decoder.records_page(records_body(good), shard="s", at=NOW)
    broken = BROKEN_RECORDS[reason]
    records = [record(1, "INSERT", "one", {"n": {"N": "1"}}), broken, record(3, "REMOVE", "three")]
    page = decoder.records_page(records_body(records), shard="shard-1", at=NOW)
    assert [row["pk"] for row in rows_of(page.changes)] == ["one", "three"]
    assert page.changes.deleted.to_pylist() == [False, True]
    (letter,) = page.dead
    assert reason in letter.reason
    assert (letter.shard, letter.at, letter.sequence) == ("shard-1", NOW, SequenceNumber(str(10**20 + 2)))
    assert json.loads(letter.record) == broken
    assert (page.count, page.last.text) == (3, str(10**20 + 3))


def test_a_dead_letter_of_a_scan_names_the_key_where_there_is_one():
    page = [{"pk": {"S": "a"}, "n": {"N": "x"}}, {"other": {"S": "x"}}, {"pk": {"S": "b"}}]
    answer = Decoder(KEYS).scan_page(scan_body(page), at=NOW)
    assert [letter.key for letter in answer.dead] == ['{"pk":{"S":"a"}}', None]
    assert [json.loads(letter.record) for letter in answer.dead] == page[:2]
    assert answer.count == 3
    assert [row["pk"] for row in rows_of(answer.changes)] == ["b"]


def test_a_broken_value_does_not_widen_the_schema():
    decoder = Decoder(KEYS)
    decoder.scan_page(scan_body([{"pk": {"S": "a"}, "fine": {"N": "1"}, "n": {"N": "x"}}]), at=NOW)
    assert [column.attribute for column in decoder.schema.columns] == ["pk"]


def test_a_value_without_a_tag_is_not_taken_for_null_once_its_column_is_known():
    decoder = Decoder(KEYS)
    decoder.scan_page(scan_body([{"pk": {"S": "a"}, "n": {"N": "1"}}]), at=NOW)
    answer = decoder.scan_page(scan_body([{"pk": {"S": "a"}, "n": {}}, {"pk": {"S": "b"}}]), at=NOW)
    assert len(answer.dead) == 1
    assert rows_of(answer.changes) == [{"pk": "b", "n": None}]


def test_invalid_utf8_is_one_records_misfortune():
    body = scan_body([{"pk": {"S": "a"}, "s": {"S": "XX"}}, {"pk": {"S": "b"}, "s": {"S": "y"}}])
    answer = Decoder(KEYS).scan_page(body.replace(b"XX", b"\xff\xfe"), at=NOW)
    assert len(answer.dead) == 1
    assert rows_of(answer.changes) == [{"pk": "b", "s": "y"}]


@pytest.mark.parametrize(
    ("numbers", "arrow"),
    [
        (["1", "2"], pa.int64()),
        (["1", str(2**53 + 1)], pa.int64()),
        (["1", "1.5"], pa.float64()),
        ([str(2**53 + 1), "1.5"], pa.decimal128(38, 1)),
        (["1", str(2**63)], pa.decimal128(38, 0)),
        (["1.5", "0.10000000000000000001"], pa.string()),
        (["1.5", "0.1000000000000000001"], pa.decimal128(38, 19)),
        (["1.5", str(2**53 + 2)], pa.float64()),
        (["1.5", "1E16"], pa.float64()),
        (["1.5", "1E+22"], pa.float64()),
        ([str(2**53 + 1), "1E+22", "0.5"], pa.decimal128(38, 1)),
        ([str(2**53 + 1), "1E+100"], pa.string()),
    ],
)
def test_numbers_widen_as_far_as_they_must_and_no_further(numbers, arrow):
    for order in (numbers, numbers[::-1]):
        decoder = Decoder(KEYS)
        for number in order:
            page = [{"pk": {"S": "a"}, "n": {"N": number}}]
            for _ in range(2):
                assert_holds(decoder.scan_page(scan_body(page), at=NOW).changes, page)
        assert decoder.schema.column("n").type.arrow() == arrow


@pytest.mark.parametrize(
    "number",
    ["0.99999999999999999999", "4503599627370497.25", "9007199254740993.0", "9007199254740991.5", "1E400"],
)
@pytest.mark.parametrize("tag", ["N", "NS"])
def test_a_column_of_integers_does_not_round_what_comes_later(number, tag):
    decoder = Decoder(KEYS)
    for text in ("1", number):
        page = [{"pk": {"S": "a"}, "n": {tag: [text] if tag == "NS" else text}}]
        for _ in range(2):
            assert_holds(decoder.scan_page(scan_body(page), at=NOW).changes, page)


@pytest.mark.parametrize("number", ["1E-400", "-0.0", "1E-310", "0.00", "NaN", "1E400"])
def test_a_column_of_doubles_does_not_take_what_underflows_or_is_no_number(number):
    decoder = Decoder(KEYS)
    for text in ("1.5", number):
        page = [{"pk": {"S": "a"}, "n": {"N": text}}]
        for _ in range(2):
            answer = decoder.scan_page(scan_body(page), at=NOW)
            if number == text == "NaN":
                assert len(answer.dead) == 1
            else:
                assert_holds(answer.changes, page)


def test_a_numeric_key_is_never_a_double_and_equal_keys_are_equal_values():
    decoder = Decoder(TableSchema.of_keys((("pk", "N"),)))
    page = [{"pk": {"N": text}} for text in ("1.50", "15E-1", "1.5", "7", "1E2", "-0.0")]
    for _ in range(2):
        rows = rows_of(decoder.scan_page(scan_body(page), at=NOW).changes)
        assert [row["pk"] for row in rows] == [*map(Decimal, ("1.5", "1.5", "1.5", "7", "100", "0"))]
    assert decoder.schema.keys[0].type.arrow() == pa.decimal128(38, 1)


def test_numeric_keys_stay_integers_while_they_are():
    decoder = Decoder(TableSchema.of_keys((("pk", "N"), ("at", "B"))))
    page = [{"pk": {"N": "7"}, "at": {"B": "aGk="}}]
    for _ in range(2):
        assert rows_of(decoder.scan_page(scan_body(page), at=NOW).changes) == [{"pk": 7, "at": b"hi"}]


def test_attributes_that_differ_in_case_only_get_columns_that_do_not():
    decoder = Decoder(KEYS)
    page = [{"pk": {"S": "a"}, "Id": {"N": "1"}, "id": {"N": "2"}, "ID": {"N": "3"}, "PK": {"S": "x"}}]
    for _ in range(2):
        changes = decoder.scan_page(scan_body(page), at=NOW).changes
        assert_holds(changes, page)
    lowered = [column.name.lower() for column in changes.schema.columns]
    assert len(set(lowered)) == len(lowered)


@pytest.mark.parametrize(
    "name", ["headrace_x", "", 'qu"ote', "back\\slash", "new\nline", "é", "a.b", "select"]
)
def test_an_attribute_of_any_name_has_a_column(name):
    decoder = Decoder(KEYS)
    page = [{"pk": {"S": "a"}, name: {"N": "1"}, "plain": {"N": "2"}}]
    for _ in range(2):
        changes = decoder.scan_page(scan_body(page), at=NOW).changes
        assert_holds(changes, page)
    column = changes.schema.column(name)
    assert column.name
    assert not column.name.startswith("headrace_")


def test_pages_without_the_oddly_named_attribute_are_still_decoded_the_fast_way():
    decoder = Decoder(KEYS)
    decoder.scan_page(scan_body([{"pk": {"S": "a"}, 'qu"ote': {"N": "1"}}]), at=NOW)
    rows = compiled_rows(decoder, scan_body([{"pk": {"S": "b"}}]))
    assert rows.to_pylist() == [{"pk": "b", 'qu"ote': None}]


def test_a_key_that_cannot_be_compiled_is_decoded_generically():
    decoder = Decoder(TableSchema.of_keys((('k"', "S"),)))
    for _ in range(2):
        page = decoder.scan_page(scan_body([{'k"': {"S": "a"}, "n": {"N": "1"}}]), at=NOW)
        assert rows_of(page.changes) == [{'k"': "a", "n": 1}]


def test_nulls_neither_change_a_type_nor_the_way():
    decoder = Decoder(KEYS)
    decoder.scan_page(scan_body([{"pk": {"S": "a"}, "n": {"N": "1"}}]), at=NOW)
    body = scan_body([{"pk": {"S": "a"}, "n": {"NULL": True}}])
    assert compiled_rows(decoder, body).to_pylist() == [{"pk": "a", "n": None}]


def test_a_column_that_was_always_null_takes_the_first_type_that_comes():
    decoder = Decoder(KEYS)
    decoder.scan_page(scan_body([{"pk": {"S": "a"}, "n": {"NULL": True}}]), at=NOW)
    assert decoder.schema.column("n").type == NULL
    page = [{"pk": {"S": "a"}, "n": {"BOOL": False}}]
    assert_holds(decoder.scan_page(scan_body(page), at=NOW).changes, page)
    assert decoder.schema.column("n").type == BOOL


def test_the_old_image_is_not_looked_at():
    decoder = Decoder(KEYS)
    odd = record(1, "MODIFY", "a", {"n": {"N": "1"}}, OldImage={"pk": {"S": "a"}, "gone": {"S": "x"}})
    for _ in range(2):
        page = decoder.records_page(records_body([odd]), shard="s", at=NOW)
        assert rows_of(page.changes) == [{"pk": "a", "n": 1}]


def test_hundreds_of_attributes_are_compiled():
    decoder = Decoder(KEYS)
    page = [{"pk": {"S": "a"}, **{f"a{index}": {"N": str(index)} for index in range(400)}}]
    for _ in range(2):
        assert_holds(decoder.scan_page(scan_body(page), at=NOW).changes, page)
    assert compiled_rows(decoder, scan_body(page)).num_rows == 1


def test_thousands_of_attributes_stay_correct_and_their_batches_narrow():
    decoder = Decoder(KEYS)
    for start in range(0, 3000, 1000):
        page = [{"pk": {"S": f"k{index}"}, f"a{index}": {"N": "1"}} for index in range(start, start + 1000)]
        changes = decoder.scan_page(scan_body(page), at=NOW).changes
        rows = rows_of(changes)
        assert all(rows[index][f"a{start + index}"] == 1 for index in range(1000))
    assert len(decoder.schema.columns) == 3001 > WIDEST_COMPILED
    assert len(changes.schema.columns) == 1001


def test_what_was_learned_before_keeps_its_names_and_places():
    stored = KEYS.including({("Id",): INT, ("id",): TEXT})
    decoder = Decoder(TableSchema(()))
    decoder.learn(stored)
    decoder.learn(KEYS)
    page = [{"pk": {"S": "a"}, "id": {"N": "5"}, "Id": {"N": "1"}}]
    changes = decoder.scan_page(scan_body(page), at=NOW).changes
    assert changes.schema == stored
    assert_holds(changes, page)


def test_the_schema_of_another_table_is_not_learned():
    decoder = Decoder(KEYS)
    decoder.learn(TableSchema.of_keys((("other", "S"),)))
    assert decoder.schema == KEYS
