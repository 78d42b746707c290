"""Statements over Flight SQL: by ADBC's driver, by a plain Flight client, and what becomes of their rows."""

import os
import socket
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import adbc_driver_manager
import pyarrow as pa
import pytest
from pyarrow import flight

from headrace.access import Access
from headrace.errors import ConfigError
from headrace.query.watch import Bounds
from headrace.serve.flight import runs
from headrace.serve.flight.messages import (
    ActionCancelQueryRequest,
    ActionCancelQueryResult,
    CommandPreparedStatementQuery,
    TicketStatementQuery,
    wrap,
)
from headrace.serve.flight.server import FlightServer
from headrace.serve.flight.ticket import StatementTicket
from headrace.status import State
from support.deadline import eventually
from support.flying import described, flown, query
from support.serving import SmallSystem

ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 3"
LONG = "SELECT i, 'row number ' || i AS text, i / 7 AS part FROM range(300000000) t(i)"

TYPES = {
    "1::TINYINT": (pa.int8(), 1),
    "1::UTINYINT": (pa.uint8(), 1),
    "9223372036854775807": (pa.int64(), 2**63 - 1),
    "1::HUGEINT": (pa.decimal128(38, 0), Decimal(1)),
    "1.50::DECIMAL(38,2)": (pa.decimal128(38, 2), Decimal("1.50")),
    "0.1::DOUBLE": (pa.float64(), 0.1),
    "true": (pa.bool_(), True),
    "NULL": (pa.int32(), None),
    "'ü'": (pa.string(), "ü"),
    "'\\xFF'::BLOB": (pa.binary(), b"\xff"),
    "DATE '2020-02-29'": (pa.date32(), date(2020, 2, 29)),
    "TIME '10:11:12.5'": (pa.time64("us"), time(10, 11, 12, 500000)),
    "TIMESTAMP '2020-01-01 00:00:01'": (pa.timestamp("us"), datetime(2020, 1, 1, 0, 0, 1)),  # noqa: DTZ001
    "TIMESTAMPTZ '2020-01-01 02:00:00+02'": (pa.timestamp("us", "UTC"), datetime(2020, 1, 1, tzinfo=UTC)),
    "[1, NULL]::BIGINT[]": (pa.list_(pa.field("l", pa.int64())), [1, None]),
    "{'a': 'x', 'b': [1.5::DOUBLE]}": (
        pa.struct({"a": pa.string(), "b": pa.list_(pa.field("l", pa.float64()))}),
        {"a": "x", "b": [1.5]},
    ),
    "MAP {'a': 'b'}": (pa.map_(pa.string(), pa.string()), [("a", "b")]),
}


def test_a_statement_gives_its_rows(cursor):
    cursor.execute("SELECT id, status FROM orders ORDER BY id")
    assert [column[0] for column in cursor.description] == ["id", "status"]
    assert cursor.fetchone() == (1, "new")
    assert cursor.fetchall() == [(2, "paid")]


def test_no_rows_have_columns(cursor):
    cursor.execute("SELECT * FROM orders WHERE false")
    assert cursor.fetch_arrow_table().schema.names == ["id", "status"]


@pytest.mark.parametrize("sql", TYPES)
def test_each_type_comes_as_arrow_has_it(cursor, shared, sql):
    type_, value = TYPES[sql]
    table = cursor.execute(f"SELECT {sql} AS x").fetch_arrow_table()
    assert table.schema.field("x").type == type_
    assert table["x"].to_pylist() == [value]
    assert shared.table(query(f"SELECT {sql} AS x")).equals(table)


def test_pandas_and_polars_take_the_rows(cursor):
    cursor.execute("SELECT * FROM orders ORDER BY id")
    assert cursor.fetch_df()["status"].tolist() == ["new", "paid"]
    cursor.execute("SELECT * FROM orders ORDER BY id")
    assert cursor.fetch_polars()["id"].to_list() == [1, 2]


@pytest.mark.parametrize("sql", ["DESCRIBE orders", "SHOW TABLES", "EXPLAIN SELECT * FROM orders"])
def test_what_is_told_of_a_table_comes_too(shared, cursor, sql):
    assert shared.table(query(sql)).num_rows
    assert cursor.execute(sql).fetchall()


