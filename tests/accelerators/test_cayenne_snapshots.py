"""Exports of a copy in Cayenne and what becomes of its files, beside what holds for all engines."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from headrace.accelerator import Target
from headrace.accelerators.cayenne import exporting
from headrace.accelerators.cayenne.checkup import verify_folder
from headrace.column_type import INT, TEXT
from headrace.errors import AcceleratorError, AcceleratorFull
from support.copies import batch, checkpoint, create, schema_of, work
from support.engines.cayenne import CayenneHarness
from support.engines.cayenne_disk import parts_in
from support.engines.harness import new_folder

ORDERS = schema_of(n=INT)


@pytest.fixture
def copies(tmp_path):
    harnesses = []

    def make(*, eager=True):
        harnesses.append(CayenneHarness(tmp_path / f"data-{len(harnesses)}", eager=eager))
        harnesses[-1].sink.open()
        return harnesses[-1]

    yield make
    for harness in harnesses:
        harness.close()


def filled(copy, n=0):
    copy.sink.apply(create(1))
    for mark, ids in enumerate(("abc", "cde", "efg"), 2):
        copy.sink.apply(work(mark, batch(ORDERS, *({"id": id_, "n": n + mark} for id_ in ids))))
    return copy


def expect_sound(folder):
    verdict = verify_folder(folder)
    assert verdict.faults == []
    return verdict


def test_an_exported_folder_is_a_dataset_s_folder_by_the_format(copies):
    """The live copy and nothing else, as headrace cayenne verify reads it."""
    copy = filled(copies())
    copy.sink.apply(create(5, target=Target.BUILDING))
    copy.sink.apply(work(6, batch(ORDERS, {"id": "z", "n": 1}), target=Target.BUILDING))
    folder = copy.exported()
    verdict = expect_sound(folder)
    assert verdict.rows == 7
    assert verdict.files > 0
    assert not [note for note in verdict.notes if "does not name" in note]


def test_files_that_are_merged_or_replaced_meanwhile_are_in_the_export(copies, monkeypatch):
    copy = filled(copies())
    was, before = copy.live(), parts_in(copy.folder)
    true, done = exporting.put, []

    def put(source, target):
        if not done:
            done.append(True)
            for mark in range(10, 20):
                copy.sink.apply(work(mark, batch(ORDERS, *({"id": id_, "n": mark} for id_ in "abcdefg"))))
            copy.sink.upkeep.settle()
        true(source, target)

    monkeypatch.setattr(exporting, "put", put)
    folder = copy.exported()
    assert not before & parts_in(copy.folder), "and they are removed once it has ended"
    expect_sound(folder)
    there = copies()
    there.sink.restore(folder)
    assert there.live() == was


def test_files_of_the_same_numbers_are_there_already(copies):
    """Restored ones get numbers that no file has had; those of before are removed."""
    here, there = filled(copies()), filled(copies(), n=100)
    folder, before = here.exported(), parts_in(there.folder)
    assert parts_in(folder) & before
    there.sink.restore(folder)
    there.sink.open()
    assert not before & parts_in(there.folder)
    assert there.live() == here.live()
    expect_sound(there.folder)
    for mark in range(30, 36):
        there.sink.apply(work(mark, batch(ORDERS, *({"id": id_, "n": mark} for id_ in "aceg"))))
    there.restart()
    there.sink.open()
    expect_sound(there.folder)
    assert {key: one["n"] for (key,), one in there.live().items()} == {
        key: one["n"] if key in "bdf" else 35 for (key,), one in here.live().items()
    }


def test_whoever_reads_keeps_the_files_of_before_until_it_ends(copies):
    here, there = filled(copies()), filled(copies(), n=100)
    folder, was = here.exported(), there.live()
    reading = there.sink.leaf().begin()
    there.sink.restore(folder)
    there.sink.open()
    numbers = [n for part in reading.scan(["n"], []) for n in part.column(0).to_pylist()]
    assert sorted(numbers) == sorted(one["n"] for one in was.values())
    reading.close()
    assert there.live() == here.live()
    expect_sound(there.folder)


@pytest.mark.parametrize("links", [True, False])
def test_files_that_cannot_be_linked_are_copied(copies, monkeypatch, links):
    if not links:

        def refused(*_):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

        monkeypatch.setattr(Path, "hardlink_to", refused)
    here, there = filled(copies()), copies()
    folder = here.exported()
    alike = [(folder / name).samefile(here.folder / name) for name in parts_in(folder)]
    assert set(alike) == {links}
    there.sink.restore(folder)
    assert there.live() == here.live()


def test_a_restore_that_finds_no_room_leaves_no_file(copies, monkeypatch):
    here, there = filled(copies()), filled(copies(), n=100)
    folder, before, was = here.exported(), parts_in(there.folder), there.live()
    true, left = exporting.put, [1]

    def put(source, target):
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left.pop()
        true(source, target)

    monkeypatch.setattr(exporting, "put", put)
    with pytest.raises(AcceleratorFull, match="make room on the disk"):
        there.sink.restore(folder)
    assert parts_in(there.folder) == before
    assert there.live() == was
    monkeypatch.undo()
    there.sink.restore(folder)
    assert there.live() == here.live()


def test_an_export_that_fails_leaves_the_dataset_as_it_was(copies, monkeypatch):
    copy = filled(copies(eager=False))
    monkeypatch.setattr(exporting, "keep_live", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        copy.exported()
    monkeypatch.undo()
    assert copy.sink.export(new_folder(), "snap-1").rows == 7
    copy.sink.apply(work(9, batch(ORDERS, {"id": "new", "n": 1})))
    assert copy.sink.open().live.checkpoint == checkpoint(9)
    copy.sink.close()
    with pytest.raises(AcceleratorError, match="not open"):
        copy.exported()


def test_columns_of_any_age_travel(copies):
    here, there = filled(copies()), copies()
    here.sink.apply(work(7, batch(schema_of(n=TEXT, more=TEXT), {"id": "x", "n": "x", "more": "y"})))
    there.sink.restore(here.exported())
    assert there.live() == here.live()
    assert there.sink.open().live.schema == here.sink.open().live.schema
