"""What is left when the process, the disk or the file's other holder does its worst."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from headrace.accelerator import Notes, Target
from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance, Limits
from headrace.column_type import BOOL, INT, TEXT, list_of, struct_of
from headrace.errors import AcceleratorError, AcceleratorFull, CommitUnknown
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


def lose_the_world(path, folder):
    """Copy database and log as they are, without closing anything."""
    folder.mkdir()
    for file in path.parent.iterdir():
        if file.is_file():
            shutil.copy(file, folder / file.name)
    return folder / path.name


LIFE = [
    create(1),
    work(2, batch(ORDERS, {"id": "a", "n": 1, "text": "x" * 500}, {"id": "b", "n": 2})),
    work(3, batch(ORDERS, {"id": "a"}, {"id": "c", "n": 3}, deleted=[True, False]), scanning=True),
    work(
        4, batch(WIDE, {"id": "d", "n": "q", "extra": [1]}), scan=(batch(ORDERS, {"id": "c"}),), scanning=True
    ),
    work(5, batch(WIDE, {"id": "b"}, deleted=[True]), notes=Notes.DROP, scanning=True),
    create(6, target=Target.BUILDING),
    work(7, batch(ORDERS, {"id": "new", "n": 9}), target=Target.BUILDING, scanning=True),
    work(8, batch(WIDE, {"id": "newer", "n": "z"}), target=Target.BUILDING, swap=True),
    work(9, batch(WIDE, {"id": "last", "n": "1"}, {"id": "new", "n": "10"})),
    work(10, batch(MAPS, {"id": "last", "extra": {"a": 1}}, {"id": "newer"}, deleted=[False, True])),
    work(11, batch(WIDE, {"id": "newest", "extra": [2]})),
]


def test_a_lost_process_leaves_exactly_its_last_commit_whatever_that_was(tmp_path):
    """Invariant 1: rows, columns, notes, swap and checkpoint come back together from the log."""
    harness = harness_of("duckdb-file", tmp_path)
    harness.sink.open()
    try:
        for number, one in enumerate(LIFE):
            harness.sink.apply(one)
            stored = harness.sink.open()
            cursor = harness.instance.cursor()
            live = sorted(cursor.execute("SELECT * FROM orders").fetchall())
            building = None
            if stored.building:
                building = sorted(cursor.execute("SELECT * FROM headrace_building").fetchall())
            cursor.close()
            copy = lose_the_world(harness.path, tmp_path / f"lost-{number}")
            assert rows_of(copy) == (stored, live, building)
    finally:
        harness.close()


SWAP = next(number for number, one in enumerate(LIFE) if one.swap)


@pytest.mark.parametrize("last", [4, SWAP, 9], ids=["rows", "swap", "rewrite"])
def test_a_log_cut_anywhere_in_the_last_commit_gives_the_commit_before_or_the_commit(tmp_path, last):
    """Invariant 1: rows without checkpoint, or checkpoint without rows, cannot be cut out of the log."""
    harness = harness_of("duckdb-file", tmp_path)
    harness.sink.open()
    try:
        for one in LIFE[:last]:
            harness.sink.apply(one)
        before = lose_the_world(harness.path, tmp_path / "before")
        harness.sink.apply(LIFE[last])
        after = lose_the_world(harness.path, tmp_path / "after")
    finally:
        harness.close()
    was, now = rows_of_copy(before, tmp_path / "was"), rows_of_copy(after, tmp_path / "now")
    assert was != now
    old_log = (before.parent / "orders.duckdb.wal").stat().st_size
    log = (after.parent / "orders.duckdb.wal").read_bytes()
    assert len(log) > old_log
    for number, length in enumerate(range(old_log, len(log) + 1, max(1, (len(log) - old_log) // 20))):
        cut = lose_the_world(after, tmp_path / f"cut-{number}")
        (cut.parent / "orders.duckdb.wal").write_bytes(log[:length])
        assert rows_of(cut) in (was, now)


def rows_of_copy(path, folder):
    return rows_of(lose_the_world(path, folder))


CHANGE_FOR_EVER = """
import sys
from pathlib import Path
from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance
from support.copies import batch, create, schema_of, work
from headrace.column_type import INT
sink = DuckDBAccelerator(DuckDBInstance({"orders": Path(sys.argv[1])}), "orders")
sink.open()
sink.apply(create(0))
table = schema_of(n=INT)
for mark in range(1, 1_000_000):
    rows = [{"id": str(number), "n": mark} for number in range(mark % 7, 400)]
    sink.apply(work(mark, batch(table, *rows), scanning=True))
    print(mark, flush=True)
