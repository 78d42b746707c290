"""What `headrace cayenne inspect` and `verify` find: beside a process, and in folders that something has happened to."""

from __future__ import annotations

import hashlib
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from unittest import mock

import numpy as np
import pytest

from headrace.accelerator import Target
from headrace.accelerators.cayenne.checkup import verify_folder
from headrace.accelerators.cayenne.file_reading import FileReading
from headrace.accelerators.cayenne.inspection import inspect_folder
from headrace.accelerators.cayenne.key_index import encoded
from headrace.accelerators.cayenne.metastore import NAME
from headrace.column_type import INT, TEXT, list_of
from headrace.errors import AcceleratorError
from support.copies import batch, create, schema_of, work
from support.engines.cayenne import CayenneHarness

ORDERS = schema_of(n=INT)
WIDE = schema_of(n=TEXT, more=list_of(INT))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two files with dead rows, of two schemas, and level 0."""
    harness = CayenneHarness(tmp_path_factory.mktemp("made") / "data")
    sink = harness.sink
    sink.open()
    sink.apply(create(1))
    sink.apply(work(2, batch(ORDERS, *({"id": f"k{n:02}", "n": n} for n in range(20)))))
    sink.upkeep.settle()
    some = [{"id": "k03"}, {"id": "x", "n": "y", "more": [1]}]
    sink.apply(work(3, batch(WIDE, *some, deleted=[True, False])))
    sink.upkeep._flush(sink._table.copies[Target.LIVE].number)
    more = [{"id": "k05", "n": "new"}, {"id": "z"}, {"id": "gone"}]
    sink.apply(work(4, batch(WIDE, *more, deleted=[False, False, True])))
    harness.close()
    return harness.path.parent


@pytest.fixture
def folder(made, tmp_path):
    """A folder of that, with nobody in it."""
    return shutil.copytree(made, tmp_path / "data")


@pytest.fixture
def copy(folder):
    """The same, held by a process."""
    harness = CayenneHarness(folder)
    harness.sink.open()
    yield harness
    harness.close()


def told(folder):
    return [str(fault) for fault in verify_folder(folder).faults]


def change(folder, statement, *values):
    with closing(sqlite3.connect(folder / NAME)) as connection, connection:
        connection.execute(statement, values)


def sums(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_a_dataset_that_is_as_it_should_be_has_no_fault_and_each_row_is_counted(folder):
    verdict = verify_folder(folder)
    assert (verdict.faults, verdict.notes) == ([], [])
    assert (verdict.files, verdict.rows) == (2, 21)


def test_both_commands_leave_a_folder_as_it_is(folder):
    before = sums(folder)
    verify_folder(folder)
    inspect_folder(folder)
    assert sums(folder) == before


def test_beside_the_process_that_holds_it_the_last_commit_is_told_and_the_next_does_not_wait(copy):
    folder = copy.path.parent
    before = {name: one for name, one in sums(folder).items() if not name.endswith("-shm")}
    assert verify_folder(folder).rows == 21
    assert inspect_folder(folder).copies[0].rows == 21
    assert {name: one for name, one in sums(folder).items() if not name.endswith("-shm")} == before
    copy.sink.apply(work(5, batch(WIDE, {"id": "another"})))
    assert verify_folder(folder).rows == copy.sink.rows() == 22


def test_a_process_that_was_killed_left_a_commit_that_is_told(copy, tmp_path):
    lost = copy.lost(tmp_path / "lost")
    lost.close()
    assert verify_folder(tmp_path / "lost").rows == 21


def test_figures_are_those_of_the_last_commit(folder):
    found = inspect_folder(folder)
    (live,) = found.copies
    assert (found.dataset, found.format, found.orphans) == ("orders", 1, ())
    assert (live.target, live.stage, live.rows, live.dead, live.columns) == ("live", "scanning", 21, 2, 3)
    assert (live.recent.commits, live.recent.rows, live.recent.removed) == (1, 2, 1)
    first, second = live.files
    assert (first.rows, first.dead, first.keys) == (20, 2, {"id": ("k00", "k19")})
    assert (second.rows, second.dead, second.missing) == (1, 0, ())
    sizes = sum(path.stat().st_size for path in folder.glob("part-*"))
    assert live.bytes == sizes + live.recent.bytes
    assert live.bytes_a_row == live.bytes / 21


def test_files_that_vanish_while_they_are_read_are_looked_up_again(copy):
    """A compaction replaces them: what is told is the newer commit."""
    true = FileReading.read
    parts = copy.path.parent.glob

    def read(self, record, schema):
        if record.number == 1:
            copy.sink.upkeep.settle()
            assert not list(parts("part-00000001.*"))
        return true(self, record, schema)

    with mock.patch.object(FileReading, "read", read):
        verdict = verify_folder(copy.path.parent)
    assert (verdict.faults, verdict.rows) == ([], 21)
    assert verdict.files == len(inspect_folder(copy.path.parent).copies[0].files)


def test_a_byte_that_has_changed_is_found_before_vortex_reads_it(folder):
    part, keys = sorted(folder.glob("part-*1.*"), reverse=True)
    for path in (part, keys):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    read = []
    with mock.patch.object(
        FileReading, "read", lambda self, record, schema: read.append(record.number) or []
    ):
        found = told(folder)[:2]
    assert read == [2]
    assert found == [
        f"{path}: it is damaged: it has another checksum; delete the dataset's folder to copy the table anew"
        for path in (part, keys)
    ]


def test_files_that_are_cut_or_missing_are_named(folder):
    (one, two) = sorted(folder.glob("part-*.vortex"))
    one.write_bytes(one.read_bytes()[:-1])
    two.unlink()
    assert [fault.partition(";")[0] for fault in told(folder)] == [
        f"{one}: it is damaged: it has {one.stat().st_size:,} bytes, not {one.stat().st_size + 1:,}",
        f"{two}: it is not there",
    ]
    assert inspect_folder(folder).copies[0].files[1].missing == (two.name,)


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        (
            "DELETE FROM headrace_deletion",
            "the key k05 lives 2 times: level 0, row 5 of part-00000001.vortex",
        ),
        (
            "UPDATE headrace_deletion SET positions = x'14000000'",
            "a deletion is at position 20, and it has 20 rows",
        ),
        (
            "UPDATE headrace_deletion SET positions = CAST(positions || positions AS BLOB)",
            "a position is deleted twice",
        ),
        ("UPDATE headrace_deletion SET positions = x'00'", "that is no list of positions"),
        (
            "UPDATE headrace_deletion SET file = file + 9",
            "there are deletions of file 10, which there is not",
        ),
        ("UPDATE headrace_file SET schema = 99 WHERE number = 1", "file 1 has schema 99, which is unknown"),
        ("UPDATE headrace_file SET copy = 99 WHERE number = 1", "file 1 is of copy 99, which there is not"),
        ("UPDATE headrace_file SET rows = rows + 1", "it has 20 rows, and should have 21"),
        ("UPDATE headrace_level0 SET schema = 99", "changes 1 of level 0 have schema 99"),
        ("UPDATE headrace_level0 SET copy = 99", "changes 1 of level 0 are of copy 99"),
        ("UPDATE headrace_level0 SET schema = 1", "other columns than their schema"),
        ("UPDATE headrace_metastore SET files = 1", "there is a file 2, and the last number given is 1"),
        ("UPDATE headrace_metastore SET commits = 1", "level 0 has changes of commit"),
        ("UPDATE headrace_metastore SET copies = 0", "there is a copy 1, and the last number given is 0"),
        ("DELETE FROM headrace_checkpoint", "the live copy has no checkpoint"),
        ("DELETE FROM headrace_copy", "there is a checkpoint of a live copy, and no such copy"),
        (
            """UPDATE headrace_file SET statistics = replace(statistics, '"k00"', '"k01"')""",
            "the statistics of its column id are not true",
        ),
        (
            """UPDATE headrace_file SET statistics = replace(statistics, '"k19"', '"k18"')""",
            "the statistics of its column id are not true",
        ),
    ],
)
def test_a_metastore_that_says_what_is_not_so_is_found(folder, statement, fault):
    change(folder, statement)
    found = told(folder)
    assert any(fault in one for one in found), found
    assert all(one.endswith("; delete the dataset's folder to copy the table anew") for one in found)


def test_keys_that_lead_elsewhere_are_found(folder):
    path = folder / "part-00000001.keys"
    data = encoded(np.arange(20, dtype=np.uint32))
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    change(
        folder,
        "UPDATE headrace_file SET keys_checksum = ?, keys_size = ? WHERE number = 1",
        digest,
        len(data),
    )
    (fault,) = told(folder)
    assert re.search(r"part-00000001.keys does not lead to the key of row \d+", fault)


def test_files_that_nobody_names_are_told_and_are_no_fault(folder):
    (folder / "part-00000099.vortex").write_bytes(b"")
    verdict = verify_folder(folder)
    assert verdict.faults == []
    (note,) = verdict.notes
    assert note.startswith(f"{folder / 'part-00000099.vortex'}: the metastore does not name it")
    assert inspect_folder(folder).orphans == ("part-00000099.vortex",)


def test_files_may_lie_elsewhere(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in folder.glob("part-*"):
        path.rename(elsewhere / path.name)
    assert len(told(folder)) == 4
    assert verify_folder(folder, elsewhere).rows == 21
    with pytest.raises(AcceleratorError, match="is no folder; --files names"):
        verify_folder(folder, tmp_path / "nowhere")


def test_a_folder_without_a_metastore_is_refused_with_the_cure(tmp_path):
    with pytest.raises(
        AcceleratorError, match=r"there is no metastore.sqlite in .*; name a dataset's cayenne_file_path"
    ):
        inspect_folder(tmp_path)
    (tmp_path / NAME).write_bytes(b"nothing like it" * 100)
    with pytest.raises(AcceleratorError, match="file is not a database"):
        verify_folder(tmp_path)
    (tmp_path / NAME).unlink()
    change(tmp_path, "CREATE TABLE other (n INTEGER)")
    with pytest.raises(AcceleratorError, match="is no metastore of Cayenne"):
        inspect_folder(tmp_path)


def test_a_newer_format_is_refused(folder):
    change(folder, "UPDATE headrace_metastore SET format = 2")
    with pytest.raises(AcceleratorError, match="has format 2, this Headrace knows up to 1"):
        inspect_folder(folder)


def test_without_the_extra_the_metastore_and_the_sums_are_checked_and_the_rest_is_named(folder):
    program = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(('numpy', 'vortex'))\n"
        "from pathlib import Path\n"
        "from headrace.accelerators.cayenne.checkup import verify_folder\n"
        "from headrace.accelerators.cayenne.inspection import inspect_folder\n"
        "folder = Path(sys.argv[1])\n"
        "verdict = verify_folder(folder)\n"
        "print(len(verdict.faults), verdict.rows, inspect_folder(folder).copies[0].rows, *verdict.notes)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("0 None 21 not checked: what the files hold")
    assert "pip install 'headrace[cayenne]'" in done.stdout
