"""How DuckDB's tables follow their schema: by ALTER where that is exact, else written anew, slice by slice."""

from __future__ import annotations

from functools import reduce

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.accelerator import Target
from headrace.accelerators.duckdb import evolution
from headrace.accelerators.duckdb.casts import is_native, restored, sql_type, storable
from headrace.accelerators.duckdb.rows import BATCH, insert, registered
from headrace.accelerators.duckdb.tables import CopyTables, creation
from headrace.accelerators.plain import plain_rows
from headrace.accelerators.widen import widen
from headrace.column_type import BINARY, BOOL, INT, JSON, NULL, TEXT, ColumnType, list_of, map_of, struct_of
from headrace.schema import TableSchema
from support.copies import batch, create, paged, schema_of, work
from support.engines import harness_of
from support.typed_values import VALUES, in_column, number, times, type_of

TABLES = CopyTables.of("orders", Target.LIVE)
HALF = number("0.5")
MS, US, NS = (f"2006-01-02T15:04:05{fraction}" for fraction in ("", ".999999", ".999999999"))


@pytest.fixture(scope="module")
def connection():
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (INT, HALF),
        (INT, number("12345678901234567890.5")),
        (INT, TEXT),
        (number("12345678901234567890"), number("12345678901234567890.5")),
        (BOOL, INT),
        (NULL, struct_of({"a": INT})),
        (times("UTC", MS + "Z07:00", US + "Z07:00"), times("UTC", US + "Z07:00")),
        (times(None, MS, US), times(None, US)),
        (struct_of({"b": INT}), struct_of({"a": TEXT, "b": HALF})),
        (list_of(struct_of({"b": INT})), list_of(struct_of({"a": BINARY}))),
        (map_of(list_of(INT)), map_of(list_of(HALF))),
        (JSON, INT),
    ],
)
def test_what_duckdb_casts_exactly_it_casts_itself(source, target):
    assert is_native(source, source.join(target))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (HALF, number("0.1000000000000000001")),
        (HALF, TEXT),
        (number("12345678901234567890.5"), TEXT),
        (number("1e23"), HALF),
        (BINARY, TEXT),
        (times(None, MS), TEXT),
        (times(None, MS, NS), times(None, NS)),
        (times("UTC", MS + "Z07:00", NS + "Z07:00"), times("UTC", NS + "Z07:00")),
        (struct_of({}), struct_of({"a": INT})),
        (struct_of({"Id": INT}), struct_of({"id": INT})),
        (struct_of({"a": TEXT}), struct_of({"a": INT})),
        (struct_of({"a": INT}), map_of(INT)),
        (list_of(BINARY), list_of(TEXT)),
    ],
)
def test_what_duckdb_casts_otherwise_goes_through_arrow(source, target):
    assert not is_native(source, source.join(target))


@settings(max_examples=150, deadline=None)
@given(values=st.lists(VALUES, min_size=1, max_size=3), others=st.lists(VALUES, max_size=2))
def test_duckdbs_own_casts_say_what_widening_says(connection, values, others):
    source = reduce(ColumnType.join, map(type_of, values))
    target = reduce(ColumnType.join, map(type_of, others), source)
    if not is_native(source, target):
        return
    column = pa.array([*(in_column(value, source) for value in values), None], source.arrow())
    connection.execute(f"CREATE OR REPLACE TABLE t (v {sql_type(source.arrow())})")
    with registered(connection, pa.table({"v": column})):
        connection.execute(f"INSERT INTO t SELECT * FROM {BATCH}")
    connection.execute(f"ALTER TABLE t ALTER COLUMN v SET DATA TYPE {sql_type(target.arrow())}")
    found = connection.execute("SELECT * FROM t").to_arrow_table()
    wide = pa.table({"v": widen(column, source, target)})
    assert found.schema == storable(found).schema
    assert restored(found, wide.schema).combine_chunks() == wide.combine_chunks()


