"""What clients that browse a database are told: catalogs, schemas, tables, keys, types, facts of the server."""

import re
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import flight

import headrace
from headrace.serve.flight.listing import like
from headrace.serve.flight.messages import (
    CommandGetCatalogs,
    CommandGetCrossReference,
    CommandGetDbSchemas,
    CommandGetExportedKeys,
    CommandGetImportedKeys,
    CommandGetPrimaryKeys,
    CommandGetSqlInfo,
    CommandGetTables,
    CommandGetTableTypes,
    CommandGetXdbcTypeInfo,
)
from headrace.serve.flight.metadata import columns
from headrace.status import State
from support.flying import described, flown, query
from support.serving import SmallSystem

ORDERS = {"catalog_name": "headrace", "db_schema_name": "main", "table_name": "orders", "table_type": "TABLE"}


@pytest.fixture
def changing(system):
    with flown(system) as flying:
        yield flying


@pytest.fixture(scope="module")
def flying():
    """For tests that change nothing."""
    with flown(SmallSystem()) as flying:
        yield flying


def test_catalogs_and_schemas_are_those_that_names_in_full_have(flying):
    assert flying.table(CommandGetCatalogs()).to_pylist() == [{"catalog_name": "headrace"}]
    both = [{"catalog_name": "headrace", "db_schema_name": name} for name in ("information_schema", "main")]
    assert flying.table(CommandGetDbSchemas()).to_pylist() == both
    assert flying.table(CommandGetDbSchemas("HEADRACE", "ma%")).to_pylist() == both[1:]
    assert flying.table(CommandGetDbSchemas("")).num_rows == 0


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (CommandGetTables(), True),
        (CommandGetTables("headrace", "main", "orders", ("TABLE",)), True),
        (CommandGetTables(table_name_filter_pattern="O_d%"), True),
        (CommandGetTables(table_name_filter_pattern="order"), False),
        (CommandGetTables(table_name_filter_pattern=r"orders\%"), False),
        (CommandGetTables(table_types=("VIEW",)), False),
        (CommandGetTables(table_types=("VIEW", "TABLE")), True),
        (CommandGetTables(catalog=""), False),
        (CommandGetTables(db_schema_filter_pattern="other"), False),
    ],
    ids=str,
)
def test_tables_that_every_filter_lets_through_are_listed(flying, asked, found):
    assert flying.table(asked).to_pylist() == ([ORDERS] if found else [])


def test_a_table_that_is_not_ready_is_listed_without_columns(changing, system):
    system.status = replace(system.status, ready=False, status=State.LOADING, reason="loading")
    (row,) = changing.table(CommandGetTables(include_schema=True)).to_pylist()
    assert row["table_name"] == "orders"
    assert pa.ipc.read_schema(pa.py_buffer(row["table_schema"])) == pa.schema([])
    with changing.plain() as client:
        assert list(client.list_flights()) == []


TYPES = (
    "1::UTINYINT",
    "1::HUGEINT",
    "1.5::DECIMAL(20, 3)",
    "'x'::VARCHAR",
    "'x'::BLOB",
    "now()",
    "TIMESTAMP_NS '2020-01-01'",
    "DATE '2020-01-01'",
    "TIME '01:00:00'",
    "INTERVAL 1 DAY",
    "[['x']]",
    "{'a': {'b': ['x'::BLOB]}}",
    "MAP {'a': 1}",
    "uuid()",
    "'{}'::JSON",
    "[1, 2]::INTEGER[2]",
    "true",
)


def test_the_columns_of_a_table_are_told_alike_everywhere(changing, system):
    writer = system.instance.writer("orders")

    @settings(max_examples=15, deadline=None)
    @given(st.lists(st.sampled_from(TYPES), min_size=1, max_size=6))
    def law(types):
        selected = ", ".join(f'{type_} AS "c{number} ü"' for number, type_ in enumerate(types))
        with system.versions.changed("orders"):
            writer.execute(f"CREATE OR REPLACE TABLE orders AS SELECT {selected}")
        (row,) = changing.table(CommandGetTables(include_schema=True)).to_pylist()
        told = pa.ipc.read_schema(pa.py_buffer(row["table_schema"]))
        assert told.equals(changing.table(query("SELECT * FROM orders")).schema, check_metadata=True)
        with changing.adbc() as connection:
            assert connection.adbc_get_table_schema("orders").equals(told)
        with changing.plain() as client:
            (listed,) = client.list_flights()
            assert listed.schema.equals(told)
            assert client.do_get(listed.endpoints[0].ticket).read_all().schema.equals(told)
        assert not re.search("view", str(told)), "clients of older Arrow cannot read views"

    law()


