"""DuckDB's exported files and the file that one takes the place of, beside what holds for all engines."""

from __future__ import annotations

import errno
import lzma
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance, Limits, files, instance
from headrace.accelerators.duckdb.exporting import NAME
from headrace.column_type import INT, TEXT
from headrace.errors import AcceleratorError, AcceleratorLocked, CommitUnknown, SnapshotRefused
from support.copies import batch, checkpoint, create, schema_of, work
from support.engines.duckdb import DuckDBHarness
from support.engines.harness import new_folder

ORDERS = schema_of(n=INT)


@pytest.fixture
def copy(tmp_path):
    harness = DuckDBHarness(tmp_path / "data" / "orders.duckdb")
    harness.sink.open()
    harness.sink.apply(create(1))
    harness.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    yield harness
    harness.close()


def test_an_exported_copy_is_one_file_that_any_duckdb_reads(copy):
    """Types and order of columns, the hidden one and the view are those of the dataset's own file."""
    copy.sink.apply(work(3, batch(schema_of(more=TEXT), {"id": "b", "more": "x"})))
    (file,) = copy.exported().iterdir()
    assert file.name == NAME
    with duckdb.connect(str(file), read_only=True) as connection:
        assert connection.execute("SELECT * FROM orders ORDER BY id").fetchall() == [
            ("a", 1, None),
            ("b", None, "x"),
        ]
        described = connection.execute("DESCRIBE headrace_rows").fetchall()
    assert sorted(described) == sorted(copy.theirs("DESCRIBE headrace_rows"))


def test_a_file_on_another_file_system_is_copied_beside_and_takes_the_place_then(copy, monkeypatch):
    folder = copy.exported()
    copy.sink.apply(work(3, batch(ORDERS, {"id": "b", "n": 2})))
    true, crossed = Path.replace, []

    def rename(source, target):
        if source.parent != Path(target).parent:
            crossed.append(source)
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return true(source, target)

    monkeypatch.setattr(Path, "replace", rename)
    copy.sink.restore(folder)
    assert crossed
    assert list(copy.live()) == [("a",)]
    assert {file.name for file in copy.path.parent.iterdir()} == {copy.path.name}


def test_while_a_large_file_is_copied_beside_statements_begin(copy, monkeypatch):
    monkeypatch.setattr(instance, "CURSOR_PATIENCE", 0.2)
    folder = copy.exported()
    true, begun = instance.move_beside, []

    def slow(file, path):
        with ThreadPoolExecutor(1) as another:
            another.submit(copy.instance.cursor).result().close()
        begun.append(path)
        return true(file, path)

    monkeypatch.setattr(instance, "move_beside", slow)
    copy.sink.restore(folder)
    assert begun == [copy.path]


def test_a_reader_that_does_not_end_keeps_the_former_copy(copy, monkeypatch):
    """As its last reader ends, DuckDB writes to a database's files: none may have taken their place by then."""
    monkeypatch.setattr(instance, "CLOSING_PATIENCE", 0.2)
    folder = copy.exported()
    copy.sink.apply(work(3, batch(ORDERS, {"id": "b", "n": 2})))
    reader = copy.instance.cursor()
    reader.execute("BEGIN TRANSACTION READ ONLY")
    reader.execute("SELECT * FROM orders").fetchall()
    with pytest.raises(CommitUnknown, match="still being read by a running query"):
        copy.sink.restore(folder)
    reader.execute("ROLLBACK")
    reader.close()
    assert copy.sink.open().live.checkpoint == checkpoint(3)
    assert sorted(copy.live()) == [("a",), ("b",)]
    assert not files.beside(copy.path).exists()


def test_readers_of_before_see_the_restored_copy_by_their_next_statement(copy):
    folder = copy.exported()
    reader = copy.instance.cursor()
    copy.sink.apply(work(3, batch(ORDERS, {"id": "a", "n": 7})))
    assert reader.execute("SELECT n FROM orders").fetchall() == [(7,)]
    copy.sink.restore(folder)
    copy.sink.open()
    assert reader.execute("SELECT n FROM orders").fetchall() == [(1,)]
    reader.close()


def test_what_a_lost_process_left_beside_the_file_goes_when_it_is_opened(copy):
    copy.close()
    files.beside(copy.path).write_bytes(b"half of a copy")
    copy.restart()
    copy.sink.open()
    assert {file.suffix for file in copy.path.parent.iterdir()} <= {".duckdb", ".wal"}