def test_a_table_written_anew_in_slices_keeps_its_order_whatever_is_missing_in_it(connection, monkeypatch):
    monkeypatch.setattr(evolution, "_FIRST_SLICE", 3)
    monkeypatch.setattr(evolution, "_LARGEST_SLICE", 70)
    old = schema_of(v=struct_of({"a": INT}), Other=TEXT)
    new = old.including({("v",): TEXT, ("other",): INT})
    rows = batch(old, *({"id": f"{n * 7919 % 1000}", "v": {"a": n}, "Other": "x"} for n in range(1000))).rows
    for statement in creation(TABLES, old):
        connection.execute(statement)
    insert(connection, pa.Table.from_batches([rows]), TABLES.rows, old)
    connection.execute("DELETE FROM headrace_rows WHERE v.a % 3 = 0 OR v.a BETWEEN 400 AND 600 OR v.a > 990")
    kept = [n for n in range(991) if n % 3 and not 400 <= n <= 600]
    connection.execute("BEGIN")
    evolution.evolve(connection, TABLES, old, new, noted=False)
    connection.execute("DELETE FROM headrace_rows WHERE id = '919'")
    connection.execute("COMMIT")
    found = plain_rows(connection.execute("SELECT * FROM orders").to_arrow_table())
    renamed = new.column("Other").name
    assert found == [
        {"id": f"{n * 7919 % 1000}", "v": f'{{"a":{n}}}', renamed: "x", "other": None} for n in kept if n != 1
    ]


def test_slices_are_bounded_by_their_bytes(connection, monkeypatch):
    monkeypatch.setattr(evolution, "SLICE_BYTES", 10_000)
    monkeypatch.setattr(evolution, "_FIRST_SLICE", 2)
    connection.execute("CREATE TABLE wide AS SELECT repeat('x', 1000) AS id FROM range(100)")
    table = evolution._Table("wide", schema_of(), schema_of())
    sizes = [rows.num_rows for rows in evolution._slices(connection, table)]
    assert sum(sizes) == 100
    assert max(sizes) <= 10


def test_a_time_that_duckdb_cannot_hold_is_set_aside(tmp_path):
    """Invariant 3: beyond the year 294247 there are no microseconds left."""
    harness = harness_of("duckdb-memory", tmp_path)
    harness.sink.open()
    try:
        table = schema_of(at=times("UTC", MS + "Z07:00"))
        rows = [{"id": "a", "at": 1}, {"id": "b", "at": 2**62}, {"id": "c", "at": None}]
        harness.sink.apply(create())
        applied = harness.sink.apply(work(1, paged(batch(table, *rows)), scanning=True))
        assert (applied.upserted, applied.letters.refused) == (2, 1)
        assert set(harness.live()) == {("a",), ("c",)}
        assert "imestamp" in harness.letters()["101"].letter.reason
    finally:
        harness.close()


def test_a_rewrite_beside_notes_leaves_nothing_of_its_own_behind(tmp_path):
    harness = harness_of("duckdb-file", tmp_path)
    harness.sink.open()
    try:
        keys = TableSchema.of_keys((("id", "N"),))
        wide = keys.including({("id",): number("1e100", key=True)})
        harness.sink.apply(create(keys=keys))
        harness.sink.apply(work(1, batch(keys, {"id": 1}, {"id": 2}, deleted=[True, False]), scanning=True))
        half = keys.including({("id",): number("0.5", key=True)})
        harness.sink.apply(work(2, batch(half), scanning=True))
        harness.sink.apply(work(3, batch(wide, {"id": "1" + "0" * 100}), scanning=True))
        cursor = harness.instance.reader("orders")
        names = {name for (name,) in cursor.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        assert {"headrace_rows", "headrace_notes"} <= names
        assert not names & {"headrace_wider"}
        notes = {key for (key,) in cursor.execute("SELECT id FROM headrace_notes").fetchall()}
        assert notes == {"1", "2", "1" + "0" * 100}
        cursor.close()
    finally:
        harness.close()
