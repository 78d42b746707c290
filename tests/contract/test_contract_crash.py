"""What every engine leaves when its process or its disk does its worst, and what readers see meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from headrace.accelerator import Notes, Target
from headrace.column_type import BOOL, INT, TEXT, list_of, struct_of
from headrace.errors import AcceleratorError, AcceleratorFull, CommitUnknown
from support.copies import batch, checkpoint, create, schema_of, work
from support.engines import ENGINES, IN_FILES, harness_of
from support.engines.harness import copied

ORDERS = schema_of(n=INT, text=TEXT)
WIDE = schema_of(n=TEXT, text=TEXT, extra=list_of(INT))
MAPS = schema_of(extra=struct_of({"a": INT}))
"""Joined with WIDE, ``extra`` is text: the table is written anew."""

SHOWN = [engine for engine in ENGINES if engine.startswith(("duckdb", "sqlite"))]
"""Those that show readers their checkpoint beside the rows."""

FAILING = [*SHOWN, "cayenne", "cayenne-files"]

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


@pytest.fixture
def opened(tmp_path):
    """Makes harnesses, open; all are closed in the end."""
    harnesses = []

    def make(engine):
        harnesses.append(harness_of(engine, tmp_path))
        harnesses[-1].sink.open()
        return harnesses[-1]

    yield make
    for harness in harnesses:
        harness.close()


def found_in(harness, folder):
    """What the next process finds if this one is gone now."""
    lost = harness.lost(folder)
    try:
        return lost.found()
    finally:
        lost.close()


@pytest.mark.parametrize("engine", IN_FILES)
def test_a_lost_process_leaves_exactly_its_last_commit_whatever_that_was(opened, tmp_path, engine):
    """Invariant 1: rows, columns, notes, swap and checkpoint come back together from the log."""
    harness = opened(engine)
    for number, one in enumerate(LIFE):
        harness.sink.apply(one)
        assert found_in(harness, tmp_path / f"lost-{number}") == harness.found()


SWAP = next(number for number, one in enumerate(LIFE) if one.swap)


@pytest.mark.parametrize("engine", IN_FILES)
@pytest.mark.parametrize("last", [4, SWAP, 9], ids=["rows", "swap", "rewrite"])
def test_a_log_cut_anywhere_in_the_last_commit_gives_the_commit_before_or_the_commit(
    opened, tmp_path, engine, last
):
    """Invariant 1: rows without checkpoint, or checkpoint without rows, cannot be cut out of the log."""
    harness = opened(engine)
    for one in LIFE[:last]:
        harness.sink.apply(one)
    log = harness.path.with_name(harness.path.name + harness.log)
    old_length = log.stat().st_size
    was = found_in(harness, tmp_path / "before")
    with harness.reading():
        # Files that a reader may need stay: a log that can still be cut has had none removed.
        harness.sink.apply(LIFE[last])
        after = copied(harness.path, tmp_path / "after")
    whole = log.read_bytes()
    assert len(whole) > old_length
    now = found_in(harness, tmp_path / "now")
    assert was != now
    step = max(1, (len(whole) - old_length) // 20)
    for number, length in enumerate(range(old_length, len(whole) + 1, step)):
        cut = harness.at(copied(after, tmp_path / f"cut-{number}"))
        cut.path.with_name(log.name).write_bytes(whole[:length])
        assert cut.found() in (was, now)
        cut.close()


CHANGE_FOR_EVER = """
import sys
from pathlib import Path
from support.copies import batch, create, schema_of, work
from support.engines import harness_of
from headrace.column_type import INT
sink = harness_of(sys.argv[1], Path(sys.argv[2])).sink
sink.open()
sink.apply(create(0))
table = schema_of(n=INT)
for mark in range(1, 1_000_000):
    rows = [{"id": str(number), "n": mark} for number in range(mark % 7, 400)]
    sink.apply(work(mark, batch(table, *rows), scanning=True))
    print(mark, flush=True)
"""


@pytest.mark.parametrize("engine", IN_FILES)
@pytest.mark.parametrize("commits", [1, pytest.param(5, marks=pytest.mark.long), 23])
def test_a_process_killed_while_it_applies_comes_back_at_a_commit(opened, tmp_path, engine, commits):
    """Invariant 1: every row says by which transaction it was written, and the checkpoint says the last."""
    seen = 0
    with subprocess.Popen(
        [sys.executable, "-c", CHANGE_FOR_EVER, engine, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    ) as child:
        while seen < commits:
            seen = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        seen = max([seen, *(int(line) for line in child.stdout.read().split(b"\n")[:-1])])
    stored, live, _ = opened(engine).found()
    mark = int(stored.live.checkpoint.scan_ended_at)
    assert mark in (seen, seen + 1)
    expected = {}
    for one in range(1, mark + 1):
        expected |= {(str(number),): one for number in range(one % 7, 400)}
    assert {key: row["n"] for key, row in live.items()} == expected


ASK_FOR_IT_TWICE = """
import sys
from pathlib import Path
from support.engines import harness_of
from headrace.errors import AcceleratorLocked
harness = harness_of(sys.argv[1], Path(sys.argv[2]))
try:
    harness.sink.open()