def test_the_bare_text_of_a_statement_is_answered_as_spices_clients_ask(flying):
    assert flying.table("SELECT id FROM orders ORDER BY id").to_pylist() == [{"id": 1}, {"id": 2}]


def test_columns_are_told_before_anything_runs(flying, system):
    with flying.plain() as client:
        for command in (query(LONG), LONG):
            told = client.get_schema(described(command)).schema
            assert told.names == ["i", "text", "part"]
            assert client.get_flight_info(described(command)).schema == told
    assert system.engine.running == 0


def test_a_ticket_may_be_used_again_and_elsewhere(flying):
    ticket = flying.info(query("SELECT count(*) AS n FROM orders")).endpoints[0].ticket
    for _ in range(2):
        with flying.plain() as client:
            assert client.do_get(ticket).read_all().to_pylist() == [{"n": 2}]


def test_rows_whose_columns_are_others_than_were_told_are_not_sent(flying, system):
    ticket = flying.info(query("SELECT * FROM orders")).endpoints[0].ticket
    with system.versions.changed("orders"):
        system.instance.writer("orders").execute("ALTER TABLE orders ADD COLUMN city VARCHAR")
    with (
        flying.plain() as client,
        pytest.raises(flight.FlightUnavailableError, match="ask again"),
    ):
        client.do_get(ticket)
    assert system.engine.running == 0


REFUSED = {
    "SELECT nothing FROM orders": (
        adbc_driver_manager.ProgrammingError,
        "INVALID_ARGUMENT",
        'Referenced column "nothing"',
    ),
    "SELECT * FROM ordres": (adbc_driver_manager.ProgrammingError, "INVALID_ARGUMENT", "orders"),
    "SELEC 1": (adbc_driver_manager.ProgrammingError, "INVALID_ARGUMENT", "syntax error"),
    "DELETE FROM orders": (adbc_driver_manager.ProgrammingError, "UNAUTHORIZED", "refused"),
    "SELECT * FROM read_csv('/etc/passwd')": (
        adbc_driver_manager.ProgrammingError,
        "UNAUTHORIZED",
        "read_csv",
    ),
    "SELECT 1; SELECT 2": (adbc_driver_manager.ProgrammingError, "", "one"),
    f"SELECT '{'x' * 2**21}'": (adbc_driver_manager.ProgrammingError, "INVALID_ARGUMENT", "characters"),
}


@pytest.mark.parametrize("sql", REFUSED, ids=lambda sql: sql[:30])
def test_an_error_has_its_code_and_the_words_of_http_and_no_more(cursor, sql):
    class_, code, words = REFUSED[sql]
    with pytest.raises(class_) as caught:
        cursor.execute(sql)
    message = str(caught.value)
    assert code in message
    assert words in message
    for inside in ("Traceback", ".py", "site-packages", "headrace/"):
        assert inside not in message
        assert not any(inside.encode() in value for _, value in caught.value.details)


def test_a_dataset_that_is_not_ready_is_said_to_be_unavailable(flying, system):
    with flying.plain() as client:
        ticket = client.get_flight_info(described("SELECT * FROM orders")).endpoints[0].ticket
        system.status = replace(system.status, ready=False, status=State.LOADING, reason="12 of 90 segments")
        for ask in (
            lambda: client.get_flight_info(described("SELECT * FROM orders")),
            lambda: client.do_get(ticket).read_all(),
        ):
            with pytest.raises(flight.FlightUnavailableError, match="12 of 90 segments"):
                ask()


def test_an_error_amid_the_rows_ends_them(flying, system):
    sql = "SELECT CASE WHEN i = 200000 THEN error('no ' || i) ELSE 'fine' END AS x FROM range(300000) t(i)"
    with flying.plain() as client:
        reader = client.do_get(flying.info(query(sql)).endpoints[0].ticket)
        with pytest.raises(pa.ArrowInvalid, match="no 200000") as caught:
            reader.read_all()
    assert "Traceback" not in str(caught.value)
    assert system.engine.running == 0


def test_what_nobody_expected_tells_the_log_alone(flying, system, monkeypatch, capsys):
    def broken(sql):
        raise ZeroDivisionError("a secret of the inside")

    monkeypatch.setattr(system, "prepare", broken)
    with pytest.raises(flight.FlightInternalError, match="its log says at what") as caught:
        flying.info(query("SELECT 1"))
    assert "secret" not in str(caught.value)
    assert "a secret of the inside" in capsys.readouterr().out