"""


@pytest.mark.parametrize("commits", [1, 5, 23])
def test_a_process_killed_while_it_applies_comes_back_at_a_commit(tmp_path, commits):
    """Invariant 1: every row says by which transaction it was written, and the checkpoint says the last."""
    path = tmp_path / "orders.duckdb"
    seen = 0
    with subprocess.Popen(
        [sys.executable, "-c", CHANGE_FOR_EVER, str(path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    ) as child:
        while seen < commits:
            seen = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        seen = max([seen, *(int(line) for line in child.stdout.read().split(b"\n")[:-1])])
    stored, live, _ = rows_of(path)
    mark = int(stored.live.checkpoint.scan_ended_at)
    assert mark in (seen, seen + 1)
    expected = {}
    for one in range(1, mark + 1):
        expected |= {str(number): one for number in range(one % 7, 400)}
    assert dict(live) == expected


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


@pytest.mark.parametrize("room", [30_000, 60_000, 200_000])
def test_a_full_disk_loses_nothing_and_the_same_work_succeeds_once_there_is_room(tmp_path, room):
    """A limit on the size of files stands for the disk: DuckDB's writes fail at the same places."""
    harness = harness_of("duckdb-file", tmp_path)
    harness.sink.open()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        harness.sink.apply(create(1))
        harness.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
        rows = [{"id": f"{n}", "n": n, "text": f"{n * 7919}" * 20} for n in range(20_000)]
        big = work(3, batch(ORDERS, *rows))
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        for _ in range(2):
            with pytest.raises((AcceleratorFull, CommitUnknown)) as caught:
                harness.sink.apply(big)
            assert "too large" in str(caught.value)
            assert harness.sink.open().live.checkpoint == checkpoint(2)
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert list(harness.live()) == [("a",)]
        harness.sink.apply(big)
        assert len(harness.live()) == 20_001
        harness.restart()
        assert harness.sink.open().live.checkpoint == checkpoint(3)
        assert len(harness.live()) == 20_001
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        harness.close()


def test_a_disk_that_is_full_while_a_table_is_written_anew_leaves_the_old_one(tmp_path):
    harness = harness_of("duckdb-file", tmp_path)
    harness.sink.open()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        harness.sink.apply(create(1))
        rows = [{"id": f"{n}", "extra": {"a": n * 7919**3}} for n in range(20_000)]
        harness.sink.apply(work(2, batch(MAPS, *rows)))
        wider = work(3, batch(WIDE, {"id": "a", "extra": [1]}))
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
        with pytest.raises((AcceleratorFull, CommitUnknown)):
            harness.sink.apply(wider)
        assert harness.sink.open().live.checkpoint == checkpoint(2)
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert harness.live() == {(row["id"],): row for row in rows}
        harness.sink.apply(wider)
        assert harness.live()[("9",)]["extra"] == f'{{"a":{9 * 7919**3}}}'
        assert len(harness.live()) == 20_001
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        harness.close()


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