HOLD = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDWR)
fcntl.lockf(handle, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_file_that_another_process_has_just_opened_is_left_alone(tmp_path):
    path, waiting = tmp_path / "orders.duckdb", tmp_path / "waiting"
    path.write_text("theirs")
    waiting.write_text("ours")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(AcceleratorLocked, match="just been opened by another process"):
            files.take_place(waiting, path)
        other.stdin.close()
    assert path.read_text() == "theirs"
    files.take_place(waiting, path)
    assert path.read_text() == "ours"


@pytest.mark.parametrize("in_file", [True, False])
def test_a_snapshot_of_an_earlier_headrace_is_brought_up_to_date(tmp_path, in_file):
    folder = new_folder()
    packed = Path(__file__).parent / "data" / "format-3-text.duckdb.xz"
    file = folder / NAME
    file.write_bytes(lzma.decompress(packed.read_bytes()))
    harness = DuckDBHarness(tmp_path / "data" / "orders.duckdb" if in_file else None)
    try:
        harness.sink.open()
        with pytest.raises(SnapshotRefused, match="another copy than the live one"):
            harness.sink.restore(folder)
        with duckdb.connect(str(file)) as connection:
            connection.execute("DELETE FROM headrace_checkpoint WHERE target = 'building'")
        harness.sink.restore(folder)
        assert harness.sink.open().live.letters == len(harness.letters())
        assert harness.sink.rows() == len(harness.live()) > 0
    finally:
        harness.close()


def test_a_database_that_fails_while_it_is_written_harms_no_other(tmp_path, monkeypatch):
    """DuckDB gives the exported file up where it finds no room for its checkpoint, and that alone."""
    settings = DuckDBInstance._settings

    def aborting(self, connection):
        yield "debug_checkpoint_abort", "'before_header'"
        yield from settings(self, connection)

    monkeypatch.setattr(DuckDBInstance, "_settings", aborting)
    scratch = new_folder()
    made = DuckDBInstance({"orders": tmp_path / "orders.duckdb"}, Limits(2**30, 2), scratch)
    sink = DuckDBAccelerator(made, "orders")
    sink.open()
    sink.apply(create(1))
    for mark in (2, 3):
        folder = scratch / str(mark)
        folder.mkdir()
        with pytest.raises(AcceleratorError, match="cannot export orders"):
            sink.export(folder, "snap-1")
        sink.check()
        sink.apply(work(mark, batch(ORDERS, {"id": "a", "n": mark})))
        assert sink.rows() == 1
    made.close()


CLOSE = """
import random, sys, threading, time
from pathlib import Path
from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance, Limits
from headrace.column_type import INT, TEXT
from headrace.errors import AcceleratorError
from support.copies import batch, create, schema_of, work
path, scratch, rounds, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
dice, table = random.Random(seed), schema_of(n=INT, text=TEXT)
ends = {"whole": 0, "ended": 0, "slowest": 0.0}
instance = DuckDBInstance({"orders": path, "other": None}, Limits(2**30, 2), scratch)
sink = DuckDBAccelerator(instance, "orders")
sink.open()
sink.apply(create(1))
for mark in range(6):
    rows = [{"id": f"{mark}-{n}", "n": n, "text": dice.randbytes(30).hex()} for n in range(20_000)]
    sink.apply(work(mark, batch(table, *rows)))
took = None
for number in range(rounds):
    folder = scratch / str(number)
    folder.mkdir()
    def export():
        try:
            sink.export(folder, "snap-1")
            ends["whole"] += 1
        except AcceleratorError as error:
            ends["ended"] += 1
    thread = threading.Thread(target=export)
    began = time.perf_counter()
    thread.start()
    if took is None:
        thread.join()
        took = time.perf_counter() - began
        continue
    time.sleep(dice.random() * took)
    asked = time.perf_counter()
    how = dice.randrange(3)
    if how == 0:
        sink.close()
    elif how == 1:
        sink.close()
        instance.close()
    else:
        instance.reopen()
    thread.join()
    ends["slowest"] = max(ends["slowest"], time.perf_counter() - asked)
    if how == 1:
        instance = DuckDBInstance({"orders": path, "other": None}, Limits(2**30, 2), scratch)
        sink = DuckDBAccelerator(instance, "orders")
    assert sink.open().live is not None
    assert sink.rows() == 120_000
    sink.apply(work(9, batch(table, {"id": "0-0", "n": number})))
(scratch / "last").mkdir()
assert sink.export(scratch / "last", "snap-1").rows == 120_000
instance.close()
print(ends, flush=True)
"""


@pytest.mark.parametrize(
    "rounds", [6, pytest.param(250, marks=[pytest.mark.long, pytest.mark.timeout(1200)])]
)
def test_closing_at_any_moment_of_an_export_ends_it_and_never_the_process(tmp_path, rounds, record_property):
    """DuckDB 1.5 aborts where a connection is closed inside a transaction on a database that has failed."""
    (tmp_path / "scratch").mkdir()
    command = [sys.executable, "-c", CLOSE, tmp_path / "orders.duckdb", tmp_path / "scratch", rounds, 1]
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr
    record_property("told", done.stdout.strip())
    assert "'ended': 0" not in done.stdout


def test_the_scratch_folder_is_all_that_can_be_opened_beside_the_datasets(copy, tmp_path):
    cursor = copy.instance.cursor()
    with pytest.raises(duckdb.PermissionException):
        cursor.execute(f"ATTACH '{tmp_path}/other.duckdb' AS other")
    cursor.close()
    assert replace(copy.sink.export(new_folder(), "snap-1"), engine_version="").rows == 1


class Interrupting:
    """A cursor that is interrupted in the midst of each statement that reads what is to be restored."""

    def __init__(self, cursor):
        self._cursor = cursor

    def __getattr__(self, name):
        return getattr(self._cursor, name)

    def execute(self, statement):
        if "information_schema" in statement:
            with ThreadPoolExecutor() as other:
                reading = other.submit(
                    self._cursor.execute, "SELECT sum(a.range) FROM range(1000000000) a, range(10000)"
                )
                while not reading.done():
                    self._cursor.interrupt()
                return reading.result()
        return self._cursor.execute(statement)


def test_a_restore_that_is_interrupted_says_nothing_against_the_snapshot(copy, monkeypatch):
    """As when another dataset of the process is restored at the same time: each interrupts all readers."""
    folder = copy.exported()
    copy.sink.apply(work(3, batch(ORDERS, {"id": "b", "n": 2})))
    with monkeypatch.context() as patch:
        reader = copy.sink._reader
        patch.setattr(copy.sink, "_reader", lambda doing: Interrupting(reader(doing)))
        with pytest.raises(AcceleratorError, match=r"cannot restore orders now: .*[Ii]nterrupt.*; try again"):
            copy.sink.restore(folder)
    copy.sink.restore(folder)
    copy.sink.open()
    assert copy.theirs("SELECT id, n FROM orders") == [("a", 1)]
