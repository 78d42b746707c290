"""What a user meets who got something wrong: the message, and that nothing was left half-done."""

import socket
import subprocess
import time

import duckdb
import pytest
from click.testing import CliRunner

from headrace.cli import main
from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from support.deadline import eventually
from support.items import TableUnderTest
from support.process import HEADRACE, environment

DATASET = "datasets:\n  - from: dynamodb:orders\n    name: orders\n"
ANYWHERE = ("--http", "127.0.0.1:0", "--flight", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
STREAMED = "    acceleration: {engine: duckdb, mode: file, refresh_mode: changes}\n"


def run(folder, *more):
    """``headrace run`` where it should refuse: its exit code and messages."""
    done = subprocess.run(
        [HEADRACE, "run", *(more or ANYWHERE)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


WRONG_PODS = {
    "a YAML syntax error": ("datasets: [\n", ("spicepod.yaml:", "YAML")),
    "an unknown key": (DATASET + "    parms: {}\n", ("spicepod.yaml:4:5", "parms", "params")),
    "an unknown parameter": (
        DATASET + "    params: {scan_intervall: 1s}\n" + STREAMED,
        ("spicepod.yaml:4:14", "scan_intervall", "scan_interval"),
    ),
    "a bad duration": (
        DATASET + "    params: {ready_lag: 2 parsecs}\n" + STREAMED,
        ("spicepod.yaml:4:", "ready_lag", "2 parsecs"),
    ),
    "an unknown engine": (
        DATASET + "    acceleration: {engine: duckbd}\n",
        ("spicepod.yaml:4:", "duckbd", "duckdb", "sqlite", "postgres"),
    ),
    "another source": (
        "datasets:\n  - from: kafka:events\n    name: events\n",
        ("spicepod.yaml:2:", "kafka", "dynamodb:"),
    ),
    "two datasets of one name": (
        DATASET
        + STREAMED
        + DATASET.replace("datasets:\n", "").replace("name: orders", "name: Orders")
        + STREAMED,
        ("datasets[0]", "Orders", "names must differ"),
    ),
    "a reserved word as name": (DATASET.replace("name: orders", "name: select"), ("select", "reserved")),
    "a secret that is nowhere": (
        DATASET + "    params: {aws_secret_access_key: '${secrets:nowhere}'}\n" + STREAMED,
        ("NOWHERE", "SPICE_NOWHERE"),
    ),
}


def run_here(folder, monkeypatch):
    """The same command within this process, which has everything imported."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("os.environ", environment())
    done = CliRunner().invoke(main, ["run", *ANYWHERE])
    assert isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr


@pytest.mark.parametrize("what", WRONG_PODS)
def test_a_wrong_spicepod_is_refused_at_start_and_nothing_is_touched(tmp_path, monkeypatch, what):
    text, words = WRONG_PODS[what]
    (tmp_path / "spicepod.yaml").write_text(text)
    code, message = run_here(tmp_path, monkeypatch)

    assert code == 1, message
    for word in words:
        assert word in message
    assert "Traceback" not in message
    assert [path.name for path in tmp_path.iterdir()] == ["spicepod.yaml"]


def test_a_missing_spicepod_names_the_command_that_writes_one(tmp_path):
    code, message = run(tmp_path)
    assert code == 1
    assert "headrace init" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flag", ["--http", "--flight"])
def test_a_taken_port_is_named_with_its_flag(tmp_path, flag):
    (tmp_path / "spicepod.yaml").write_text(
        DATASET + "    params: {endpoint_url: 'http://127.0.0.1:9', aws_region: us-east-1}\n" + STREAMED
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, message = run(tmp_path, *ANYWHERE, flag, f"127.0.0.1:{port}")
    assert code == 1
    assert str(port) in message
    assert f"{flag} 127.0.0.1:PORT (0 picks a free one)" in message


@pytest.fixture
def simulator():
    return Simulator(time.time)


@pytest.fixture
def server(simulator):
    with SimulatorServer(simulator, "127.0.0.1", 0) as running:
        yield running


def reason_of(process, word):
    """The dataset's reason, once it holds ``word``; by then nothing may be ready."""
    dataset = eventually(
        lambda: (d := process.dataset("orders")) and word in (d["reason"] or "") and d,
        within=30,
        what=f"{word!r} as the reason",
    )
    assert dataset["status"] == "Error"
    assert not dataset["ready"]
    assert process.get("/v1/ready").status == 503
    return dataset["reason"]


def test_a_table_that_is_absent_is_named_with_the_region_and_found_when_it_appears(headrace, pod, server):
    process = headrace(pod(server.url))
    assert "us-east-1" in reason_of(process, "orders")
    table = TableUnderTest(server.url)
    table.fill(3)
    process.until_ready()
    assert process.sql("SELECT count(*) AS n FROM orders") == [{"n": 3}]


def test_a_stream_that_is_off_comes_with_the_line_that_turns_it_on(headrace, pod, server):
    table = TableUnderTest(server.url)
    table.client.update_table(TableName="orders", StreamSpecification={"StreamEnabled": False})
    reason = reason_of(headrace(pod(server.url)), "update-table")
    assert "aws dynamodb update-table --table-name orders" in reason
    assert "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES" in reason


def test_a_stream_of_keys_only_is_refused_with_the_view_types_that_serve(headrace, pod, server):
    table = TableUnderTest(server.url)
    table.client.update_table(TableName="orders", StreamSpecification={"StreamEnabled": False})
    table.client.update_table(
        TableName="orders", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    )
    reason = reason_of(headrace(pod(server.url)), "KEYS_ONLY")
    assert "NEW_AND_OLD_IMAGES" in reason
    assert "NEW_IMAGE" in reason


def test_wrong_credentials_are_said_without_showing_them(headrace, pod, simulator):
    with SimulatorServer(simulator, "127.0.0.1", 0, credentials={"right": "right"}) as server:
        env = environment(AWS_ACCESS_KEY_ID="wrongkeyid", AWS_SECRET_ACCESS_KEY="very-secret-value")
        process = headrace(pod(server.url), env=env)
        reason = reason_of(process, "credentials")
        process.stop()
    everything = "\n".join([reason, *process.log, *process.output])
    assert "very-secret-value" not in everything


def test_an_endpoint_that_is_down_is_tried_until_it_is_up(headrace, pod, simulator):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = headrace(pod(f"http://127.0.0.1:{port}"))
    eventually(lambda: process.events("transient_fault"), within=30, what="the failure is logged")
    assert process.get("/v1/ready").status == 503
    with SimulatorServer(simulator, "127.0.0.1", port) as server:
        TableUnderTest(server.url).fill(2)
        process.until_ready()
        assert process.sql("SELECT count(*) AS n FROM orders") == [{"n": 2}]


def test_a_file_that_another_process_holds_is_named_and_taken_when_it_is_free(headrace, pod, server):
    TableUnderTest(server.url).fill(2)
    first = headrace(pod(server.url))
    first.until_ready()
    second = headrace(pod(server.url))
    reason = reason_of(second, "orders.duckdb")
    assert str(first.process.pid) in reason
    first.stop()
    second.until_ready()


def test_sql_that_writes_is_refused_and_changes_nothing(headrace, pod, server, tmp_path):
    TableUnderTest(server.url).fill(5)
    process = headrace(pod(server.url))
    process.until_ready()
    for statement in (
        "DELETE FROM orders",
        "UPDATE orders SET revision = 1",
        "INSERT INTO orders (id) VALUES ('x')",
        "DROP TABLE orders",
        "CREATE TABLE mine AS SELECT * FROM orders",
        f"COPY orders TO '{tmp_path}/out.csv'",
        "SELECT 1; DELETE FROM orders",
        f"ATTACH '{tmp_path}/other.duckdb' AS other",
    ):
        status, message = process.refused(statement)
        assert status == 403, (statement, message)
    assert process.sql("SELECT count(*) AS n FROM orders") == [{"n": 5}]
    assert not (tmp_path / "out.csv").exists()
    assert process.stop() == 0
    with duckdb.connect(str(tmp_path / ".headrace/data/orders.duckdb"), read_only=True) as file:
        assert file.execute("SELECT count(*) FROM orders").fetchone() == (5,)


@pytest.mark.parametrize(
    ("where", "wrong", "right"),
    [
        ("on_conflict", "{'(id, version)': upsert}", "`(id): upsert`"),
        pytest.param("primary_key", "version", "`primary_key: (id)`", marks=pytest.mark.long),
    ],
)
def test_a_key_that_is_not_the_tables_is_told_the_right_one_and_leaves_the_copy_alone(
    headrace, tmp_path, server, where, wrong, right
):
    TableUnderTest(server.url).fill(20)
    text = (
        f"{DATASET}    params: {{endpoint_url: '{server.url}', aws_region: us-east-1}}\n"
        "    acceleration: {engine: duckdb, mode: file, refresh_mode: changes"
    )
    pod = tmp_path / "spicepod.yaml"
    pod.write_text(text + ", on_conflict: {ID: upsert}, primary_key: id}\n")
    first = headrace(tmp_path)
    first.until_ready()
    assert first.stop() == 0

    pod.write_text(f"{text}, {where}: {wrong}}}\n")
    second = headrace(tmp_path)
    reason = reason_of(second, where)
    assert right in reason
    assert second.dataset("orders")["status"] == "Error"
    refusal = second.get("/v1/ready")
    assert refusal.status == 503
    assert right in refusal.data.decode()
    told = [event for event in second.events("status_changed") if right in event.get("reason", "")]
    assert told[0]["level"] == "error"
    assert second.ask("SELECT count(*) FROM orders")[0] == 503
    assert second.stop() == 0

    pod.write_text(text + "}\n")
    third = headrace(tmp_path)
    third.until_ready()
    assert third.events("bootstrap_started") == third.events("reinitialized") == []
    assert third.sql("SELECT count(*) AS n FROM orders") == [{"n": 20}]
    third.stop()
