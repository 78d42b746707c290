"""The last write per key, as pure Arrow."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.accelerators.merge import join_schemas, last_writes, merge
from headrace.errors import AcceleratorError
from headrace.schema import ColumnType, Kind, TableSchema
from support.copies import KEYS, batch, schema_of

COMPOSITE = TableSchema.of_keys((("p", "B"), ("s", "N")))
TABLE = schema_of(COMPOSITE, n=Kind.INT)


def no_text(_batch, _schema):
    pytest.fail("nothing here becomes text")


def test_batches_with_one_row_per_key_pass_untouched():
    rows = [{"id": "b", "n": 1}, {"id": "a", "n": 2}]
    page = batch(schema_of(n=Kind.INT), *rows)
    merged = merge((), (page,), page.schema, no_text)
    assert merged.written.to_pylist() == rows
    assert (merged.removed.num_rows, merged.scanned) == (0, 2)


def test_nothing_merges_to_nothing():
    merged = merge((), (), TABLE, no_text)
    assert (merged.written.num_rows, merged.removed.num_rows, merged.scanned) == (0, 0, 0)
    assert merged.written.schema == TABLE.arrow()


def test_columns_are_matched_by_attribute_and_numbers_become_doubles():
    first = schema_of(Name=Kind.TEXT, n=Kind.INT)
    second = schema_of(name=Kind.TEXT, n=Kind.FLOAT)
    one = batch(first, {"id": "a", "Name": "upper", "n": 1})
    two = batch(second, {"id": "b", "name": "lower", "n": 0.5})
    schema = join_schemas(KEYS, (one, two))
    written = merge((one, two), (), schema, no_text).written.to_pylist()
    other = schema.column("name").name
    assert written == [
        {"id": "a", "Name": "upper", "n": 1.0, other: None},
        {"id": "b", "Name": None, "n": 0.5, other: "lower"},
    ]


def test_an_integer_that_a_double_cannot_hold_is_refused_rather_than_rounded():
    narrow, wide = schema_of(n=Kind.INT), schema_of(n=Kind.FLOAT)
    with pytest.raises(pa.ArrowInvalid):
        merge((batch(narrow, {"id": "a", "n": 2**53 + 1}),), (), wide, no_text)


def test_a_row_without_its_key_is_refused():
    with pytest.raises(AcceleratorError, match="no value in a key column"):
        merge((batch(TABLE, {"p": b"x", "n": 1}),), (), TABLE, no_text)


def test_columns_of_nothing_but_nulls_become_text_for_engines():
    table = schema_of(v=Kind.NULL, w=ColumnType(Kind.NULL, many=True))
    written = merge((batch(table, {"id": "a", "w": [None]}),), (), table, no_text).written
    assert [str(field.type) for field in written.schema] == ["string", "string", "list<item: string>"]


KEY = st.fixed_dictionaries({"p": st.sampled_from([b"", b"x", b"\x00"]), "s": st.integers(-2, 2)})
CHANGE = st.tuples(KEY, st.booleans())
BATCHES = st.lists(st.lists(CHANGE, max_size=5), max_size=4)


@settings(max_examples=60, deadline=None)
@given(stream=BATCHES, scan=BATCHES)
def test_the_merge_is_what_one_change_after_another_leaves(stream, scan):
    """The Scan's rows first, then the stream's over them: the same, told by plain dictionaries."""
    numbers = iter(range(1000))
    last = {}

    def made(changes, source, *, deletions):
        rows, gone = [], []
        for key, deleted in changes:
            row = {**key, "n": next(numbers)}
            rows.append(row)
            gone.append(deleted and deletions)
            last[key["p"], key["s"]] = (row, gone[-1], source)
        return batch(TABLE, *rows, deleted=gone if any(gone) else None)

    scanned = tuple(made(changes, "scan", deletions=False) for changes in scan)
    streamed = tuple(made(changes, "stream", deletions=True) for changes in stream)
    merged = merge(streamed, scanned, TABLE, no_text)
    kept = merged.written.num_rows - merged.scanned
    written = merged.written.to_pylist()

    def wanted(source):
        return [row for row, gone, of in last.values() if not gone and of == source]

    def by_number(rows):
        return sorted(rows, key=lambda row: row["n"])

    assert by_number(written[:kept]) == by_number(wanted("stream"))
    assert by_number(written[kept:]) == by_number(wanted("scan"))
    removed = {(row["p"], row["s"]) for row in merged.removed.to_pylist()}
    assert removed == {key for key, (_, gone, _) in last.items() if gone}


def test_last_writes_are_none_where_every_key_is_alone():
    rows = batch(TABLE, {"p": b"x", "s": 1}, {"p": b"x", "s": 2}).rows
    table = merge((), (batch(TABLE, {"p": b"x", "s": 1}, {"p": b"x", "s": 2}),), TABLE, no_text).written
    assert table.num_rows == rows.num_rows
    assert last_writes(table, ["p", "s"]) is None
    assert last_writes(table, ["p"]).to_pylist() == [1]
