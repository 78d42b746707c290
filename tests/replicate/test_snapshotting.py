"""Of which copies snapshots are taken, and how much of the time they may take."""

from dataclasses import replace

import pytest

from headrace.checkpoint import Checkpoint
from headrace.dataset import Replication, SnapshotPlace, Snapshots
from headrace.errors import SnapshotUnavailable
from headrace.observe import SnapshotFailed, StatusChanged
from headrace.replicate.clock import ServiceClock
from headrace.replicate.commands import Reply, SaveSnapshot, TakeSnapshot, Tell
from headrace.replicate.desk import Desk
from headrace.replicate.health import Health
from headrace.replicate.journal import Journal
from headrace.replicate.outbox import Outbox
from headrace.replicate.snapshotting import CURRENT, RENEW, REST, Snapshotting
from headrace.snapshot import Manifest
from headrace.status import State

NOW = 1_800_000_000.0
WELL = StatusChanged("orders", State.READY, ready=True, live=True, fresh=True, lag=1.0, reason=None)
MANIFEST = Manifest(
    "1", "orders", "duckdb", "1", "orders", NOW, NOW, 0, 0, 0, (), (), Checkpoint("t", "a", NOW, (), ()), "0"
)


@pytest.fixture
def taking():
    outbox = Outbox()
    desk = Desk("orders", Replication(), outbox, ServiceClock(), Health("orders", outbox, ""), Journal(0))
    desk.clock.observe(NOW, NOW)

    class Taking(Snapshotting):
        def at(self, seconds, status=WELL):
            """What is asked for and said at this moment."""
            self.advance(status, NOW, NOW + seconds)
            return outbox.drain()

        def is_asked(self, seconds, status=WELL):
            return any(isinstance(command, SaveSnapshot) for command in self.at(seconds, status))

    return lambda follows=True, **settings: Taking(
        desk, Snapshots(SnapshotPlace(), **settings), follows=follows
    )


NOT_WELL = {
    "loading": replace(WELL, status=State.LOADING, ready=False),
    "rebuilding": replace(WELL, status=State.REFRESHING),
    "failing": replace(WELL, status=State.ERROR),
    "standing still": replace(WELL, live=False),
    "far behind": replace(WELL, lag=CURRENT + 1.0),
    "who knows how far behind": replace(WELL, lag=None),
}


@pytest.mark.parametrize("status", NOT_WELL.values(), ids=NOT_WELL)
def test_no_copy_is_stored_that_is_not_well_whoever_asks(taking, status):
    one = taking()
    assert not one.is_asked(0.0, status)
    one.take(TakeSnapshot(7))
    (refusal,) = (command for command in one.at(0.0, status) if isinstance(command, Reply))
    assert (refusal.ticket, refusal.outcome) == (7, None)
    assert "ask again" in refusal.refusal
    assert one.is_asked(1.0), "as soon as it is well"


def test_a_copy_a_little_behind_is_stored(taking):
    assert taking().is_asked(0.0, replace(WELL, lag=CURRENT - 1.0))


def test_the_next_rests_four_times_as_long_as_the_last_took(taking):
    one = taking(interval=1.0, always=True)
    assert one.is_asked(0.0)
    assert not one.is_asked(50.0), "one at a time"
    one.saved(MANIFEST, NOW + 100.0)
    assert not one.is_asked(100.0 + REST * 100.0 - 1.0)
    assert one.is_asked(100.0 + REST * 100.0)


def test_whoever_asks_does_not_wait_for_the_rest(taking):
    one = taking(interval=1.0)
    assert one.is_asked(0.0)
    one.saved(MANIFEST, NOW + 100.0)
    one.take(TakeSnapshot(7))
    assert one.is_asked(101.0)
    one.saved(MANIFEST, NOW + 102.0)
    assert Reply(7, MANIFEST, None) in one.at(102.0)


def test_a_failure_is_told_and_the_next_try_waits_longer_each_time(taking):
    one, moment, waits = taking(), 0.0, []
    for _ in range(3):
        assert one.is_asked(moment)
        one.failed(SnapshotUnavailable("full"), NOW + moment)
        (told,) = (c.observation for c in one.at(moment) if isinstance(c, Tell))
        assert isinstance(told, SnapshotFailed)
        waits.append(told.retry_in)
        assert not one.is_asked(moment + told.retry_in - 0.01)
        moment += told.retry_in
    assert waits == sorted(waits)
    assert waits[0] < waits[2]


@pytest.mark.parametrize("follows", [True, False])
def test_only_what_a_stream_may_forget_is_stored_again_unchanged(taking, follows):
    one = taking(follows)
    assert one.is_asked(0.0)
    one.saved(MANIFEST, NOW)
    assert one.is_asked(RENEW) is follows
