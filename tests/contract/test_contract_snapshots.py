"""A copy that is exported and restored elsewhere: exactly one commit of it, or a clear refusal that changes nothing."""

from __future__ import annotations

import os
import pkgutil
import shutil
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import strategies as st

from headrace.accelerator import Notes, Target, Which
from headrace.accelerators.exports import Exports
from headrace.change import Redriven
from headrace.column_type import INT, TEXT
from headrace.errors import AcceleratorError, AcceleratorFull, SnapshotRefused
from support.copies import batch, checkpoint, create, dead, paged, schema_of, work
from support.deadline import eventually
from support.engines import ENGINES, IN_FILES, harness_of
from support.engines.harness import copied, new_folder
from support.engines.postgres import PostgresHarness
from support.every_value import VALUES
from support.laws import hold
from support.lives import few_members, works

ORDERS = schema_of(n=INT, text=TEXT)

REAL = [engine for engine in ENGINES if engine != "memory"]
"""All but the yardstick, which one thread uses."""


@pytest.fixture
def harnesses(tmp_path):
    """Makes harnesses, open, each in a folder of its own; all are closed in the end."""
    with ExitStack() as stack:

        def make(engine):
            harness = harness_of(engine, tmp_path / f"{engine}-{len(made)}")
            made.append(harness)
            stack.callback(harness.close)
            harness.sink.open()
            return harness

        made = []
        yield make


@pytest.fixture(params=ENGINES)
def pair(request, harnesses):
    """Two instances of an engine, each with a copy of its own."""
    return harnesses(request.param), harnesses(request.param)


@pytest.fixture(params=REAL)
def engine(request):
    return request.param


@pytest.fixture
def copy(engine, harnesses):
    return harnesses(engine)


def row(key, n):
    return {"id": key, "n": n, "text": "x"}


def filled(harness, count=3):
    harness.sink.apply(create(1))
    harness.sink.apply(work(2, batch(ORDERS, *(row(f"k{n}", n) for n in range(count)))))
    return harness


def all_of(harness):
    """Everything that a copy is."""
    return harness.sink.open(), harness.live(), harness.building(), harness.letters()


# What travels


def going_on(plan):
    """Works that can follow a restore: there is a live copy and no other."""
    building = False
    for one in plan:
        if one.target is Target.LIVE or building or one.create is not None:
            building = (building or one.target is Target.BUILDING) and not one.swap
            yield one


