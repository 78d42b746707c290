"""One SQLite file for each dataset: who may hold it, what it may be, and what is left of it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from headrace.accelerators.engines import Engines
from headrace.accelerators.sqlite import SQLiteAccelerator, file
from headrace.column_type import INT
from headrace.dataset import Acceleration, Dataset, Engine, Mode
from headrace.errors import AcceleratorError, AcceleratorLocked, CommitUnknown
from support.copies import batch, checkpoint, create, schema_of, work

ORDERS = schema_of(n=INT)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder's" / "orders.sqlite"


@pytest.fixture
def sink_of(path):
    opened = []

    def make(dataset="orders", path=path, **options):
        mode = Mode.MEMORY if path is None else Mode.FILE
        opened.append(SQLiteAccelerator(dataset, Acceleration(Engine.SQLITE, mode, path=path, **options)))
        return opened[-1]

    yield make
    for sink in opened:
        sink.close()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The system's folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def filled(sink):
    sink.open()
    sink.apply(create(1))
    sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    return sink


def theirs(path, *statements):
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return [connection.execute(statement).fetchall() for statement in statements][-1]


HOLD = """
import sys
from pathlib import Path
from headrace.accelerators.sqlite import SQLiteAccelerator
from headrace.dataset import Acceleration, Engine, Mode
path = Path(sys.argv[1]) if sys.argv[1:] else None
sink = SQLiteAccelerator("orders", Acceleration(Engine.SQLITE, Mode.FILE if path else Mode.MEMORY, path=path))
sink.open()
print("held", flush=True)
sys.stdin.read()
"""


def holding(*arguments):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    return holder


def test_a_file_that_another_process_holds_is_named_with_its_holder_and_opens_once_let_go(sink_of, path):
    holder = holding(str(path))
    try:
        sink = sink_of()
        with pytest.raises(AcceleratorLocked) as caught:
            sink.open()
        for part in (str(path), str(holder.pid), "sqlite_file"):
            assert part in str(caught.value)
        with pytest.raises(CommitUnknown):
            sink.apply(create())
        with pytest.raises(CommitUnknown):
            sink.check()
    finally:
        holder.kill()
        holder.communicate()
    assert sink.open().live is None
    assert filled(sink).rows() == 1


def test_two_datasets_of_one_process_do_not_share_a_file_either(sink_of):
    filled(sink_of())
    with pytest.raises(AcceleratorLocked):
        sink_of("customers").open()


@pytest.mark.parametrize("content", [b"hello" * 200, b"SQLite format 3\x00" + b"\x00" * 8000])
def test_a_file_that_is_not_sqlites_is_refused_and_left_alone(sink_of, path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(AcceleratorError, match=r"not a database.*name another sqlite_file"):
        sink_of().open()
    assert path.read_bytes() == content


def test_a_damaged_file_is_told_apart_with_the_cure(sink_of, path):
    sink = filled(sink_of())
    sink.apply(work(3, batch(ORDERS, *({"id": f"{n}", "n": n} for n in range(3000)))))
    sink.close()
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xaa" * (len(content) - 8192)
    path.write_bytes(content)
    again = sink_of()
    with pytest.raises(AcceleratorError, match="damaged; delete it"):
        again.open()


def test_a_table_that_headrace_did_not_make_is_left_alone(sink_of, path):
    theirs(path, "CREATE TABLE Orders (precious)", "INSERT INTO Orders VALUES (1)")
    with pytest.raises(AcceleratorError, match="Headrace did not make"):
        sink_of().open()
    assert theirs(path, "SELECT * FROM Orders") == [(1,)]


def test_a_file_of_another_dataset_is_refused(sink_of):
    filled(sink_of()).close()
    with pytest.raises(AcceleratorError, match="holds the dataset orders, not customers"):
        sink_of("customers").open()


def test_a_table_changed_by_others_is_not_taken_for_ours(sink_of, path):
    filled(sink_of()).close()
    theirs(path, "ALTER TABLE orders DROP COLUMN n")
    with pytest.raises(AcceleratorError, match="no longer has the columns"):
        sink_of().open()


@pytest.mark.parametrize(("format_", "message"), [(99, "format 99.*newer Headrace"), (0, "earlier Headrace")])
def test_another_layout_is_refused_with_the_cure(sink_of, path, format_, message):
    filled(sink_of()).close()
    theirs(path, f"UPDATE headrace_checkpoint SET format = {format_}")
    with pytest.raises(AcceleratorError, match=message):
        sink_of().open()


def test_names_of_sqlites_own_are_no_datasets(sink_of):
    with pytest.raises(AcceleratorError, match="SQLite's own"):
        sink_of("sqlite_master").open()


@pytest.mark.parametrize("name", ["Orders Table", "a.b", 'q"uo"te', "it's", "select", "ünï", "main", "x,y"])
def test_a_dataset_may_have_any_other_name(sink_of, path, name):
    sink = filled(sink_of(name))
    assert sink.rows() == 1
    sink.close()
    assert theirs(path, 'SELECT * FROM "' + name.replace('"', '""') + '"') == [("a", 1)]


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(sink_of, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AcceleratorError, match=r"cannot make .*file/orders"):
        sink_of(path=tmp_path / "file" / "orders.sqlite").open()


def test_another_program_that_locks_the_file_is_waited_for_and_then_named(sink_of, path):
    sink = filled(sink_of(busy_timeout=0.01))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(AcceleratorLocked, match="another program has locked the file"):
            sink.apply(work(3, batch(ORDERS, {"id": "b", "n": 1})))
        other.execute("ROLLBACK")
    sink.apply(work(3, batch(ORDERS, {"id": "b", "n": 1})))
    assert sink.rows() == 2


def test_each_commit_is_synced_in_a_file_and_never_in_memory(sink_of):
    settings = {}
    for where in ("file", None):
        sink = filled(sink_of(**({} if where else {"path": None})))
        with sink._file.lane() as connection:
            settings[where] = [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "fullfsync")
            ]
    full, off = 2, 0
    assert settings == {"file": ["wal", full, 1], None: ["wal", off, 0]}


def test_closing_twice_is_safe_and_lets_the_file_go(sink_of, path):
    sink = filled(sink_of())
    sink.close()
    sink.close()
    assert sink.rows() == 0
    assert {one.name for one in path.parent.iterdir()} == {"orders.sqlite", "orders.sqlite.lock"}
    assert sink_of().open().live.checkpoint == checkpoint(2)


def test_a_reader_that_reads_while_the_file_is_closed_does_not_keep_it(sink_of):
    sink = filled(sink_of())
    reading = sink.leaf().begin()
    sink.close()
    assert filled(sink_of()).rows() == 1
    reading.close()


def test_a_copy_in_memory_leaves_nothing_behind(sink_of, temporary):
    sink = filled(sink_of(path=None))
    (folder,) = temporary.iterdir()
    assert folder.name.startswith("headrace-sqlite-")
    sink.close()
    assert list(temporary.iterdir()) == []
    assert filled(sink).rows() == 1, "and it comes back empty"


def test_what_a_killed_process_has_left_is_removed_and_what_a_living_one_holds_is_not(
    sink_of, temporary, monkeypatch
):
    monkeypatch.setenv("TMPDIR", str(temporary))
    killed, living = holding(), holding()
    try:
        killed.kill()
        killed.wait()
        assert len(list(temporary.iterdir())) == 2
        filled(sink_of(path=None))
        assert len(list(temporary.iterdir())) == 2, "one of the living process, one of this"
        assert living.poll() is None
    finally:
        for one in (killed, living):
            one.kill()
            one.communicate()


def test_an_older_sqlite_is_refused_with_the_cure(sink_of, monkeypatch):
    monkeypatch.setattr(file, "OLDEST", (99, 0, 0))
    with pytest.raises(AcceleratorError, match=r"99\.0\.0 is the first"):
        sink_of().open()


def test_engines_make_accelerators_and_leaves_of_sqlite(tmp_path):
    acceleration = Acceleration(Engine.SQLITE, Mode.FILE, path=tmp_path / "o.sqlite")
    engines = Engines(
        [
            Dataset("orders", "t", acceleration=acceleration),
            Dataset("memory", "t", acceleration=Acceleration(Engine.SQLITE)),
        ]
    )
    try:
        for name in ("orders", "memory"):
            sink = engines.sink(name)
            assert sink.rows() == 0
            filled(sink)
            assert sink.rows() == 1
            reading = engines.leaves[name].begin()
            assert [part.to_pylist() for part in reading.scan(["id", "n"], [])] == [[{"id": "a", "n": 1}]]
            reading.close()
    finally:
        engines.close()
        engines.close()
    assert Path(f"{acceleration.path}.lock").exists()