@pytest.mark.parametrize("sql", [ENDLESS, LONG])
def test_a_statement_that_takes_too_long_is_ended_before_or_amid_its_rows(sql):
    system = SmallSystem(Bounds(timeout=0.2))
    with flown(system) as flying:
        ticket = flying.info(query(sql)).endpoints[0].ticket
        with (
            flying.plain() as client,
            pytest.raises(flight.FlightTimedOutError, match=r"longer than 0\.2 s") as caught,
        ):
            for _ in client.do_get(ticket):
                pass
    assert "Traceback" not in str(caught.value)
    assert system.engine.running == 0


def test_more_statements_than_there_are_places_are_told_to_come_back():
    system = SmallSystem(Bounds(places=1, wait=0.1))
    with flown(system) as flying, flying.plain() as client:
        reading = client.do_get(flying.info(query(LONG)).endpoints[0].ticket)
        reading.read_chunk()
        with pytest.raises(flight.FlightUnavailableError, match="1 statements are running"):
            flying.table("SELECT 1 AS x")
        reading.cancel()


def test_a_client_that_leaves_amid_the_rows_ends_the_statement(flying, system):
    with flying.plain() as client:
        reader = client.do_get(flying.info(query(LONG)).endpoints[0].ticket)
        reader.read_chunk()
        assert system.engine.running == 1
        reader.cancel()
        eventually(lambda: system.engine.running == 0, within=10, what="the statement ended")
    eventually(lambda: len(flying.statements.runs) == 0, within=10, what="the run forgotten")


def test_a_client_that_leaves_before_the_first_row_ends_the_statement(flying, system):
    with flying.plain() as client:
        ticket = flying.info(query(ENDLESS)).endpoints[0].ticket
        with pytest.raises(flight.FlightTimedOutError):
            client.do_get(ticket, flight.FlightCallOptions(timeout=0.3)).read_all()
    eventually(lambda: system.engine.running == 0, within=10, what="the statement ended")


def test_adbc_cancels_what_it_reads(flying, system):
    with flying.adbc() as connection, connection.cursor() as cursor:
        cursor.execute(LONG)
        cursor.adbc_cancel()
        with pytest.raises(adbc_driver_manager.OperationalError):
            cursor.fetch_arrow_table()
    eventually(lambda: system.engine.running == 0, within=10, what="the statement ended")


def test_a_server_that_stops_waits_for_nobody_who_does_not_read(system):
    with flown(system) as flying, flying.plain() as client:
        reader = client.do_get(flying.info(query(LONG)).endpoints[0].ticket)
        reader.read_chunk()
        flying.stop()
        with pytest.raises(pa.ArrowException):
            reader.read_all()


