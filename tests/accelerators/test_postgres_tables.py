"""What a dataset in PostgreSQL does beside others: names, schemas, roles, limits, indexes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.accelerator import Notes, Target
from headrace.accelerators.postgres import PostgresAccelerator
from headrace.column_type import BINARY, INT, NULL, TEXT, list_of, struct_of
from headrace.dataset import Index, PostgresAccess
from headrace.errors import AcceleratorError, AcceleratorLocked, RowRefused
from headrace.schema import TableSchema
from support.copies import KEYS, batch, create, paged, schema_of, work
from support.engines.postgres import PostgresHarness
from support.typed_values import number

ORDERS = schema_of(n=INT)


@pytest.fixture
def copy():
    harness = PostgresHarness()
    harness.sink.open()
    yield harness
    harness.close()


def run(copy, statement):
    with copy.server.connect() as connection:
        connection.execute(f'SET search_path = "{copy.schema}"')
        found = connection.execute(statement)
        return found.fetchall() if found.description else None


def other(copy, dataset):
    sink = PostgresAccelerator(dataset, copy.server.access(copy.schema))
    sink.open()
    return sink


# Beside others


def test_a_second_holder_is_told_who_holds_the_tables_and_what_to_do(copy):
    second = PostgresAccelerator("orders", copy.server.access(copy.schema))
    with pytest.raises(
        AcceleratorLocked, match=r"process \d+.*stop that process, or give this dataset another"
    ):
        second.open()
    copy.sink.close()
    assert second.open().live is None
    second.close()


def test_datasets_share_a_schema_without_touching_each_others_copies(copy):
    customers = other(copy, "customers")
    for sink in (copy.sink, customers):
        sink.apply(create(1))
        sink.apply(work(2, batch(ORDERS, {"id": sink._dataset}), scanning=True))
        sink.apply(create(3, target=Target.BUILDING))
    customers.apply(work(4, target=Target.BUILDING, swap=True))
    assert copy.live().keys() == {("orders",)}
    assert customers.rows() == 0
    assert copy.sink.open().building is not None
    customers.close()


@pytest.mark.parametrize("table", ["orders", "headrace_building_orders", "headrace_notes_live_orders"])
def test_a_table_that_somebody_else_made_is_refused_and_left_alone(copy, table):
    copy.sink.close()
    run(copy, f"CREATE TABLE {table} (mine int)")
    with pytest.raises(AcceleratorError, match=f"holds a table {table} that Headrace did not make"):
        copy.sink.open()
    assert run(copy, f"SELECT * FROM {table}") == []


def test_a_table_that_somebody_has_changed_is_not_written_to(copy):
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a"})))
    run(copy, "ALTER TABLE orders ALTER COLUMN n TYPE int")
    with pytest.raises(AcceleratorError, match="no longer has the columns"):
        copy.sink.open()


def test_a_role_that_may_create_in_one_schema_suffices(copy):
    role = f"plain {copy.schema}"
    with copy.server.connect() as connection:
        connection.execute(f'CREATE ROLE "{role}" LOGIN')
        connection.execute(f'CREATE SCHEMA "{role}"')
        connection.execute(f'GRANT USAGE, CREATE ON SCHEMA "{role}" TO "{role}"')
    sink = PostgresAccelerator("orders", copy.server.access(role, role), (Index(("n",)),))
    sink.open()
    sink.apply(create(1))
    sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1}), scanning=True))
    sink.apply(work(3, batch(schema_of(n=TEXT), {"id": "b", "n": "x"}), notes=Notes.DROP, scanning=True))
    sink.apply(create(4, target=Target.BUILDING))
    sink.apply(work(5, target=Target.BUILDING, swap=True))
    assert sink.open().live is not None
    sink.close()


def test_a_schema_that_is_not_there_or_not_ours_is_named_with_its_cure(copy):
    with pytest.raises(AcceleratorError, match="no schema nowhere; make it with CREATE SCHEMA"):
        PostgresAccelerator("orders", copy.server.access("nowhere")).open()
    with copy.server.connect() as connection:
        connection.execute(f'CREATE ROLE "stranger {copy.schema}" LOGIN')
    copy.sink.close()
    stranger = PostgresAccelerator("orders", copy.server.access(copy.schema, f"stranger {copy.schema}"))
    with pytest.raises(AcceleratorError, match=r"permission denied.*grant it to the role"):
        stranger.open()


def test_without_a_schema_the_first_of_the_search_path_is_taken(copy):
    access = replace(copy.server.access(copy.schema), schema=None)
    with copy.server.connect() as connection:
        connection.execute(f'CREATE ROLE "at home {copy.schema}" LOGIN')
        connection.execute(f'CREATE SCHEMA AUTHORIZATION "at home {copy.schema}"')
    sink = PostgresAccelerator(
        "orders", replace(access, user=copy.server.access("", f"at home {copy.schema}").user)
    )
    sink.open()
    sink.apply(create(1))
    sink.close()
    with copy.server.connect() as connection:
        assert connection.execute(f'SELECT * FROM "at home {copy.schema}".orders').fetchall() == []


# Names and limits


def test_names_that_postgresql_cannot_have_stand_for_the_columns_all_the_same(copy):
    long = "a" * 62
    names = [
        "ctid",
        "xmin",
        "tableoid",
        "oid",
        long,
        long + "bc",
        long + "bd",
        "é" * 40,
        "%s",
        "$1",
        "headrace_others",
    ]
    table = schema_of(**dict.fromkeys(names, TEXT))
    row = {column.name: column.name for column in table.columns}
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(table, row)))
    assert list(copy.live().values()) == [row]
    wider = schema_of(**dict.fromkeys(names, list_of(INT)))
    copy.sink.apply(work(3, batch(wider, {"id": "b", "ctid": [1]})))
    rows = copy.live()
    assert rows[("b",)]["ctid"] == '["1"]'
    assert {name: value for name, value in rows[(row["id"],)].items() if name != "id"} == {
        column.name: column.name for column in table.columns[1:]
    }


def test_a_dataset_of_a_long_name_has_tables_of_its_own():
    names = ["d" * 100, "d" * 99 + "e"]
    harness = PostgresHarness()
    sinks = [other(harness, name) for name in names]
    for sink in sinks:
        sink.apply(create(1))
        sink.apply(create(2, target=Target.BUILDING))
        sink.apply(
            work(3, batch(KEYS, {"id": sink._dataset}), target=Target.BUILDING, swap=True, scanning=True)
        )
    assert [sink.rows() for sink in sinks] == [1, 1]
    for sink in sinks:
        sink.close()
    harness.close()


def test_more_columns_than_a_table_can_have_and_a_row_that_fills_them_all(copy):
    names = [f"c{number}" for number in range(2_000)]
    table = schema_of(**dict.fromkeys(names, TEXT))
    full = {"id": "full"} | dict.fromkeys(names, "0123456789" * 4)
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(table, full, {"id": "empty"}, {"id": "last", "c1999": "x"})))
    rows = copy.live()
    assert rows[("full",)] == full
    assert {name for name, value in rows[("last",)].items() if value is not None} == {"id", "c1999"}
    wider = schema_of(**dict.fromkeys([*names, "more"], TEXT)).including({("c1998",): BINARY, ("more",): INT})
    copy.sink.apply(work(3, batch(wider, {"id": "empty", "more": "1"})))
    rows = copy.live()
    assert rows[("full",)] == full | {"more": None}
    assert rows[("empty",)]["more"] == "1"


def test_columns_beyond_the_first_ones_widen_with_their_values(copy):
    few = [f"c{number}" for number in range(260)]
    table = schema_of(**dict.fromkeys(few, INT))
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(table, {"id": "a"} | dict.fromkeys(few, 7))))
    copy.sink.apply(
        work(3, batch(schema_of(c259=TEXT, c258=number("0.5")), {"id": "b", "c259": "x", "c258": 0.5}))
    )
    row = copy.live()[("a",)]
    assert (row["c259"], row["c258"], row["c257"], row["c1"]) == ("7", 7.0, 7, 7)
    assert copy.live()[("b",)]["c259"] == "x"


@pytest.mark.parametrize("kind", ["S", "B"])
def test_keys_of_every_length_that_dynamodb_allows_are_told_apart(copy, kind):
    def key(text):
        return text if kind == "S" else text.encode()

    keys = TableSchema.of_keys((("p", kind), ("s", kind)))
    table = keys.including({("n",): INT})
    scramble = "".join(chr(33 + (n * n * 7919 + n) % 90) for n in range(4096))
    long, sort = scramble[:2048], scramble[1024:2048]
    rows = [
        {"p": key("short"), "s": key(""), "n": 0},
        {"p": key(long), "s": key(sort), "n": 1},
        {"p": key(long), "s": key(sort[:-1] + "~"), "n": 2},
        {"p": key(long), "s": key(sort[:-1]), "n": 3},
    ]
    copy.sink.apply(create(1, keys=keys))
    copy.sink.apply(work(2, batch(table, rows[0]), scanning=True))
    copy.sink.apply(work(3, batch(table, *rows), scanning=True))
    changed = [row | {"n": row["n"] + 10} for row in rows]
    copy.sink.apply(work(4, batch(table, *changed, deleted=[False, False, True, False]), scanning=True))
    assert sorted(row["n"] for row in copy.live().values()) == [10, 11, 13]
    copy.sink.apply(work(5, scan=(batch(table, *rows),), scanning=True))
    assert sorted(row["n"] for row in copy.live().values()) == [10, 11, 13], "all of them are noted"
    copy.restart()
    copy.sink.open()
    copy.sink.apply(work(6, batch(table, rows[1]), notes=Notes.DROP, scanning=True))
    assert sorted(row["n"] for row in copy.live().values()) == [1, 10, 13]


def test_a_text_with_nul_is_a_dead_letter_that_says_so(copy):
    table = schema_of(n=INT, text=TEXT, nested=struct_of({"a": TEXT}))
    rows = [{"id": "a", "text": "\0"}, {"id": "b", "nested": {"a": "x\0"}}, {"id": "c", "text": "fine"}]
    copy.sink.apply(create(1))
    applied = copy.sink.apply(work(2, paged(batch(table, *rows))))
    assert (applied.upserted, applied.letters.refused) == (1, 2)
    assert all("PostgreSQL holds no NUL characters" in one.letter.reason for one in copy.letters().values())
    assert list(copy.live()) == [("c",)]


# Indexes


def indexes(copy, table="orders"):
    found = run(
        copy,
        "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() "
        f"AND tablename = '{table}' AND indexname NOT LIKE '%pkey%'",
    )
    return sorted(text.rpartition("USING ")[2] + (" unique" if "UNIQUE" in text else "") for (text,) in found)


def test_indexes_come_with_their_columns_and_stay_whatever_becomes_of_the_table():
    copy = PostgresHarness(indexes=(Index(("n",)), Index(("late", "n"), unique=True), Index(("Late",))))
    copy.sink.open()
    copy.sink.apply(create(1))
    assert indexes(copy) == []
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    assert indexes(copy) == ["btree (n)"]
    copy.sink.apply(work(3, batch(schema_of(late=NULL), {"id": "b"})))
    all_three = ["btree (late)", "btree (late, n) unique", "btree (n)"]
    assert indexes(copy) == all_three
    copy.sink.apply(work(4, batch(schema_of(late=INT), {"id": "b", "late": 1})))
    assert indexes(copy) == all_three
    copy.sink.apply(work(5, batch(schema_of(late=TEXT), {"id": "b", "late": "x"})))
    assert indexes(copy) == all_three
    copy.sink.apply(create(6, target=Target.BUILDING))
    copy.sink.apply(work(7, batch(schema_of(n=INT, late=INT), {"id": "b"}), target=Target.BUILDING))
    copy.sink.apply(work(8, target=Target.BUILDING, swap=True))
    assert indexes(copy) == all_three
    run(copy, "CREATE INDEX of_somebody ON orders (id, n)")
    copy.close()
    copy.indexes = (Index(("n",)),)
    copy.sink = copy._new_sink()
    copy.sink.open()
    assert indexes(copy) == ["btree (id, n)", "btree (n)"]
    copy.close()


def test_a_row_that_a_unique_index_forbids_is_a_dead_letter_and_values_may_change_hands():
    copy = PostgresHarness(indexes=(Index(("n",), unique=True),))
    copy.sink.open()
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1}, {"id": "b", "n": 2})))
    copy.sink.apply(work(3, batch(ORDERS, {"id": "a", "n": 2}, {"id": "b", "n": 1})))
    assert {key: row["n"] for (key,), row in copy.live().items()} == {"a": 2, "b": 1}
    applied = copy.sink.apply(work(4, paged(batch(ORDERS, {"id": "c", "n": 1}, {"id": "d", "n": 3}))))
    assert (applied.upserted, applied.letters.refused) == (1, 1)
    (letter,) = copy.letters().values()
    assert "unique" in letter.letter.reason
    copy.close()


def test_a_unique_index_over_rows_that_forbid_it_is_no_fault_of_a_row():
    copy = PostgresHarness()
    copy.sink.open()
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1}, {"id": "b", "n": 1})))
    copy.close()
    copy.indexes = (Index(("n",), unique=True),)
    copy.sink = copy._new_sink()
    with pytest.raises(AcceleratorError, match=r"index over n cannot be made.*two rows") as caught:
        copy.sink.open()
    assert not isinstance(caught.value, RowRefused)
    copy.close()


def test_an_access_of_nothing_is_libpqs_own():
    with pytest.raises(AcceleratorError, match="cannot connect to the PostgreSQL of orders"):
        PostgresAccelerator("orders", PostgresAccess(host="127.0.0.1", port=1)).open()
