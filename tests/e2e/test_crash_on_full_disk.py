"""The real process on a disk that is full: nothing moves, it says why, and it goes on once there is room."""

from contextlib import contextmanager

import pytest

from support.crash_world import ONE_AND_LONG, CrashWorld, seed_of_this_run
from support.deadline import eventually
from support.small_disk import LIMIT, TMPFS, WAYS, small_disk

CURE = "make room on the disk"


@contextmanager
def world_on_a_small_disk(folder, way, engine):
    world = CrashWorld(folder, seed_of_this_run(), engine=engine)
    world.gate.pace = 0.0
    with small_disk(world.data, way) as disk, world.running():
        yield world, disk


def until_it_complains(world, disk, *, leaving=0):
    """Fill the disk, and wait until status, /v1/ready and log say that there is no room, and what to do."""
    pid = world.process.process.pid
    disk.fill(pid, leaving)
    world.load.burst(leaving)

    def complains():
        world.check()
        if not leaving or world.load.calm:
            # What a failed commit took at first, and has given back.
            disk.fill(pid)
        answer = world.process.get("/v1/ready")
        return answer.status == 503 and CURE in answer.data.decode()

    eventually(complains, within=60, what="503 and the full disk's cure from /v1/ready")
    disk.fill(pid)
    assert any(CURE in event.get("error", "") for event in world.process.events("transient_fault"))
    if not leaving:
        status = world.process.dataset("orders")
        assert CURE in status["reason"]
        assert status["status"] == "Error"
        assert not status["live"]


def tell_the_story_of_a_full_disk(world, disk):
    """No restart: the process that met the full disk goes on by itself."""
    world.start()
    world.serve()
    world.until_ready()
    until_it_complains(world, disk)
    before = world.what_is_durable()
    looks = world.witness.looks
    eventually(
        lambda: world.witness.looks > looks + 5, within=10, what="answers of a table that stands still"
    )
    assert world.what_is_durable() == before, "no checkpoint moves"
    disk.free(world.process.process.pid)
    world.until_ready()
    world.until_equal()
    world.finish()


@pytest.mark.parametrize("engine", ONE_AND_LONG[:-1])
@pytest.mark.parametrize("way", [LIMIT, *(pytest.param(way, marks=pytest.mark.long) for way in WAYS[1:])])
def test_a_full_disk_stops_the_checkpoint_and_says_so_until_there_is_room(
    tmp_path, way, engine, record_property
):
    with world_on_a_small_disk(tmp_path, way, engine) as (world, disk):
        tell_the_story_of_a_full_disk(world, disk)
    record_property("told", world.report())


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ONE_AND_LONG[:-1])
@pytest.mark.parametrize("way", WAYS)
def test_kills_while_the_disk_is_full_lose_nothing(tmp_path, way, engine, record_property):
    """Full at once, or with so little left that a later commit or a checkpoint of the engine meets the end."""
    with world_on_a_small_disk(tmp_path, way, engine) as (world, disk):
        for leaving in (0, *(world.random.randrange(24 * 2**20) for _ in range(3))):
            world.start()
            world.serve()
            world.until_ready()
            until_it_complains(world, disk, leaving=leaving)
            world.pause(0.5)
            world.kill("full")
            left = world.stored
            world.start()
            world.serve()
            until_it_complains(world, disk)
            world.pause(0.5)
            world.kill("still full")
            if way == TMPFS:
                assert world.stored == left, "no checkpoint moves"
            disk.free(world.process.process.pid)
        world.start()
        world.serve()
        world.until_ready()
        world.until_equal()
        world.finish()
    record_property("told", world.report())
