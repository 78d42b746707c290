"""``headrace.open``: the whole system inside a program."""

import os
import signal
import subprocess
import sys
import threading
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import headrace
from headrace.errors import ConfigError, HeadraceError, PackageMissing, QueryError, QueryFault
from headrace.program.result import Result
from headrace.refresh import RefreshState
from support.deadline import eventually

ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 3"
LONG = "SELECT i, 'row number ' || i AS text FROM range(300000000) t(i)"


def test_a_statement_is_answered_in_every_form(running):
    result = running.sql("SELECT order_id, amount FROM orders ORDER BY order_id LIMIT $1", [2])
    assert result.columns == ["order_id", "amount"]
    assert len(result) == 2
    table = result.arrow()
    assert isinstance(table, pa.Table)
    assert result.rows() == [tuple(row.values()) for row in table.to_pylist()]
    assert isinstance(result.pandas(), pd.DataFrame)
    assert result.pandas()["order_id"].tolist() == table["order_id"].to_pylist()
    assert isinstance(result.polars(), pl.DataFrame)
    assert pl.DataFrame(result).equals(result.polars())
    assert pa.table(result) == table
    assert duckdb.sql("SELECT count(*) FROM result").fetchone() == (2,)
    assert repr(result) == "<Result of 2 rows: order_id, amount>"


def test_parameters_are_pythons_values_or_arrows(running):
    values = [None, True, 1, 1.5, "ü", b"\xff", Decimal("1.50"), -(2**70), pa.scalar(1, pa.int8())]
    (row,) = running.sql(f"SELECT {', '.join('?' for _ in values)}", values).rows()
    assert row == (None, True, 1, 1.5, "ü", b"\xff", Decimal("1.50"), -(2**70), 1)
    with pytest.raises(QueryError, match="parameter 2: Arrow has no type for this object"):
        running.sql("SELECT ?, ?", [1, object()])
    with pytest.raises(QueryError, match="parameter 1: Arrow has no type for this int"):
        running.sql("SELECT ?", [10**38])


def test_no_columns_are_no_rows():
    assert Result(pa.table({})).rows() == []


def test_a_package_that_is_missing_is_named(monkeypatch):
    for name, form in (("polars", Result.polars), ("pandas", Result.pandas)):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(PackageMissing, match=f"pip install {name}"):
            form(Result(pa.table({"x": [1]})))


def test_a_long_answer_comes_batch_by_batch_and_may_be_left(running):
    with running.stream(LONG) as rows:
        assert next(iter(rows)).num_rows > 0
    with running.stream("SELECT i FROM range(20000) t(i)") as rows:
        assert pl.DataFrame(rows)["i"].sum() == 19999 * 10000
    eventually(lambda: running._runtime._engine.running == 0, within=10, what="no statement runs")


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("SELECT nothing FROM orders", QueryFault.UNKNOWN_NAME),
        ("SELECT * FROM ordres", QueryFault.UNKNOWN_NAME),
        ("DROP TABLE orders", QueryFault.REFUSED),
        ("SELECT * FROM read_text('/etc/passwd')", QueryFault.REFUSED),
        ("SELECT error('now')", QueryFault.INVALID),
    ],
)
def test_errors_are_headraces_own(running, sql, fault):
    for ask in (running.sql, lambda sql: list(running.stream(sql))):
        with pytest.raises(QueryError) as caught:
            ask(sql)
        assert caught.value.fault is fault


@pytest.fixture
def ctrl_c():
    """Presses it as soon as a statement runs."""
    pressed = []

    def press(running):
        def wait():
            eventually(lambda: running._runtime._engine.running, within=30, what="a statement runs")
            os.kill(os.getpid(), signal.SIGINT)

        pressed.append(threading.Thread(target=wait))
        pressed[0].start()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield press
    signal.signal(signal.SIGINT, before)
    pressed[0].join()


def test_ctrl_c_ends_a_statement_and_nothing_else(running, ctrl_c):
    ctrl_c(running)
    with pytest.raises(KeyboardInterrupt):
        running.sql(ENDLESS)
    assert running._runtime._engine.running == 0
    assert running.sql("SELECT 1").rows() == [(1,)]


