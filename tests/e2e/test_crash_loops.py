"""SIGKILL at random instants of the real process, under a load and a reader that never pause."""

import signal
import time

import pytest

from support.crash_load import EVERYTHING
from support.crash_world import ENGINES, ONE_AND_LONG, CrashWorld, seed_of_this_run
from support.deadline import eventually
from support.witness import BEHIND


def before_it_listens(world):
    world.pause(1.2)


def as_it_opens(world):
    world.serve()
    world.pause(0.3)


def as_it_copies(world):
    world.serve()
    world.until_told("bootstrap_started", "bootstrap_resumed")
    world.pause(1.0)


def as_it_catches_up(world):
    world.serve()
    world.until_told("stream_resumed", "bootstrap_finished")
    world.pause(0.4)


def just_after_ready(world):
    world.serve()
    world.until_ready()
    world.pause(0.02)


def at_work(world):
    world.serve()
    world.until_ready()
    world.pause(1.5)


def back_after_an_absence(world):
    """Only after it has caught up may it say Ready: it was away for longer than Ready may be behind."""
    world.serve()
    world.until_ready()
    world.pause(0.3)


def in_a_checkpoint(world):
    """The database is written to from the first to the last moment of a checkpoint; then the log is cut."""
    world.serve()
    world.until_ready()
    world.until_checkpoint()
    world.pause(0.03)


def as_it_stops(world):
    """Closing the file is a checkpoint too."""
    world.serve()
    world.until_ready()
    world.witness.expect_the_end()
    world.process.process.send_signal(signal.SIGTERM)
    world.pause(0.3)


MOMENTS = {
    moment.__name__: moment
    for moment in (
        before_it_listens,
        as_it_opens,
        as_it_copies,
        as_it_catches_up,
        just_after_ready,
        at_work,
        back_after_an_absence,
        in_a_checkpoint,
        as_it_stops,
    )
}


def crash_loop(world, bootstrap, later):
    """Kill at ``bootstrap`` moments while the Scan is held back, then at ``later`` ones, then compare all."""
    with world.running():
        for moment in bootstrap:
            live(world, moment)
        assert not any(life.events("bootstrap_finished") for life in world.lives)
        world.gate.pace = 0.0
        for moment in later:
            live(world, moment)
        world.start()
        world.serve()
        world.until_ready()
        world.until_equal()
        world.finish()
    assert world.witness.looks > 0


def live(world, moment):
    if moment == back_after_an_absence.__name__:
        left_at = time.monotonic()
        eventually(
            lambda: world.load.wrote_at > left_at + 1.5 * BEHIND,
            within=60,
            what="writes that nobody reads, for longer than Ready may be behind",
        )
    world.start()
    MOMENTS[moment](world)
    world.kill(moment)


def shuffled(world, **times):
    """Each moment as often as it says, in an order that the seed decides."""
    moments = [moment for moment, count in times.items() for _ in range(count)]
    world.random.shuffle(moments)
    return moments


@pytest.mark.parametrize("engine", ONE_AND_LONG)
def test_a_process_that_is_killed_again_and_again_goes_on_each_time(tmp_path, engine, record_property):
    """A bootstrap, a catching up and a table that is Ready, each killed once."""
    world = CrashWorld(tmp_path, seed_of_this_run(), engine=engine)
    crash_loop(world, ["as_it_copies"], ["as_it_catches_up", "at_work"])
    record_property("told", world.report())


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ENGINES)
def test_forty_kills_lose_nothing_and_send_nothing_back(tmp_path, engine, record_property):
    world = CrashWorld(tmp_path, seed_of_this_run(), engine=engine)
    bootstrap = shuffled(world, as_it_copies=5, as_it_opens=2, before_it_listens=2)
    later = shuffled(
        world,
        before_it_listens=4,
        as_it_opens=5,
        as_it_catches_up=6,
        just_after_ready=5,
        at_work=5,
        back_after_an_absence=2,
        in_a_checkpoint=5,
        as_it_stops=4,
    )
    crash_loop(world, ["as_it_copies", *bootstrap], later)
    assert world.inside_checkpoint > 0 or engine == "postgres"
    assert world.load.counts.keys() == EVERYTHING
    record_property("told", world.report())


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ENGINES)
def test_two_datasets_of_one_pod_survive_fifteen_kills(tmp_path, engine, record_property):
    world = CrashWorld(tmp_path, seed_of_this_run(), engine=engine, names=("orders", "payments"))
    bootstrap = shuffled(world, as_it_copies=4, as_it_opens=1)
    later = shuffled(
        world, as_it_catches_up=2, just_after_ready=2, at_work=3, in_a_checkpoint=2, as_it_stops=1
    )
    crash_loop(world, bootstrap, later)
    assert world.load.counts.keys() == EVERYTHING
    record_property("told", world.report())
