"""The laws of the lineage, whatever the order of listings and whatever they leave out or show wrongly.

A stream grows by splits and rotations and is trimmed at its old end. Listings omit shards and show ended
ones open; single shards are asked for by their ids, and that answer is true.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headrace.checkpoint import Checkpoint, SegmentState, ShardState, Stage
from headrace.dataset import Replication
from headrace.errors import ShardGone
from headrace.position import Position, SequenceNumber
from headrace.replicate.clock import ServiceClock
from headrace.replicate.commands import ListShards, OpenIterator
from headrace.replicate.desk import Desk
from headrace.replicate.errands import Errands
from headrace.replicate.health import Health
from headrace.replicate.journal import Journal
from headrace.replicate.lineage import CONFIRMATIONS, Lineage
from headrace.replicate.listing import FirstListing
from headrace.replicate.outbox import Outbox
from headrace.shard import Shard, ShardListing

START = Position.at_timestamp(700.0, 1000.0)
CHANCE = st.integers(0, 4)


@dataclass
class Truth:
    """One shard as it is."""

    number: int
    parent: Truth | None
    closed: bool = False
    trimmed: bool = False
    children: list[Truth] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"shard-{self.number}"

    def listed(self, *, shown_open: bool = False) -> Shard:
        ending = SequenceNumber(f"{self.number}9") if self.closed and not shown_open else None
        parent = None if self.parent is None else self.parent.id
        return Shard(self.id, parent, SequenceNumber(f"{self.number}0"), ending)


class AnyListings(RuleBasedStateMachine):
    """``ended``: shards whose records are all in the copy, by the Scan or by reading. ``begun``: those read.

    ``timed`` are read by time since bootstrap, so that what their parents lost is older than the Scan.
    """

    def __init__(self) -> None:
        super().__init__()
        self.truth: list[Truth] = []
        self.lineage: Lineage | None = None
        self.ended: set[str] = set()
        self.begun: set[str] = set()
        self.met: set[str] = set()
        self.gone: set[str] = set()
        self.gaps: set[str] = set()
        self.timed: set[str] = set()
        self._born(None)
        self._born(None)

    # The stream

    @rule(which=st.integers(0, 99), children=st.integers(1, 2))
    def a_shard_ends_and_others_take_its_place(self, which, children):
        alive = [shard for shard in self.truth if not shard.closed]
        if len(self.truth) < 14:
            shard = alive[which % len(alive)]
            shard.closed = True
            for _ in range(children):
                self._born(shard)

    @precondition(lambda self: self.lineage is not None)
    @rule()
    def the_oldest_shard_is_trimmed_unless_it_is_being_read(self):
        for shard in self.truth:
            oldest = shard.parent is None or shard.parent.trimmed
            if shard.closed and not shard.trimmed and oldest and self._may_be_trimmed(shard):
                shard.trimmed = True
                return

    # What is learnt of it

    @precondition(lambda self: self.lineage is None)
    @rule(data=st.data())
    def the_first_listing_comes(self, data):
        shards = self._trusted(self._listing(data))
        if shards is not None:
            self.lineage = Lineage.first(shards, START)
            # Whatever had ended by now, the Scan sees.
            self.ended = {state.id for state in self.lineage.in_stage(Stage.FINISHED)}
            assert all(self._of(id_).closed for id_ in self.ended)
            timed = [s for s in self.lineage.states() if s.position and s.position.timestamp is not None]
            self.timed = {state.id for state in timed}

    @precondition(lambda self: self.lineage is not None)
    @rule(data=st.data())
    def a_complete_listing_comes(self, data):
        self.lineage.reconcile(self._listing(data), 2000.0)

    @precondition(lambda self: self.lineage is not None)
    @rule(which=st.integers(0, 99), data=st.data())
    def the_children_of_a_shard_are_listed(self, which, data):
        shard = self.truth[which % len(self.truth)]
        if not shard.trimmed:
            children = [c for c in shard.children if not c.trimmed and data.draw(CHANCE)]
            self.lineage.meet([child.listed(shown_open=not data.draw(CHANCE)) for child in children], 2000.0)
            if shard.id in self.lineage and self.lineage[shard.id].stage is Stage.FINISHED:
                self.lineage.settle(shard.id)

    @precondition(lambda self: self.lineage is not None)
    @rule()
    def suspects_are_asked_for(self):
        for id_ in self.lineage.suspects():
            if self._of(id_).trimmed:
                self.gaps |= set(self.lineage.trimmed(id_))
                self.gone.add(id_)
            else:
                self.lineage.exists(id_)

    @precondition(lambda self: self.lineage is not None)
    @rule(which=st.integers(0, 99))
    def a_shard_is_read_to_its_end(self, which):
        reading = [s for s in self.lineage.in_stage(Stage.READING) if self._of(s.id).closed]
        if reading:
            self._finish(reading[which % len(reading)])

    @precondition(lambda self: self.lineage is not None)
    @rule()
    def shards_that_may_be_are_read(self):
        self.lineage.promote()

    @precondition(lambda self: self.lineage is not None)
    @rule()
    def the_process_crashes(self):
        """What was promoted since the last commit waits again, as the checkpoint had it or not."""
        stored = Checkpoint("t", "arn", 0.0, (SegmentState(),), self.lineage.states()).encode()
        self.lineage = Lineage(Checkpoint.decode(stored).shards)

    # The laws

    @invariant()
    def no_child_is_read_before_its_parent_has_ended(self):
        for state in self._states():
            parent = self._of(state.id).parent
            if state.stage is Stage.READING and parent is not None:
                known = parent.id in self.ended or parent.trimmed
                assert known, f"{state.id} is read and {parent.id} has not ended"

    @invariant()
    def no_shard_has_ended_before_one_that_it_descends_from(self):
        """Else the ancestor's records, replayed, were the last word on keys that the descendant changed since."""
        states = {state.id: state for state in self._states()}
        for state in states.values():
            above = self._of(state.id).parent
            while above is not None and state.stage is Stage.FINISHED:
                assert above.id not in states or states[above.id].stage is Stage.FINISHED
                above = above.parent

    @invariant()
    def no_shard_is_read_twice(self):
        for state in self._states():
            if state.stage is Stage.READING:
                assert state.id not in self.ended
                assert state.id not in self.gone
                self.begun.add(state.id)

    @invariant()
    def nothing_that_was_met_is_forgotten_before_it_has_ended_and_is_trimmed(self):
        known = {state.id for state in self._states()}
        for id_ in self.met - known:
            assert id_ in self.ended
            assert self._of(id_).trimmed
        self.met |= known
        # A shard that turns up when its child is in the copy is not read any more.
        self.ended |= {state.id for state in self._states() if state.stage is Stage.FINISHED}

    @invariant()
    def a_gap_is_reported_only_where_records_were_lost(self):
        for id_ in self.gaps:
            parent = self._of(id_).parent
            assert parent is not None
            assert parent.trimmed
            assert parent.id not in self.ended

    @invariant()
    def a_waiting_shard_has_a_place_to_begin_at(self):
        for state in self._states():
            assert (state.position is None) is (state.stage is Stage.FINISHED)

    def teardown(self) -> None:
        """When the listings tell the truth, everything that is left is read."""
        if self.lineage is None:
            return
        for _ in range((len(self.truth) + 1) * (CONFIRMATIONS + 1)):
            self.lineage.reconcile([s.listed() for s in self.truth if not s.trimmed], 3000.0)
            self.suspects_are_asked_for()
            self.lineage.promote()
            for state in self.lineage.in_stage(Stage.READING):
                if self._of(state.id).closed:
                    self._finish(state)
            self.no_child_is_read_before_its_parent_has_ended()
            self.no_shard_is_read_twice()
        for shard in self.truth:
            if not shard.trimmed:
                wanted = Stage.FINISHED if shard.closed else Stage.READING
                assert self.lineage[shard.id].stage is wanted, shard.id
        for shard in self.truth:
            lost = shard.parent is not None and shard.parent.trimmed and shard.parent.id not in self.ended
            if lost and shard.id in self.begun and not shard.trimmed:
                assert (shard.id in self.gaps) is (shard.id not in self.timed)

    def _states(self) -> tuple[ShardState, ...]:
        return () if self.lineage is None else self.lineage.states()

    def _born(self, parent: Truth | None) -> None:
        shard = Truth(len(self.truth), parent)
        self.truth.append(shard)
        if parent is not None:
            parent.children.append(shard)

    def _of(self, id_: str) -> Truth:
        return self.truth[int(id_.removeprefix("shard-"))]

    def _listing(self, data) -> list[Shard]:
        shown = [s for s in self.truth if not s.trimmed and data.draw(CHANCE)]
        shards = [shard.listed(shown_open=not data.draw(CHANCE)) for shard in shown]
        return data.draw(st.permutations(shards))

    def _trusted(self, shards: list[Shard]) -> tuple[Shard, ...] | None:
        """The listing, if a copy would begin with it."""
        outbox = Outbox()
        health = Health("orders", outbox, "")
        desk = Desk("orders", Replication(), outbox, ServiceClock(), health, Journal(0))
        first = FirstListing(desk, Errands(outbox, health), "arn", 0.0)
        first.ask(0.0)
        (request,) = (one for one in outbox.drain() if isinstance(one, ListShards))
        answer = first.take(request, ShardListing(tuple(shards), None, "ENABLED"), 0.0)
        first.ask(0.0)
        probes = [one for one in outbox.drain() if isinstance(one, OpenIterator)]
        for probe in probes:
            trimmed = self._of(probe.shard_id).trimmed
            answer = first.failed(probe, ShardGone("-"), 0.0) if trimmed else first.found(probe, 0.0)
        return answer

    def _may_be_trimmed(self, shard: Truth) -> bool:
        """A position in a shard that is trimmed is a gap, which is not the lineage's to find."""
        return shard.id not in self.lineage or self.lineage[shard.id].stage is Stage.FINISHED

    def _finish(self, state: ShardState) -> None:
        self.lineage.update(ShardState(state.id, state.parent_id, state.starting, Stage.FINISHED, None))
        self.ended.add(state.id)


AnyListings.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyListings = AnyListings.TestCase
