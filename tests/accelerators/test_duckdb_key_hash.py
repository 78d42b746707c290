"""The hidden column by which rows are found: nobody sees it, and nothing but speed depends on what it holds."""

from __future__ import annotations

from unittest import mock

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.accelerator import Notes, Target
from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance, Limits, key_hash
from headrace.column_type import INT, TEXT, Digits, number_type
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.schema import TableSchema
from support.copies import batch, checkpoint, create, schema_of, work
from support.engines import harness_of

KEYS = {
    "text": TableSchema.of_keys((("id", "S"),)),
    "number": TableSchema.of_keys((("id", "N"),)),
    "binary": TableSchema.of_keys((("id", "B"),)),
    "pair": TableSchema.of_keys((("id", "S"), ("place", "N"))),
}
HASHED = [name for name in KEYS if name != "number"]


def key_of(kind, number):
    match kind:
        case "text":
            return {"id": f"é{number}'"}
        case "number":
            return {"id": number - 2}
        case "binary":
            return {"id": bytes([0xFF, number])}
        case _:
            return {"id": f"{number // 2}", "place": number % 2}


@pytest.fixture
def duck(tmp_path):
    harness = harness_of("duckdb-file", tmp_path)
    harness.sink.open()
    yield harness
    harness.close()


def asked(harness, sql):
    cursor = harness.instance.cursor()
    try:
        return cursor.execute(sql).fetchall()
    finally:
        cursor.close()


def filled(harness, kind, count=6):
    table = schema_of(KEYS[kind], n=INT)
    harness.sink.apply(create(1, keys=KEYS[kind]))
    harness.sink.apply(work(2, batch(table, *({**key_of(kind, n), "n": n} for n in range(count)))))
    return table


@pytest.mark.parametrize("kind", HASHED)
def test_users_see_the_columns_of_their_items_alone(duck, kind):
    table = filled(duck, kind)
    names = [column.name for column in table.columns]
    cursor = duck.instance.cursor()
    assert cursor.execute("SELECT * FROM orders").to_arrow_table().column_names == names
    cursor.close()
    assert [row[0] for row in asked(duck, "DESCRIBE orders")] == names
    seen = asked(
        duck,
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'orders' ORDER BY ordinal_position",
    )
    assert [name for (name,) in seen] == names
    with pytest.raises(duckdb.BinderException):
        asked(duck, "SELECT headrace_hash FROM orders")
    queries = QueryEngine(duck.instance.cursor, lambda: {"orders": TableFacts(ready=True)})
    with queries.query("SELECT * FROM orders LIMIT 0") as statement:
        assert statement.reader().schema.names == names
    queries.close()


@pytest.mark.parametrize("kind", KEYS)
def test_only_a_key_that_is_one_integer_has_no_hash(duck, kind):
    filled(duck, kind)
    names = {row[0] for row in asked(duck, "DESCRIBE headrace_rows")}
    assert ("headrace_hash" in names) is (kind in HASHED)


def hashes_of(harness, table, schema):
    return asked(
        harness,
        f"SELECT count(*), count(*) FILTER (headrace_hash = {key_hash.key_hash(schema)}) FROM {table}",
    )


def test_a_key_that_outgrows_its_integers_gets_hashes_for_all_of_its_rows_and_notes(duck):
    keys = KEYS["number"]
    table = schema_of(keys, n=INT)
    duck.sink.apply(create(1, keys=keys))
    duck.sink.apply(work(2, batch(table, *({"id": n, "n": n} for n in range(50))), scanning=True))
    wide = table
    for mark, digits in ((3, Digits(whole=20, long=False)), (4, Digits(whole=39, long=False, double=False))):
        wide = wide.including({("id",): number_type(digits)})
        rows = batch(wide, deleted=[])
        duck.sink.apply(work(mark, rows, scanning=True))
        for name in ("headrace_rows", "headrace_notes"):
            assert hashes_of(duck, name, wide) == [(50, 50)]
    changed = [{"id": f"{n}", "n": -n} for n in range(0, 50, 2)]
    duck.sink.apply(work(5, batch(wide, *changed), scan=(batch(wide, {"id": "1", "n": 9}),), scanning=True))
    expected = {(f"{n}",): {"id": f"{n}", "n": n if n % 2 else -n} for n in range(50)}
    assert duck.live() == expected


