"""One DuckDB for all datasets: names, lock-down, files that cannot be opened, and coming back."""

from __future__ import annotations

import subprocess
import sys

import duckdb
import pyarrow as pa
import pytest

from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance, Limits
from headrace.accelerators.engines import Engines
from headrace.column_type import INT
from headrace.dataset import Acceleration, Dataset, Mode
from headrace.errors import AcceleratorError, AcceleratorLocked, CommitUnknown
from support.copies import KEYS, batch, checkpoint, create, schema_of, work

ORDERS = schema_of(n=INT)


@pytest.fixture
def instance_of(tmp_path):
    opened = []

    def make(**files):
        instance = DuckDBInstance(
            {name: path and tmp_path / path for name, path in files.items()}, Limits(memory=2**30, threads=2)
        )
        opened.append(instance)
        return instance

    yield make
    for instance in opened:
        instance.close()


def filled(instance, name="orders", key="a"):
    """The dataset's accelerator, with one row."""
    sink = DuckDBAccelerator(instance, name)
    sink.open()
    sink.apply(create(1))
    sink.apply(work(2, batch(ORDERS, {"id": key, "n": 1})))
    return sink


def ask(instance, sql):
    cursor = instance.cursor()
    try:
        return cursor.execute(sql).fetchall()
    finally:
        cursor.close()


@pytest.mark.parametrize(
    "name",
    ["orders", "Orders Table", "a.b", 'q"uo"te', "it's", "select", "sqlite_master", "ünï", "main", "x,y"],
)
@pytest.mark.parametrize("path", [None, 'folder\'s "name"/data.duckdb'])
def test_each_table_answers_to_its_bare_name(instance_of, name, path):
    instance = instance_of(**{"first": None, name: path, "last": None})
    for dataset in ("last", name, "first"):
        filled(instance, dataset, key=dataset)
    for dataset in ("first", name, "last"):
        found = ask(instance, 'SELECT id FROM "' + dataset.replace('"', '""') + '"')
        assert found == [(dataset,)]
    assert ask(instance, "SELECT f.id FROM first f JOIN LAST l USING (n)") == [("first",)]


def test_datasets_that_differ_only_in_case_are_refused(instance_of):
    with pytest.raises(AcceleratorError, match="differ only in case"):
        instance_of(orders=None, Orders=None)


def test_our_own_names_are_no_datasets(instance_of):
    with pytest.raises(AcceleratorError, match="Headrace's own"):
        instance_of(headrace_checkpoint=None)