def test_a_stopped_server_has_given_its_port_back(flying):
    port = int(flying.uri.rpartition(":")[2])
    flying.stop()
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_taken_port_is_named_with_the_flag_that_changes_it(system, capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = FlightServer(system, Access(), "--flight")
        with pytest.raises(ConfigError, match=f"--flight 127.0.0.1:{port}: port {port} is taken"):
            server.start("127.0.0.1", port)
        server.stop()
    assert capfd.readouterr().err == ""
    system.close()


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_other_names_of_this_machine_are_listened_on(system, host):
    server = FlightServer(system, Access(), "--flight")
    address, port = server.start(host, 0)
    with flight.connect(f"grpc://{f'[{address}]' if ':' in address else address}:{port}") as client:
        assert client.do_get(
            client.get_flight_info(described("SELECT 1 AS x")).endpoints[0].ticket
        ).read_all().to_pylist() == [{"x": 1}]
    server.stop()
    system.close()


@pytest.mark.parametrize(
    ("ticket", "words"),
    [
        (b"", "none of Headrace's"),
        (b"SELECT 1", "none of Headrace's"),
        (wrap(TicketStatementQuery(b"SELECT 1")), "none of this process's"),
        (wrap(TicketStatementQuery(b"\x93\x01\x02")), "none of this process's"),
        (wrap(CommandPreparedStatementQuery(b"x")), "none of Headrace's"),
        (wrap(TicketStatementQuery(b"x"))[:-1], "none of Headrace's"),
    ],
)
def test_a_ticket_of_somebody_elses_is_refused(shared, ticket, words):
    with shared.plain() as client, pytest.raises(pa.ArrowInvalid, match=words):
        client.do_get(flight.Ticket(ticket))


def test_a_ticket_that_was_changed_or_is_another_processs_is_refused(flying, shared):
    """What it brings in would be read as the server's own: compressed parameters may fill all memory."""
    forged = StatementTicket(b"x", "SELECT ?", parameters=b"x").encoded(b"another key")
    with flying.plain() as client, shared.plain() as other:
        (endpoint,) = client.get_flight_info(flight.FlightDescriptor.for_command(b"SELECT 1")).endpoints
        whole = endpoint.ticket.ticket
        for ticket in (wrap(TicketStatementQuery(forged)), whole[:-1] + bytes([whole[-1] ^ 1])):
            with pytest.raises(pa.ArrowInvalid, match="none of this process's"):
                client.do_get(flight.Ticket(ticket))
        with pytest.raises(pa.ArrowInvalid, match="none of this process's"):
            other.do_get(flight.Ticket(whole))
        assert client.do_get(flight.Ticket(whole)).read_all().num_rows == 1


def test_a_large_item_does_not_make_a_large_message(flying):
    """ADBC takes messages of 16 MiB unless told otherwise; a batch of such items would have 8192 times 100 KB."""
    with flying.adbc() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT repeat('x', 100000) || i AS x FROM range(300) t(i)")
        assert cursor.fetch_arrow_table().num_rows == 300


def cancelling(info):
    """The body of CancelFlightInfo: a FlightInfo in field 1, its length in base 128."""
    encoded, length, prefix = info.serialize(), len(info.serialize()), b""
    while length > 127:
        prefix, length = prefix + bytes([length & 127 | 128]), length >> 7
    return b"\x0a" + prefix + bytes([length]) + encoded


def test_a_statement_is_cancelled_by_whoever_has_its_flight_info(flying, system):
    info = flying.info(query(LONG))
    with pytest.raises(KeyError, match="no statement runs"):
        flying.act("CancelFlightInfo", cancelling(info))
    with flying.plain() as client:
        reader = client.do_get(info.endpoints[0].ticket)
        reader.read_chunk()
        with flying.plain() as other:
            (result,) = other.do_action(("CancelFlightInfo", cancelling(info)))
        assert result.body.to_pybytes() == b"\x08\x01"
        with pytest.raises(flight.FlightServerError, match="was cancelled"):
            reader.read_all()
    eventually(lambda: len(flying.statements.runs) == 0, within=10, what="the run forgotten")


def test_older_clients_cancel_in_their_own_way(flying, system):
    info = flying.info(query(LONG))
    with flying.plain() as client:
        reader = client.do_get(info.endpoints[0].ticket)
        reader.read_chunk()
        assert flying.act("CancelQuery", ActionCancelQueryRequest(info.serialize())) == [
            ActionCancelQueryResult(1)
        ]
        with pytest.raises(flight.FlightServerError, match="was cancelled"):
            reader.read_all()


def test_too_many_calls_at_once_are_told_to_come_back(flying, monkeypatch):
    monkeypatch.setattr(runs, "MOST", 1)
    with flying.plain() as client:
        reader = client.do_get(flying.info(query(LONG)).endpoints[0].ticket)
        reader.read_chunk()
        with pytest.raises(flight.FlightUnavailableError, match="under way already"):
            flying.table("SELECT 1 AS x")
        reader.cancel()


@pytest.mark.long
def test_a_wide_result_of_a_million_rows_takes_bounded_memory(flying):
    """The rows have some 500 MB; the server, which shares this process, holds a few batches of them at a time."""
    columns = ", ".join(f"repeat(chr(97 + {number}), 20) || i AS c{number}" for number in range(20))
    flying.table(query(f"SELECT {columns} FROM range(1000) t(i)"))
    before, most = resident(), 0
    with flying.plain() as client:
        info = flying.info(query(f"SELECT {columns} FROM range(1000000) t(i)"))
        rows = 0
        for chunk in client.do_get(info.endpoints[0].ticket):
            rows += chunk.data.num_rows
            most = max(most, resident() - before)
    assert rows == 1_000_000
    assert most < 200 * 2**20


def resident():
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
