"""Failures in files: as lines of JSON, and as rows."""

import fcntl
import json
import os
import resource
import signal
import sqlite3
import stat
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from headrace.destinations import document, open_destination
from headrace.errors import DestinationUnavailable, InternalError
from headrace.event_source_mapping import FailureDestination
from headrace.ledger import Condition, Fault
from support.deliveries import ARN, failure, record


def no_aws(*asked):
    raise AssertionError("no file is reached through AWS")


@pytest.fixture(params=["file", "sqlite"])
def kind(request):
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a" / "b" / "failures"


@pytest.fixture
def open_(path):
    return lambda kind: open_destination(FailureDestination(kind, str(path)), no_aws)


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def ids(path):
    return [line["headrace"]["id"] for line in lines(path)]


def rows(path, sql="SELECT * FROM headrace_failure ORDER BY failed_at, id"):
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql)]


def test_each_failure_is_a_line_after_those_that_are_there(open_, path):
    destination = open_("file")
    destination.send(failure(1))
    destination.send(failure(2))
    destination.close()
    open_("file").send(failure(3))
    assert ids(path) == [failure(number).id for number in (1, 2, 3)]
    assert path.read_bytes().splitlines()[0] == document.whole(failure(1))


def test_folders_are_made_and_only_the_owner_reads_the_file(open_, path, kind):
    open_(kind).send(failure(1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("cut", [1, 10, 100, 1000])
def test_a_line_that_a_crash_has_torn_is_cut_off(open_, path, cut):
    destination = open_("file")
    destination.send(failure(1))
    whole = path.read_bytes()
    torn = document.whole(failure(2, records=(record(2, text=b'"' + b"x" * 200_000 + b'"'),)))
    path.write_bytes(whole + torn[:cut])
    destination.send(failure(3))
    assert ids(path) == [failure(1).id, failure(3).id]
    path.write_bytes(torn[: 150_000 + cut])
    destination.send(failure(3))
    assert ids(path) == [failure(3).id]


def test_a_last_line_of_somebody_else_is_left_as_it_is(open_, path):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"precious")
    open_("file").send(failure(1))
    first, second = path.read_bytes().splitlines()
    assert (first, second) == (b"precious", document.whole(failure(1)))


def test_a_file_that_was_moved_away_is_made_anew(open_, path):
    destination = open_("file")
    destination.send(failure(1))
    path.rename(path.with_name("old"))
    destination.send(failure(2))
    assert (ids(path.with_name("old")), ids(path)) == ([failure(1).id], [failure(2).id])


def test_many_threads_and_destinations_write_whole_lines(open_, path, kind):
    large = [
        failure(n, records=(record(n, text=b'"' + bytes([65 + n]) * 100_000 + b'"'),)) for n in range(12)
    ]
    threads = [threading.Thread(target=open_(kind).send, args=(each,)) for each in large]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    found = ids(path) if kind == "file" else [row["id"] for row in rows(path)]
    assert sorted(found) == sorted(each.id for each in large)


def test_a_line_waits_while_somebody_else_writes_one(open_, path):
    open_("file").send(failure(1))
    waiting = threading.Thread(target=open_("file").send, args=(failure(2),))
    with path.open("ab", buffering=0) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(document.whole(failure(3))[:100])
        waiting.start()
        waiting.join(0.1)
        other.write(document.whole(failure(3))[100:] + b"\n")
    waiting.join(10)
    assert ids(path) == [failure(number).id for number in (1, 3, 2)]


def test_a_failure_is_a_row_that_can_be_asked_about(open_, path):
    destination = open_("sqlite")
    destination.send(failure(7, 8))
    expired = failure(
        condition=Condition.RECORDS_EXPIRED, records=(), invoked=0, fault=None, at=1_800_000_000.0
    )
    destination.send(expired)
    first, second = rows(path)
    assert first == {
        "id": failure(7, 8).id,
        "mapping": "status",
        "consumer": "handlers:on_change",
        "condition": "RetryAttemptsExhausted",
        "invoked": 4,
        "failed_at": "2023-11-14T22:16:40.125Z",
        "stream_arn": ARN,
        "shard": "s1",
        "start_sequence_number": "7",
        "end_sequence_number": "8",
        "batch_size": 2,
        "error_type": "KeyError",
        "error_message": "'price'",
        "stack_trace": '["line 1","line 2"]',
        "records": f"[{record(7).text.decode()},{record(8).text.decode()}]",
    }
    empty = ("start_sequence_number", "end_sequence_number", "error_type", "error_message", "stack_trace")
    assert {second[name] for name in empty} == {None}
    assert (second["batch_size"], second["records"]) == (0, "[]")
    number = "json_extract(records, '$[0].dynamodb.SequenceNumber') AS number"
    assert rows(path, f"SELECT {number} FROM headrace_failure WHERE batch_size > 0") == [{"number": "7"}]


def test_a_failure_that_comes_again_replaces_its_row(open_, path):
    destination = open_("sqlite")
    destination.send(failure(1))
    destination.send(replace(failure(1), fault=Fault("Later", "m")))
    assert [row["error_type"] for row in rows(path)] == ["Later"]


def test_a_table_of_that_name_with_other_columns_is_left_alone_and_named(open_, path):
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE headrace_failure (precious)")
    with pytest.raises(DestinationUnavailable, match="headrace_failure has other columns"):
        open_("sqlite").send(failure(1))
    assert rows(path, "SELECT * FROM headrace_failure") == []


def test_a_file_that_is_no_database_is_left_alone_and_named(open_, path):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"hello" * 300)
    with pytest.raises(DestinationUnavailable, match="no SQLite database"):
        open_("sqlite").send(failure(1))
    assert path.read_bytes() == b"hello" * 300


def test_where_nothing_can_be_written_it_says_so_and_goes_on_once_it_can(open_, path, kind):
    path.parent.parent.mkdir()
    path.parent.write_text("in the way")
    destination = open_(kind)
    with pytest.raises(DestinationUnavailable, match=f"{failure(1).id}.*must be writable"):
        destination.send(failure(1))
    path.parent.unlink()
    destination.send(failure(1))
    assert path.exists()


def test_a_folder_or_a_pipe_is_no_file_of_failures(open_, path, kind):
    path.mkdir(parents=True)
    with pytest.raises(DestinationUnavailable):
        open_(kind).send(failure(1))
    path.rmdir()
    os.mkfifo(path)
    if kind == "file":
        with pytest.raises(DestinationUnavailable, match="no regular file"):
            open_(kind).send(failure(1))


def test_on_a_full_disk_no_half_of_a_line_is_left(open_, path):
    destination = open_("file")
    destination.send(failure(1))
    size = path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
        with pytest.raises(DestinationUnavailable, match="have room"):
            destination.send(failure(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.stat().st_size == size
    destination.send(failure(2))
    assert ids(path) == [failure(1).id, failure(2).id]


def test_a_kind_that_there_is_none_of_is_refused():
    with pytest.raises(InternalError, match="kafka"):
        open_destination(FailureDestination("kafka", "topic"), no_aws)
