"""Flushes and compactions beside changes and readers, and what becomes of them where something fails."""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from typing import Self
from unittest import mock

import pytest

from headrace.accelerator import Target
from headrace.accelerators.cayenne import upkeep as upkeep_module
from headrace.accelerators.cayenne.data_file import Writer
from headrace.accelerators.cayenne.leaf import CayenneReading
from headrace.accelerators.cayenne.merging import merged_rows
from headrace.accelerators.cayenne.policy import Policy
from headrace.column_type import BOOL, INT, TEXT, struct_of
from headrace.errors import AcceleratorError, AcceleratorFull, CommitUnknown
from support.copies import batch, create, schema_of, work
from support.deadline import eventually
from support.engines.cayenne import EAGER, CayenneHarness
from support.engines.cayenne_disk import parts_in

ORDERS = schema_of(n=INT, text=TEXT)
BUSY = Policy(flush_rows=30, fan=3, most_rows=150, dead_share=0.1, dead_rows=0, idle=0.2)


class Background(CayenneHarness):
    """With the real thread, which has always something to do."""

    policy = BUSY

    def _new_sink(self):
        sink = super()._new_sink()
        sink._background = True
        sink.upkeep._policy = self.policy
        return sink


@pytest.fixture
def opened(tmp_path):
    """Makes harnesses, open; all are closed in the end."""
    harnesses = []

    def make(kind=CayenneHarness):
        harnesses.append(kind(tmp_path / "data"))
        harnesses[-1].sink.open()
        return harnesses[-1]

    yield make
    for harness in harnesses:
        harness.close()


def files_of(harness):
    return {
        number: file for state in harness.sink._table.copies.values() for number, file in state.files.items()
    }


class Readers:
    """Three threads that read all the time: two look twice at each commit, and one lets go of it after each look."""

    def __init__(self, harness: CayenneHarness) -> None:
        self.wrong: list[object] = []
        self.marks: set[int] = set()
        self._harness = harness
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(looks,)) for looks in (2, 2, 1)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _read(self, looks: int) -> None:
        last = 0
        while not self._done.is_set():
            reading = self._harness.sink.leaf().begin()
            seen = {self._look(reading) for _ in range(looks)}
            reading.close()
            if len(seen) > 1 or min(seen) < last:
                self.wrong.append((seen, last))
            last = max(seen)
            self.marks |= seen

    def _look(self, reading: CayenneReading) -> int:
        try:
            found = [int(n) for one in reading.scan(["n"], []) for n in one.column(0).to_pylist()]
        except AcceleratorError as error:
            self.wrong.append(error)
            return 0
        if len(found) != 50 or len(set(found)) > 1:
            self.wrong.append(found)
        return found[0]


def change(harness: CayenneHarness, mark: int) -> None:
    """Fifty rows of one mark in place of fifty of another; now and then by a swap, or with wider columns."""
    number, nested = mark < 30, mark < 60
    table = schema_of(
        n=INT if number else TEXT, map=struct_of({"a": INT}) if nested else TEXT, **{f"c{mark % 10}": BOOL}
    )
    rows = [
        {"id": f"{n + mark}", "n": mark if number else str(mark), "map": {"a": n} if nested else "x"}
        for n in range(50)
    ]
    one = batch(table, {"id": f"{mark - 1}"}, *rows, deleted=[True] + [False] * 50)
    if mark % 20 == 0:
        harness.sink.apply(create(mark, target=Target.BUILDING))
        harness.sink.apply(work(mark, one, target=Target.BUILDING, swap=True))
    else:
        harness.sink.apply(work(mark, one))


