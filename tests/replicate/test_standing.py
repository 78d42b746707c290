"""What is told of how a mapping stands, and of what operators did to its failures."""

from __future__ import annotations

from headrace.errors import LedgerError
from headrace.event_source_mapping import Delivering
from headrace.ledger import Delivery, DeliveryWork
from headrace.mapping_facts import FailuresRedriven, MappingStatusChanged
from headrace.replicate.delivery.commands import DiscardFailures, RedriveFailures
from headrace.status import State
from support.scripted_delivery import Scripted, fails

HELD = "events.sqlite is held by process 42"


class Held:
    """A ledger that another process holds; ``free`` ends that."""

    def __init__(self, world: Scripted) -> None:
        self._ledger = world.ledger
        self.free = False
        world.ledger = self

    def open(self) -> Delivery | None:
        self._refuse()
        return self._ledger.open()

    def commit(self, work: DeliveryWork) -> None:
        self._refuse()
        self._ledger.commit(work)

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)

    def _refuse(self) -> None:
        if not self.free:
            raise LedgerError(HELD)


def _status(world: Scripted) -> MappingStatusChanged:
    return world.of_kind(MappingStatusChanged)[-1]


def test_a_mapping_whose_ledger_is_held_says_so_and_is_an_error_when_that_lasts():
    world = Scripted()
    held = Held(world)
    world.run(5)
    assert _status(world).status is State.LOADING
    assert HELD in _status(world).reason
    world.run(40)
    assert (_status(world).status, _status(world).live) == (State.ERROR, False)
    assert HELD in _status(world).reason
    held.free = True
    world.run(30)
    assert (_status(world).status, _status(world).reason) == (State.READY, None)


def test_what_is_discarded_is_not_counted_as_tried_again():
    world = Scripted(Delivering(maximum_retry_attempts=0), otherwise=fails)
    world.put("a", "b")
    world.run(5)
    assert len(world.failures) == 1
    world.tell(DiscardFailures(1, None)).run(5)
    assert (world.failures, world.of_kind(FailuresRedriven)) == ((), [])
    world.put("c")
    world.run(5)
    world.otherwise = lambda _batch: None
    world.tell(RedriveFailures(2, None)).run(5)
    assert world.of_kind(FailuresRedriven) == [FailuresRedriven("watch", 1, 0)]


def test_a_stream_that_is_off_is_told_as_soon_as_it_is_read_to_its_end():
    world = Scripted()
    world.put("a")
    world.run(5)
    assert _status(world).reason is None
    world.turn_off()
    world.run(20)
    assert "is off and read to its end" in _status(world).reason
