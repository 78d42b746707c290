"""What is left of DuckDB's copies when the process or the disk does its worst, beside what holds for all engines."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.accelerator import Notes
from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance, Limits
from headrace.column_type import INT, TEXT, list_of, struct_of
from headrace.errors import CommitUnknown
from support.copies import batch, checkpoint, create, schema_of, work
from support.engines import harness_of

ORDERS = schema_of(n=INT, text=TEXT)
WIDE = schema_of(n=TEXT, text=TEXT, extra=list_of(INT))
MAPS = schema_of(extra=struct_of({"a": INT}))
"""Joined with WIDE, ``extra`` is text: DuckDB writes the table anew."""


def rows_of(path):
    """The rows, notes and state of a file as a new process finds them."""
    instance = DuckDBInstance({"orders": path}, Limits(memory=2**30, threads=2))
    try:
        stored = DuckDBAccelerator(instance, "orders").open()
        cursor = instance.cursor()
        live = sorted(cursor.execute("SELECT * FROM orders").fetchall()) if stored.live else None
        building = (
            sorted(cursor.execute("SELECT * FROM headrace_building").fetchall()) if stored.building else None
        )
        cursor.close()
        return stored, live, building
    finally:
        instance.close()


WIDEN = """
import sys
from pathlib import Path
from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance, evolution
from headrace.column_type import INT, TEXT, struct_of
from support.copies import batch, create, schema_of, work

def reach(moment):
    if moment == sys.argv[2]:
        print(moment, flush=True)
        sys.stdin.read()

def slices(connection, table, true=evolution._slices):
    reach("before the first slice")
    for number, rows in enumerate(true(connection, table)):
        yield rows
        if number == 0:
            reach("between two slices")
    reach("before the old table goes")

evolution._slices = slices
evolution._FIRST_SLICE = 1000
sink = DuckDBAccelerator(DuckDBInstance({"orders": Path(sys.argv[1])}), "orders")
sink.open()
sink.apply(create(0))
maps = [{"id": str(number), "v": {"n": number}} for number in range(3000)]
sink.apply(work(1, batch(schema_of(v=struct_of({"n": INT})), *maps), scanning=True))
sink.apply(work(2, batch(schema_of(v=TEXT), {"id": "0", "v": "x"}), scanning=True))
reach("after the commit")
"""


@pytest.mark.parametrize(
    "moment",
    ["before the first slice", "between two slices", "before the old table goes", "after the commit"],
)
def test_a_process_killed_while_it_writes_a_table_anew_comes_back_with_one_whole(tmp_path, moment):
    """Invariant 1: the narrow table with the narrow schema, or the wide one with the wide."""
    path = tmp_path / "orders.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", WIDEN, str(path), moment],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    ) as child:
        assert child.stdout.readline().decode() == f"{moment}\n"
        child.send_signal(signal.SIGKILL)
    stored, live, _ = rows_of(path)
    if moment == "after the commit":
        assert stored.live.checkpoint == checkpoint(2)
        assert stored.live.schema == schema_of(v=TEXT)
        assert dict(live) == {str(n): f'{{"n":{n}}}' for n in range(1, 3000)} | {"0": "x"}
    else:
        assert stored.live.checkpoint == checkpoint(1)
        assert stored.live.schema == schema_of(v=struct_of({"n": INT}))
        assert dict(live) == {str(n): {"n": n} for n in range(3000)}


def test_a_disk_that_is_full_for_a_checkpoint_keeps_the_commit_and_names_the_cure(tmp_path):
    """DuckDB commits into its log, then finds no room to move it into the database, and gives that up."""
    harness = harness_of("duckdb-file", tmp_path)
    harness.sink.open()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        harness.sink.apply(create(1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (18 * 2**20, limits[1]))
        dice = random.Random(1)
        written = []

        def write_on():
            for mark in range(2, 500):
                written.append(mark)
                text = dice.randbytes(200_000).decode("latin-1")
                harness.sink.apply(work(mark, batch(ORDERS, {"id": str(mark), "text": text})))

        with pytest.raises(CommitUnknown, match="make room on the disk"):
            write_on()
        mark = written[-1]
        assert harness.sink.open().live.checkpoint == checkpoint(mark), "the commit itself had happened"
        assert len(harness.live()) == mark - 1
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        harness.sink.apply(work(mark + 1, batch(ORDERS, {"id": "last"})))
        harness.restart()
        assert harness.sink.open().live.checkpoint == checkpoint(mark + 1)
        assert len(harness.live()) == mark
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        harness.close()


def test_a_key_that_a_source_scans_twice_is_there_once_when_the_scan_ends(tmp_path):
    """Invariant 4: the way that trusts the Scan to return each key once is checked before it counts."""
    harness = harness_of("duckdb-memory", tmp_path)
    harness.sink.open()
    try:
        harness.sink.apply(create(1, checkpoint=checkpoint()))
        for mark, value in ((1, 1), (2, 2)):
            page = batch(ORDERS, {"id": "a", "n": value}, {"id": f"own-{mark}", "n": 0})
            stored = checkpoint(rows_scanned=2 * mark, cursor=str(mark))
            harness.sink.apply(work(0, scan=(page,), scanning=True, checkpoint=stored))
        assert harness.sink.rows() == 4
        harness.sink.apply(work(2, scanning=True, notes=Notes.DROP))
        assert {key: row["n"] for (key,), row in harness.live().items()} == {"a": 2, "own-1": 0, "own-2": 0}
    finally:
        harness.close()
