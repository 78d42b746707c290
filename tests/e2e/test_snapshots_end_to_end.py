"""The real process and its snapshots: a machine that has lost its disk goes on without a Scan."""

import json
import random
import re
import shutil
import time

import botocore.session
import pytest
from click.testing import CliRunner

from headrace.cli import main
from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from headrace.snapshots.bucket import bucket_client
from support.deadline import eventually
from support.items import TableUnderTest, comparable, reads_as
from support.ministack import Ministack
from support.postgres_server import shared_server
from support.process import environment

BATCHES = ", snapshots: enabled, snapshots_trigger: stream_batches, snapshots_trigger_threshold: 2"
FOUR_ENGINES = ["duckdb", "sqlite", "cayenne", "postgres"]
ONE_AND_LONG = ["duckdb", *(pytest.param(engine, marks=pytest.mark.long) for engine in FOUR_ENGINES[1:])]
"""How each engine's copy is written and read back is for the contract's tests; the way of the process is one."""


@pytest.fixture
def service():
    """A simulated DynamoDB whose clock is the machine's plus what a test makes pass."""
    passed = [0.0]
    simulator = Simulator(lambda: time.time() + passed[0], initial_shards=2)
    with SimulatorServer(simulator, "127.0.0.1", 0) as server:
        server.simulator, server.passed = simulator, passed
        yield server


def is_equal(headrace, table):
    rows = {row["id"]: comparable(row) for row in headrace.sql("SELECT * FROM orders")}
    return rows == {key: reads_as(item) for key, item in table.items.items()}


def until_equal(headrace, table):
    eventually(lambda: is_equal(headrace, table), within=60, what="the copy is the table")


@pytest.fixture
def run(monkeypatch):
    """Another command of a user, in the folder of the Spicepod."""

    def invoke(folder, *arguments):
        monkeypatch.chdir(folder)
        return CliRunner().invoke(main, arguments, env=environment())

    return invoke


@pytest.fixture
def drop_tables(engine, server_of):
    """Empties the schema of the test, where there is one."""
    if engine != "postgres":
        return lambda: None
    schema = re.search(r"pg_schema: (\w+)", server_of)[1]

    def drop():
        with shared_server().connect() as connection:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
            connection.execute(f"CREATE SCHEMA {schema}")

    return drop


@pytest.mark.parametrize("engine", ONE_AND_LONG, indirect=True)
def test_a_machine_that_has_lost_its_disk_is_ready_from_a_snapshot_without_a_scan(
    service, engine, pod, headrace, drop_tables
):
    table = TableUnderTest(service.url)
    table.fill(1500)
    folder = pod(service.url, acceleration=BATCHES)
    first = headrace(folder)
    first.until_ready()
    for seed in range(4):
        table.change(40, seed=seed)
        until_equal(first, table)
    eventually(lambda: len(first.events("snapshot_saved")) >= 2, within=30, what="snapshots")
    first.kill()
    shutil.rmtree(folder / ".headrace" / "data", ignore_errors=True)
    drop_tables()
    table.change(40, seed=99)

    second = headrace(folder)
    second.until_ready()
    until_equal(second, table)
    assert second.events("bootstrap_started") == []
    assert second.events("snapshot_passed_over") == []
    (restored,) = second.events("snapshot_restored")
    assert restored["snapshot"] == first.events("snapshot_saved")[-1]["snapshot"]
    assert second.dataset("orders")["snapshot"]["failure"] is None
    assert second.metric("snapshots_restored_total") == 1
    assert second.stop() == 0
    assert list((folder / ".headrace" / "scratch").iterdir()) == []


@pytest.mark.long
def test_a_copy_in_memory_begins_with_a_snapshot_at_each_start(service, pod, headrace, run):
    table = TableUnderTest(service.url)
    table.fill(500)
    folder = pod(service.url, mode="memory", acceleration=", snapshots: enabled")
    first = headrace(folder)
    first.until_ready()
    eventually(lambda: first.events("snapshot_saved"), within=30, what="one after the bootstrap")
    first.kill()
    table.change(40, seed=1)
    second = headrace(folder)
    second.until_ready()
    until_equal(second, table)
    assert second.events("bootstrap_started") == []
    refused = run(folder, "snapshots", "restore", "orders", "--replace")
    assert refused.exit_code == 1
    assert "orders has mode: memory, so there is no local copy to put a snapshot in" in refused.stderr


