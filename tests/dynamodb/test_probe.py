"""Whether a table without a copy can be read is told, and told again when that changes."""

import threading

import pytest

from headrace.dynamodb import probe as probing
from headrace.dynamodb.probe import Probe
from headrace.errors import AccessDenied
from headrace.status import State
from support.deadline import eventually


class Table:
    """Describes itself unless ``failure`` is set."""

    def __init__(self):
        self.failure = None
        self.asked = threading.Event()

    def describe(self):
        self.asked.set()
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(probing, "EVERY", 0.01)
    monkeypatch.setattr(probing, "delay", lambda *_: 0.01)
    return []


@pytest.fixture
def table(told):
    table = Table()
    probe = Probe("orders", table, told.append, "salt")
    probe.start()
    yield table
    probe.stop()


def test_a_table_that_can_be_described_is_ready_and_said_to_be_so_again_and_again(table, told):
    eventually(lambda: len(told) > 2, within=10, what="it is told again and again")
    assert {(one.dataset, one.status, one.ready, one.live, one.reason) for one in told} == {
        ("orders", State.READY, True, True, None)
    }


def test_one_that_cannot_is_an_error_with_its_reason_until_it_can(table, told):
    table.failure = AccessDenied("not permitted; allow dynamodb:DescribeTable")
    eventually(lambda: told and told[-1].status is State.ERROR, within=10, what="the failure is told")
    assert (told[-1].ready, told[-1].reason) == (False, "not permitted; allow dynamodb:DescribeTable")
    table.failure = None
    eventually(lambda: told[-1].ready, within=10, what="it is ready again")


def test_nothing_is_told_after_a_stop(told):
    table = Table()
    probe = Probe("orders", table, told.append, "salt")
    probe.stop()
    probe.start()
    assert not table.asked.wait(0.1)
    assert told == []
