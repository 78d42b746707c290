"""Connections and servers that are lost at the worst moments: nothing is lost, nothing is done twice, all is told."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from urllib.parse import quote

import pytest

from headrace.accelerators.postgres import PostgresAccelerator
from headrace.column_type import INT, TEXT
from headrace.dataset import Secret
from headrace.errors import AcceleratorError, AcceleratorFull, AcceleratorLocked, CommitUnknown, ConfigError
from support.copies import batch, checkpoint, create, paged, schema_of, work
from support.deadline import eventually
from support.engines.postgres import PostgresHarness
from support.line import Line
from support.postgres_server import PostgresServer, shared_server

ORDERS = schema_of(n=INT)

COMMIT = b"COMMIT\0"
"""The statement as it goes over the line."""


@pytest.fixture
def copy():
    harness = PostgresHarness()
    harness.sink.open()
    yield harness
    harness.close()


@pytest.fixture
def line():
    with Line(shared_server().port) as one:
        yield one


def over(line, copy):
    """The dataset as it is reached over a line that can be cut."""
    copy.sink.close()
    copy.sink = PostgresAccelerator("orders", replace(copy.server.access(copy.schema), port=line.port))
    copy.sink.open()
    copy.sink.apply(create(1))
    return copy.sink


def admin(copy, statement, *values):
    with copy.server.connect() as connection:
        return connection.execute(statement, values).fetchall()


# The commit


@pytest.mark.parametrize("arrives", [False, True])
def test_a_commit_that_is_cut_off_is_unknown_until_the_checkpoint_is_read(copy, line, arrives):
    """Invariant 1: the checkpoint tells, and doing the work again changes nothing."""
    sink = over(line, copy)
    one = work(2, batch(ORDERS, {"id": "a", "n": 1}, {"id": "b", "n": 2}))
    if arrives:
        line.cut_after = COMMIT
    else:
        line.cut_before = COMMIT
    with pytest.raises(CommitUnknown, match="lost while orders was committed"):
        sink.apply(one)
    with pytest.raises(CommitUnknown, match="connected again"):
        sink.apply(one)
    assert sink.open().live.checkpoint == checkpoint(2 if arrives else 1)
    assert sink.rows() == (2 if arrives else 0)
    sink.apply(one)
    assert copy.live().keys() == {("a",), ("b",)}


def test_a_commit_that_the_server_refuses_has_not_happened(copy):
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    with copy.server.connect() as connection:
        connection.execute(f'SET search_path = "{copy.schema}"')
        connection.execute(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'not now'; END$$"
        )
        connection.execute(
            "CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON orders DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION no()"
        )
    with pytest.raises(AcceleratorError, match="the commit of orders failed: not now") as caught:
        copy.sink.apply(work(3, batch(ORDERS, {"id": "b", "n": 1})))
    assert not isinstance(caught.value, CommitUnknown)
    assert copy.sink.open().live.checkpoint == checkpoint(2)


# The session


@pytest.mark.parametrize("moment", ["between", "within"])
def test_a_session_that_the_server_ends_is_noticed_and_another_goes_on(copy, moment):
    copy.sink.apply(create(1))
    pid = copy.sink._session.pid
    if moment == "within":
        true = copy.sink._write

        def ended(*arguments):
            true(*arguments)
            admin(copy, "SELECT pg_terminate_backend(%s, 5000)", pid)
            return true(*arguments)

        copy.plant(ended)
    else:
        admin(copy, "SELECT pg_terminate_backend(%s, 5000)", pid)
        with pytest.raises(CommitUnknown):
            copy.sink.check()
    with pytest.raises(CommitUnknown):
        copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    if moment == "within":
        copy.plant(true)
    assert copy.sink.open().live.checkpoint == checkpoint(1)
    copy.sink.check()
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    assert copy.live() == {("a",): {"id": "a", "n": 1}}


def test_a_session_of_ours_that_the_server_still_holds_for_alive_gives_way(copy, line):
    """A cut line is noticed at one end first, and the lock is held by the other."""
    sink = over(line, copy)
    line.drop_clients()
    with pytest.raises(CommitUnknown):
        sink.check()
    stranger = PostgresAccelerator("orders", copy.server.access(copy.schema))
    with pytest.raises(AcceleratorLocked):
        stranger.open()
    assert sink.open().live.checkpoint == checkpoint(1)
    sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))


def test_a_writer_without_its_session_never_writes_beside_its_successor(copy):
    copy.sink.apply(create(1))
    admin(copy, "SELECT pg_terminate_backend(%s, 5000)", copy.sink._session.pid)
    successor = PostgresAccelerator("orders", copy.server.access(copy.schema))
    successor.open()
    successor.apply(work(2, batch(ORDERS, {"id": "a", "n": 2})))
    with pytest.raises(CommitUnknown):
        copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    with pytest.raises(AcceleratorLocked):
        copy.sink.open()
    successor.close()
    assert copy.live() == {("a",): {"id": "a", "n": 2}}


def test_readers_whose_sessions_are_lost_get_others(copy):
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    assert copy.sink.rows() == 1
    (reader,) = copy.sink._readers._idle
    admin(copy, "SELECT pg_terminate_backend(%s, 5000)", reader.connection.info.backend_pid)
    assert copy.sink.rows() == 1


# The server


class Load:
    """Applies one work after another, each once as far as can be known, whatever becomes of the server."""

    def __init__(self, sink):
        self.sink = sink
        self.durable = 0
        self.wrong = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self):
        self.sink.open()
        self.sink.apply(create(0))
        self._thread.start()

    def stop(self):
        self._done.set()
        self._thread.join()

    def expected(self):
        """The rows by key: each says which of the durable works wrote it last."""
        rows = {}
        for mark in range(1, self.durable + 1):
            rows |= {row["id"]: mark for row in rows_of(mark)}
        return rows

    def _run(self):
        while not self._done.is_set():
            mark = self.durable + 1
            try:
                self.sink.apply(work(mark, batch(ORDERS, *rows_of(mark))))
            except CommitUnknown:
                self._reopen(mark)
            except AcceleratorError as error:
                self.wrong.append(error)
                return
            else:
                self.durable = mark

    def _reopen(self, mark):
        while not self._done.is_set():
            try:
                known = int(self.sink.open().live.checkpoint.scan_ended_at)
            except AcceleratorError:
                self._done.wait(0.02)
            else:
                if known not in (mark, mark - 1):
                    self.wrong.append((known, mark))
                self.durable = known
                return


def rows_of(mark):
    return [{"id": str(n % 97), "n": mark} for n in range(mark, mark + 50)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["in order", "as a crash"])
def test_a_server_that_restarts_under_load_loses_nothing_and_repeats_nothing(number):
    server = PostgresServer(durable=True)
    try:
        server.start()
        load = Load(PostgresAccelerator("orders", server.access("public")))
        load.start()
        for restart in (True, True, False):
            before = load.durable
            eventually(
                lambda before=before: load.wrong or load.durable > before + 5,
                within=60,
                what="more commits",
            )
            if restart:
                server.stop(number)
                server.start()
        load.stop()
        assert load.wrong == []
        with server.connect() as connection:
            assert dict(connection.execute("SELECT id, n FROM orders").fetchall()) == load.expected()
        assert load.sink.rows() == len(load.expected())
        load.sink.close()
    finally:
        server.remove()


@pytest.mark.parametrize(("state", "kind"), [("53100", AcceleratorFull), ("58030", AcceleratorError)])
def test_a_disk_that_fails_keeps_nothing_makes_no_letter_and_is_told(copy, state, kind):
    copy.sink.apply(create(1))
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    with copy.server.connect() as connection:
        connection.execute(f'SET search_path = "{copy.schema}"')
        connection.execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$BEGIN RAISE 'could not extend file' USING ERRCODE = '{state}'; END$$"
        )
        connection.execute(
            "CREATE TRIGGER fails BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION fail()"
        )
    with pytest.raises(kind, match="could not extend file"):
        copy.sink.apply(work(3, paged(batch(ORDERS, {"id": "b", "n": 1}))))
    assert copy.sink.open().live.checkpoint == checkpoint(2)
    assert copy.letters() == {}
    with copy.server.connect() as connection:
        connection.execute(f'DROP TRIGGER fails ON "{copy.schema}".orders')
    copy.sink.apply(work(3, paged(batch(ORDERS, {"id": "b", "n": 1}))))
    assert copy.live().keys() == {("a",), ("b",)}


# Secrets and ways to connect

PASSWORD = "hush hush"


@pytest.fixture(scope="module")
def guarded():
    """A server that wants a password of a role."""
    server = PostgresServer()
    server.start()
    try:
        with server.connect() as connection:
            connection.execute(f"CREATE ROLE undercover LOGIN PASSWORD '{PASSWORD}'")
            connection.execute("CREATE SCHEMA AUTHORIZATION undercover")
            rules = server.data / "pg_hba.conf"
            rules.write_text("host all undercover 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
            connection.execute("SELECT pg_reload_conf()")
        yield server
    finally:
        server.remove()


def guarded_by(server, password=PASSWORD, **more):
    return replace(server.access("undercover", "undercover"), password=Secret(password), **more)


def test_a_password_opens_and_a_wrong_one_is_told_without_a_word_of_it(guarded):
    sink = PostgresAccelerator("orders", guarded_by(guarded))
    assert sink.open().live is None
    sink.apply(create(1))
    sink.close()
    for access in (
        guarded_by(guarded, "wrong" + PASSWORD),
        guarded_by(guarded, database="nowhere"),
        replace(
            guarded_by(guarded),
            user=None,
            password=None,
            connection_string=Secret(
                f"postgresql://undercover:wrong{quote(PASSWORD)}@127.0.0.1:{guarded.port}/postgres"
            ),
        ),
    ):
        with pytest.raises(AcceleratorError, match="cannot connect to the PostgreSQL of orders") as caught:
            PostgresAccelerator("orders", access).open()
        assert_tells_no_secret(caught.value)


@pytest.mark.parametrize(
    "text", [f"password = '{PASSWORD}", f"nonsense={PASSWORD}", f"postgresql://a:{PASSWORD}@h:x/"]
)
def test_a_connection_string_that_cannot_be_read_is_refused_without_a_word_of_it(guarded, text):
    with pytest.raises((ConfigError, AcceleratorError)) as caught:
        PostgresAccelerator(
            "orders", replace(guarded.access("public"), connection_string=Secret(text))
        ).open()
    assert_tells_no_secret(caught.value)


def assert_tells_no_secret(error):
    told = ""
    while error is not None:
        told += f"{error} {error.args}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert "undercover" not in told
    assert "hush" not in told


def test_what_stands_beside_the_connection_string_goes_before_it(guarded):
    text = (
        f"host=127.0.0.1 port=1 user=undercover password='{PASSWORD}' dbname=postgres application_name=mine"
    )
    access = replace(guarded.access("undercover"), user=None, connection_string=Secret(text))
    sink = PostgresAccelerator("orders", access)
    sink.open()
    with guarded.connect() as connection:
        found = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mine'")
        assert found.fetchone() == (1,)
    sink.close()


def test_services_of_libpq_are_known(guarded, tmp_path, monkeypatch):
    file = tmp_path / "services"
    file.write_text(
        f"[copies]\nhost=127.0.0.1\nport={guarded.port}\nuser=undercover\npassword={PASSWORD}\ndbname=postgres\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    empty = replace(guarded.access("undercover"), host=None, port=None, database=None, user=None)
    sink = PostgresAccelerator("orders", replace(empty, connection_string=Secret("service=copies")))
    sink.open()
    sink.close()


def test_a_server_without_tls_is_refused_where_it_is_required(guarded):
    with pytest.raises(AcceleratorError, match="SSL"):
        PostgresAccelerator("orders", guarded_by(guarded, sslmode="require")).open()


def test_an_engine_that_refuses_a_row_tells_no_value_of_it(copy):
    copy.sink.apply(create(1))
    text = schema_of(text=TEXT)
    copy.sink.apply(work(2, paged(batch(text, {"id": "a", "text": "very private\0"}))))
    (letter,) = copy.letters().values()
    assert "private" not in letter.letter.reason