except AcceleratorLocked as error:
    print(error, flush=True)
sys.stdin.readline()
harness.sink.open()
print("it is mine")
"""


@pytest.mark.parametrize("engine", IN_FILES)
def test_a_copy_that_another_holds_is_refused_until_it_is_let_go(opened, engine):
    first = opened(engine)
    first.sink.apply(create(1))
    with subprocess.Popen(
        [sys.executable, "-c", ASK_FOR_IT_TWICE, engine, str(first.path.parents[1])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as second:
        assert f"{first.path} is held by process" in second.stdout.readline()
        first.close()
        assert second.communicate("\n")[0] == "it is mine\n"
    assert second.returncode == 0


@pytest.mark.parametrize("engine", IN_FILES)
@pytest.mark.parametrize("room", [30_000, 60_000, 200_000])
def test_a_full_disk_loses_nothing_and_the_same_work_succeeds_once_there_is_room(opened, disk, engine, room):
    harness = opened(engine)
    harness.sink.apply(create(1))
    harness.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    rows = [{"id": f"{n}", "n": n, "text": f"{n * 7919}" * 20} for n in range(20_000)]
    big = work(3, batch(ORDERS, *rows))
    disk(room)
    for _ in range(2):
        with pytest.raises((AcceleratorFull, CommitUnknown), match="make room on the disk"):
            harness.sink.apply(big)
        assert harness.sink.open().live.checkpoint == checkpoint(2)
    disk(None)
    assert list(harness.live()) == [("a",)]
    harness.sink.apply(big)
    assert len(harness.live()) == 20_001
    harness.restart()
    assert harness.sink.open().live.checkpoint == checkpoint(3)
    assert len(harness.live()) == 20_001


@pytest.mark.parametrize("engine", IN_FILES)
def test_a_disk_that_is_full_while_a_table_is_written_anew_leaves_the_old_one(opened, disk, engine):
    harness = opened(engine)
    harness.sink.apply(create(1))
    rows = [{"id": f"{n}", "extra": {"a": n * 7919**3}} for n in range(20_000)]
    harness.sink.apply(work(2, batch(MAPS, *rows)))
    wider = work(3, batch(WIDE, {"id": "a", "extra": [1]}))
    disk(60_000)
    with pytest.raises((AcceleratorFull, CommitUnknown)):
        harness.sink.apply(wider)
    assert harness.sink.open().live.checkpoint == checkpoint(2)
    disk(None)
    assert harness.live() == {(row["id"],): row for row in rows}
    harness.sink.apply(wider)
    assert harness.live()[("9",)]["extra"] == f'{{"a":{9 * 7919**3}}}'
    assert len(harness.live()) == 20_001


@pytest.mark.parametrize("happens", [True, False])
@pytest.mark.parametrize("engine", FAILING)
def test_a_commit_that_fails_is_unknown_until_the_stored_checkpoint_is_read(opened, engine, happens):
    """Invariant 1: the checkpoint tells, and doing the work again changes nothing."""
    harness = opened(engine)
    harness.sink.apply(create(1, checkpoint=checkpoint()))
    harness.fail_the_commit(happens=happens)
    page = batch(ORDERS, {"id": "a", "n": 1}, {"id": "b", "n": 2})
    one = work(0, scan=(page,), scanning=True, checkpoint=checkpoint(rows_scanned=2, cursor="b"))
    with pytest.raises(CommitUnknown):
        harness.sink.apply(one)
    stored = harness.sink.open()
    assert stored.live.checkpoint == (one.checkpoint if happens else checkpoint())
    assert len(harness.live()) == (2 if happens else 0)
    harness.sink.apply(one)
    assert len(harness.live()) == 2


@pytest.mark.parametrize("engine", SHOWN)
def test_readers_never_see_half_a_batch_nor_rows_apart_from_their_checkpoint(opened, engine):
    """Invariant 1, from the side of readers, with columns, deletions and swaps under way."""
    harness = opened(engine)
    harness.sink.apply(create(0))
    harness.sink.apply(work(0, batch(ORDERS, *({"id": str(n), "n": 0} for n in range(50)))))
    done = threading.Event()
    wrong, reads = [], []

    def read():
        with harness.reading() as connection:
            while not done.is_set():
                count, low, high, mark = connection.execute(
                    "SELECT count(*), min(CAST(n AS DOUBLE)), max(CAST(n AS DOUBLE)), (SELECT "
                    "CAST(checkpoint->>'scan_ended_at' AS DOUBLE) FROM headrace_checkpoint "
                    "WHERE target = 'live') FROM orders"
                ).fetchone()
                reads.append(count)
                if (count, low, high) != (50, mark, mark):
                    wrong.append((count, low, high, mark))

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
    assert wrong == []
    assert len(reads) > 50


@pytest.mark.parametrize("engine", ENGINES)
def test_a_failed_statement_leaves_the_connection_ready_for_the_next_work(opened, engine):
    harness = opened(engine)
    with pytest.raises(AcceleratorError):
        harness.sink.apply(work(1))
    harness.sink.apply(create(1))
    harness.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    assert harness.sink.rows() == 1