def test_a_path_is_a_table(flying):
    with flying.plain() as client:
        for path in (("orders",), ("headrace", "main", "ORDERS"), ("main", "orders")):
            descriptor = flight.FlightDescriptor.for_path(*path)
            assert client.get_schema(descriptor).schema.names == ["id", "status"]
        with pytest.raises(pa.ArrowInvalid):
            client.get_flight_info(flight.FlightDescriptor.for_path('orders" WHERE "id'))


def test_adbc_shows_the_whole_tree(flying):
    with flying.adbc() as connection:
        (catalog,) = (
            connection.adbc_get_objects(depth="all", table_name_filter="orders").read_all().to_pylist()
        )
        assert connection.adbc_get_table_types() == ["TABLE", "VIEW"]
    (schema,) = (found for found in catalog["catalog_db_schemas"] if found["db_schema_name"] == "main")
    (table,) = schema["db_schema_tables"]
    assert table["table_name"] == "orders"
    assert [column["column_name"] for column in table["table_columns"]] == ["id", "status"]


def test_the_key_of_a_table_is_told(flying):
    (row,) = flying.table(CommandGetPrimaryKeys(table="Orders")).to_pylist()
    assert (row["table_name"], row["column_name"], row["key_sequence"]) == ("orders", "id", 1)
    for other in (
        CommandGetPrimaryKeys(table="others"),
        CommandGetPrimaryKeys(db_schema="x", table="orders"),
    ):
        assert flying.table(other).num_rows == 0


@pytest.mark.parametrize(
    "asked",
    [
        CommandGetExportedKeys(table="orders"),
        CommandGetImportedKeys(table="orders"),
        CommandGetCrossReference(),
    ],
    ids=str,
)
def test_there_are_no_foreign_keys(flying, asked):
    table = flying.table(asked)
    assert table.num_rows == 0
    assert table.schema.names[-2:] == ["update_rule", "delete_rule"]


def test_the_server_tells_what_it_is(flying):
    with flying.adbc() as connection:
        told = connection.adbc_get_info()
    assert (told["vendor_name"], told["vendor_version"]) == ("Headrace", headrace.__version__)
    assert told["vendor_arrow_version"] == pa.__version__


def test_facts_come_in_the_order_in_which_they_are_asked_for(flying):
    table = flying.table(CommandGetSqlInfo((504, 3, 0, 99999, 517, 508, 541, 8)))
    assert table["info_name"].to_pylist() == [504, 3, 0, 517, 508, 541, 8]
    assert table["value"].to_pylist() == ['"', True, "Headrace", [], [], 0, 0]
    everything = flying.table(CommandGetSqlInfo())
    assert set(everything["info_name"].to_pylist()) == {*range(6), *range(8, 11), 100, 101, *range(500, 577)}
    assert everything["value"].combine_chunks().validate(full=True) is None


def test_types_are_told_in_order(flying):
    told = flying.table(CommandGetXdbcTypeInfo()).to_pylist()
    assert told == sorted(told, key=lambda row: (row["data_type"], row["type_name"]))
    (text,) = flying.table(CommandGetXdbcTypeInfo(12)).to_pylist()
    assert (text["type_name"], text["case_sensitive"], text["searchable"]) == ("VARCHAR", True, 3)
    with flying.adbc() as connection, connection.cursor() as cursor:
        for row in told:
            cursor.execute(f"SELECT NULL::{row['type_name']}")


@pytest.mark.parametrize(
    "command",
    [CommandGetCatalogs(), CommandGetTables(), CommandGetTables(include_schema=True), CommandGetTableTypes()],
    ids=str,
)
def test_columns_can_be_asked_for_alone(flying, command):
    with flying.plain() as client:
        assert client.get_schema(described(command)).schema == columns(command)


@given(st.text("ab%_\\", max_size=6), st.text("ab%_\\", max_size=6))
def test_a_pattern_is_sqls_like(pattern, text):
    assert bool(like(pattern).fullmatch(text)) == matches(pattern, text)


def matches(pattern, text):
    """LIKE by its definition, letter by letter."""
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(matches(pattern[1:], text[n:]) for n in range(len(text) + 1))
    if pattern[0] == "\\" and len(pattern) > 1:
        return text[:1] == pattern[1] and matches(pattern[2:], text[1:])
    return bool(text) and (pattern[0] in ("_", text[0])) and matches(pattern[1:], text[1:])
