"""Who may call, and over what: keys, the handshake, TLS."""

import base64

import adbc_driver_manager
import pyarrow as pa
import pytest
from pyarrow import flight

from headrace.access import Access, ApiKey, Scope, Tls
from headrace.dataset import Secret
from headrace.errors import ConfigError
from headrace.serve.flight.server import FlightServer
from support.certificates import made
from support.flying import described, flown
from support.serving import SmallSystem

KEY = "s3cret:with-colon"
ACCESS = Access((ApiKey(Secret("other"), Scope.READ), ApiKey(Secret(KEY))))
HEADER = "adbc.flight.sql.authorization_header"
CALL_HEADER = "adbc.flight.sql.rpc.call_header."


@pytest.fixture(scope="module")
def flying():
    with flown(SmallSystem(), ACCESS) as flying:
        yield flying


@pytest.mark.parametrize(
    "options",
    [
        {"username": "", "password": KEY},
        {"username": "anybody", "password": KEY},
        {"username": "anybody", "password": "other"},
        {HEADER: f"Bearer {KEY}"},
        {HEADER: f"bearer  {KEY}"},
        {CALL_HEADER + "x-api-key": KEY},
    ],
    ids=str,
)
def test_a_key_lets_in(flying, options):
    with flying.adbc(**options) as connection, connection.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM orders").fetchone() == (2,)
        assert connection.adbc_get_table_types()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"username": KEY, "password": ""},
        {"username": "anybody", "password": "wrong"},
        {HEADER: "Bearer wrong"},
        {HEADER: "Bearer"},
        {HEADER: KEY},
        {HEADER: "Basic !!!"},
        {CALL_HEADER + "x-api-key": KEY + "x"},
        {CALL_HEADER + "x-api-key": ""},
    ],
    ids=str,
)
def test_without_a_key_nothing_is_answered(flying, options):
    with pytest.raises(adbc_driver_manager.Error) as caught, flying.adbc(**options) as connection:
        connection.adbc_get_table_types()
    assert "UNAUTHENTICATED" in str(caught.value).upper()
    assert "x-api-key: KEY" in str(caught.value)
    assert KEY not in str(caught.value)


UNAUTHENTICATED = (flight.FlightUnauthenticatedError, OSError)
"""pyarrow's GetSchema knows codes as OSError alone."""

CALLS = {
    "handshake": lambda client: client.authenticate_basic_token("anybody", "wrong"),
    "ListFlights": lambda client: list(client.list_flights()),
    "GetFlightInfo": lambda client: client.get_flight_info(described("SELECT 1")),
    "GetSchema": lambda client: client.get_schema(described("SELECT 1")),
    "DoGet": lambda client: client.do_get(flight.Ticket(b"")).read_all(),
    "DoPut": lambda client: client.do_put(described("SELECT 1"), pa.schema([]))[1].read(),
    "DoExchange": lambda client: client.do_exchange(described("SELECT 1"))[1].read_chunk(),
    "DoAction": lambda client: list(client.do_action(("CreatePreparedStatement", b""))),
    "ListActions": lambda client: client.list_actions(),
}


@pytest.mark.parametrize("call", CALLS)
def test_every_call_needs_a_key(flying, call):
    with flying.plain() as client, pytest.raises(UNAUTHENTICATED, match="a key is needed"):
        CALLS[call](client)


def test_the_handshake_of_spices_clients_gives_the_header_for_the_calls_that_follow(flying):
    with flying.plain() as client:
        header = client.authenticate_basic_token("", KEY)
        options = flight.FlightCallOptions(headers=[header])
        ticket = client.get_flight_info(described("SELECT 1 AS x"), options).endpoints[0].ticket
        assert client.do_get(ticket, options).read_all().to_pylist() == [{"x": 1}]


def test_where_no_key_is_asked_for_whoever_shows_one_is_let_in_too():
    with flown(SmallSystem()) as flying:
        for options in ({}, {"username": "", "password": "any"}, {HEADER: "Bearer any"}):
            with flying.adbc(**options) as connection, connection.cursor() as cursor:
                assert cursor.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("password", ["é", "a\nb: c", "\x00"])
def test_a_password_that_no_header_can_hold_is_not_given_back(password, capfd):
    given = b"Basic " + base64.b64encode(f"u:{password}".encode())
    options = flight.FlightCallOptions(headers=[(b"authorization", given)])
    with flown(SmallSystem()) as flying, flying.plain() as client:
        assert list(client.list_actions(options))
    assert capfd.readouterr().err == ""


def test_over_tls_and_in_silence(tmp_path, capfd):
    files = made(tmp_path)
    tls = Tls(files.certificate.read_text(), Secret(files.key.read_text()))
    with flown(SmallSystem(), Access(ACCESS.keys, tls)) as flying:
        roots = files.authority.read_text()
        trusting = {"adbc.flight.sql.client_option.tls_root_certs": roots, "password": KEY, "username": ""}
        with flying.adbc(**trusting) as connection, connection.cursor() as cursor:
            assert cursor.execute("SELECT count(*) FROM orders").fetchone() == (2,)
        with pytest.raises(adbc_driver_manager.Error, match="certificate"):
            flying.adbc(username="", password=KEY)
        unencrypted = flying.uri.replace("grpc+tls", "grpc")
        with flight.connect(unencrypted) as client, pytest.raises(flight.FlightUnavailableError):
            list(client.list_actions())
    assert capfd.readouterr().err == ""


def test_a_certificate_that_cannot_be_used_is_refused_before_anything_listens():
    with pytest.raises(ConfigError, match="certificate"):
        FlightServer(SmallSystem(), Access(tls=Tls("no", Secret("no"))), "--flight")
