"""What every accelerator must do with rows: one suite for all engines and modes."""

from __future__ import annotations

import pytest

from headrace.accelerator import Notes, Target
from headrace.column_type import INT, TEXT, struct_of
from headrace.errors import AcceleratorError
from headrace.schema import TableSchema
from support.copies import KEYS, batch, checkpoint, create, schema_of, work
from support.engines import ENGINES, harness_of
from support.every_value import VALUES


@pytest.fixture(params=ENGINES)
def copy(request, tmp_path):
    harness = harness_of(request.param, tmp_path)
    harness.sink.open()
    yield harness
    harness.close()


def test_a_new_copy_is_nothing_at_all(copy):
    stored = copy.sink.open()
    assert stored.live is None
    assert stored.building is None
    assert copy.sink.rows() == 0


def test_rows_and_checkpoint_commit_together_and_are_what_open_gives_back(copy):
    """Invariant 1: rows and their checkpoint commit together."""
    orders = schema_of(n=INT)
    copy.sink.apply(create(1))
    applied = copy.sink.apply(work(2, batch(orders, {"id": "a", "n": 1}, {"id": "b", "n": 2})))
    assert (applied.upserted, applied.deleted, applied.schema) == (2, 0, orders)
    stored = copy.sink.open()
    assert stored.live.checkpoint == checkpoint(2)
    assert stored.live.schema == orders
    assert copy.live() == {("a",): {"id": "a", "n": 1}, ("b",): {"id": "b", "n": 2}}
    assert copy.sink.rows() == 2


def test_a_failed_apply_leaves_rows_notes_columns_and_checkpoint_where_they_were(copy):
    """Invariant 1: what does not commit leaves no trace."""
    orders = schema_of(n=INT)
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(orders, {"id": "a", "n": 1})))
    wider = schema_of(orders, extra=TEXT)
    bad = batch(wider, {"id": "b", "n": 2, "extra": "x"}, {"id": None, "n": 3})
    with pytest.raises(AcceleratorError, match="key column"):
        copy.sink.apply(work(3, bad))
    stored = copy.sink.open()
    assert stored.live.checkpoint == checkpoint(2)
    assert stored.live.schema == orders
    assert copy.live() == {("a",): {"id": "a", "n": 1}}


def test_work_on_a_copy_that_was_never_created_is_refused(copy):
    with pytest.raises(AcceleratorError, match="must create it"):
        copy.sink.apply(work(1, batch(KEYS, {"id": "a"})))


def test_the_last_write_of_a_key_wins_within_and_across_batches(copy):
    orders = schema_of(n=INT)
    copy.sink.apply(create())
    first = batch(orders, {"id": "a", "n": 1}, {"id": "b", "n": 1}, {"id": "a", "n": 2})
    second = batch(orders, {"id": "b"}, {"id": "c", "n": 5}, {"id": "c"}, deleted=[True, False, True])
    third = batch(orders, {"id": "c", "n": 7})
    applied = copy.sink.apply(work(1, first, second, third))
    assert copy.live() == {("a",): {"id": "a", "n": 2}, ("c",): {"id": "c", "n": 7}}
    assert (applied.upserted, applied.deleted) == (2, 1)


def test_a_replayed_batch_changes_nothing(copy):
    """Invariant 1: a replayed batch changes nothing."""
    orders = schema_of(n=INT)
    copy.sink.apply(create())
    changes = work(
        1, batch(orders, {"id": "a", "n": 1}, {"id": "b", "n": 2}, {"id": "a"}, deleted=[False, False, True])
    )
    first = copy.sink.apply(changes)
    rows = copy.live()
    again = copy.sink.apply(changes)
    assert copy.live() == rows == {("b",): {"id": "b", "n": 2}}
    assert (again.upserted, again.deleted) == (first.upserted, first.deleted)


def test_a_deletion_of_what_is_not_there_is_no_failure(copy):
    copy.sink.apply(create())
    copy.sink.apply(work(1, batch(KEYS, {"id": "a"}, deleted=[True])))
    assert copy.live() == {}


def test_an_item_that_loses_an_attribute_loses_its_value(copy):
    orders = schema_of(n=INT)
    copy.sink.apply(create())
    copy.sink.apply(work(1, batch(orders, {"id": "a", "n": 1})))
    copy.sink.apply(work(2, batch(KEYS, {"id": "a"})))
    assert copy.live() == {("a",): {"id": "a", "n": None}}