def test_a_person_takes_lists_proves_restores_and_prunes_them(service, pod, headrace, run):
    table = TableUnderTest(service.url)
    table.fill(200)
    folder = pod(service.url, acceleration=", snapshots: create_only, snapshots_trigger_threshold: 1h")
    with (folder / "spicepod.yaml").open("a") as spicepod:
        spicepod.write("snapshots: {location: kept, keep: 5}\n")
    running = headrace(folder)
    running.until_ready()
    eventually(lambda: running.events("snapshot_saved"), within=30, what="one after the bootstrap")
    table.change(30, seed=1)
    until_equal(running, table)
    before = {key: reads_as(item) for key, item in table.items.items()}
    taken = run(folder, "snapshots", "create", "orders", "--http", running.url)
    assert taken.exit_code == 0, taken.stderr
    id_ = taken.stdout.partition(":")[0]
    assert f"{len(before):,} rows" in taken.stdout

    listed = json.loads(run(folder, "snapshots", "list", "--format", "json").stdout)
    assert listed[0]["id"] == id_
    assert len(listed) == 2
    assert id_ in run(folder, "snapshots", "list").stdout
    held = run(folder, "snapshots", "restore", "orders", id_, "--replace")
    assert held.exit_code == 1
    assert "is held by process" in held.stderr
    running.stop()
    table.change(30, seed=2)

    refused = run(folder, "snapshots", "restore", "orders", id_)
    assert refused.exit_code == 1
    assert "say --replace" in refused.stderr
    done = run(folder, "snapshots", "restore", "orders", id_, "--replace")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(f"orders: {len(before):,} rows of {id_}")
    assert run(folder, "snapshots", "verify").exit_code == 0
    file = next((folder / "kept" / "orders" / id_).glob("copy*"))
    file.write_bytes(file.read_bytes()[:-1])
    damaged = run(folder, "snapshots", "verify", "orders", id_)
    assert damaged.exit_code == 1
    assert "damaged" in damaged.stdout

    again = headrace(folder)
    again.until_ready()
    until_equal(again, table)
    assert again.events("bootstrap_started") == []
    again.stop()
    text = (folder / "spicepod.yaml").read_text().replace("keep: 5", "keep: 1")
    (folder / "spicepod.yaml").write_text(text)
    pruned = run(folder, "snapshots", "prune")
    assert pruned.exit_code == 0
    assert pruned.stdout.count("removed") == 1


def test_snapshots_in_a_bucket_serve_another_machine(pod, headrace, tmp_path):
    with Ministack() as stand_in:
        session = botocore.session.Session()
        session.set_config_variable("region", "us-east-1")
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        client = bucket_client(session, stand_in.url, keys)
        client.create_bucket(Bucket="kept")
        table = TableUnderTest(stand_in.url)
        table.fill(300)
        folder = pod(stand_in.url, acceleration=BATCHES)
        place = f"{{location: 's3://kept/pods/', params: {{s3_endpoint: '{stand_in.url}', s3_region: us-east-1}}}}"
        with (folder / "spicepod.yaml").open("a") as spicepod:
            spicepod.write(f"snapshots: {place}\n")
        first = headrace(folder)
        first.until_ready()
        eventually(lambda: first.events("snapshot_saved"), within=30, what="one after the bootstrap")
        first.kill()
        table.change(40, seed=1)
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        shutil.copy(folder / "spicepod.yaml", elsewhere)
        second = headrace(elsewhere)
        second.until_ready()
        until_equal(second, table)
        assert second.events("bootstrap_started") == []
        names = [each["Key"] for each in client.list_objects_v2(Bucket="kept")["Contents"]]
        assert all(name.startswith("pods/orders/2") for name in names)