@st.composite
def lives(draw):
    """Changes to few keys, pages of the Scan among them."""
    plan = []
    for mark in range(2, draw(st.integers(3, 9))):
        numbers = st.lists(st.integers(0, 5), max_size=5)
        changes = [(number, draw(st.booleans())) for number in draw(numbers)]
        page = draw(st.lists(st.integers(0, 5), max_size=3, unique=True))
        plan.append((mark, changes, page, draw(st.booleans()), draw(st.sampled_from(Target))))
    return plan


@pytest.fixture(scope="module")
def ducks(tmp_path_factory):
    harnesses = {kind: harness_of("duckdb-memory", tmp_path_factory.mktemp(kind)) for kind in HASHED}
    for harness in harnesses.values():
        harness.sink.open()
    yield harnesses
    for harness in harnesses.values():
        harness.close()


def works_of(kind, plan):
    keys = KEYS[kind]
    table = schema_of(keys, n=INT)
    yield create(0, keys=keys)
    yield create(1, keys=keys, target=Target.BUILDING)
    for mark, changes, page, scanning, target in plan:
        rows = [{**key_of(kind, number), "n": None if gone else mark} for number, gone in changes]
        stream = batch(table, *rows, deleted=[gone for _, gone in changes])
        scan = batch(table, *({**key_of(kind, number), "n": -mark} for number in page))
        notes = Notes.KEEP if scanning else Notes.DROP
        yield work(mark, stream, scan=(scan,), scanning=True, notes=notes, target=target)
    yield work(99, batch(table), target=Target.BUILDING, swap=True)


@pytest.mark.parametrize("kind", HASHED)
@pytest.mark.parametrize("kept", ["0", "1"])
@settings(max_examples=5, deadline=None)
@given(plan=lives())
def test_keys_of_one_hash_are_told_apart(ducks, kind, kept, plan):
    """However many bits of the hash are left, rows and notes are those of plain dictionaries."""
    true = key_hash.key_hash
    forms = {
        "0": lambda schema: f"CAST(0 * {true(schema)} AS UINTEGER)",
        "1": lambda schema: f"CAST({true(schema)} % 2 AS UINTEGER)",
    }
    plain = harness_of("memory", None)
    duck = ducks[kind]
    with mock.patch.object(key_hash, "key_hash", forms[kept]):
        for one in works_of(kind, plan):
            assert duck.sink.apply(one) == plain.sink.apply(one)
            assert duck.live() == plain.live()
            assert duck.building() == plain.building()


@pytest.mark.parametrize("kind", HASHED)
def test_keys_of_one_hash_that_a_source_scans_twice_are_there_once_when_the_scan_ends(duck, kind):
    keys = KEYS[kind]
    table = schema_of(keys, n=INT)
    with mock.patch.object(key_hash, "key_hash", return_value="CAST(7 AS UINTEGER)"):
        duck.sink.apply(create(1, keys=keys, checkpoint=checkpoint()))
        for mark in (1, 2):
            page = batch(table, *({**key_of(kind, number), "n": mark} for number in (0, 1, 2 + mark)))
            stored = checkpoint(rows_scanned=3 * mark, cursor=str(mark))
            duck.sink.apply(work(0, scan=(page,), scanning=True, checkpoint=stored))
        assert duck.sink.rows() == 6
        duck.sink.apply(work(2, scanning=True, notes=Notes.DROP))
        found = sorted(row["n"] for row in duck.live().values())
    assert found == [1, 2, 2, 2]


def test_the_same_file_answers_whichever_other_datasets_there_are(tmp_path):
    """The database's name within DuckDB depends on them, and its view must not."""
    path = tmp_path / "orders.duckdb"
    for names in (["orders"], ["first", "orders"], ["one", "two", "orders", "last"]):
        files = {name: path if name == "orders" else None for name in names}
        instance = DuckDBInstance(files, Limits(memory=2**28, threads=1))
        try:
            sinks = {name: DuckDBAccelerator(instance, name) for name in names}
            for name, sink in sinks.items():
                if sink.open().live is None:
                    sink.apply(create(1))
                    sink.apply(work(2, batch(schema_of(n=INT, s=TEXT), {"id": name, "n": len(names)})))
            cursor = instance.cursor()
            for name in names:
                assert cursor.execute(f"SELECT id FROM {name}").fetchall() == [(name,)]
            cursor.close()
        finally:
            instance.close()