@pytest.mark.parametrize(
    ("keys", "first", "second"),
    [
        ((("id", "S"),), {"id": "a"}, {"id": "A"}),
        ((("id", "N"),), {"id": 1}, {"id": -(2**53)}),
        ((("id", "B"),), {"id": b"\x00\xff"}, {"id": b"\x00"}),
        ((("p", "S"), ("s", "N")), {"p": "x", "s": 1}, {"p": "x", "s": 2}),
        ((("p", "B"), ("s", "S")), {"p": b"x", "s": ""}, {"p": b"", "s": "x"}),
        ((("p", "N"), ("s", "B")), {"p": 1, "s": b"1"}, {"p": 11, "s": b""}),
    ],
)
def test_keys_of_every_type_tell_rows_apart(copy, keys, first, second):
    table = schema_of(TableSchema.of_keys(keys), v=TEXT)
    copy.sink.apply(create(keys=TableSchema.of_keys(keys)))
    copy.sink.apply(work(1, batch(table, {**first, "v": "1"}, {**second, "v": "2"}, {**first, "v": "3"})))
    copy.sink.apply(work(2, batch(table, {**second, "v": "4"})))
    assert sorted(row["v"] for row in copy.live().values()) == ["3", "4"]
    copy.sink.apply(work(3, batch(table, first, deleted=[True])))
    assert [row["v"] for row in copy.live().values()] == ["4"]


def test_values_of_all_types_come_back_as_they_were(copy):
    table = schema_of(**{name: type_ for name, (type_, _) in VALUES.items()})
    row = {"id": "a"} | {name: copy.holding(value) for name, (_, value) in VALUES.items()}
    empty = dict.fromkeys(row) | {"id": "b"}
    copy.sink.apply(create())
    copy.sink.apply(work(1, batch(table, row, empty)))
    assert copy.live() == {("a",): row, ("b",): empty}
    assert copy.sink.open().live.schema == table
    if copy.survives:
        copy.restart()
        assert copy.sink.open().live.schema == table
        assert copy.live() == {("a",): row, ("b",): empty}


@pytest.mark.parametrize(
    "value",
    [{"a": None, "b": None}, {"a": "", "b": {"c": None}}, {"a": "x", "b": None}, None],
    ids=["nothing in it", "nothing in what is in it", "something", "nothing"],
)
def test_a_map_of_nothing_is_not_no_map(copy, value):
    table = schema_of(v=struct_of({"a": TEXT, "b": struct_of({"c": INT})}))
    copy.sink.apply(create())
    copy.sink.apply(work(1, batch(table, {"id": "a", "v": value})))
    assert copy.live() == {("a",): {"id": "a", "v": value}}


def test_names_that_sql_finds_hard_are_only_names(copy):
    keys = TableSchema.of_keys((("select", "S"), ('a"b', "N")))
    hard = ("rowid", "x.y", "Order", "order", " ", "é'", 'q"uo"te', "", "headrace_row", "target", "b", "n")
    table = keys.including(
        {(attribute,): TEXT for attribute in hard} | {("s",): struct_of(dict.fromkeys(hard, INT))}
    )
    row = {column.name: "v" for column in table.columns} | {'a"b': 1}
    row["s"] = {name: number for number, (name, _) in enumerate(table.column("s").type.named())}
    copy.sink.apply(create(keys=keys))
    copy.sink.apply(work(1, batch(table, row)))
    copy.sink.apply(work(2, batch(table, row)))
    assert list(copy.live().values()) == [row]


def test_a_stream_row_is_never_replaced_by_the_scan(copy):
    """Invariant 4: no key goes backwards and no deleted key returns, the bootstrap included."""
    orders = schema_of(n=INT)
    copy.sink.apply(create())
    gone = batch(orders, {"id": "a", "n": 2}, {"id": "b"}, deleted=[False, True])
    copy.sink.apply(work(1, gone, scanning=True))
    page = batch(orders, {"id": "a", "n": 1}, {"id": "b", "n": 1}, {"id": "c", "n": 1})
    applied = copy.sink.apply(work(2, scan=(page,), scanning=True))
    assert applied.upserted == 1
    assert copy.live() == {("a",): {"id": "a", "n": 2}, ("c",): {"id": "c", "n": 1}}


def test_within_one_transaction_the_stream_goes_before_the_scan(copy):
    """Invariant 4, where both come together, and even where that transaction ends the Scan."""
    orders = schema_of(n=INT)
    copy.sink.apply(create())
    changes = batch(orders, {"id": "a", "n": 2}, {"id": "b"}, deleted=[False, True])
    page = batch(orders, {"id": "a", "n": 1}, {"id": "b", "n": 1}, {"id": "c", "n": 1})
    copy.sink.apply(work(1, changes, scan=(page,), scanning=True, notes=Notes.DROP))
    assert copy.live() == {("a",): {"id": "a", "n": 2}, ("c",): {"id": "c", "n": 1}}