def test_readers_see_one_batch_whole_whatever_is_flushed_merged_widened_or_swapped_meanwhile(opened):
    """Invariant 1, from the side of readers: all rows of a commit carry one mark."""
    harness = opened(Background)
    harness.sink.apply(create(0))
    harness.sink.apply(work(0, batch(ORDERS, *({"id": str(n), "n": 0} for n in range(50)))))
    seen = set()
    with Readers(harness) as readers:
        for mark in range(1, 2000):
            change(harness, mark)
            seen |= files_of(harness).keys()
            if mark >= 80 and len(seen) > 5:
                break
    assert readers.wrong == []
    assert len(readers.marks) > 10
    assert len(seen) > 5
    eventually(
        lambda: not harness.sink._table.pins.files, within=10, what="files that nobody reads are removed"
    )
    harness.restart()
    assert len(harness.live()) == 50


def filled(harness, first, count):
    rows = [{"id": f"{n}", "n": n, "text": f"{n * 7919}" * 9} for n in range(first, first + count)]
    harness.sink.apply(work(first + 2, batch(ORDERS, *rows)))


@pytest.mark.parametrize("room", [0, 5_000, 40_000])
def test_a_flush_that_finds_no_room_leaves_the_rows_where_they_are_and_succeeds_later(opened, disk, room):
    harness = opened()
    harness.sink.apply(create(1))
    filled(harness, 0, 3_000)
    before = harness.found()
    disk(room)
    for _ in range(2):
        with pytest.raises(AcceleratorFull, match="make room on the disk"):
            harness.sink.upkeep.settle()
        assert parts_in(harness.path.parent) == set()
    disk(None)
    assert harness.found() == before
    harness.sink.upkeep.settle()
    assert len(files_of(harness)) == 1
    harness.restart()
    assert harness.found() == before


def test_a_compaction_that_finds_no_room_leaves_the_files_and_succeeds_later(opened, disk):
    harness = opened()
    harness.sink.apply(create(1))
    for first in (0, 2_000, 4_000):
        filled(harness, first, 2_000)
        harness.sink.upkeep.settle()
    harness.sink.upkeep._policy = EAGER
    parts, before = parts_in(harness.path.parent), harness.found()
    assert len(parts) == 6
    harness.sink.upkeep._policy = Policy(flush_rows=2_000, fan=3)
    disk(20_000)
    with pytest.raises(AcceleratorFull, match="make room on the disk"):
        harness.sink.upkeep.step()
    assert parts_in(harness.path.parent) == parts
    disk(None)
    assert harness.sink.upkeep.step()
    assert len(parts_in(harness.path.parent)) == 2
    assert harness.found() == before


@pytest.mark.parametrize("happens", [True, False])
def test_a_flush_whose_commit_is_unknown_is_there_or_not_once_the_dataset_is_opened_again(opened, happens):
    harness = opened()
    harness.sink.apply(create(1))
    filled(harness, 0, 100)
    before = harness.found()
    harness.fail_the_commit(happens=happens)
    with pytest.raises(CommitUnknown):
        harness.sink.upkeep.settle()
    with pytest.raises(CommitUnknown):
        harness.sink.upkeep.settle()
    assert harness.found() == before
    assert len(files_of(harness)) == happens
    assert len(parts_in(harness.path.parent)) == 2 * happens


def test_a_file_that_cannot_be_removed_is_tried_again_and_stops_nothing(opened):
    harness = opened()
    harness.sink.apply(create(1))
    filled(harness, 0, 10)
    harness.sink.upkeep.settle()
    stuck = parts_in(harness.path.parent)

    def unlink(path, missing_ok=False):
        raise OSError(errno.EACCES, "planted")

    with mock.patch.object(Path, "unlink", unlink):
        filled(harness, 0, 10)
        harness.sink.upkeep.settle()
    assert stuck < parts_in(harness.path.parent)
    harness.sink._table.pins.sweep()
    assert not stuck & parts_in(harness.path.parent)
    assert len(harness.live()) == 10