def test_ctrl_c_ends_what_is_being_streamed(running, ctrl_c):
    ctrl_c(running)
    with pytest.raises(KeyboardInterrupt), running.stream(ENDLESS) as rows:
        list(rows)
    assert running._runtime._engine.running == 0


def test_its_state_is_told(running):
    (status,) = running.status()
    assert (status.name, status.ready, status.rows) == ("orders", True, 300)
    assert (running.http_url, running.metrics_url) == ("", "")
    assert running.flight_url.startswith("grpc://127.0.0.1:")


def test_a_copy_is_refreshed_and_waited_for(running):
    outcome = running.refresh("ORDERS", sql="SELECT * FROM orders WHERE amount >= 0")
    assert outcome.state is RefreshState.DONE
    assert outcome.rows == len(running.sql("SELECT * FROM orders")) == 300
    with pytest.raises(HeadraceError, match="write SELECT"):
        running.refresh("orders", sql="SELECT nonsense")
    with pytest.raises(QueryError, match="the datasets are: orders"):
        running.refresh("ordres")


@pytest.fixture
def unreachable(tmp_path):
    """The Spicepod of a table that no service has."""
    (tmp_path / "spicepod.yaml").write_text(
        "datasets:\n"
        "  - from: dynamodb:orders\n"
        "    name: orders\n"
        "    params: {endpoint_url: 'http://127.0.0.1:1', aws_region: us-east-1}\n"
        "    acceleration: {refresh_mode: changes}\n"
    )
    environ = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    with headrace.open(str(tmp_path / "spicepod.yaml"), environ=environ) as running:
        yield running


def test_what_is_not_ready_in_time_is_said_with_its_reason(unreachable):
    with pytest.raises(QueryError, match=r"not ready after 0 s: orders: ") as caught:
        unreachable.wait_ready(0)
    assert caught.value.fault is QueryFault.TIMEOUT


def test_what_follows_its_stream_is_not_refreshed(unreachable):
    with pytest.raises(ConfigError, match="follows its stream"):
        unreachable.refresh("orders")


def test_what_is_probably_not_meant_is_said_to_the_log(folder, tmp_path, caplog):
    pod = (folder / "spicepod.yaml").read_text()
    unused = pod.rstrip() + "\n      snapshots: enabled\nsnapshots: {enabled: false, location: kept}\n"
    (tmp_path / "spicepod.yaml").write_text(unused)
    with headrace.open(tmp_path):
        pass
    said = [record for record in caplog.records if "snapshots.enabled is false" in record.message]
    assert [record.name for record in said] == ["headrace"]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:x", "::1:0", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_refused(folder, address):
    with pytest.raises(ConfigError, match="http: "):
        headrace.open(folder, http=address)


def test_an_address_that_other_machines_reach_needs_keys(folder):
    with pytest.raises(ConfigError, match="could read every row"):
        headrace.open(folder, flight="0.0.0.0:0")


def test_no_spicepod_is_said_so(tmp_path):
    with pytest.raises(ConfigError, match="headrace init"):
        headrace.open(tmp_path)


FORGETFUL = """
import sys, threading
import headrace
running = headrace.open(sys.argv[1], flight="127.0.0.1:0", http="127.0.0.1:0")
print(running.sql("SELECT 1").rows())
threading.Thread(target=running.sql, args=["{endless}"], daemon=True).start()
while not running._runtime._engine.running:
    pass
"""


def test_a_program_that_forgets_to_close_ends_all_the_same(folder):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORGETFUL.format(endless=ENDLESS), str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "[(1,)]\n")
    assert "Fatal" not in done.stderr


def test_what_is_closed_answers_nothing_any_more_not_even_what_was_kept(folder):
    with headrace.open(folder) as running:
        running.sql("SELECT 1")
        running.sql("SELECT 1")
    for ask in (running.sql, running.stream):
        with pytest.raises(QueryError, match="was closed"):
            ask("SELECT 1")


def test_importing_headrace_brings_nothing_heavy_in():
    heavy = "import sys, headrace; print(sorted({'pyarrow', 'duckdb', 'pydantic', 'adbc_driver_manager'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert headrace.__all__ == ["__version__", "connect", "lambda_handler", "open"]
    with pytest.raises(AttributeError, match="no attribute 'close'"):
        headrace.close  # noqa: B018
