"""Rows lie in a Vortex file so that nothing is lost."""

from __future__ import annotations

from decimal import Decimal
from functools import reduce
from unittest import mock

import pyarrow as pa
import pytest
import vortex
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import column_type
from headrace.accelerators.cayenne.forms import ROW, from_file, has_same_keys, in_file
from headrace.column_type import BINARY, BOOL, INT, NULL, TEXT, ColumnType, list_of, map_of, struct_of
from headrace.schema import Column, Origin, TableSchema
from support.copies import schema_of
from support.typed_values import ATTRIBUTES, VALUES, in_column, number, times, type_of
from support.vortex_files import Files

HALF = number("0.5")
MS, US, NS = (f"2006-01-02T15:04:05{fraction}" for fraction in (".000", ".000000", ".000000000"))


@pytest.fixture(autouse=True, scope="module")
def _structs_of_few_members():
    """So that dictionaries come up."""
    with mock.patch.object(column_type, "MOST_MEMBERS", 3):
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("forms"))


def back(path, schema):
    return from_file(vortex.open(str(path)).to_arrow().read_all(), schema)


def table(values, type_, schema=None):
    schema = schema or schema_of(v=type_)
    return pa.table(
        {"id": [str(n) for n in range(len(values))], "v": pa.array(values, type_.arrow())},
        schema=schema.arrow(),
    )


def of_items(items):
    """The schema of these items, and their rows."""
    types = {
        (name,): reduce(ColumnType.join, (type_of(item.get(name)) for item in items))
        for name in sorted({name for item in items for name in item})
    }
    schema = schema_of().including(types)
    keys = ["id", *(column.path[0] for column in schema.columns[1:])]
    rows = [{"id": str(number), **item} for number, item in enumerate(items)]
    columns = [
        pa.array([in_column(row.get(key), column.type) for row in rows], column.type.arrow())
        for key, column in zip(keys, schema.columns, strict=True)
    ]
    return schema, pa.Table.from_arrays(columns, schema=schema.arrow())


ITEMS = st.lists(st.dictionaries(ATTRIBUTES, VALUES, max_size=4), min_size=1, max_size=4)


def assert_read_as_written(files, items, start):
    schema, whole = of_items(items)
    # A slice, in two chunks.
    rows = pa.concat_tables([whole.slice(0, start), whole.slice(start)]).slice(min(1, start))
    again = back(files.write(rows, schema), schema)
    again.validate(full=True)
    assert again.combine_chunks() == rows.combine_chunks()


@settings(max_examples=100, deadline=None)
@given(items=ITEMS, start=st.integers(0, 2))
def test_rows_are_read_as_they_were_written(files, items, start):
    assert_read_as_written(files, items, start)


@pytest.mark.long
@pytest.mark.timeout(3600)
@settings(max_examples=5000, deadline=None)
@given(items=ITEMS, start=st.integers(0, 2))
def test_rows_of_thousands_of_schemas_are_read_as_they_were_written(files, items, start):
    assert_read_as_written(files, items, start)


MANY = {
    "flag": ([None, True, False], BOOL),
    "half": ([0.5, None, -1.5, 2.25], HALF),
    "text": ([None, "a", "bb", "", "x" * 30], TEXT),
    "list": ([[1, None], None, [], [None], [2, 3, None]], list_of(INT)),
    "struct": ([{"a": 1}, None, {"a": None}], struct_of({"a": INT})),
}


