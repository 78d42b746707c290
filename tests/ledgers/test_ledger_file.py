"""The file of ledgers: who may hold it, what it may be, and what happens where it cannot be written."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from headrace.errors import LedgerError
from headrace.ledgers import Ledgers, file
from support.deadline import eventually
from support.deliveries import failure, parked, record, shard, work
from support.small_disk import LIMIT, small_disk


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder's" / "events.sqlite"


@pytest.fixture
def opened(path):
    made = []

    def make(path=path):
        made.append(Ledgers(path))
        return made[-1]

    yield make
    for ledgers in made:
        ledgers.close()


@pytest.fixture
def ledger(opened):
    return opened().of("status")


def theirs(path, *statements):
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return [connection.execute(statement).fetchall() for statement in statements][-1]


HOLD = """
import sys
import threading
from pathlib import Path
from headrace.ledgers import Ledgers
Ledgers(Path(sys.argv[1])).of("status").open()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_file_that_another_process_holds_is_named_with_its_holder_and_opens_once_let_go(ledger, path):
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        for ask in (ledger.open, lambda: ledger.commit(work(shard()))):
            with pytest.raises(LedgerError, match=f"held by process {holder.pid}.*stop that process"):
                ask()
        holder.kill()
    ledger.commit(work(shard()))
    assert ledger.open().shards == (shard(),)


def test_only_its_owner_may_read_the_file_and_what_is_beside_it(ledger, path):
    ledger.commit(work(shard()))
    made = [file for file in path.parent.iterdir() if not file.name.endswith(".lock")]
    assert {file.suffix for file in made} == {".sqlite", ".sqlite-wal", ".sqlite-shm"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in made} == {0o600}


def test_each_commit_is_synced(ledger):
    ledger.commit(work(shard()))
    with ledger._file.reading() as connection:
        settings = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "fullfsync")
        ]
    full = 2
    assert settings == ["wal", full, 1]


@pytest.mark.parametrize("content", [b"hello" * 200, b"SQLite format 3\x00" + b"\x00" * 8000])
def test_a_file_that_is_not_sqlites_is_refused_and_left_alone(ledger, path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"no ledger.*move it away"):
        ledger.open()
    assert path.read_bytes() == content
    path.unlink()
    assert ledger.open() is None


def test_a_database_of_somebody_else_is_refused_and_left_alone(ledger, path):
    theirs(path, "CREATE TABLE precious (n)", "INSERT INTO precious VALUES (1)")
    with pytest.raises(LedgerError, match="no ledger of Headrace"):
        ledger.open()
    assert theirs(path, "SELECT * FROM precious") == [(1,)]


def test_a_newer_format_is_refused_with_the_cure(opened, ledger, path):
    ledger.commit(work(shard()))
    ledger._file.close()
    theirs(path, "UPDATE headrace_ledger SET format = 99")
    newer = opened()
    with pytest.raises(LedgerError, match=r"format 99.*use the newer Headrace"):
        newer.of("status").open()
    newer.close()
    theirs(path, "UPDATE headrace_ledger SET format = 1")
    assert opened().of("status").open().shards == (shard(),)


def test_a_damaged_file_is_told_apart_with_the_cure(opened, ledger, path):
    ledger.commit(work(*(shard(f"s{n}") for n in range(300))))
    ledger._file.close()
    content = bytearray(path.read_bytes())
    content[3 * 4096 :] = b"\xaa" * (len(content) - 3 * 4096)
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"damaged; .*copy.*move it away.*starting_position"):
        opened().of("status").open()


def test_stored_values_of_another_make_are_an_error_of_ours(ledger, path):
    ledger.commit(work(shard(), failures=(failure(1),), parked=(parked(1),)))
    theirs(
        path,
        "UPDATE shard SET delivery = '{}'",
        "UPDATE failure SET records = x'00'",
        "UPDATE parked SET record = x'00'",
    )
    for ask in (ledger.open, ledger.failures, lambda: ledger.parked("a", 1)):
        with pytest.raises(LedgerError, match="cannot be read"):
            ask()


def test_a_folder_that_cannot_be_made_is_an_error_with_the_cure(opened, tmp_path):
    (tmp_path / "file").write_text("")
    ledger = opened(tmp_path / "file" / "events.sqlite").of("status")
    with pytest.raises(LedgerError, match="must be there and writable"):
        ledger.open()
    (tmp_path / "file").unlink()
    assert ledger.open() is None


def test_a_file_that_became_read_only_is_named_and_goes_on_once_it_is_writable(ledger):
    ledger.commit(work(shard("s1", 1)))
    ledger._file._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(LedgerError, match=r"READONLY.*writable"):
        ledger.commit(work(shard("s1", 2)))
    assert ledger.open().shards == (shard("s1", 1),)
    ledger._file._connection.execute("PRAGMA query_only = OFF")
    ledger.commit(work(shard("s1", 2)))
    assert ledger.open().shards == (shard("s1", 2),)