def test_notes_outlive_a_restart_and_end_with_the_scan(copy):
    orders = schema_of(n=INT)
    copy.sink.apply(create())
    copy.sink.apply(work(1, batch(orders, {"id": "a"}, deleted=[True]), scanning=True))
    if copy.survives:
        copy.restart()
        copy.sink.open()
    page = batch(orders, {"id": "a", "n": 1})
    copy.sink.apply(work(2, scan=(page,), scanning=True))
    assert copy.live() == {}
    copy.sink.apply(work(3, notes=Notes.DROP, scanning=True))
    copy.sink.apply(work(4, scan=(page,)))
    assert copy.live() == {("a",): {"id": "a", "n": 1}}


def test_a_scan_page_applied_twice_changes_nothing(copy):
    """Invariant 1, on the way that leaves out the search for rows of the page's keys."""
    orders = schema_of(n=INT)
    copy.sink.apply(create(checkpoint=checkpoint()))
    pages = [batch(orders, {"id": f"{n}", "n": n}, {"id": f"{n}+", "n": n}) for n in range(3)]
    works = [
        work(0, scan=(page,), scanning=True, checkpoint=checkpoint(rows_scanned=2 * n + 2, cursor=f"{n}"))
        for n, page in enumerate(pages)
    ]
    copy.sink.apply(works[0])
    copy.sink.apply(works[0])
    copy.sink.apply(works[1])
    joined = work(
        0, scan=(pages[1], pages[2]), scanning=True, checkpoint=checkpoint(rows_scanned=6, cursor="2")
    )
    copy.sink.apply(joined)
    copy.sink.apply(joined)
    assert len(copy.live()) == copy.sink.rows() == 6


def test_a_scan_beside_unnoted_stream_rows_still_replaces_them(copy):
    orders = schema_of(n=INT)
    copy.sink.apply(create(checkpoint=checkpoint()))
    copy.sink.apply(work(0, batch(orders, {"id": "a", "n": 1}), checkpoint=checkpoint()))
    page = batch(orders, {"id": "a", "n": 2})
    copy.sink.apply(work(0, scan=(page,), scanning=True, checkpoint=checkpoint(rows_scanned=1, cursor="1")))
    assert copy.live() == {("a",): {"id": "a", "n": 2}}


def test_a_copy_is_built_aside_and_swapped_in_whole(copy):
    orders = schema_of(n=INT)
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(orders, {"id": "old", "n": 1})))
    aside = schema_of(n=TEXT)
    copy.sink.apply(create(3, target=Target.BUILDING))
    copy.sink.apply(work(4, batch(aside, {"id": "new", "n": "x"}), target=Target.BUILDING, scanning=True))
    assert list(copy.live()) == [("old",)]
    assert list(copy.building()) == [("new",)]
    stored = copy.sink.open()
    assert (stored.live.checkpoint, stored.building.checkpoint) == (checkpoint(2), checkpoint(4))
    late = batch(aside, {"id": "late", "n": "y"})
    applied = copy.sink.apply(work(5, late, target=Target.BUILDING, swap=True))
    assert applied.schema == aside
    stored = copy.sink.open()
    assert stored.building is None
    assert (stored.live.checkpoint, stored.live.schema) == (checkpoint(5), aside)
    assert set(copy.live()) == {("new",), ("late",)}
    copy.sink.apply(work(6, batch(aside, {"id": "new"}, deleted=[True])))
    assert set(copy.live()) == {("late",)}
    if copy.survives:
        copy.restart()
        assert copy.sink.open().live.checkpoint == checkpoint(6)
        assert set(copy.live()) == {("late",)}


def test_a_copy_that_is_created_again_starts_empty_and_without_notes(copy):
    orders = schema_of(n=INT)
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(orders, {"id": "a", "n": 1}), scanning=True))
    copy.sink.apply(create(3))
    assert copy.live() == {}
    assert copy.sink.open().live.schema == KEYS
    copy.sink.apply(work(4, scan=(batch(orders, {"id": "a", "n": 0}),), scanning=True))
    assert copy.live() == {("a",): {"id": "a", "n": 0}}


def test_building_and_live_keep_their_own_notes(copy):
    orders = schema_of(n=INT)
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(orders, {"id": "a"}, deleted=[True]), scanning=True))
    copy.sink.apply(create(3, target=Target.BUILDING))
    page = batch(orders, {"id": "a", "n": 1})
    copy.sink.apply(work(4, scan=(page,), scanning=True, target=Target.BUILDING))
    copy.sink.apply(work(5, scan=(page,), scanning=True))
    assert copy.live() == {}
    assert list(copy.building()) == [("a",)]