def test_a_compaction_whose_source_was_written_anew_meanwhile_is_given_up(opened):
    """Or the rows of that file would be there twice."""
    harness = opened()
    harness.sink.apply(create(1))
    for first in (0, 10, 20):
        filled(harness, first, 10)
        harness.sink.upkeep.settle()
    before = harness.found()

    def written_anew(parts, schema):
        yield from merged_rows(parts, schema)
        with harness.sink._table.transaction("planted") as transaction:
            copy = transaction.copy(Target.LIVE)
            copy._rewrite(parts[0], copy.state.schema)
            harness.sink._table.commit(transaction)

    harness.sink.upkeep._policy = Policy(flush_rows=10, fan=3)
    with mock.patch.object(upkeep_module, "merged_rows", written_anew):
        assert harness.sink.upkeep.step()
    assert harness.found() == before
    assert len(files_of(harness)) == 3
    assert len(parts_in(harness.path.parent)) == 6
    assert harness.sink.upkeep.step()
    assert harness.found() == before
    assert len(files_of(harness)) == 1


MEANWHILE = {
    "rows": [
        work(
            50, batch(ORDERS, {"id": "1"}, {"id": "12", "n": -1}, {"id": "new"}, deleted=[True, False, False])
        )
    ],
    "columns": [
        work(50, batch(schema_of(n=TEXT), {"id": "1"}, {"id": "12", "n": "x"}, deleted=[True, False]))
    ],
    "swap": [
        create(50, target=Target.BUILDING),
        work(51, batch(ORDERS, {"id": "1", "n": 5}), target=Target.BUILDING, swap=True),
    ],
}
"""What may come between the reading of rows and the commit that makes a file of them."""


@pytest.mark.parametrize("meanwhile", MEANWHILE)
@pytest.mark.parametrize("files", [0, 3], ids=["flush", "compaction"])
def test_what_changes_while_a_file_is_written_is_not_undone_by_it(opened, files, meanwhile):
    harness = opened()
    harness.sink.apply(create(1))
    for first in (0, 10, 20):
        filled(harness, first, 10)
        if files:
            harness.sink.upkeep.settle()
    assert len(files_of(harness)) == files
    write, found = Writer.write, []

    def write_slowly(writer, number, schema, tables):
        written = write(writer, number, schema, tables)
        if not found:
            found.append(None)
            for one in MEANWHILE[meanwhile]:
                harness.sink.apply(one)
            found[:] = harness.found()
        return written

    harness.sink.upkeep._policy = Policy(flush_rows=10, fan=3)
    with mock.patch.object(Writer, "write", write_slowly):
        assert harness.sink.upkeep.step()
    assert tuple(found) == harness.found()
    harness.restart()
    assert tuple(found) == harness.found()
    harness.sink.upkeep.settle()
    assert tuple(found) == harness.found()


def test_after_a_failure_the_thread_waits_however_often_it_is_woken(opened):
    """A full disk must not have a file written, and fail, at each commit."""
    harness = opened(Background)
    harness.sink.apply(create(1))
    tried = threading.Event()
    tries = []

    def fail(upkeep, copy):
        tries.append(copy)
        tried.set()
        raise AcceleratorFull("planted")

    with mock.patch.object(upkeep_module.Upkeep, "_flush", fail):
        filled(harness, 0, 31)
        assert tried.wait(10)
        for _ in range(20):
            filled(harness, 0, 31)
        eventually(lambda: not harness.sink.upkeep._woken.is_set(), within=10, what="the thread has woken")
    assert len(tries) == 1


@pytest.mark.parametrize(
    "name", ["a b", "é", "a%20b", "a#b", "a*b?", "a[b]", "a{b}", 'a"b', "a+b,c;d=e", "\\n"]
)
def test_a_folder_may_have_any_name(tmp_path, name):
    harness = CayenneHarness(tmp_path / name / "data", eager=True)
    try:
        harness.sink.open()
        harness.sink.apply(create(1))
        filled(harness, 0, 10)
        assert len(harness.live()) == 10
        assert len(files_of(harness)) == 1
    finally:
        harness.close()