class _FailingCommit:
    """A connection whose COMMIT fails, before or after it has happened."""

    def __init__(self, connection, *, happens):
        self._connection = connection
        self._happens = happens

    def execute(self, statement, *arguments):
        if statement != "COMMIT":
            return self._connection.execute(statement, *arguments)
        self._connection.execute("COMMIT" if self._happens else "ROLLBACK")
        return self._connection.execute("SELECT error('the line went dead')")

    def __getattr__(self, name):
        return getattr(self._connection, name)


@pytest.mark.parametrize("happens", [True, False])
@pytest.mark.parametrize("engine", ["duckdb-memory", "duckdb-file"])
def test_a_commit_that_fails_is_unknown_until_the_stored_checkpoint_is_read(tmp_path, engine, happens):
    """Invariant 1: the checkpoint tells, and doing the work again changes nothing."""
    harness = harness_of(engine, tmp_path)
    harness.sink.open()
    try:
        harness.sink.apply(create(1, checkpoint=checkpoint()))
        lane = harness.instance._lanes["orders"]
        lane.connection = _FailingCommit(lane.connection, happens=happens)
        page = batch(ORDERS, {"id": "a", "n": 1}, {"id": "b", "n": 2})
        one = work(0, scan=(page,), scanning=True, checkpoint=checkpoint(rows_scanned=2, cursor="b"))
        with pytest.raises(CommitUnknown):
            harness.sink.apply(one)
        stored = harness.sink.open()
        assert stored.live.checkpoint == (one.checkpoint if happens else checkpoint())
        assert len(harness.live()) == (2 if happens else 0)
        harness.sink.apply(one)
        assert len(harness.live()) == 2
    finally:
        harness.close()


@pytest.mark.parametrize("engine", ["duckdb-memory", "duckdb-file"])
def test_readers_never_see_half_a_batch_nor_rows_apart_from_their_checkpoint(tmp_path, engine):
    """Invariant 1, from the side of readers, with columns, deletions and swaps under way."""
    harness = harness_of(engine, tmp_path)
    harness.sink.open()
    harness.sink.apply(create(0))
    harness.sink.apply(work(0, batch(ORDERS, *({"id": str(n), "n": 0} for n in range(50)))))
    done = threading.Event()
    wrong, reads = [], []

    def read():
        cursor = harness.instance.cursor()
        while not done.is_set():
            count, low, high, mark = cursor.execute(
                "SELECT count(*), min(n::DOUBLE), max(n::DOUBLE), (SELECT "
                "(checkpoint->>'scan_ended_at')::DOUBLE FROM headrace_checkpoint WHERE target = 'live') FROM orders"
            ).fetchone()
            reads.append(count)
            if (count, low, high) != (50, mark, mark):
                wrong.append((count, low, high, mark))
        cursor.close()

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for mark in range(1, 60):
            table = schema_of(
                n=INT if mark < 30 else TEXT,
                map=struct_of({"a": INT}) if mark < 45 else TEXT,
                **{f"c{mark % 10}": BOOL},
            )
            value = mark if mark < 30 else str(mark)
            rows = [
                {"id": f"{n + mark}", "n": value, "map": {"a": n} if mark < 45 else "x"} for n in range(50)
            ]
            gone = [{"id": f"{mark - 1}"}]
            one = batch(table, *gone, *rows, deleted=[True] + [False] * 50)
            if mark % 20 == 0:
                harness.sink.apply(create(mark, target=Target.BUILDING))
                harness.sink.apply(work(mark, one, target=Target.BUILDING, swap=True))
            else:
                harness.sink.apply(work(mark, one))
    finally:
        done.set()
        for reader in readers:
            reader.join()
        harness.close()
    assert wrong == []
    assert len(reads) > 50


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


def test_a_failed_statement_leaves_the_connection_ready_for_the_next_work(tmp_path):
    harness = harness_of("duckdb-memory", tmp_path)
    harness.sink.open()
    try:
        with pytest.raises(AcceleratorError):
            harness.sink.apply(work(1))
        harness.sink.apply(create(1))
        harness.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
        assert harness.sink.rows() == 1
    finally:
        harness.close()
