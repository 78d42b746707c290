"""What every accelerator must do when columns appear, widen and are renamed: no value is lost, and all agree."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pytest

from headrace.accelerator import Notes, Target
from headrace.column_type import BOOL, INT, TEXT, list_of, struct_of
from headrace.schema import TableSchema
from support.copies import KEYS, batch, create, schema_of, work
from support.engines import ENGINES, REAL, harness_of
from support.laws import hold
from support.lives import agree, few_members, works
from support.typed_values import in_column, number


@pytest.fixture(params=ENGINES)
def copy(request, tmp_path):
    harness = harness_of(request.param, tmp_path)
    harness.sink.open()
    yield harness
    harness.close()


def test_columns_change_in_the_same_transaction_as_rows(copy):
    orders = schema_of(n=INT, flag=BOOL)
    copy.sink.apply(create())
    copy.sink.apply(work(1, batch(orders, {"id": "a", "n": 1, "flag": True})))
    wider = schema_of(extra=TEXT, n=number("0.5"), flag=INT)
    applied = copy.sink.apply(
        work(2, batch(wider, {"id": "b", "n": 1.5, "flag": 3, "extra": "x"}, {"id": "a", "n": 0.5}))
    )
    assert applied.schema == orders.join(wider)
    assert copy.live() == {
        ("a",): {"id": "a", "n": 0.5, "flag": None, "extra": None},
        ("b",): {"id": "b", "n": 1.5, "flag": "3", "extra": "x"},
    }


def test_batches_of_different_schemas_meet_in_one_transaction(copy):
    copy.sink.apply(create())
    one = batch(schema_of(v=INT), {"id": "a", "v": 1}, {"id": "d", "v": 7})
    two = batch(schema_of(v=list_of(BOOL)), {"id": "b", "v": [True]})
    three = batch(
        schema_of(w=number("0.5"), v=number("0.5")), {"id": "c", "v": 0.5, "w": 2.5}, {"id": "a", "v": 2.0}
    )
    copy.sink.apply(work(1, one, two, three))
    assert {key: row["v"] for (key,), row in copy.live().items()} == {
        "a": "2",
        "b": '["true"]',
        "c": "0.5",
        "d": "7",
    }


def test_a_column_that_widens_through_a_new_table_takes_everything_else_along(copy):
    """Rows keep their values, deletions of the same transaction find their rows, notes and letters stay."""
    orders = schema_of(v=struct_of({"a": INT}), other=TEXT, n=INT, s=TEXT)
    rows = [{"id": f"{n}", "v": {"a": n}, "other": "same", "n": n, "s": "x" * 50} for n in range(5000)]
    copy.sink.apply(create())
    copy.sink.apply(work(1, batch(orders, *rows), scanning=True))
    copy.sink.apply(
        work(2, batch(orders, *({"id": f"{n}"} for n in range(0, 5000, 7)), deleted=[True] * 715))
    )
    wider = batch(
        schema_of(v=TEXT, n=TEXT), {"id": "1"}, {"id": "2", "v": "x", "n": "y"}, deleted=[True, False]
    )
    applied = copy.sink.apply(work(3, wider, scan=(batch(orders, rows[7], {"id": "new"}),), scanning=True))
    assert applied.schema.column("v").type == applied.schema.column("n").type == TEXT
    expected = {
        (row["id"],): row | {"v": f'{{"a":{row["n"]}}}', "n": str(row["n"])}
        for row in rows
        if row["n"] % 7 and row["n"] != 1
    }
    nothing = dict.fromkeys(("v", "other", "n", "s"))
    expected[("2",)] = nothing | {"id": "2", "v": "x", "n": "y"}
    expected[("new",)] = nothing | {"id": "new"}
    assert copy.live() == expected
    if copy.survives:
        copy.restart()
        copy.sink.open()
        assert copy.live() == expected


def test_a_copy_that_is_built_aside_widens_and_is_swapped_in_by_one_transaction(copy):
    narrow, wide = schema_of(v=struct_of({"a": INT})), schema_of(v=TEXT)
    copy.sink.apply(create(1))
    copy.sink.apply(create(2, target=Target.BUILDING))
    copy.sink.apply(work(3, batch(narrow, {"id": "a", "v": {"a": 1}}), target=Target.BUILDING, scanning=True))
    last = batch(wide, {"id": "b", "v": "x"})
    copy.sink.apply(work(4, last, target=Target.BUILDING, scanning=True, notes=Notes.DROP, swap=True))
    assert {key: row["v"] for (key,), row in copy.live().items()} == {"a": '{"a":1}', "b": "x"}


# Names


def test_an_attribute_that_differs_only_in_case_may_take_a_columns_name_and_leaves_its_values(copy):
    first = schema_of(Name=TEXT)
    second = schema_of(name=INT)
    copy.sink.apply(create())
    copy.sink.apply(work(1, batch(first, {"id": "a", "Name": "upper"})))
    applied = copy.sink.apply(work(2, batch(second, {"id": "b", "name": 1})))
    other = applied.schema.column("Name").name
    assert other.lower() != "name"
    assert copy.live()[("a",)] == {"id": "a", other: "upper", "name": None}
    assert copy.live()[("b",)] == {"id": "b", other: None, "name": 1}
    copy.sink.apply(work(3, batch(first, {"id": "c", "Name": "still"})))
    assert copy.live()[("c",)] == {"id": "c", other: "still", "name": None}


@pytest.mark.parametrize("also", [INT, TEXT], ids=["alone", "beside a rewrite"])
def test_names_may_change_hands(copy, also):
    """A real ``b.x`` goes before an unnested one, and small letters before capital ones."""
    copy.sink.apply(create())
    one = KEYS.including({("b", "x"): TEXT, ("V",): INT, ("w",): list_of(INT)})
    copy.sink.apply(work(1, batch(one, {"id": "a", "b.x": "unnested", "V": 1, "w": [1]})))
    two = KEYS.including({("b.x",): TEXT, ("v",): INT, ("w",): list_of(INT).join(also)})
    copy.sink.apply(work(2, batch(two, {"id": "b", "b.x": "real", "v": 2})))
    schema = copy.sink.open().live.schema
    assert [schema.column(path).name for path in (("b.x",), ("v",))] == ["b.x", "v"]
    unnested, capital = (schema.column(path).name for path in (("b", "x"), ("V",)))
    rows = copy.live()
    assert (rows[("a",)][unnested], rows[("a",)]["b.x"]) == ("unnested", None)
    assert (rows[("a",)][capital], rows[("a",)]["v"]) == (1, None)
    assert (rows[("b",)][unnested], rows[("b",)]["b.x"]) == (None, "real")
    assert (rows[("b",)][capital], rows[("b",)]["v"]) == (None, 2)


@pytest.mark.parametrize("wrapped", [lambda one: one, list_of, lambda one: struct_of({"in": one})])
def test_a_field_of_a_struct_may_lose_its_name_but_not_its_values(copy, wrapped):
    def form(value):
        return [value] if wrapped is list_of else value if wrapped(INT) == INT else {"in": value}

    narrow, wide = struct_of({"Id": INT, 'q".': TEXT}), struct_of({"id": INT})
    copy.sink.apply(create())
    copy.sink.apply(
        work(1, batch(schema_of(v=wrapped(narrow)), {"id": "a", "v": form({"Id": 1, 'q".': "x"})}))
    )
    copy.sink.apply(work(2, batch(schema_of(v=wrapped(wide)), {"id": "b", "v": form({"id": 2})})))
    (other,) = (name for name, member in narrow.join(wide).named() if member.attribute == "Id")
    assert other != "Id"
    values = {key: row["v"] for (key,), row in copy.live().items()}
    assert values == {
        "a": form({other: 1, "id": None, 'q".': "x"}),
        "b": form({other: None, "id": 2, 'q".': None}),
    }


# Keys


@pytest.mark.parametrize(
    ("wide", "value", "keys"),
    [
        ("0.5", Decimal("0.5"), {Decimal(8), Decimal("0.5"), Decimal(9)}),
        ("1e100", "1" + "0" * 100, {"8", "1" + "0" * 100, "9"}),
    ],
)
def test_a_numeric_key_that_outgrows_its_column_takes_its_notes_along(copy, wide, value, keys):
    """Invariant 4: a deleted key does not return because its column has widened."""
    table = TableSchema.of_keys((("id", "N"),))
    wider = table.including({("id",): number(wide, key=True)})
    copy.sink.apply(create(keys=table))
    copy.sink.apply(work(1, batch(table, {"id": 7}, {"id": 8}, deleted=[True, False]), scanning=True))
    copy.sink.apply(work(2, batch(wider, {"id": value}), scanning=True))
    copy.sink.apply(work(3, scan=(batch(table, {"id": 7}, {"id": 9}),), scanning=True))
    assert set(copy.live()) == {(key,) for key in keys}


def test_a_key_may_go_all_the_way_with_its_notes(copy):
    table = TableSchema.of_keys((("p", "B"), ("s", "N")))
    copy.sink.apply(create(keys=table))
    numbers = ("7", "7.25", "0.000000000000000000000125", "1e125")
    for mark, written in enumerate(numbers, 1):
        table = table.including({("s",): number(written, key=True)})
        stored = table.column("s").type
        row = {"p": b"\x00", "s": in_column(Decimal(written), stored)}
        copy.sink.apply(work(mark, batch(table, row, deleted=[True]), scanning=True))
        row["s"] = in_column(Decimal(mark * 1000), stored)
        copy.sink.apply(work(mark, batch(table, row), scanning=True))
    again = [{"p": b"\x00", "s": in_column(Decimal(written), stored)} for written in numbers]
    copy.sink.apply(work(9, scan=(batch(table, *again, {"p": b"\x00", "s": "1.5"}),), scanning=True))
    assert {key for _, key in copy.live()} == {"1000", "2000", "3000", "4000", "1.5"}


# Any life


@pytest.fixture(scope="module", params=REAL)
def real(request, tmp_path_factory):
    harness = harness_of(request.param, tmp_path_factory.mktemp("real"))
    harness.sink.open()
    yield harness
    harness.close()


@pytest.fixture(scope="module", autouse=True)
def _structs_of_few_members():
    with few_members():
        yield


def test_any_sequence_of_works_leaves_the_rows_of_plain_dictionaries(real):
    """Invariants 1, 4 and 5, by comparison with an engine that applies change by change."""
    hold(partial(agree, real), real, examples=30, plan=works(real.holding))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_any_of_a_thousand_sequences_leaves_the_rows_of_plain_dictionaries(real):
    """Invariants 1, 4 and 5, at length."""
    hold(partial(agree, real), real, examples=1000, plan=works(real.holding))
