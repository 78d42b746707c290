"""Prepared statements over Flight SQL: handles, parameters, and what is refused of them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import adbc_driver_manager
import pyarrow as pa
import pytest
from pyarrow import flight

from headrace.errors import QueryError
from headrace.serve.flight import handles
from headrace.serve.flight.handles import Handles, PreparedStatement
from headrace.serve.flight.messages import (
    ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest,
    CommandPreparedStatementQuery,
    wrap,
)
from headrace.serve.flight.parameters import MOST_BYTES, bound_row, scalars
from support.flying import described


def put(client, descriptor):
    writer, reader = client.do_put(descriptor, pa.schema([]))
    writer.done_writing()
    reader.read()
    writer.close()


VALUES = (
    7,
    -(2**62),
    1.5,
    True,
    "ü",
    b"\x00\xff",
    Decimal("12345678901234567890.12345"),
    date(2020, 2, 29),
    datetime(2020, 1, 1, 12, 0, 0, 5, tzinfo=UTC),
    datetime(2020, 1, 1, 12),  # noqa: DTZ001 - without a zone on purpose
)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_as_it_was_bound(cursor, value):
    cursor.execute("SELECT ? AS x", (value,))
    assert cursor.fetchone() == (value,)


def test_null_is_bound(cursor):
    cursor.execute("SELECT $1 IS NULL AS x, coalesce($1, 'none') AS y", (None,))
    assert cursor.fetchone() == (True, "none")


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ("x", pa.large_string()),
        ("x", pa.string_view()),
        (1, pa.int16()),
        (None, pa.timestamp("us")),
    ],
    ids=str,
)
def test_arrows_own_values_are_bound(cursor, value, type_):
    batch = pa.record_batch([pa.array([value], type_)], names=["x"])
    assert cursor.execute("SELECT ? AS x", batch).fetch_arrow_table()["x"].to_pylist() == [value]


def test_a_prepared_statement_runs_again_with_other_values(cursor, shared):
    sql = "SELECT status FROM orders WHERE id = ?"
    found = [cursor.execute(sql, (number,)).fetchall() for number in (1, 2, 3, 1)]
    assert found == [[("new",)], [("paid",)], [], [("new",)]]
    assert len(shared.statements.handles) == 1
    cursor.close()
    assert len(shared.statements.handles) == 0


def test_a_prepared_statement_gets_the_columns_that_its_table_has_got(flying, system):
    with flying.adbc() as connection, connection.cursor() as cursor:
        assert cursor.execute("SELECT * FROM orders").fetch_arrow_table().num_columns == 2
        with system.versions.changed("orders"):
            system.instance.writer("orders").execute("ALTER TABLE orders ADD COLUMN city VARCHAR")
        with pytest.raises(adbc_driver_manager.OperationalError, match="ask again"):
            cursor.execute("SELECT * FROM orders").fetch_arrow_table()
        assert cursor.execute("SELECT * FROM orders").fetch_arrow_table().num_columns == 3


def test_numbered_parameters_may_be_used_twice(cursor):
    cursor.execute("SELECT $2 || $1 || $2 AS x", ("a", "b"))
    assert cursor.fetchone() == ("bab",)


def test_the_schemas_are_told(cursor):
    told = cursor.adbc_prepare("SELECT id, ? AS x FROM orders WHERE id = ?")
    assert told.names == ["$1", "$2"]
    assert cursor.adbc_execute_schema("SELECT id, status FROM orders").names == ["id", "status"]


def test_the_schema_of_a_handle_can_be_asked_for(flying):
    (made,) = flying.act(
        "CreatePreparedStatement", ActionCreatePreparedStatementRequest("SELECT id FROM orders")
    )
    with flying.plain() as client:
        command = described(CommandPreparedStatementQuery(made.prepared_statement_handle))
        assert client.get_schema(command).schema == pa.ipc.read_schema(pa.py_buffer(made.dataset_schema))
    assert len(pa.ipc.read_schema(pa.py_buffer(made.parameter_schema))) == 0


@pytest.mark.parametrize(
    ("sql", "values", "words"),
    [
        ("SELECT ?", (), "takes 1 parameters"),
        ("SELECT ?, ?", (1,), "takes 2 parameters, and 1 are bound"),
        ("SELECT ?", (1, 2), "takes 1 parameters, and 2 are bound"),
        ("SELECT * FROM orders WHERE id = ?", ("x",), "x"),
        ("SELECT ?", ("x" * (MOST_BYTES + 1),), "bytes together"),
    ],
)
def test_values_that_do_not_fit_are_refused(cursor, sql, values, words):
    with pytest.raises(adbc_driver_manager.ProgrammingError, match=words) as caught:
        cursor.execute(sql, values).fetchall()
    assert "INVALID_ARGUMENT" in str(caught.value)


def test_a_statement_with_parameters_is_not_run_without_being_prepared(flying):
    with pytest.raises(pa.ArrowInvalid, match="prepare it, and bind them"):
        flying.info("SELECT ?")


def test_more_than_one_row_of_parameters_is_refused(cursor):
    rows = pa.record_batch({"x": [1, 2]})
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="one row"):
        cursor.execute("SELECT ?", rows)


@pytest.mark.parametrize("values", [[1], ["x"], [None], [{"a": [1.5]}], [b"x", 2, None]], ids=repr)
def test_a_bound_row_is_read_as_it_was_written(values):
    batch = pa.record_batch(
        [pa.array([value]) for value in values], names=[str(n) for n in range(len(values))]
    )
    assert scalars(bound_row([batch], batch.schema, len(values))) == [column[0] for column in batch.columns]


def test_no_row_is_no_values():
    schema = pa.schema({"x": pa.int64()})
    for batches in ([], [pa.record_batch({"x": pa.array([], pa.int64())})]):
        with pytest.raises(QueryError, match="no row"):
            bound_row(batches, schema, 1)


def test_what_was_closed_or_never_made_is_told_so(flying):
    (made,) = flying.act("CreatePreparedStatement", ActionCreatePreparedStatementRequest("SELECT 1 AS x"))
    handle = made.prepared_statement_handle
    assert flying.table(CommandPreparedStatementQuery(handle)).to_pylist() == [{"x": 1}]
    for _ in range(2):
        assert flying.act("ClosePreparedStatement", ActionClosePreparedStatementRequest(handle)) == []
    for unknown in (handle, b"", b"x" * 16):
        command = CommandPreparedStatementQuery(unknown)
        with pytest.raises(KeyError, match="prepare it again"):
            flying.info(command)
        with flying.plain() as client, pytest.raises(KeyError, match="prepare it again"):
            put(client, described(command))


@pytest.mark.parametrize(
    ("type_", "body", "class_", "words"),
    [
        ("BeginTransaction", b"", NotImplementedError, "no transactions"),
        ("EndSavepoint", b"", NotImplementedError, "no transactions"),
        ("CreatePreparedSubstraitPlan", b"", NotImplementedError, "the actions are: CreatePreparedStatement"),
        ("CreatePreparedStatement", b"", pa.ArrowInvalid, "not that of CreatePreparedStatement"),
        (
            "CreatePreparedStatement",
            wrap(ActionClosePreparedStatementRequest(b"x")),
            pa.ArrowInvalid,
            "not that of CreatePreparedStatement",
        ),
        (
            "CreatePreparedStatement",
            wrap(ActionCreatePreparedStatementRequest("SELECT 1", b"transaction")),
            NotImplementedError,
            "no transactions",
        ),
        ("CancelFlightInfo", b"\xff", pa.ArrowInvalid, "damaged"),
        ("CancelFlightInfo", b"\x0a\x01x", pa.ArrowInvalid, "not a FlightInfo"),
    ],
)
def test_other_actions_are_refused_in_words(shared, type_, body, class_, words):
    with pytest.raises(class_, match=words):
        shared.act(type_, body)


def test_changes_are_refused_in_words(flying):
    address = b"type.googleapis.com/arrow.flight.protocol.sql.CommandStatementUpdate"
    update = b"\n" + bytes([len(address)]) + address
    with flying.plain() as client, pytest.raises(NotImplementedError, match="only reads"):
        put(client, flight.FlightDescriptor.for_command(update))
    with flying.adbc() as connection, connection.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.NotSupportedError, match="only reads"):
            cursor.executescript("DELETE FROM orders")
        with pytest.raises(adbc_driver_manager.Error):
            cursor.adbc_ingest("other", pa.table({"x": [1]}))


def test_an_exchange_is_refused_in_words(shared):
    with (
        shared.plain() as client,
        pytest.raises(NotImplementedError, match="GetFlightInfo and DoGet") as caught,
    ):
        client.do_exchange(described("SELECT 1"))[1].read_chunk()
    assert "Traceback" not in str(caught.value)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def held(clock):
    numbers = iter(range(10**6))
    return Handles(lambda size: next(numbers).to_bytes(size), clock)


def of(sql):
    return PreparedStatement(sql, pa.schema([]), 0)


def test_a_handle_that_is_not_used_for_an_hour_goes(held, clock):
    idle, used = held.add(of("idle")), held.add(of("used"))
    clock.now = handles.IDLE_SECONDS - 1
    assert held.get(used) is not None
    clock.now = handles.IDLE_SECONDS + 1
    assert held.get(idle) is None
    assert held.get(used).sql == "used"
    assert len(held) == 1


def test_of_too_many_handles_the_one_used_longest_ago_goes(held):
    first = held.add(of("first"))
    second = held.add(of("second"))
    for number in range(handles.MOST - 2):
        held.add(of(str(number)))
    assert held.get(first) is not None
    held.add(of("one more"))
    assert held.get(second) is None
    assert held.get(first).sql == "first"
    assert len(held) == handles.MOST


def test_handles_are_bounded_in_bytes(held):
    made = []
    for _ in range(80):
        made.append(held.add(of("x")))
        held.bind(made[-1], b"x" * 2**20)
    assert len(held) == 63
    assert held.get(made[-1]).bound is not None
    for handle in made:
        held.drop(handle)
        held.drop(handle)
    assert len(held) == 0
    held.add(of("y" * 2**20))
    assert len(held) == 1