def test_two_datasets_in_one_file_are_refused(instance_of):
    with pytest.raises(AcceleratorError, match="give each its own duckdb_file"):
        instance_of(one="x.duckdb", two="x.duckdb")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd.csv'",
        "SELECT content FROM read_text('{folder}/beside.txt')",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "ATTACH '{folder}/other.duckdb' AS other",
        "EXPORT DATABASE '{folder}/dump'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET lock_configuration = false",
        "SET memory_limit = '1TB'",
        "SET disabled_optimizers = ''",
        "SELECT * FROM local_variable",
    ],
)
def test_a_connection_reaches_nothing_but_the_datasets(instance_of, tmp_path, statement):
    instance = instance_of(orders="orders.duckdb")
    filled(instance)
    (tmp_path / "beside.txt").write_text("secret")
    local_variable = pa.table({"x": [1]})
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(duckdb.Error):
        ask(instance, statement.format(folder=tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert local_variable.num_rows == 1


def test_the_settings_are_those_of_the_design(instance_of):
    instance = instance_of(orders="orders.duckdb")
    names = (
        "enable_external_access",
        "autoinstall_known_extensions",
        "autoload_known_extensions",
        "allow_community_extensions",
        "python_enable_replacements",
        "lock_configuration",
        "disabled_optimizers",
        "allowed_directories",
    )
    found = {name: str(ask(instance, f"SELECT current_setting('{name}')")[0][0]) for name in names}
    spill = found.pop("allowed_directories")
    assert "headrace-spill" in spill
    assert spill.count("/,") == 0
    assert list(found.values()) == ["False"] * 5 + ["True", "extension"]


def test_half_of_the_memory_is_left_to_others(tmp_path):
    instance = DuckDBInstance({"orders": None})
    default = duckdb.connect(":memory:")
    try:
        size = "SELECT current_setting('memory_limit')"
        ours, theirs = ask(instance, size)[0][0], default.execute(size).fetchone()[0]
        assert ours.split()[1] == theirs.split()[1]
        assert float(ours.split()[0]) == pytest.approx(float(theirs.split()[0]) * 5 / 8, rel=0.02)
    finally:
        default.close()
        instance.close()


def test_what_does_not_fit_into_memory_spills_under_the_lock(tmp_path):
    spill = tmp_path / "spill"
    instance = DuckDBInstance({"orders": "x" and tmp_path / "o.duckdb"}, Limits(2**26, 2, spill))
    try:
        filled(instance)
        cursor = instance.cursor()
        cursor.execute("CREATE TEMP TABLE big AS SELECT i, md5(i::VARCHAR) m FROM range(1500000) r(i)")
        assert cursor.execute("SELECT count(DISTINCT m) FROM big").fetchone() == (1500000,)
        assert list(spill.iterdir())
        cursor.close()
    finally:
        instance.close()


HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("CREATE TABLE IF NOT EXISTS t (i INT)")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_file_that_another_process_holds_is_named_with_its_holder_and_opens_once_let_go(
    instance_of, tmp_path
):
    path = tmp_path / "orders.duckdb"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        instance = instance_of(orders="orders.duckdb", other=None)
        sink = DuckDBAccelerator(instance, "orders")
        with pytest.raises(AcceleratorLocked) as caught:
            sink.open()
        for part in (str(path), str(holder.pid), "duckdb_file"):
            assert part in str(caught.value)
        with pytest.raises(CommitUnknown):
            sink.apply(create())
        assert filled(instance, "other").rows() == 1
        assert ask(instance, "SELECT id FROM other") == [("a",)]
    finally:
        holder.communicate()
    assert sink.open().live is None
    assert filled(instance).rows() == 1


def test_two_processes_never_write_one_file(instance_of, tmp_path):
    instance = instance_of(orders="orders.duckdb")
    filled(instance)
    code = (
        "import sys; from pathlib import Path\n"
        "from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance\n"
        "from headrace.errors import AcceleratorLocked\n"
        "try: DuckDBAccelerator(DuckDBInstance({'orders': Path(sys.argv[1])}), 'orders').open()\n"
        "except AcceleratorLocked as error: print(error)\n"
    )
    path = str(tmp_path / "orders.duckdb")
    second = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert path in second.stdout
    assert "is held by process" in second.stdout


@pytest.mark.parametrize("content", [b"hello", b"SQLite format 3\x00" + b"\x00" * 8000])
def test_a_file_that_is_not_duckdbs_is_refused_and_left_alone(instance_of, tmp_path, content):
    path = tmp_path / "orders.duckdb"
    path.write_bytes(content)
    sink = DuckDBAccelerator(instance_of(orders="orders.duckdb"), "orders")
    with pytest.raises(AcceleratorError, match="is not a DuckDB file; name another duckdb_file"):
        sink.open()
    assert path.read_bytes() == content


def test_a_table_that_headrace_did_not_make_is_left_alone(instance_of, tmp_path):
    path = tmp_path / "orders.duckdb"
    with duckdb.connect(str(path)) as theirs:
        theirs.execute("CREATE TABLE Orders AS SELECT 1 AS precious")
    sink = DuckDBAccelerator(instance_of(orders="orders.duckdb"), "orders")
    with pytest.raises(AcceleratorError, match="Headrace did not make"):
        sink.open()
    sink.close()
    with duckdb.connect(str(path)) as theirs:
        assert theirs.execute("FROM Orders").fetchall() == [(1,)]


def test_a_file_of_another_dataset_is_refused(instance_of):
    first = instance_of(orders="x.duckdb")
    filled(first)
    first.close()
    sink = DuckDBAccelerator(instance_of(customers="x.duckdb"), "customers")
    with pytest.raises(AcceleratorError, match="holds the dataset orders, not customers"):
        sink.open()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE headrace_rows DROP COLUMN n",
        "ALTER TABLE headrace_rows DROP COLUMN headrace_hash",
        "ALTER TABLE headrace_rows ADD COLUMN m INTEGER",
        "CREATE OR REPLACE VIEW orders AS SELECT id FROM headrace_rows",
        "DROP VIEW orders",
    ],
)
def test_a_table_changed_by_others_is_not_taken_for_ours(instance_of, tmp_path, change):
    first = instance_of(orders="x.duckdb")
    filled(first)
    first.close()
    with duckdb.connect(str(tmp_path / "x.duckdb")) as theirs:
        theirs.execute(change)
    sink = DuckDBAccelerator(instance_of(orders="x.duckdb"), "orders")
    with pytest.raises(AcceleratorError, match="no longer has the columns"):
        sink.open()


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(instance_of, tmp_path):
    (tmp_path / "file").write_text("")
    sink = DuckDBAccelerator(instance_of(orders="file/orders.duckdb"), "orders")
    with pytest.raises(AcceleratorError, match="cannot make the folder"):
        sink.open()


