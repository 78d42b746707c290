"""Events become lines of a file."""

import json
import os

import pytest

from headrace.errors import DestinationUnavailable
from headrace.targets.outbox.cloudevents import CloudEvents
from headrace.targets.outbox.lines import Lines
from headrace.targets.outbox.target import OutboxTarget
from support.outbox import batch, failed, record


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "events.jsonl"


@pytest.fixture
def outbox(path):
    format_ = CloudEvents()
    return OutboxTarget("events", format_, Lines(path, format_), lambda _: None)


def numbers(path):
    return [int(json.loads(line)["data"]["new"]["n"]) for line in path.read_text().splitlines()]


def test_events_are_lines_in_the_order_of_their_records(outbox, path):
    outbox.consume(batch(record(1), record(2, "b"), record(3)))
    outbox.consume(batch(record(4)))
    assert numbers(path) == [1, 2, 3, 4]
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_left_of_a_line_of_ours_is_cut_off_and_comes_again(outbox, path):
    outbox.consume(batch(record(1), record(2)))
    os.truncate(path, path.stat().st_size - 20)
    outbox.consume(batch(record(2), record(3)))
    assert numbers(path) == [1, 2, 3]


def test_a_file_that_cannot_be_written_was_not_tried(outbox, path):
    path.mkdir(parents=True)
    with pytest.raises(DestinationUnavailable, match="Is a directory"):
        outbox.consume(batch(record(1)))
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(DestinationUnavailable, match="no regular file; name another in target"):
        outbox.consume(batch(record(1)))


def test_of_events_that_cannot_be_written_nothing_is_left(outbox, path, monkeypatch):
    outbox.consume(batch(record(1)))

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DestinationUnavailable, match="No space left"):
            outbox.consume(batch(record(2), record(3)))
    assert numbers(path) == [1]
    outbox.consume(batch(record(2), record(3)))
    assert numbers(path) == [1, 2, 3]


def test_a_record_that_is_none_is_reported_with_later_ones_of_its_item_and_others_are_written(outbox, path):
    broken = record(2)
    broken = type(broken)(broken.sequence, broken.created, broken.key, b"{")
    response = outbox.consume(batch(record(1), broken, record(3), record(4, "b")))
    assert failed(response) == [2, 3]
    assert numbers(path) == [1, 4]
