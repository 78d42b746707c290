"""Whoever reads a copy in PostgreSQL, with whatever program, sees commits and nothing between them."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from headrace.accelerator import Target
from headrace.column_type import BOOL, INT, TEXT, struct_of
from support.copies import batch, create, schema_of, work
from support.engines.postgres import PostgresHarness

ORDERS = schema_of(n=INT)


@pytest.fixture
def copy():
    harness = PostgresHarness()
    harness.sink.open()
    yield harness
    harness.close()


def any_program(copy, done):
    """Reads as psql would, in a transaction of its own for each statement."""
    with copy.server.connect() as connection:
        connection.execute(f'SET search_path = "{copy.schema}"')
        while not done.is_set():
            yield connection.execute(
                "SELECT count(*), min(n::float), max(n::float), (SELECT (checkpoint::json->>'scan_ended_at')::float "
                "FROM headrace_checkpoint WHERE target = 'live') FROM orders"
            ).fetchone()


def statements(copy, done):
    """Reads as Headrace's own statements do."""
    while not done.is_set():
        one = copy.sink.leaf().begin()
        numbers = [float(n) for part in one.scan(["n"], []) for n in part.column(0).to_pylist()]
        again = sum(part.num_rows for part in one.scan([], []))
        one.close()
        assert again == len(numbers)
        yield len(numbers), min(numbers), max(numbers), min(numbers)


@pytest.mark.parametrize("reader", [any_program, statements])
def test_readers_never_see_half_a_batch_nor_rows_apart_from_their_checkpoint(copy, reader):
    """Invariant 1, from the side of readers, with columns, deletions and swaps under way."""
    copy.sink.apply(create(0))
    copy.sink.apply(work(0, batch(ORDERS, *({"id": str(n), "n": 0} for n in range(50)))))
    done = threading.Event()
    wrong, reads = [], []

    def read():
        for count, low, high, mark in reader(copy, done):
            reads.append(count)
            if (count, low, high) != (50, mark, mark):
                wrong.append((count, low, high, mark))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for one in readers:
        one.start()
    try:
        for mark in range(1, 40):
            change(copy.sink, mark)
    finally:
        done.set()
        for one in readers:
            one.join()
    assert wrong == []
    assert len(reads) > 20


def change(sink, mark):
    """All rows move on by one, and the columns with them."""
    table = schema_of(
        n=INT if mark < 20 else TEXT,
        map=struct_of({"a": INT}) if mark < 30 else TEXT,
        **{f"c{mark % 10}": BOOL},
    )
    value = mark if mark < 20 else str(mark)
    rows = [{"id": f"{n + mark}", "n": value, "map": {"a": n} if mark < 30 else "x"} for n in range(50)]
    one = batch(table, {"id": f"{mark - 1}"}, *rows, deleted=[True] + [False] * 50)
    if mark % 10:
        sink.apply(work(mark, one))
    else:
        sink.apply(create(mark, target=Target.BUILDING))
        sink.apply(work(mark, one, target=Target.BUILDING, swap=True))


CHANGE_FOR_EVER = """
import sys
from headrace.accelerators.postgres import PostgresAccelerator
from headrace.column_type import INT, TEXT, struct_of
from headrace.dataset import PostgresAccess, Secret
from support.copies import batch, create, schema_of, work
port, schema, user = sys.argv[1:]
sink = PostgresAccelerator("orders", PostgresAccess("127.0.0.1", int(port), "postgres", Secret(user), schema=schema))
sink.open()
for mark in range(0, 1_000_000, 2):
    sink.apply(create(mark))
    maps = [{"id": str(number), "v": {"n": number}} for number in range(2000)]
    sink.apply(work(mark, batch(schema_of(v=struct_of({"n": INT})), *maps), scanning=True))
    sink.apply(work(mark + 1, batch(schema_of(v=TEXT), {"id": "0", "v": "x"}), scanning=True))
    print(mark, flush=True)
"""


@pytest.mark.parametrize("commits", [1, 2, 5])
def test_a_process_that_is_killed_leaves_a_commit_whole_and_the_next_takes_over_at_once(copy, commits):
    """Invariant 1: the narrow table with the narrow schema, or the wide one with the wide."""
    copy.sink.close()
    command = [sys.executable, "-c", CHANGE_FOR_EVER, str(copy.server.port), copy.schema, "postgres"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as child:
        for _ in range(commits):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.stdout.read()
    schema = copy.sink.open().live.schema
    rows = {key: row.get("v") for (key,), row in copy.live().items()}
    if schema == schema_of(v=TEXT):
        assert rows == {str(n): f'{{"n":{n}}}' for n in range(2000)} | {"0": "x"}
    elif schema == schema_of(v=struct_of({"n": INT})):
        assert rows == {str(n): {"n": n} for n in range(2000)}
    else:
        assert rows == {}, "made anew a moment ago"
