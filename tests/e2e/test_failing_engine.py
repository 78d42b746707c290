"""The real process on a disk that fills up: nothing is lost, everything is said, and it heals by itself."""

import json
import random
import resource
import time

import pytest

from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from support.deadline import eventually
from support.items import TableUnderTest

BULK = 4000
"""Bytes of an item that no compression makes smaller."""


@pytest.fixture
def server():
    with SimulatorServer(Simulator(time.time), "127.0.0.1", 0) as running:
        yield running


def limit_files(process, size):
    """From now on no file of the process may grow beyond ``size`` bytes: as a full disk, it fails the write."""
    _, hard = resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (size, hard))


def put_bulk(table, start, count):
    rng = random.Random(start)
    for first in range(start, start + count, 25):
        requests = [
            {"PutRequest": {"Item": {"id": {"S": f"bulk{n}"}, "bytes": {"B": rng.randbytes(BULK)}}}}
            for n in range(first, min(first + 25, start + count))
        ]
        table.client.batch_write_item(RequestItems={table.name: requests})


def count(process):
    return process.sql("SELECT count(*) AS n FROM orders")[0]["n"]


def until_counted(process, n, within=60):
    def counted():
        status, body = process.ask("SELECT count(*) AS n FROM orders")
        return status == 200 and json.loads(body) == [{"n": n}]

    eventually(counted, within=within, what=f"{n} rows; {process.dataset('orders')}")


def test_a_full_disk_moves_no_checkpoint_says_so_and_heals(headrace, pod, server, tmp_path):
    table = TableUnderTest(server.url)
    put_bulk(table, 0, 50)
    process = headrace(pod(server.url))
    process.until_ready()
    file = tmp_path / ".headrace/data/orders.duckdb"
    wal = file.with_name(file.name + ".wal")
    limit_files(process, max(file.stat().st_size, wal.stat().st_size if wal.exists() else 0) + 20_000)
    put_bulk(table, 50, 100)

    said = eventually(
        lambda: (d := process.dataset("orders")) and "make room on the disk" in (d["reason"] or "") and d,
        within=30,
        what="the full disk is said",
    )
    assert said["status"] == "Error"
    assert not said["live"]
    assert process.get("/v1/ready").status == 503
    assert 50 <= count(process) < 150, "what was there may still be queried"
    assert process.metric("live") == 0
    assert process.metric("errors_transient_total") > 0
    assert process.events("transient_fault")

    limit_files(process, resource.RLIM_INFINITY)
    until_counted(process, 150)
    process.until_ready()
    process.kill()
    again = headrace(tmp_path)
    again.until_ready()
    assert count(again) == 150
    assert again.events("bootstrap_started") == []


def test_a_database_that_gives_up_is_reopened_for_the_writer_and_for_readers(headrace, pod, server, tmp_path):
    """DuckDB invalidates a database whose checkpoint fails: its log is full of committed rows, its file cannot grow."""
    table = TableUnderTest(server.url)
    put_bulk(table, 0, 4500)
    process = headrace(pod(server.url))
    process.until_ready()
    file = tmp_path / ".headrace/data/orders.duckdb"
    eventually(lambda: file.stat().st_size > 16 * 2**20, within=30, what="the first checkpoint of the engine")
    # The log may grow to where the engine writes it into the file; the file may not.
    limit_files(process, file.stat().st_size + 2**20)
    answers = []
    written = 4500
    while not any(
        "gave the database up" in e["error"] or "failed" in e["error"]
        for e in process.events("transient_fault")
    ):
        put_bulk(table, written, 250)
        written += 250
        answers.append(process.ask("SELECT count(*) AS n FROM orders"))
        assert written < 14_000, process.log[-5:]
    answers += [process.ask("SELECT count(*) AS n FROM orders") for _ in range(40)]
    limit_files(process, resource.RLIM_INFINITY)
    until_counted(process, written)
    process.until_ready()
    assert {status for status, _ in answers} <= {200, 503}
    assert process.stop() == 0
