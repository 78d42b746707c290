"""The last write per key, as pure Arrow."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.accelerators.merge import join_schemas, last_writes, merge
from headrace.column_type import INT, NULL, TEXT, list_of
from headrace.errors import AcceleratorError
from headrace.schema import TableSchema
from support.copies import KEYS, batch, schema_of
from support.typed_values import number

COMPOSITE = TableSchema.of_keys((("p", "B"), ("s", "N")))
TABLE = schema_of(COMPOSITE, n=INT)


def test_batches_with_one_row_per_key_pass_untouched():
    rows = [{"id": "b", "n": 1}, {"id": "a", "n": 2}]
    page = batch(schema_of(n=INT), *rows)
    merged = merge((), (page,), page.schema)
    assert merged.written.to_pylist() == rows
    assert (merged.removed.num_rows, merged.scanned) == (0, 2)


def test_nothing_merges_to_nothing():
    merged = merge((), (), TABLE)
    assert (merged.written.num_rows, merged.removed.num_rows, merged.scanned) == (0, 0, 0)
    assert merged.written.schema == TABLE.arrow()


def test_columns_are_matched_by_attribute_and_numbers_become_doubles():
    first = schema_of(Name=TEXT, n=INT)
    second = schema_of(name=TEXT, n=number("0.5"))
    one = batch(first, {"id": "a", "Name": "upper", "n": 1})
    two = batch(second, {"id": "b", "name": "lower", "n": 0.5})
    schema = join_schemas(KEYS, (one, two))
    written = merge((one, two), (), schema).written.to_pylist()
    other = schema.column("Name").name
    assert written == [
        {"id": "a", other: "upper", "n": 1.0, "name": None},
        {"id": "b", other: None, "n": 0.5, "name": "lower"},
    ]


def test_an_integer_that_a_double_cannot_hold_is_refused_rather_than_rounded():
    narrow, wide = schema_of(n=INT), schema_of(n=number("0.5"))
    with pytest.raises(pa.ArrowInvalid):
        merge((batch(narrow, {"id": "a", "n": 2**53 + 1}),), (), wide)


def test_a_row_without_its_key_is_refused():
    with pytest.raises(AcceleratorError, match="no value in a key column"):
        merge((batch(TABLE, {"p": b"x", "n": 1}),), (), TABLE)


def test_columns_of_nothing_but_nulls_become_text_for_engines():
    table = schema_of(v=NULL, w=list_of(NULL))
    written = merge((batch(table, {"id": "a", "w": [None]}),), (), table).written
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
    merged = merge(streamed, scanned, TABLE)
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
    table = merge((), (batch(TABLE, {"p": b"x", "s": 1}, {"p": b"x", "s": 2}),), TABLE).written
    assert table.num_rows == rows.num_rows
    assert last_writes(table, ["p", "s"]) is None
    assert last_writes(table, ["p"]).to_pylist() == [1]


@pytest.mark.parametrize(
    ("one", "other", "type_"),
    [
        (1, 2, pa.int64()),
        (Decimal("1.5"), Decimal("1.25"), pa.decimal128(38, 2)),
        ("1", "1.0", pa.string()),
        (b"\x00", b"", pa.binary()),
    ],
)
def test_keys_of_every_type_are_told_apart(one, other, type_):
    rows = pa.table({"p": pa.array([one, other, one, other, other], type_)})
    assert last_writes(rows, ["p"]).to_pylist() == [2, 4]