@pytest.mark.parametrize("rows", [100_001, 250_007])
def test_many_rows_with_nulls_come_back_whatever_the_number_of_rows(files, rows):
    schema = schema_of(**{name: type_ for name, (_, type_) in MANY.items()})
    columns = [
        pa.array(values * (rows // len(values) + 1), type_.arrow()).slice(0, rows)
        for values, type_ in MANY.values()
    ]
    given = pa.Table.from_arrays([[str(n) for n in range(rows)], *columns], schema=schema.arrow())
    assert back(files.write(given, schema), schema).combine_chunks() == given.combine_chunks()


ZONED = "2006-01-02T15:04:05.000Z07:00"
NESTED = list_of(struct_of({"m": map_of(list_of(times("UTC", ZONED))), "n": map_of(INT)}))


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        (map_of(INT), [None, [], [("a", None)], [("", 1), ("b", 2)]]),
        (map_of(map_of(times(None, MS))), [None, [("a", None), ("b", []), ("c", [("d", None), ("e", 5)])]]),
        (NESTED, [None, [], [None, {"m": None, "n": None}, {"m": [("k", None), ("l", [None, 7])], "n": []}]]),
        (
            struct_of({"a": INT, "at": times(None, NS)}),
            [None, {"a": None, "at": None}, {"a": 1, "at": 2**62}],
        ),
        (struct_of({"s": struct_of({"at": times(None, US)})}), [None, {"s": None}, {"s": {"at": None}}]),
        (times(None, MS), [-1, 0, None, 253402300799999, -62167219200000]),
        (times("UTC", ZONED), [-1, 0, None, 253402300799999, -62167219200000]),
        (times(None, NS), [-1, 0, None, 2**63 - 2, -(2**62)]),
        (list_of(times(None, US)), [[253402300799999999, None, -62167219200000000], [], None]),
        (number("1" * 25), [Decimal("9" * 38), None, Decimal("-" + "9" * 38)]),
        (number("0.1000000000000000001"), [Decimal("9" * 19 + "." + "9" * 19), None]),
        (TEXT, ["", "a\0b", None, "\0", "é\u2028\U0001f600", "x" * 5_000_000]),
        (BINARY, [b"", b"\0", None, bytes(range(256)), b"\xff" * 3_000_000]),
        (BOOL, [True, None, False]),
        (INT, [2**63 - 1, -(2**63), None]),
        (INT, []),
        (INT, [None] * 5),
        (NESTED, [None] * 3),
        (NESTED, []),
        (NULL, [None, None]),
        (NULL, []),
    ],
)
def test_values_at_the_edges_are_kept(files, type_, values):
    schema = schema_of(v=type_)
    rows = table(values, type_)
    path = files.write(rows, schema)
    assert back(path, schema).combine_chunks() == rows.combine_chunks()


def test_a_double_keeps_its_bits(files):
    bits = [0, 1 << 63, 0x7FF8000000000123, 0xFFF8000000000000, 0x7FF0000000000000, 1, 0x7FF0000000000001]
    schema = schema_of(v=number("0.5"))
    values = pa.array(bits, pa.uint64()).view(pa.float64())
    rows = pa.table({"id": [str(n) for n in bits], "v": values})

    path = files.write(rows, schema)
    assert back(path, schema).column("v").combine_chunks().view(pa.uint64()).to_pylist() == bits


def test_what_lies_under_a_null_is_not_written(files):
    """Arrow may have values there, and a struct of a struct may be null beside a member that is not."""
    inner = struct_of({"at": times(None, US)})
    schema = schema_of(v=inner)
    values = pa.StructArray.from_arrays(
        [pa.array([2**62, 5], pa.timestamp("us"))], fields=list(inner.arrow()), mask=pa.array([True, False])
    )
    rows = pa.table({"id": ["a", "b"], "v": values})
    assert in_file(rows, schema).column("c1").to_pylist() == [None, {"at": 5}]
    path = files.write(rows, schema)
    assert back(path, schema).column("v").combine_chunks() == values


NAMES = [
    "q\".x'",
    "a b",
    "x\ny",
    "\x01",
    "\\",
    "select",
    "",
    "é",
    "$",
    "*",
    "c1",
    "key",
    "headrace_0",
    "İ",
    "x" * 300,
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_one_of_a_column_and_of_a_member(files, name):
    member = list_of(struct_of({name: map_of(times(None, MS)), "z": TEXT}))
    old = schema_of().including({(name,): member, ("plain",): struct_of({name: INT})})
    (field,) = (named for named, inner in member.element.named() if inner.attribute == name)
    rows = pa.Table.from_arrays([["a"], [[{field: [("k", 1)], "z": "y"}]], [{field: 7}]], schema=old.arrow())
    path = files.write(rows, old)
    assert back(path, old).combine_chunks() == rows.combine_chunks()


def test_no_column_is_called_as_the_hidden_one():
    schema = schema_of().including({(ROW,): INT, (ROW.upper(),): INT, ("Headrace_Row",): TEXT})
    keys = TableSchema.of([Column((ROW,), ROW, TEXT, Origin.KEY)])
    assert ROW not in {column.name.lower() for column in (*schema.columns, *keys.columns)}


def test_files_whose_keys_are_stored_otherwise_do_not_stay():
    keys = TableSchema.of_keys((("id", "N"),))
    assert has_same_keys(keys, keys.including({("id",): number("7", key=True)}))
    assert not has_same_keys(keys, keys.including({("id",): number("0.5", key=True)}))