@pytest.mark.parametrize(
    "examples", [2, pytest.param(150, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
def test_any_life_exported_at_any_moment_goes_on_elsewhere_as_the_law_says(pair, examples):
    """Rows, columns, notes and checkpoint are those of one commit, and later works do what they would have done."""
    here, there = pair

    def law(plan, cut):
        plain, elsewhere = harness_of("memory", None), harness_of("memory", None)
        if here.sink.open().building is not None:
            here.sink.apply(work(0, target=Target.BUILDING, swap=True))
        for one in plan[: 1 + cut % len(plan)]:
            here.sink.apply(one)
            plain.sink.apply(one)
        files, same = new_folder(), new_folder()
        exported = here.sink.export(files, "snap-1")
        assert replace(exported, engine_version="") == replace(
            plain.sink.export(same, "snap-1"), engine_version=""
        )
        assert exported.checkpoint == plain.sink.open().live.checkpoint
        assert all_of(here) == all_of(plain), "an export changes nothing"
        there.sink.restore(files)
        elsewhere.sink.restore(same)
        assert there.sink.open().live.checkpoint == replace(exported.checkpoint, snapshot="snap-1")
        assert all_of(there) == all_of(elsewhere)
        for one in going_on(plan[1 + cut % len(plan) :]):
            assert there.sink.apply(one) == elsewhere.sink.apply(one)
        assert all_of(there) == all_of(elsewhere)
        shutil.rmtree(files)
        shutil.rmtree(same)

    with few_members():
        hold(law, here, examples=examples, plan=works(here.holding), cut=st.integers(0, 7))


def test_every_value_travels_exactly(pair):
    here, there = pair
    table = schema_of(**{name: type_ for name, (type_, _) in VALUES.items()})
    values = {table.column(name).name: here.holding(value) for name, (_, value) in VALUES.items()}
    here.sink.apply(create(1))
    here.sink.apply(work(2, batch(table, {"id": "a", **values}, {"id": "b"})))
    there.sink.restore(here.exported())
    assert there.live() == here.live()
    assert there.sink.open().live.schema == table


def test_columns_that_have_no_place_of_their_own_travel(harnesses):
    here, there = harnesses("postgres"), harnesses("postgres")
    wide = schema_of(**{f"c{n}": INT for n in range(300)})
    here.sink.apply(create(1))
    here.sink.apply(work(2, batch(wide, {"id": "a", **{f"c{n}": n for n in range(300)}})))
    there.sink.restore(here.exported())
    assert there.live() == here.live()


def test_letters_travel_and_can_be_settled_where_they_are(pair):
    here, there = pair
    filled(here)
    letters = (dead("k0", 100), dead("k1", 101), dead(None, 102), dead("scanned", None))
    here.sink.apply(work(3, dead=letters))
    here.sink.apply(work(4, paged(batch(ORDERS, row("k1", 9)), 200), at=77.5))
    here.sink.apply(create(5, target=Target.BUILDING))
    here.sink.apply(work(6, target=Target.BUILDING, dead=(dead("k2", 300),)))
    was = here.letters()
    exported = here.sink.export(folder := new_folder(), "snap-1")
    assert (exported.letters, exported.waiting) == (4, 3)
    there.sink.restore(folder)
    assert there.sink.open().live.letters == 4
    assert there.sink.open().live.waiting == 3
    assert there.letters() == was
    assert set(there.letters(Which.SUPERSEDED)) == {"101"}
    redriven = Redriven(letters[0].id, "100", paged(batch(ORDERS, row("k0", 7)), 100))
    tally = there.sink.apply(work(7, redriven=(redriven,), discarded=(letters[2].id,))).letters
    assert (tally.retried, tally.discarded, tally.stored) == (1, 1, 2)
    assert there.live()["k0",]["n"] == 7
    there.sink.apply(create(8, target=Target.BUILDING))
    there.sink.apply(work(9, target=Target.BUILDING, swap=True))
    assert there.letters() == {}, "those of the copy that was being built have stayed behind"


def test_keys_that_the_stream_touched_keep_the_scan_away_after_a_restore_too(pair):
    here, there = pair
    here.sink.apply(create(1))
    gone = batch(ORDERS, row("a", 1), row("b", 1), deleted=[False, True])
    here.sink.apply(work(2, gone, scanning=True))
    there.sink.restore(here.exported())
    there.sink.open()
    there.sink.apply(work(3, scan=(batch(ORDERS, row("a", 0), row("b", 0), row("c", 0)),), scanning=True))
    there.sink.apply(work(4, notes=Notes.DROP))
    assert {key: one["n"] for (key,), one in there.live().items()} == {"a": 1, "c": 0}


def test_a_restore_replaces_everything_that_was_there(pair):
    here, there = pair
    filled(here)
    folder = here.exported()
    other = schema_of(n=TEXT, other=TEXT)
    there.sink.apply(create(11))
    there.sink.apply(work(12, batch(other, {"id": "x", "n": "y"}), scanning=True, dead=(dead("x", 5),)))
    there.sink.apply(create(13, target=Target.BUILDING))
    there.sink.apply(work(14, batch(other, {"id": "z"}), target=Target.BUILDING, dead=(dead("x", 6),)))
    there.sink.restore(folder)
    assert there.sink.open().building is None
    assert there.live() == here.live()
    assert there.letters() == {}
    there.sink.apply(create(15, target=Target.BUILDING))
    assert there.building() == {}


def test_the_same_copy_goes_back_to_an_older_snapshot_of_itself_and_outlives_the_process(copy):
    filled(copy)
    folder, was = copy.exported(), copy.live()
    gone = [False, True, False]
    copy.sink.apply(work(3, batch(ORDERS, row("k0", 50), row("k1", 0), row("new", 1), deleted=gone)))
    copy.sink.restore(folder)
    if copy.survives:
        copy.restart()
    assert copy.sink.open().live.checkpoint == replace(checkpoint(2), snapshot="snap-1")
    assert copy.live() == was
    exported = copy.sink.export(new_folder(), "snap-2")
    assert exported.checkpoint.snapshot == "snap-1"
    copy.sink.apply(work(4, batch(ORDERS, row("k0", 51))))
    if copy.survives:
        copy.restart()
    assert copy.sink.open().live.checkpoint == checkpoint(4)
    assert copy.live()["k0",]["n"] == 51


# While it goes on


CHOSEN = {
    "cayenne": "cayenne.exporting.expect_live",
    "duckdb": "duckdb.exporting.decode_schema",
    "postgres": "postgres.exporting.decode_schema",
    "sqlite": "sqlite.accelerator.expect_live",
}
"""What an export calls just after it has chosen its commit."""


@pytest.mark.parametrize("exports", [2, pytest.param(60, marks=pytest.mark.long)])
def test_commits_go_on_during_an_export_which_shows_exactly_one_of_them(
    copy, engine, harnesses, monkeypatch, exports
):
    """Every row says by which commit it was written, and the checkpoint says the last."""
    there = harnesses(engine)
    copy.sink.apply(create(0))
    mark, done, wrong = [0], threading.Event(), []

    def write():
        try:
            while not done.is_set():
                number = mark[0] + 1
                # The columns change too, where readers allow it, and some by the table being written anew.
                more = {f"c{number % 7}": INT if number % 20 else TEXT} if engine != "postgres" else {}
                table = schema_of(n=INT, **more)
                rows = [{"id": f"{n}", "n": number} for n in range(100)]
                copy.sink.apply(work(number, batch(table, *rows), dead=(dead(f"{number}", number),)))
                mark[0] = number
        except BaseException as error:
            wrong.append(error)
            raise

    def wait_for(commits):
        last = mark[0] + commits
        eventually(lambda: mark[0] >= last or wrong, within=20, what="commits while a copy is exported")

    place = f"headrace.accelerators.{CHOSEN[engine.partition('-')[0]]}"
    true = pkgutil.resolve_name(place)

    def chosen(*given):
        found = true(*given)
        if threading.current_thread() is not writer:
            wait_for(2)
        return found

    writer = threading.Thread(target=write)
    writer.start()
    found = []
    try:
        wait_for(1)
        for number in range(exports):
            folder = new_folder()
            with monkeypatch.context() as patched:
                if number % 2 == 0:
                    patched.setattr(place, chosen)
                found.append((folder, copy.sink.export(folder, "snap-1"), mark[0]))
    finally:
        done.set()
        writer.join()
    assert wrong == []
    for folder, exported, last in found:
        there.sink.restore(folder)
        stored = there.sink.open().live
        number = int(stored.checkpoint.scan_ended_at)
        assert exported.checkpoint == checkpoint(number)
        assert number <= last + 1
        assert {one["n"] for one in there.live().values()} == {number}
        assert len(there.live()) == exported.rows == 100
        assert stored.letters == exported.letters == len(there.letters()) == number


def test_an_export_that_runs_keeps_a_second_one_away(copy, monkeypatch):
    filled(copy)
    refused = []
    true = Exports.interruptible

    def interruptible(exports, interrupt):
        if not refused:
            with pytest.raises(AcceleratorError, match="being exported already") as caught:
                copy.sink.export(new_folder(), "snap-2")
            refused.append(caught.value)
        return true(exports, interrupt)

    monkeypatch.setattr(Exports, "interruptible", interruptible)
    copy.exported()
    assert len(refused) == 1
    copy.exported()


def test_only_a_copy_that_is_there_and_open_is_exported(copy):
    with pytest.raises(AcceleratorError, match="no copy of orders yet"):
        copy.sink.export(new_folder(), "snap-1")
    filled(copy)
    copy.sink.close()
    with pytest.raises(AcceleratorError, match="not open"):
        copy.sink.export(new_folder(), "snap-1")


def test_closing_ends_an_export_that_runs_and_leaves_nothing_locked(copy, monkeypatch):
    filled(copy)
    folder, begun, ended = new_folder(), threading.Event(), []
    true = Exports.interruptible

    def interruptible(exports, interrupt):
        begun.set()
        eventually(lambda: exports._forbidden, within=20, what="the dataset is closed")
        return true(exports, interrupt)

    def export():
        try:
            copy.sink.export(folder, "snap-1")
        except AcceleratorError as error:
            ended.append(error)

    with monkeypatch.context() as patched:
        patched.setattr(Exports, "interruptible", interruptible)
        thread = threading.Thread(target=export)
        thread.start()
        assert begun.wait(20)
        copy.sink.close()
        assert ended, "closing waits for it"
        thread.join()
    assert "being closed" in str(ended[0])
    if copy.remembers:
        copy.sink.open()
        assert copy.sink.rows() == 3
        copy.sink.apply(work(3, batch(ORDERS, row("more", 1))))
        copy.sink.restore(copy.exported())
        assert copy.sink.open().live.checkpoint == replace(checkpoint(3), snapshot="snap-1")
        assert len(copy.live()) == 4


@pytest.mark.long
@pytest.mark.timeout(600)
def test_closing_at_any_moment_of_an_export_ends_it_soon(copy, engine, record_property):
    """DuckDB's own test of this runs in another process, which DuckDB might abort."""
    dice, ends, slowest = Random(1), {True: 0, False: 0}, 0.0
    copy.sink.apply(create(1))
    for mark in range(2, 6):
        rows = [{"id": f"{mark}-{n}", "n": n, "text": dice.randbytes(40).hex()} for n in range(10_000)]
        copy.sink.apply(work(mark, batch(ORDERS, *rows)))
    began = time.perf_counter()
    copy.exported()
    took = time.perf_counter() - began

    def export():
        try:
            copy.exported()
        except AcceleratorError:
            ends[False] += 1
        else:
            ends[True] += 1

    for _ in range(60 if copy.remembers else 1):
        thread = threading.Thread(target=export)
        thread.start()
        threading.Event().wait(dice.random() * took)
        asked = time.perf_counter()
        copy.sink.close()
        thread.join()
        slowest = max(slowest, time.perf_counter() - asked)
        if copy.remembers:
            copy.sink.open()
            assert copy.sink.rows() == 40_000
    if copy.remembers:
        assert copy.sink.export(new_folder(), "snap-1").rows == 40_000
    record_property(
        "told", f"{engine}: {ends[True]} whole, {ends[False]} ended, the slowest in {slowest:.2f} s"
    )
    assert ends[False] or not copy.remembers


# What is refused


def cut(folder):
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def overwrite(folder):
    for file in folder.iterdir():
        file.write_bytes(b"no such thing" * 5000)


def empty(folder):
    for file in folder.iterdir():
        file.write_bytes(b"")


def take_away(folder):
    for file in folder.iterdir():
        file.unlink()


def take_away_one(folder):
    max(folder.iterdir(), key=lambda file: file.stat().st_size).unlink()


def test_what_is_no_exported_copy_is_refused_and_the_former_copy_stays_and_works(pair):
    here, there = pair
    folder = filled(here, 500).exported()
    filled(there)
    was = all_of(there)
    for damage in (cut, overwrite, empty, take_away, take_away_one):
        damaged = new_folder()
        shutil.copytree(folder, damaged, dirs_exist_ok=True)
        damage(damaged)
        with pytest.raises(SnapshotRefused, match="snapshot cannot be restored as orders"):
            there.sink.restore(damaged)
    assert all_of(there) == was
    there.sink.apply(work(3, batch(ORDERS, row("more", 1))))
    assert there.sink.rows() == 4
    there.exported()


def test_the_copy_of_another_engine_is_refused(copy, engine, harnesses):
    filled(copy)
    kinds = ("cayenne", "duckdb-memory", "memory", "postgres", "sqlite-memory")
    own = next(number for number, kind in enumerate(kinds) if kind[:4] == engine[:4])
    with pytest.raises(SnapshotRefused, match="snapshot cannot be restored as orders"):
        copy.sink.restore(filled(harnesses(kinds[own - 1])).exported())
    assert copy.sink.rows() == 3


def test_another_dataset_s_copy_is_refused_by_name(copy, engine, tmp_path, monkeypatch):
    """Tables bear the dataset's name."""
    filled(copy)
    monkeypatch.setattr(type(copy), "dataset", "customers", raising=True)
    other = (
        PostgresHarness(dataset="customers")
        if engine == "postgres"
        else harness_of(engine, tmp_path / "other")
    )
    try:
        other.sink.open()
        folder = filled(other).exported()
    finally:
        other.close()
    with pytest.raises(SnapshotRefused, match="as orders: it holds the dataset customers"):
        copy.sink.restore(folder)
    assert copy.sink.rows() == 3


@pytest.mark.parametrize("room", [2_000, 40_000])
def test_a_full_disk_ends_an_export_and_harms_nothing(copy, disk, room):
    copy.sink.apply(create(1))
    dice = Random(1)
    rows = [{"id": f"{n}", "n": n, "text": dice.randbytes(40).hex()} for n in range(3_000)]
    copy.sink.apply(work(2, batch(ORDERS, *rows)))
    disk(room)
    with pytest.raises(AcceleratorFull, match="make room on the disk"):
        copy.sink.export(new_folder(), "snap-1")
    disk(None)
    assert copy.sink.open().live.checkpoint == checkpoint(2)
    copy.sink.apply(work(3, batch(ORDERS, row("more", 1))))
    assert copy.sink.rows() == 3_001
    assert copy.sink.export(new_folder(), "snap-1").rows == 3_001


@pytest.mark.parametrize("engine", ["cayenne", "sqlite-file", "sqlite-memory"])
def test_a_full_disk_ends_a_restore_and_the_former_copy_stays_and_works(engine, harnesses, disk):
    here, there = harnesses(engine), filled(harnesses(engine))
    here.sink.apply(create(1))
    dice = Random(1)
    rows = [{"id": f"{n}", "n": n, "text": dice.randbytes(40).hex()} for n in range(3_000)]
    here.sink.apply(work(2, batch(ORDERS, *rows)))
    folder, was = here.exported(), all_of(there)
    disk(200_000)
    with pytest.raises(AcceleratorFull, match="make room on the disk"):
        there.sink.restore(folder)
    disk(None)
    assert all_of(there) == was
    there.sink.apply(work(3, batch(ORDERS, row("more", 1))))
    there.sink.restore(folder)
    assert there.sink.open().live.checkpoint == replace(checkpoint(2), snapshot="snap-1")
    assert there.sink.rows() == 3_000


# When the process or the power goes


class Recorder:
    """Copies what a process leaves before and after each effect that a restore has on the disk.

    ``unsynced`` are the files, and folders with new names, that a loss of power may take at the last of them.
    """

    def __init__(self, harness, folder, monkeypatch):
        self.left, self.unsynced, self.at_strokes = [], set(), []
        self._harness, self._folder = harness, folder
        for owner, name in ((Path, "replace"), (Path, "unlink"), (Path, "hardlink_to"), (os, "fsync")):
            monkeypatch.setattr(owner, name, self._around(getattr(owner, name), name))
        for module in ("sqlite.accelerator", "cayenne.table"):
            place = f"headrace.accelerators.{module}.put_in_place"
            monkeypatch.setattr(place, self._around(pkgutil.resolve_name(place), "commit"))

    def _around(self, true, name):
        def effect(*given, **named):
            if name == "commit":
                self.at_strokes.append(set(self.unsynced))
            elif name == "replace" and given[1] == self._harness.path:
                # Of a file that is renamed only what it holds must be durable.
                self.at_strokes.append(self.unsynced - {self._harness.path.parent})
            self.note()
            found = true(*given, **named)
            self.note()
            if name == "fsync":
                self.unsynced.discard(Path(f"/proc/self/fd/{given[0]}").resolve())
            elif name == "hardlink_to":
                self.unsynced |= {given[0], given[0].parent}
            elif name == "replace":
                self.unsynced |= {Path(given[1]), Path(given[1]).parent}
                self.unsynced.discard(Path(given[0]))
            return found

        return effect

    def note(self):
        self.left.append(copied(self._harness.path, self._folder / f"left-{len(self.left)}"))


@pytest.mark.parametrize("engine", IN_FILES)
def test_a_process_gone_at_any_moment_of_a_restore_leaves_the_former_copy_or_the_restored_one(
    engine, harnesses, tmp_path, monkeypatch
):
    folder = filled(harnesses(engine), 50).exported()
    there = harnesses(engine)
    there.sink.apply(create(11))
    there.sink.apply(work(12, batch(ORDERS, row("x", 1)), scanning=True, dead=(dead("x", 5),)))
    there.sink.apply(create(13, target=Target.BUILDING))
    was = all_of(there)
    log = there.path.with_name(there.path.name + there.log)
    before = log.stat().st_size if log.exists() else 0
    with monkeypatch.context() as patched:
        recorder = Recorder(there, tmp_path, patched)
        there.sink.restore(folder)
        recorder.note()
    length = log.stat().st_size if log.exists() else 0
    for number, end in enumerate(range(before, length, max(1, (length - before) // 8))):
        # Within the last commit.
        path = copied(there.path, tmp_path / f"cut-{number}")
        os.truncate(path.with_name(log.name), end)
        recorder.left.insert(0, path)
    now = all_of(there)
    found = []
    for path in recorder.left:
        lost = there.at(path)
        found.append(all_of(lost))
        lost.close()
    new = found.index(now)
    assert found == [was] * new + [now] * (len(found) - new)
    assert 0 < new < len(found)
    assert recorder.at_strokes == [set()], "what takes the place is durable before"
    assert there.path.parent not in recorder.unsynced
