"""The real process told to stop at random instants, and two processes over one file."""

import signal
import socket
import time

import pytest

from support.crash_world import ONE_AND_LONG, CrashWorld, seed_of_this_run
from support.deadline import eventually
from support.process import HeadraceProcess

SECONDS_TO_STOP = 10
"""What docs/crash-safety.md states."""


def as_it_starts(world):
    """From the first instant at which the signal is heeded, through the imports, to the first questions."""
    world.process.until_it_heeds_signals()
    world.pause(1.5)


def as_it_copies(world):
    world.serve()
    # On a slow machine the copy may be complete by now.
    world.until_told("bootstrap_started", "bootstrap_resumed", "stream_resumed")
    world.pause(0.5)


def as_it_catches_up(world):
    world.serve()
    world.until_told("stream_resumed", "bootstrap_finished")
    world.pause(0.3)


def at_work(world):
    world.serve()
    world.until_ready()
    world.pause(1.0)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ONE_AND_LONG)
def test_a_process_that_is_told_to_stop_does_so_cleanly_at_any_instant(tmp_path, engine, record_property):
    world = CrashWorld(tmp_path, seed_of_this_run(), engine=engine)
    later = [as_it_starts] * 6 + [as_it_catches_up] * 4 + [at_work] * 4
    world.random.shuffle(later)
    with world.running():
        for moment in [as_it_starts, as_it_copies, as_it_copies, as_it_starts, *later]:
            if moment in later:
                world.gate.pace = 0.0
            world.start()
            moment(world)
            world.stop(world.random.choice((signal.SIGTERM, signal.SIGINT)))
        world.start()
        world.serve()
        world.until_ready()
        world.until_equal()
        world.finish()
    assert max(world.stopped_after) < SECONDS_TO_STOP
    record_property("told", world.report())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_the_first_instant_that_it_is_heeded_ends_the_process_cleanly(pod, headrace, number):
    """Also while nothing is imported yet: an exit code of 0 and no traceback."""
    process = headrace(pod("http://127.0.0.1:9"))
    process.until_it_heeds_signals()
    assert process.stop(number) == 0
    assert "Traceback" not in "\n".join(process.log)


@pytest.mark.parametrize("engine", ONE_AND_LONG)
def test_a_second_process_on_the_files_of_the_first_does_no_harm_and_takes_over_once_that_is_killed(
    tmp_path, engine, record_property
):
    """Nothing is left behind that would keep the second out, and nobody needs to clean up."""
    world = CrashWorld(tmp_path, seed_of_this_run(), engine=engine)
    world.gate.pace = 0.0
    with world.running():
        world.start()
        world.serve()
        world.until_ready()
        first, second = world.process, HeadraceProcess(tmp_path)
        try:
            reason = eventually(
                lambda: refusal(second), within=30, what="the second process says why it waits"
            )
            assert str(first.process.pid) in reason
            assert "stop that process" in reason
            assert second.get("/v1/ready").status == 503
            assert second.ask("SELECT * FROM orders")[0] == 503
            looks = world.witness.looks
            eventually(lambda: world.witness.looks > looks + 3, within=10, what="answers of the first")
            world.kill("beside another process")
        finally:
            world.lives.append(second)
        world.serve()
        world.until_ready()
        world.until_equal()
        world.finish()
    record_property("told", world.report())


def refusal(process):
    reason = process.dataset("orders")["reason"] or ""
    return reason if "is held by" in reason else None


def test_a_service_that_never_answers_does_not_keep_the_process_from_stopping(pod, headrace):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = headrace(pod(f"http://127.0.0.1:{silent.getsockname()[1]}"))
        asked, _ = silent.accept()
        began = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - began < SECONDS_TO_STOP
        asked.close()
