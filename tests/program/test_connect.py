"""``headrace.connect``: a DB-API 2.0 connection to a runtime."""

import sys

import pytest

import headrace
from headrace.access import Access, ApiKey, Tls
from headrace.dataset import Secret
from headrace.errors import ConfigError, HeadraceError, PackageMissing
from support.certificates import made
from support.flying import flown
from support.serving import SmallSystem


def test_a_program_asks_a_runtime(running):
    with headrace.connect(running.flight_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) AS orders, min(amount) < ? AS small FROM orders", (1000,))
        assert cursor.fetchone() == (300, True)
        assert [column[0] for column in cursor.description] == ["orders", "small"]
        assert cursor.execute("SELECT * FROM orders").fetch_arrow_table().num_rows == 300
        assert len(cursor.execute("SELECT * FROM orders").fetch_df()) == 300
        assert len(cursor.execute("SELECT * FROM orders").fetch_polars()) == 300
        connection.commit()
        assert "order_id" in connection.adbc_get_table_schema("orders").names


def test_a_key_and_a_certificate_are_shown(tmp_path):
    files = made(tmp_path)
    tls = Tls(files.certificate.read_text(), Secret(files.key.read_text()))
    with flown(SmallSystem(), Access((ApiKey(Secret("s3cret")),), tls)) as flying:
        with (
            headrace.connect(flying.uri, api_key="s3cret", tls_roots=files.authority) as connection,
            connection.cursor() as cursor,
        ):
            assert cursor.execute("SELECT count(*) FROM orders").fetchone() == (2,)
        with (
            headrace.connect(flying.uri, api_key="wrong", tls_roots=str(files.authority)) as connection,
            connection.cursor() as cursor,
            pytest.raises(connection.ProgrammingError, match="a key is needed"),
        ):
            cursor.execute("SELECT 1")


def test_rows_larger_than_clients_take_by_default_come_too():
    with (
        flown(SmallSystem()) as flying,
        headrace.connect(flying.uri) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT repeat('x', 17 * 1024 * 1024) AS x")
        assert len(cursor.fetchone()[0]) == 17 * 2**20


def test_a_call_that_takes_too_long_is_given_up():
    endless = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 3"
    with (
        flown(SmallSystem()) as flying,
        headrace.connect(flying.uri, timeout=0.3) as connection,
        connection.cursor() as cursor,
        pytest.raises(connection.OperationalError, match="TIMEOUT"),
    ):
        cursor.execute(endless).fetchall()


@pytest.mark.parametrize("uri", ["127.0.0.1:50051", "http://127.0.0.1:8090", ""])
def test_an_address_of_another_kind_is_refused(uri):
    with pytest.raises(ConfigError, match=r"is not grpc://HOST:PORT"):
        headrace.connect(uri)


def test_authorities_that_cannot_be_trusted_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"grpc\+tls://"):
        headrace.connect("grpc://127.0.0.1:1", tls_roots=tmp_path / "none.pem")
    with pytest.raises(ConfigError, match="cannot be read"):
        headrace.connect("grpc+tls://127.0.0.1:1", tls_roots=tmp_path / "none.pem")


def test_without_the_driver_its_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "adbc_driver_flightsql", None)
    with pytest.raises(PackageMissing, match=r"pip install 'headrace\[client\]'") as caught:
        headrace.connect()
    assert isinstance(caught.value, HeadraceError)
    assert isinstance(caught.value, ImportError)
