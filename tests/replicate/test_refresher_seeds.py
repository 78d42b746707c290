"""Seeds of faults, crashes, writes and requests: what a refresh promises holds in all of them.

A reader looks at the live rows between any two things that happen.
"""

from collections import Counter

import pytest

from headrace.dataset import OnStartup, Refresh, RefreshMode, Replication, Retention
from headrace.observe import RefreshFinished, StatusChanged
from headrace.replicate.commands import Discard, Redrive
from support.refreshed import RefreshedWorld
from support.seeded import Hazards

BUFFER = 3 * 2**20


class Story(RefreshedWorld):
    """A world in which every table that ever was is remembered, and everything random happens."""

    def __init__(self, seed):
        self.versions_of = {}
        mode = RefreshMode.APPEND if seed % 3 == 2 else RefreshMode.FULL
        hazards = Hazards(fault=0.03 * (seed % 3), unknown_commit=0.05, crash=0.002 * (seed % 4))
        super().__init__(
            seed,
            items=30,
            mode=mode,
            segments=1 + seed % 3,
            refresh=Refresh(
                interval=(None, 5.0, 40.0)[seed % 3 if seed % 2 else 1],
                jitter=1.0 if seed % 4 == 0 else 0.0,
                overlap=2.0,
                on_startup=OnStartup.ALWAYS if seed % 7 == 0 else OnStartup.AUTO,
                max_attempts=None if seed % 2 else 3,
            ),
            retention=Retention(3.0) if seed % 5 == 0 else None,
            hazards=hazards,
            settings=Replication(scan_segments=1 + seed % 3, buffer_bytes=BUFFER),
        )
        self.seen = {}
        self.counts = Counter()

    def put(self, key, **more):
        super().put(key, **more)
        self.versions_of.setdefault(key, set()).add(self.versions)

    def write(self):
        roll = self.random.random()
        key = f"k{self.random.randrange(60)}"
        if roll < 0.2 and self.mode is RefreshMode.FULL:
            self.delete(key)
        elif roll < 0.97:
            self.put(key)
        else:
            self.ask(whole=True if roll < 0.98 else None)
            self.counts["asked"] += 1

    def look(self):
        """No value that never was, no key that goes back, and no copy half made."""
        if not self.runner.ready:
            return
        rows = self.copy()
        for key, version in rows.items():
            assert version in self.versions_of[key], f"{key} never was {version}"
            assert version >= self.seen.get(key, 0), f"{key} went back to {version}"
        self.seen |= rows
        assert len(rows) >= self.least, f"{len(rows)} rows are half a copy"
        self.counts["looks"] += 1

    def know(self):
        """While nothing is being applied, the machine knows what is stored."""
        machine = self.runner.machine
        if machine._stored is None or machine._lane.plan is not None:
            return
        for known, stored in zip(
            (machine._copies.live, machine._copies.building),
            (self.sink.open().live, self.sink.open().building),
            strict=True,
        ):
            if known is not None:
                assert known.checkpoint == stored.checkpoint
                self.counts["known"] += 1

    @property
    def least(self):
        # Few are deleted, and never most.
        return 10

    def live(self, writes):
        while writes:
            if self.random.random() < 0.2:
                self.write()
                writes -= 1
            if self.random.random() < 0.01:
                self.runner.ask(self.random.choice((Redrive, Discard))(1000 + writes))
            self.runner.step()
            self.look()
            self.know()
            status = self.runner.status
            if status is not None:
                self.counts[str(status.status)] += 1

    def rest(self):
        """Nothing goes wrong any more, and nothing is written: one refresh makes the copy the table."""
        self.hazards.fault = self.hazards.crash = self.hazards.unknown_commit = 0.0
        ticket = self.ask(whole=True)
        self.run_until(lambda: self.reply(ticket) is not None, 60_000)
        assert self.reply(ticket).outcome is not None
        assert self.copy() == self.truth()
        self.look()


def seeds(few, many):
    """``few`` of ``make test`` first; the others take long."""
    return [*few, *(pytest.param(seed, marks=pytest.mark.long) for seed in many if seed not in few)]


@pytest.mark.parametrize("seed", seeds((0, 2, 3, 5), range(60)))
def test_after_whatever_happened_one_refresh_makes_the_copy_the_table(seed):
    story = Story(seed)
    for _ in range(2):
        story.live(120)
        story.rest()
    assert story.counts["looks"] > 100
    assert story.counts["known"] > 100
    assert story.facts(RefreshFinished)
    for fact in story.facts(StatusChanged):
        assert fact.fresh <= fact.ready


@pytest.mark.parametrize("seed", seeds((2, 14), range(2, 92, 3)))
def test_appends_alone_bring_all_that_is_written(seed):
    """Each write is newer than all before it, so that none may be missed, whatever is killed or given up."""
    story = Story(seed)
    assert story.mode is RefreshMode.APPEND
    story.settle()
    for _ in range(60):
        for _ in range(3):
            story.clock.now += 1.0
            story.put(f"k{story.random.randrange(60)}")
        if story.random.random() < 0.3:
            story.ask()
        for _ in range(story.random.randrange(40)):
            story.runner.step()
            story.look()
    story.hazards.fault = story.hazards.crash = story.hazards.unknown_commit = 0.0
    ticket = story.ask()
    story.run_until(lambda: story.reply(ticket) is not None, 60_000)
    assert story.copy() == story.truth()


def test_a_seed_run_twice_is_the_same():
    traces = set()
    for _ in range(2):
        story = Story(6)
        story.live(60)
        traces.add(story.runner.trace)
    assert len(traces) == 1


def test_memory_stays_within_its_bound():
    world = RefreshedWorld(items=300, settings=Replication(scan_segments=8, buffer_bytes=BUFFER))
    most = 0
    world.run_until(lambda: world.runner.machine._course.copying is not None)
    while not world.at_rest:
        world.runner.step()
        under_way = sum(type(request).__name__ == "ReadSegment" for request in world.runner.outstanding)
        most = max(most, under_way)
    assert 1 <= most <= BUFFER // 2**20