def test_another_program_that_locks_the_file_is_named_and_waited_for(ledger, path):
    ledger.commit(work(shard("s1", 1)))
    ledger._file._connection.execute("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="another program has locked the file"):
            ledger.commit(work(shard("s1", 2)))
        other.execute("ROLLBACK")
    ledger.commit(work(shard("s1", 2)))
    assert ledger.open().shards == (shard("s1", 2),)


@pytest.mark.parametrize("cure", ["put back", "replaced"])
def test_a_file_that_was_taken_away_is_not_begun_anew_behind_the_mappings_back(ledger, path, cure):
    ledger.commit(work(shard("s1", 1), shard("s2", 1)))
    kept = path.with_name("kept")
    path.rename(kept)
    if cure == "replaced":
        shutil.copy(kept, path)
    for ask in (ledger.open, lambda: ledger.commit(work(shard("s1", 2)))):
        with pytest.raises(LedgerError, match="removed or replaced"):
            ask()
    assert path.exists() == (cure == "replaced")
    kept.rename(path)
    ledger.commit(work(shard("s1", 2)))
    assert ledger.open().shards == (shard("s1", 2), shard("s2", 1))


def test_a_lost_connection_is_made_anew(ledger):
    ledger.commit(work(shard("s1", 1)))
    ledger._file._connection.close()
    with pytest.raises(LedgerError):
        ledger.commit(work(shard("s1", 2)))
    ledger.commit(work(shard("s1", 2)))
    assert ledger.open().shards == (shard("s1", 2),)


def test_what_was_removed_is_given_back_to_the_disk(ledger, path, monkeypatch):
    monkeypatch.setattr(file, "_SPARE_BYTES", 2**20)
    many = [failure(n, records=(record(n, text=os.urandom(2**20)),)) for n in range(3)]
    for each in many:
        ledger.commit(work(failures=(each,)))
    ledger.commit(work(resolved=tuple(each.id for each in many)))
    with ledger._file.reading() as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert path.stat().st_size < 2**18


FULL = """
import sys
import threading
from pathlib import Path
from headrace.errors import LedgerError
from headrace.ledgers import Ledgers
from support.deliveries import failure, record, shard, work
import os
import signal
# Beyond its limit a file is not written to, and the process goes on to say so.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
ledger = Ledgers(Path(sys.argv[1])).of("status")
for line in sys.stdin:
    number = int(line)
    large = failure(number, records=(record(number, text=os.urandom(2**20)),))
    try:
        ledger.commit(work(shard("s1", number), failures=(large,)))
        print("done", flush=True)
    except LedgerError as error:
        print(error, flush=True)
"""


def test_a_full_disk_is_named_nothing_is_half_done_and_it_goes_on_once_there_is_room(path, opened):
    with small_disk(path.parent, LIMIT) as disk:
        python_path = os.pathsep.join(sys.path)
        command = [sys.executable, "-c", FULL, str(path)]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": python_path},
        ) as child:

            def commit(number):
                child.stdin.write(f"{number}\n")
                child.stdin.flush()
                return child.stdout.readline().strip()

            assert commit(1) == "done"
            disk.fill(child.pid)
            assert "make room on the disk" in commit(2)
            disk.free(child.pid)
            assert commit(3) == "done"
            disk.fill(child.pid)
            assert "make room on the disk" in commit(4)
            child.kill()
    delivery = opened().of("status").open()
    assert (delivery.shards, delivery.failures) == ((shard("s1", 3),), 2)


def test_commits_that_wait_for_each_other_are_one_transaction_and_what_fails_harms_none(opened):
    all_ = opened()
    all_.of("m0").commit(work(shard()))
    held = all_._file
    begun, refused = [], []

    def commit(name, number):
        # No SQLite holds such a number.
        generation = 2**70 if name == "bad" else 0
        try:
            all_.of(name).commit(work(shard("s1", number), parked=(parked(1, generation),)))
        except OverflowError:
            refused.append(name)

    def together(*names, number):
        begun.clear()
        threads = [threading.Thread(target=commit, args=(name, number)) for name in names]
        with held._lock:
            for thread in threads:
                thread.start()
            eventually(lambda: len(held._waiting) == len(names), within=10, what="all commits wait")
        for thread in threads:
            thread.join(10)

    held._connection.set_trace_callback(lambda said: begun.append(said) if said == "COMMIT" else None)
    together("m1", "m2", "m3", number=1)
    assert (len(begun), refused) == (1, [])
    together("m1", "bad", "m2", "m3", number=2)
    assert (len(begun), refused) == (3, ["bad"])
    assert all_.of("bad").open() is None
    assert [all_.of(f"m{n}").open().shards for n in (1, 2, 3)] == [(shard("s1", 2),)] * 3