def test_a_reopened_instance_gives_readers_and_writers_what_was_committed(instance_of):
    instance = instance_of(orders="x.duckdb", gone=None)
    sink, memory = filled(instance), filled(instance, "gone")
    instance.reopen()
    for one in (sink, memory):
        with pytest.raises(CommitUnknown, match="checkpoint read"):
            one.apply(work(3))
    assert sink.open().live.checkpoint == checkpoint(2)
    assert memory.open().live is None
    assert ask(instance, "SELECT id FROM orders") == [("a",)]
    sink.apply(work(3, batch(ORDERS, {"id": "b", "n": 1})))
    assert sink.rows() == 2


def test_a_dead_engine_is_replaced_when_a_dataset_is_opened(instance_of):
    instance = instance_of(orders="x.duckdb")
    sink = filled(instance)
    instance._connection.close()
    with pytest.raises(AcceleratorError):
        instance.cursor()
    assert sink.open().live.checkpoint == checkpoint(2)
    assert sink.rows() == 1


def test_a_database_that_gave_up_comes_back_without_touching_the_others(tmp_path, monkeypatch):
    """A checkpoint that fails makes DuckDB answer errors until the database is attached anew."""
    settings = DuckDBInstance._settings

    def aborting(self, connection):
        yield "debug_checkpoint_abort", "'before_header'"
        yield from settings(self, connection)

    monkeypatch.setattr(DuckDBInstance, "_settings", aborting)
    instance = DuckDBInstance({"orders": tmp_path / "x.duckdb", "other": None})
    try:
        sink, other = filled(instance), filled(instance, "other")
        with pytest.raises(duckdb.Error, match="invalidated"):
            ask(instance, "CHECKPOINT headrace_0")
        assert ask(instance, "SELECT * FROM other") == [("a", 1)]
        with pytest.raises(CommitUnknown):
            sink.apply(work(3, batch(ORDERS, {"id": "b", "n": 1})))
        assert sink.open().live.checkpoint == checkpoint(2)
        sink.apply(work(3, batch(ORDERS, {"id": "b", "n": 1})))
        assert sink.rows() == 2
        assert ask(instance, "SELECT * FROM other") == [("a", 1)]
        other.apply(work(3, batch(ORDERS, {"id": "b", "n": 1})))
    finally:
        instance.close()


def test_a_query_under_way_keeps_a_failed_database_from_coming_back_only_until_it_ends(tmp_path, monkeypatch):
    settings = DuckDBInstance._settings

    def aborting(self, connection):
        yield "debug_checkpoint_abort", "'before_header'"
        yield from settings(self, connection)

    monkeypatch.setattr(DuckDBInstance, "_settings", aborting)
    instance = DuckDBInstance({"orders": tmp_path / "x.duckdb"})
    try:
        sink = filled(instance)
        reader = instance.cursor()
        reader.execute("BEGIN")
        assert reader.execute("SELECT n FROM orders").fetchall() == [(1,)]
        with pytest.raises(duckdb.Error, match="invalidated"):
            ask(instance, "CHECKPOINT headrace_0")
        with pytest.raises(CommitUnknown, match="running query"):
            sink.open()
        with pytest.raises(duckdb.Error):
            reader.execute("ROLLBACK")
        reader.close()
        assert sink.open().live.checkpoint == checkpoint(2)
    finally:
        instance.close()


def test_closing_twice_is_safe_and_lets_the_file_go(instance_of, tmp_path):
    instance = instance_of(orders="x.duckdb")
    sink = filled(instance)
    sink.close()
    sink.close()
    with duckdb.connect(str(tmp_path / "x.duckdb")) as theirs:
        assert theirs.execute("FROM orders").fetchall() == [("a", 1)]
    assert sink.open().live.checkpoint == checkpoint(2)
    instance.close()
    instance.close()


def test_engines_make_one_accelerator_for_each_accelerated_dataset(tmp_path):
    engines = Engines(
        [
            Dataset("plain", "t"),
            Dataset("memory", "t", acceleration=Acceleration()),
            Dataset("file", "t", acceleration=Acceleration(mode=Mode.FILE, path=tmp_path / "f.duckdb")),
        ]
    )
    try:
        for name in ("memory", "file"):
            engines.sink(name).open()
            engines.sink(name).apply(create(1))
            assert engines.sink(name).rows() == 0
        assert engines.cursor().execute("SELECT count(*) FROM memory, file").fetchall() == [(0,)]
        with pytest.raises(KeyError):
            engines.sink("plain")
    finally:
        engines.close()
        engines.close()


def test_a_missing_copy_counts_nothing(instance_of):
    instance = instance_of(orders=None)
    sink = DuckDBAccelerator(instance, "orders")
    assert sink.rows() == 0
    sink.open()
    assert sink.rows() == 0
    sink.apply(create(keys=KEYS))
    assert sink.rows() == 0