@pytest.mark.long
def test_a_stale_checkpoint_poisons_no_snapshot_and_no_machine_that_comes_later(service, pod, headrace, run):
    """A replica that has stood still for longer than the stream remembers says so, and stores nothing of it.

    Others start from what is good, or by a Scan: nobody has to clean up (spiceai/spiceai, issue 10754).
    """
    table = TableUnderTest(service.url)
    table.fill(300)
    folder = pod(service.url, acceleration=", snapshots: enabled, snapshots_trigger_threshold: 300ms")
    first = headrace(folder)
    first.until_ready()
    eventually(lambda: first.events("snapshot_saved"), within=30, what="one after the bootstrap")
    first.kill()
    table.change(100, seed=1)
    service.passed[0] += 30 * 3600.0
    table.change(100, seed=2)

    stale = headrace(folder)
    eventually(lambda: stale.events("gap_found"), within=30, what="the gap is found")
    eventually(lambda: stale.dataset("orders")["status"] == "Error", within=30, what="it is said")
    create = run(folder, "snapshots", "create", "orders", "--http", stale.url)
    assert create.exit_code == 1
    assert "not healthy" in create.stderr
    assert stale.get("/v1/ready").status == 503
    assert stale.events("snapshot_saved") == []
    stale.kill()

    shutil.rmtree(folder / ".headrace" / "data")
    fresh = headrace(folder)
    fresh.until_ready()
    until_equal(fresh, table)
    passed_over = fresh.events("snapshot_passed_over")
    assert passed_over
    assert "and the stream keeps 24 h" in passed_over[0]["reason"]
    assert len(fresh.events("bootstrap_started")) == 1
    eventually(lambda: fresh.events("snapshot_saved"), within=30, what="a good one")
    fresh.kill()

    shutil.rmtree(folder / ".headrace" / "data")
    last = headrace(folder)
    last.until_ready()
    until_equal(last, table)
    assert last.events("bootstrap_started") == []
    assert last.events("snapshot_restored")[0]["snapshot"] == fresh.events("snapshot_saved")[-1]["snapshot"]


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine", FOUR_ENGINES, indirect=True)
def test_machines_that_are_lost_at_any_moment_scan_the_table_but_once(
    service, engine, pod, headrace, drop_tables
):
    """Kills while a snapshot is written, while one is restored, while the dataset catches up."""
    chance = random.Random(time.time_ns())
    table = TableUnderTest(service.url)
    table.fill(1500)
    folder = pod(service.url, acceleration=BATCHES.replace("threshold: 2", "threshold: 1"))
    first = headrace(folder)
    first.until_ready()
    eventually(lambda: first.events("snapshot_saved"), within=60, what="the first snapshot")
    first.kill()
    for number in range(14):
        if chance.random() < 0.6:
            shutil.rmtree(folder / ".headrace" / "data", ignore_errors=True)
            drop_tables()
        running = headrace(folder)
        if chance.random() < 0.6:
            running.until_ready()
            table.change(20, seed=number)
        time.sleep(chance.uniform(0.0, 2.5))
        running.kill()
        assert running.events("bootstrap_started") == []
        assert running.events("snapshot_passed_over") == []
    last = headrace(folder)
    last.until_ready()
    until_equal(last, table)
    assert last.events("bootstrap_started") == []
    left = {path.name for path in (folder / ".headrace" / "scratch").iterdir()}
    assert len(left) == 1, "what killed processes have left is removed by the next"


@pytest.mark.long
def test_two_machines_that_share_a_place_do_each_other_no_harm(service, pod, headrace, tmp_path):
    table = TableUnderTest(service.url)
    table.fill(300)
    one = pod(service.url, acceleration=BATCHES.replace("threshold: 2", "threshold: 1"))
    with (one / "spicepod.yaml").open("a") as spicepod:
        spicepod.write(f"snapshots: {{location: '{tmp_path}/shared', keep: 1}}\n")
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(one / "spicepod.yaml", other)
    machines = [headrace(one), headrace(other)]
    for machine in machines:
        machine.until_ready()
    for seed in range(12):
        table.change(10, seed=seed)
        for machine in machines:
            until_equal(machine, table)
    for machine in machines:
        eventually(
            lambda m=machine: len(m.events("snapshot_saved")) >= 3, within=60, what="snapshots of both"
        )
        assert machine.events("snapshot_failed") == []
    for machine, folder in zip(machines, (one, other), strict=True):
        machine.kill()
        shutil.rmtree(folder / ".headrace" / "data")
    again = [headrace(one), headrace(other)]
    for machine in again:
        machine.until_ready()
        until_equal(machine, table)
        assert machine.events("bootstrap_started") == []
