"""Values that are too long for an index of PostgreSQL: the index gives way, never the row."""

import random

import pytest

from headrace.accelerator import Target
from headrace.column_type import BINARY, INT, TEXT, list_of
from headrace.dataset import Index
from headrace.errors import AcceleratorError, RowRefused
from support.copies import batch, create, paged, schema_of, work
from support.engines.postgres import PostgresHarness

WITH_NOTE = schema_of(note=TEXT)
LONG = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20_000))
"""A text that the server cannot make short."""


@pytest.fixture
def opened():
    """Makes a copy that has these indexes, and removes it."""
    made = []

    def make(*asked):
        copy = PostgresHarness(indexes=asked)
        made.append(copy)
        copy.sink.open()
        copy.sink.apply(create(1))
        return copy

    yield make
    for copy in made:
        copy.close()
        copy.drop()


def indexes(copy):
    with copy.server.connect() as connection:
        found = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE schemaname = %s AND tablename = 'orders' AND indexname NOT LIKE %s",
            [copy.schema, "%pkey%"],
        ).fetchall()
    return sorted(text.rpartition("USING ")[2] for (text,) in found)


def apply(copy, mark, schema, *rows, **more):
    applied = copy.sink.apply(work(mark, paged(batch(schema, *rows), first=mark * 100), **more))
    assert applied.letters.refused == 0


@pytest.mark.parametrize("scanning", [False, True])
def test_an_index_gives_way_to_the_first_row_that_is_too_long_for_it(opened, scanning):
    copy = opened(Index(("note",)), Index(("n",)))
    schema = schema_of(note=TEXT, n=INT)
    apply(copy, 2, schema, {"id": "a", "note": "x" * 2000, "n": 1}, scanning=scanning)
    assert indexes(copy) == ["btree (n)", "btree (note)"]
    rows = paged(batch(schema, {"id": "b", "note": LONG, "n": 2}, {"id": "c", "note": None, "n": 3}), None)
    applied = copy.sink.apply(work(3, scan=(rows,), scanning=scanning))
    assert applied.letters.refused == 0
    assert indexes(copy) == ["btree (n)"]
    assert {key: row["note"] for (key,), row in copy.live().items()} == {
        "a": "x" * 2000,
        "b": LONG,
        "c": None,
    }


def test_several_texts_may_be_too_long_together(opened):
    copy = opened(Index(("note", "data")))
    schema = schema_of(note=TEXT, data=BINARY)
    apply(copy, 2, schema, {"id": "a", "note": LONG[:1300]}, {"id": "b", "data": LONG[:1300].encode()})
    assert indexes(copy) == ["btree (note, data)"]
    apply(copy, 3, schema, {"id": "c", "note": LONG[:1300], "data": LONG[-1300:].encode()})
    assert indexes(copy) == []
    assert len(copy.live()) == 3


def test_an_index_that_gave_way_comes_back_once_no_row_is_too_long(opened):
    copy = opened(Index(("note", "n")))
    apply(copy, 2, WITH_NOTE, {"id": "a", "note": LONG})
    apply(copy, 3, schema_of(n=INT), {"id": "b", "n": 1})
    assert indexes(copy) == []
    copy.restart()
    copy.sink.open()
    assert indexes(copy) == []
    apply(copy, 4, WITH_NOTE, {"id": "a", "note": "short"})
    copy.restart()
    copy.sink.open()
    assert indexes(copy) == ["btree (note, n)"]


def test_a_copy_that_is_built_aside_has_its_indexes_for_itself(opened):
    copy = opened(Index(("note",)))
    apply(copy, 2, WITH_NOTE, {"id": "a", "note": "x"})
    copy.sink.apply(create(3, target=Target.BUILDING))
    apply(copy, 4, WITH_NOTE, {"id": "a", "note": LONG}, target=Target.BUILDING)
    assert indexes(copy) == ["btree (note)"]
    copy.sink.apply(work(5, target=Target.BUILDING, swap=True))
    assert indexes(copy) == []
    assert copy.live()[("a",)]["note"] == LONG


def test_nested_values_have_no_index(opened):
    copy = opened(Index(("tags",)), Index(("n",)))
    apply(copy, 2, schema_of(tags=list_of(TEXT), n=INT), {"id": "a", "tags": [LONG], "n": 1})
    assert indexes(copy) == ["btree (n)"]


def test_a_unique_index_stays_and_the_row_is_a_dead_letter(opened):
    copy = opened(Index(("note",), unique=True))
    rows = batch(WITH_NOTE, {"id": "a", "note": LONG}, {"id": "b", "note": "x"})
    applied = copy.sink.apply(work(2, paged(rows)))
    assert applied.letters.refused == 1
    assert list(copy.live()) == [("b",)]


def test_a_unique_index_over_values_that_are_too_long_says_so(opened):
    copy = opened()
    apply(copy, 2, WITH_NOTE, {"id": "a", "note": LONG})
    copy.close()
    copy.indexes = (Index(("note",), unique=True),)
    copy.sink = copy._new_sink()
    with pytest.raises(
        AcceleratorError, match=r"unique index over note cannot be made: a row of .* too long"
    ) as raised:
        copy.sink.open()
    assert not isinstance(raised.value, RowRefused)
