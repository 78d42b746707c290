"""What every accelerator must do when columns appear and widen: no value is lost, and all agree."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.accelerator import Notes, Target
from headrace.schema import EXACT_IN_DOUBLE, ColumnType, Kind, TableSchema
from support.copies import ENGINES, KEYS, Harness, batch, checkpoint, create, schema_of, work

WIDENINGS = [
    # narrow type, value, wide type, the value it becomes
    (ColumnType(Kind.INT), 42, ColumnType(Kind.FLOAT), 42.0),
    (ColumnType(Kind.INT), -(2**53), ColumnType(Kind.FLOAT), -(2.0**53)),
    (ColumnType(Kind.INT), 42, ColumnType(Kind.LONG), 42),
    (ColumnType(Kind.INT), 42, ColumnType(Kind.TEXT), "42"),
    (ColumnType(Kind.LONG), -(2**63), ColumnType(Kind.TEXT), "-9223372036854775808"),
    (ColumnType(Kind.LONG), 2**53 + 1, ColumnType(Kind.FLOAT), "9007199254740993"),
    (ColumnType(Kind.FLOAT), 42.0, ColumnType(Kind.TEXT), "42"),
    (ColumnType(Kind.FLOAT), 0.1, ColumnType(Kind.TEXT), "0.1"),
    (ColumnType(Kind.FLOAT), -1.5e-9, ColumnType(Kind.TEXT), "-0.0000000015"),
    (ColumnType(Kind.FLOAT), 1.25e20, ColumnType(Kind.TEXT), "125000000000000000000"),
    (ColumnType(Kind.FLOAT), -1e100, ColumnType(Kind.TEXT), "-1" + "0" * 100),
    (ColumnType(Kind.BOOL), True, ColumnType(Kind.TEXT), "true"),
    (ColumnType(Kind.BOOL), False, ColumnType(Kind.INT), "false"),
    (ColumnType(Kind.BINARY), b"\x00\xffa", ColumnType(Kind.TEXT), "AP9h"),
    (ColumnType(Kind.JSON), '{"a": 1.10}', ColumnType(Kind.TEXT), '{"a": 1.10}'),
    (ColumnType(Kind.JSON), "[1]", ColumnType(Kind.INT), "[1]"),
    (ColumnType(Kind.NULL), None, ColumnType(Kind.INT), None),
    (ColumnType(Kind.NULL), None, ColumnType(Kind.BINARY, many=True), None),
    (ColumnType(Kind.NULL, many=True), [None, None], ColumnType(Kind.FLOAT, many=True), [None, None]),
    (ColumnType(Kind.NULL, many=True), [None], ColumnType(Kind.TEXT), "[null]"),
    (ColumnType(Kind.INT, many=True), [1, None], ColumnType(Kind.FLOAT, many=True), [1.0, None]),
    (ColumnType(Kind.INT, many=True), [1, None], ColumnType(Kind.TEXT, many=True), ["1", None]),
    (ColumnType(Kind.INT, many=True), [1, None, 3], ColumnType(Kind.INT), '["1",null,"3"]'),
    (ColumnType(Kind.INT, many=True), [], ColumnType(Kind.TEXT), "[]"),
    (
        ColumnType(Kind.FLOAT, many=True),
        [0.5, 1e22],
        ColumnType(Kind.TEXT),
        '["0.5","10000000000000000000000"]',
    ),
    (ColumnType(Kind.BOOL, many=True), [True, None], ColumnType(Kind.TEXT), '["true",null]'),
    (ColumnType(Kind.BOOL, many=True), [True, None], ColumnType(Kind.INT, many=True), ["true", None]),
    (ColumnType(Kind.BINARY, many=True), [b"\xff"], ColumnType(Kind.TEXT), '["/w=="]'),
    (ColumnType(Kind.BINARY, many=True), [b"\xff"], ColumnType(Kind.TEXT, many=True), ["/w=="]),
    (ColumnType(Kind.JSON, many=True), ['{"a":1}', None], ColumnType(Kind.TEXT), '["{\\"a\\":1}",null]'),
    (ColumnType(Kind.JSON, many=True), ['{"a":1}'], ColumnType(Kind.TEXT, many=True), ['{"a":1}']),
    (
        ColumnType(Kind.TEXT, many=True),
        ['"\\\x0b\u2028', ""],
        ColumnType(Kind.INT),
        '["\\"\\\\\\u000b\u2028",""]',
    ),
]


@pytest.fixture(params=ENGINES)
def copy(request, tmp_path):
    harness = Harness(request.param, tmp_path)
    harness.sink.open()
    yield harness
    harness.close()


@pytest.mark.parametrize("by_batch", [False, True], ids=["stored", "arriving"])
@pytest.mark.parametrize(("narrow", "value", "wide", "becomes"), WIDENINGS)
def test_a_widened_value_is_still_there(copy, narrow, value, wide, becomes, by_batch):
    """Invariant 5: no value is lost, whether it widens in the table or on its way to it."""
    narrow_schema, wide_schema = schema_of(v=narrow), schema_of(v=wide)
    copy.sink.apply(create())
    works = [
        work(1, batch(narrow_schema, {"id": "a", "v": value}, {"id": "b"})),
        work(2, batch(wide_schema, {"id": "c"})),
    ]
    if by_batch:
        works.reverse()
    for one in works:
        applied = copy.sink.apply(one)
    assert copy.live() == {
        ("a",): {"id": "a", "v": becomes},
        ("b",): {"id": "b", "v": None},
        ("c",): {"id": "c", "v": None},
    }
    assert applied.schema == copy.sink.open().live.schema == narrow_schema.join(wide_schema) or by_batch
    if copy.survives:
        copy.restart()
        copy.sink.open()
        assert copy.live()[("a",)]["v"] == becomes


def test_columns_change_in_the_same_transaction_as_rows(copy):
    orders = schema_of(n=Kind.INT, flag=Kind.BOOL)
    copy.sink.apply(create())
    copy.sink.apply(work(1, batch(orders, {"id": "a", "n": 1, "flag": True})))
    wider = schema_of(extra=Kind.TEXT, n=Kind.FLOAT, flag=Kind.INT)
    applied = copy.sink.apply(
        work(2, batch(wider, {"id": "b", "n": 1.5, "flag": 3, "extra": "x"}, {"id": "a", "n": 0.5}))
    )
    assert applied.evolved == ("n", "flag", "extra")
    assert copy.live() == {
        ("a",): {"id": "a", "n": 0.5, "flag": None, "extra": None},
        ("b",): {"id": "b", "n": 1.5, "flag": "3", "extra": "x"},
    }


def test_batches_of_different_schemas_meet_in_one_transaction(copy):
    copy.sink.apply(create())
    one = batch(schema_of(v=Kind.INT), {"id": "a", "v": 1}, {"id": "d", "v": 7})
    two = batch(schema_of(v=ColumnType(Kind.BOOL, many=True)), {"id": "b", "v": [True]})
    three = batch(
        schema_of(w=Kind.FLOAT, v=Kind.FLOAT), {"id": "c", "v": 0.5, "w": 2.5}, {"id": "a", "v": 2.0}
    )
    copy.sink.apply(work(1, one, two, three))
    assert {key: row["v"] for (key,), row in copy.live().items()} == {
        "a": "2",
        "b": '["true"]',
        "c": "0.5",
        "d": "7",
    }


def test_attributes_that_differ_only_in_case_keep_columns_of_their_own(copy):
    first = schema_of(Name=Kind.TEXT)
    second = schema_of(name=Kind.TEXT)
    copy.sink.apply(create())
    copy.sink.apply(work(1, batch(first, {"id": "a", "Name": "upper"})))
    applied = copy.sink.apply(work(2, batch(second, {"id": "b", "name": "lower"})))
    other = applied.schema.column("name").name
    assert other.lower() != "name"
    assert copy.live()[("a",)] == {"id": "a", "Name": "upper", other: None}
    assert copy.live()[("b",)] == {"id": "b", "Name": None, other: "lower"}


def test_a_numeric_key_that_outgrows_its_column_takes_its_notes_along(copy):
    """Invariant 4: a deleted key does not return because its column has widened."""
    keys = TableSchema.of_keys((("id", "N"),))
    text_key = TableSchema((keys.columns[0].widened(ColumnType(Kind.TEXT)),))
    copy.sink.apply(create(keys=keys))
    copy.sink.apply(work(1, batch(keys, {"id": 7}, {"id": 8}, deleted=[True, False]), scanning=True))
    copy.sink.apply(work(2, batch(text_key, {"id": "0.5"}), scanning=True))
    copy.sink.apply(work(3, scan=(batch(keys, {"id": 7}, {"id": 9}),), scanning=True))
    assert set(copy.live()) == {("8",), ("0.5",), ("9",)}


@pytest.fixture(scope="module")
def one_duck(tmp_path_factory):
    harness = Harness("duckdb-memory", tmp_path_factory.mktemp("duck"))
    harness.sink.open()
    yield harness
    harness.close()


NUMBERS = st.integers(-EXACT_IN_DOUBLE, EXACT_IN_DOUBLE)
VALUES = {
    Kind.BOOL: st.booleans(),
    Kind.INT: NUMBERS,
    Kind.LONG: st.integers(-(2**63), 2**63 - 1),
    Kind.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    Kind.BINARY: st.binary(max_size=4),
    Kind.JSON: st.sampled_from(['{"a":1}', "[1,null]", "{}"]),
    Kind.TEXT: st.text(max_size=4),
    Kind.NULL: st.none(),
}


@st.composite
def batches(draw, *, deletions=True, mark=""):
    schema = KEYS
    for name in draw(st.lists(st.sampled_from("uvwW"), max_size=3, unique=True)):
        schema = schema.including(name, ColumnType(draw(st.sampled_from(list(Kind))), draw(st.booleans())))
    rows, deleted = [], []
    for key in draw(st.lists(st.sampled_from("abcdef"), max_size=6)):
        row = {"id": key + mark}
        gone = deletions and draw(st.integers(0, 4)) == 0
        for column in schema.columns[1:]:
            element = VALUES[column.type.kind] | st.none()
            value = st.lists(element, max_size=3) if column.type.many else element
            row[column.name] = None if gone else draw(value | st.none())
        rows.append(row)
        deleted.append(gone)
    return batch(schema, *rows, deleted=deleted if any(deleted) or draw(st.booleans()) else None)


@st.composite
def works(draw):
    """A life of two copies: a live one and one that is built aside, changed and swapped in."""
    plan = [create(0)]
    scanned = {Target.LIVE: 0}
    for mark in range(1, draw(st.integers(2, 8))):
        target = draw(st.sampled_from(Target))
        if target not in scanned or draw(st.integers(0, 5)) == 0:
            plan.append(create(mark, target=target))
            scanned[target] = 0
            continue
        # Pages that continue the Scan exactly take the short way: each key is at one place of a Scan.
        exact = draw(st.booleans())
        pages = draw(st.lists(batches(deletions=False, mark=f"-{mark}" if exact else ""), max_size=2))
        scanned[target] += sum(page.count for page in pages) + (0 if exact else 1)
        swapped = target is Target.BUILDING and draw(st.booleans())
        plan.append(
            work(
                mark,
                *draw(st.lists(batches(), max_size=2)),
                target=target,
                checkpoint=checkpoint(mark, rows_scanned=scanned[target], cursor=str(mark)),
                scan=tuple(pages),
                scanning=draw(st.booleans()),
                notes=draw(st.sampled_from(Notes)),
                swap=swapped,
            )
        )
        if swapped:
            scanned[Target.LIVE] = scanned.pop(Target.BUILDING)
        elif draw(st.integers(0, 3)) == 0:
            plan.append(plan[-1])
    return plan


@settings(max_examples=30, deadline=None)
@given(plan=works())
def test_any_sequence_of_works_leaves_duckdb_with_the_rows_of_plain_dictionaries(one_duck, plan):
    """Invariants 1, 4 and 5, by comparison with an engine that applies change by change."""
    agree(one_duck, plan)


@pytest.mark.long
@pytest.mark.timeout(1200)
@settings(max_examples=1000, deadline=None)
@given(plan=works())
def test_any_of_a_thousand_sequences_leaves_duckdb_with_the_rows_of_plain_dictionaries(one_duck, plan):
    """Invariants 1, 4 and 5, at length."""
    agree(one_duck, plan)


def agree(duck, plan):
    plain = Harness("memory", None)
    if duck.sink.open().building is not None:
        duck.sink.apply(work(0, target=Target.BUILDING, swap=True))
    for one in plan:
        assert duck.sink.apply(one) == plain.sink.apply(one)
        assert duck.sink.open() == plain.sink.open()
        assert duck.live() == plain.live()
        assert duck.building() == plain.building()


@settings(max_examples=60, deadline=None)
@given(values=st.lists(VALUES[Kind.FLOAT], min_size=1), texts=st.lists(VALUES[Kind.TEXT], min_size=1))
def test_doubles_and_lists_read_back_from_their_text_as_they_were(one_duck, values, texts):
    """Invariant 5: the text of a number is plain and gives back the same double; lists are JSON."""
    narrow = schema_of(f=ColumnType(Kind.FLOAT, many=True), t=ColumnType(Kind.TEXT, many=True))
    wide = schema_of(f=ColumnType(Kind.TEXT, many=True), t=Kind.INT)
    one_duck.sink.apply(create())
    one_duck.sink.apply(work(1, batch(narrow, {"id": "a", "f": values, "t": texts})))
    one_duck.sink.apply(work(2, batch(wide, {"id": "b"})))
    row = one_duck.live()[("a",)]
    assert [float(text) for text in row["f"]] == values
    assert all(format(Decimal(text), "f") == text for text in row["f"])
    assert json.loads(row["t"]) == texts
