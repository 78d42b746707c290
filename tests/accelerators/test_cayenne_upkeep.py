"""Flushes and compactions while changes, readers and failures go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
from structlog.testing import capture_logs

from headrace.accelerator import Notes, Target
from headrace.accelerators.cayenne import upkeep as upkeep_module
from headrace.accelerators.cayenne.accelerator import CayenneAccelerator
from headrace.accelerators.cayenne.checkup import verify_folder
from headrace.accelerators.cayenne.data_file import Writer
from headrace.accelerators.cayenne.policy import Policy
from headrace.column_type import INT, TEXT, struct_of
from headrace.errors import AcceleratorFull
from support.copies import batch, checkpoint, create, schema_of, work
from support.deadline import eventually, nothing
from support.engines.cayenne import CayenneHarness

ORDERS = schema_of(n=INT, v=struct_of({"a": INT}))
MORE = schema_of(more=INT)
WIDER = schema_of(v=TEXT)
"""Joined with ORDERS, ``v`` is text."""


@pytest.fixture
def copy(tmp_path):
    """Rows a to f, in the metastore."""
    harness = CayenneHarness(tmp_path / "data")
    harness.sink.open()
    harness.sink.apply(create(1))
    harness.sink.apply(work(2, batch(ORDERS, *({"id": id_, "n": 0, "v": {"a": 1}} for id_ in "abcdef"))))
    yield harness
    harness.close()


@contextmanager
def during_the_writing(change: Callable[[], object]) -> Iterator[None]:
    """``change`` happens once, when the next file has been written and is not yet visible."""
    left = [change]
    true = Writer.write

    def write(*arguments):
        written = true(*arguments)
        if left:
            left.pop()()
        return written

    with mock.patch.object(Writer, "write", write):
        yield
    assert not left, "a file was written"


def flush(copy):
    for state in tuple(copy.sink._table.copies.values()):
        copy.sink.upkeep._flush(state.number)


def compaction(copy):
    """Of two files, one of which has a dead row."""
    flush(copy)
    copy.sink.apply(work(3, batch(ORDERS, {"id": "f", "n": 1}, {"id": "x", "n": 1})))
    flush(copy)
    copy.sink.upkeep._policy = Policy(fan=2)
    return copy.sink.upkeep._compact_if_due


def upkeep_of(copy, kind):
    """What writes a file of the rows that there are now."""
    return compaction(copy) if kind == "compaction" else lambda: flush(copy)


def numbers(copy):
    return {key: row["n"] for (key,), row in copy.live().items()}


def expect_whole(copy, rows):
    """The same rows now, after all upkeep, and in the next process; and nothing wrong with the files."""
    for _ in range(2):
        assert numbers(copy) == rows
        assert copy.sink.rows() == len(rows)
        verdict = verify_folder(copy.path.parent)
        assert (verdict.faults, verdict.notes, verdict.rows) == ([], [], len(rows))
        copy.sink.upkeep.settle()
    copy.restart()
    assert numbers(copy) == rows


@pytest.fixture(params=["flush", "compaction"])
def kind(request):
    return request.param


def test_rows_that_change_while_a_file_of_them_is_written_are_right_afterwards(copy, kind):
    do = upkeep_of(copy, kind)

    def change():
        copy.sink.apply(work(10, batch(ORDERS, {"id": "a", "n": 1}, {"id": "new", "n": 1})))
        copy.sink.apply(work(11, batch(ORDERS, {"id": "b"}, {"id": "c"}, {"id": "d"}, deleted=[True] * 3)))
        copy.sink.apply(work(12, batch(ORDERS, {"id": "c", "n": 2})))
        copy.sink.apply(work(13, batch(ORDERS, {"id": "d", "n": 2})))
        copy.sink.apply(work(14, batch(ORDERS, {"id": "d"}, {"id": "f", "n": 9}, deleted=[True, False])))

    before = numbers(copy)
    with during_the_writing(change):
        do()
    rows = before | {"a": 1, "c": 2, "f": 9, "new": 1}
    expect_whole(copy, {key: n for key, n in rows.items() if key not in {"b", "d"}})


def test_all_rows_may_go_while_a_file_of_them_is_written(copy, kind):
    do = upkeep_of(copy, kind)
    gone = [{"id": key} for key in numbers(copy)]
    with during_the_writing(
        lambda: copy.sink.apply(work(10, batch(ORDERS, *gone, deleted=[True] * len(gone))))
    ):
        do()
    expect_whole(copy, {})


@pytest.mark.parametrize("wider", [MORE, WIDER], ids=["more", "wider"])
def test_columns_may_change_while_a_file_is_written(copy, kind, wider):
    do = upkeep_of(copy, kind)
    before = numbers(copy)
    with during_the_writing(lambda: copy.sink.apply(work(10, batch(wider, {"id": "a"})))):
        do()
    expect_whole(copy, before | {"a": None})
    assert copy.live()[("b",)]["v"] == ('{"a":1}' if wider is WIDER else {"a": 1})


def test_a_copy_may_be_dropped_while_a_file_of_it_is_written(copy, kind):
    do = upkeep_of(copy, kind)
    with during_the_writing(lambda: copy.sink.apply(create(10))):
        do()
    expect_whole(copy, {})


def test_a_copy_may_be_swapped_in_while_a_file_of_it_is_written(copy):
    copy.sink.apply(create(3, target=Target.BUILDING))
    copy.sink.apply(work(4, batch(ORDERS, {"id": "new", "n": 7}), target=Target.BUILDING, scanning=True))
    building = copy.sink._table.copies[Target.BUILDING].number
    swap = work(5, target=Target.BUILDING, notes=Notes.DROP, swap=True, checkpoint=checkpoint(5))
    with during_the_writing(lambda: copy.sink.apply(swap)):
        copy.sink.upkeep._flush(building)
    assert copy.sink._table.copies[Target.LIVE].recent_rows == 0
    expect_whole(copy, {"new": 7})


def files(copy):
    return sorted(path.name for path in copy.path.parent.glob("part-*.vortex"))


@contextmanager
def at_work(copy, policy):
    """The same dataset with its thread at work."""
    copy.close()
    copy.sink = None
    harness = CayenneHarness(copy.path.parent)
    sink = CayenneAccelerator(harness.dataset, harness.acceleration, policy)
    sink.open()
    try:
        yield harness, sink
    finally:
        sink.close()
        harness.close()
        copy.sink = sink


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "cayenne-orders"]


def test_a_readers_files_stay_until_it_ends(copy):
    flush(copy)
    old = files(copy)
    with at_work(copy, Policy(flush_rows=1, fan=2, idle=0.1)) as (_, sink):
        reading = sink.leaf().begin()

        def seen():
            return sorted(n for one in reading.scan(["n"], []) for n in one.column(0).to_pylist())

        assert seen() == [0] * 6
        sink.apply(work(5, batch(ORDERS, {"id": "a", "n": 1}, {"id": "g", "n": 1})))
        eventually(
            lambda: [number for state in sink._table.copies.values() for number in state.files if number > 2],
            within=30,
            what="the files are merged",
        )
        assert seen() == [0] * 6
        assert set(old) <= set(files(copy))
        reading.close()
        eventually(lambda: set(old) & set(files(copy)), within=30, what="they are removed", holds=nothing)
    assert verify_folder(copy.path.parent).notes == []


def test_what_is_due_is_done_in_the_background_until_it_is_closed(copy):
    with at_work(copy, Policy(flush_rows=10, fan=3, idle=1000)) as (_, sink):
        assert len(threads()) == 1
        for mark in range(40):
            sink.apply(work(10 + mark, batch(ORDERS, *({"id": f"{mark}-{n}", "n": n} for n in range(10)))))

        def is_done():
            (state,) = sink._table.copies.values()
            return state.recent_rows < 10 and not sink.upkeep._policy.merged(upkeep_module._sizes(state))

        eventually(is_done, within=60, what="nothing more is due")
        assert sink.rows() == 406
        sink.close()
        assert threads() == []
    assert verify_folder(copy.path.parent).rows == 406


def test_a_failure_in_the_thread_is_told_and_the_work_tried_again(copy):
    true = Writer.write
    failures = [AcceleratorFull("no room"), AcceleratorFull("no room still")]

    def write(*arguments):
        if failures:
            raise failures.pop(0)
        return true(*arguments)

    with (
        capture_logs() as logs,
        mock.patch.object(upkeep_module, "_RETRY", 0.05),
        mock.patch.object(Writer, "write", write),
        at_work(copy, Policy(flush_rows=1)),
    ):
        eventually(lambda: files(copy), within=30, what="a file is written")
    told = [log for log in logs if log["event"] == "cayenne_upkeep_failed"]
    assert [(log["dataset"], log["error"]) for log in told] == [
        ("orders", "no room"),
        ("orders", "no room still"),
    ]


def test_changes_wait_for_a_flush_where_the_metastore_has_far_too_many(copy):
    upkeep = copy.sink.upkeep
    upkeep._policy = Policy(flush_rows=10)
    copy.sink.apply(work(3, batch(ORDERS, *({"id": f"{n}", "n": n} for n in range(74)))))
    assert files(copy) == []
    copy.sink.apply(work(4, batch(ORDERS, {"id": "one more"})))
    assert len(files(copy)) == 1
    assert copy.sink._table.copies[Target.LIVE].recent_rows == 1


def test_where_nothing_changes_for_long_dead_rows_are_left_out(copy):
    now = [0.0]
    upkeep = copy.sink.upkeep
    upkeep._clock = lambda: now[0]
    upkeep._policy = Policy(flush_rows=1, idle=60.0)
    flush(copy)
    copy.sink.apply(work(3, batch(ORDERS, {"id": "a"}, deleted=[True])))
    (state,) = copy.sink._table.copies.values()
    assert upkeep._work() == 60.0
    now[0] = 59.0
    assert upkeep._work() == 30.0
    assert sum(part.dead_rows for part in state.files.values()) == 1
    now[0] = 60.0
    assert upkeep._work() == 0.0
    (state,) = copy.sink._table.copies.values()
    assert [part.dead_rows for part in state.files.values()] == [0]
    assert numbers(copy) == dict.fromkeys("bcdef", 0)


def test_where_nothing_changes_for_long_the_metastore_gives_back_its_room(copy):
    now = [0.0]
    upkeep = copy.sink.upkeep
    upkeep._clock = lambda: now[0]
    upkeep._policy = Policy(flush_rows=1, idle=60.0)
    copy.sink.apply(work(3, batch(ORDERS, *({"id": f"{n * 7919}", "n": n} for n in range(50_000)))))
    flush(copy)
    log = copy.path.with_name(copy.path.name + "-wal")
    assert log.stat().st_size > 300_000
    now[0] = 70.0
    upkeep._rested = 0.0
    while upkeep._work() == 0.0:
        now[0] += 1000.0
    assert log.stat().st_size == 0
    assert copy.path.stat().st_size < 150_000
    with copy.sink._table.lane() as connection:
        assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)
