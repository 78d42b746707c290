"""When a snapshot is taken, which one is restored, and what follows where none will do."""

import shutil
from dataclasses import replace

import pytest

from headrace.accelerators.memory import MemoryAccelerator
from headrace.dataset import GapBehavior, RestoreFailure, SnapshotMode, SnapshotPlace, Snapshots
from headrace.errors import SnapshotGone, SnapshotUnavailable
from headrace.observe import (
    BootstrapStarted,
    GapFound,
    Reinitialized,
    SnapshotFailed,
    SnapshotPassedOver,
    SnapshotRestored,
    SnapshotSaved,
    SnapshotsUnanswered,
    Stalled,
    StreamResumed,
)
from headrace.replicate.commands import TakeSnapshot
from headrace.replicate.snapshotting import RENEW
from headrace.snapshot import Manifest
from support.seeded import Hazards
from support.world import TABLE, World

OFTEN = Snapshots(SnapshotPlace(), batches=3, interval=None)
SELDOM = Snapshots(SnapshotPlace(), interval=1000.0)


def facts(world, *kinds):
    return [fact for fact in world.runner.facts if isinstance(fact, kinds)]


def world_of(seed, folder, snapshots=OFTEN, **more):
    return World(seed, items=20, shelf_in=folder, snapshots=snapshots, **more)


def run_for(world, seconds):
    """Let time pass: at first in one leap, as if nothing had happened, then step by step."""
    end = world.clock.now + seconds
    world.clock.now = max(world.clock.now, end - 40.0)
    world.runner.run_until(lambda: world.clock.now >= end, 200_000)


def lose_everything(world):
    """Another machine: no copy, and nothing in memory."""
    world.sink = world.runner.sink = world.runner.shelf._exporter = MemoryAccelerator()
    world.runner.facts.clear()
    world.runner.boot()


def saved(world, count=1):
    world.runner.run_until(lambda: len(facts(world, SnapshotSaved)) >= count, 50_000)
    return facts(world, SnapshotSaved)


@pytest.mark.parametrize("seed", range(5))
def test_a_machine_without_a_copy_goes_on_from_the_newest_snapshot(seed, tmp_path):
    world = world_of(seed, tmp_path)
    world.settle()
    for _ in range(10):
        world.live(writes=5)
        world.settle()
    saved(world, 2)
    world.live(writes=10)
    newest = world.runner.shelf.listed().manifests[0]
    lose_everything(world)
    world.settle()
    assert facts(world, BootstrapStarted, SnapshotPassedOver) == []
    (restored,) = facts(world, SnapshotRestored)
    assert restored.snapshot == newest.id
    assert len(facts(world, StreamResumed)) == 1
    assert world.sink.open().live.checkpoint.snapshot == "", "it has caught up, and is as good as any other"


@pytest.mark.parametrize("seed", range(5))
def test_a_reader_never_sees_what_a_restored_copy_has_yet_to_catch_up_with(seed, tmp_path):
    world = world_of(seed, tmp_path, hazards=Hazards(fault=0.05, crash=0.002, unknown_commit=0.02))
    world.settle()
    saved(world)
    world.live(writes=60)
    world.runner.sink = world.sink
    world.sink._copies.clear()
    world.runner.boot()
    world.live(writes=20)
    world.settle()


@pytest.mark.parametrize("mode", [SnapshotMode.CREATE_ONLY, SnapshotMode.BOOTSTRAP_ONLY])
def test_a_mode_does_one_of_the_two(mode, tmp_path):
    world = world_of(1, tmp_path)
    world.settle()
    saved(world)
    world.runner.snapshots = replace(OFTEN, mode=mode)
    lose_everything(world)
    world.settle()
    world.live(writes=50)
    run_for(world, 30.0)
    assert bool(facts(world, SnapshotRestored)) is mode.restores
    assert bool(facts(world, BootstrapStarted)) is not mode.restores
    assert bool(facts(world, SnapshotSaved)) is mode.writes


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


SPOILED = {
    "a byte has changed": lambda folder: damage(folder / "rows.parquet"),
    "a file is missing": lambda folder: (folder / "rows.parquet").unlink(),
    "the manifest is cut off": lambda folder: (folder / "manifest.json").write_text("{"),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_spoiled_snapshot_is_passed_over_for_the_next_older_one(spoil, tmp_path):
    world = world_of(2, tmp_path)
    world.settle()
    world.live(writes=30)
    world.settle()
    older, newest = saved(world, 2)[-2:]
    spoil(tmp_path / "kept" / "orders" / newest.snapshot)
    lose_everything(world)
    world.settle()
    (passed_over,) = facts(world, SnapshotPassedOver)
    assert passed_over.snapshot == newest.snapshot
    (restored,) = facts(world, SnapshotRestored)
    assert restored.snapshot == older.snapshot
    assert facts(world, BootstrapStarted) == []


def test_where_all_are_spoiled_the_table_is_copied(tmp_path):
    world = world_of(2, tmp_path)
    world.settle()
    taken = saved(world)
    for one in taken:
        damage(tmp_path / "kept" / "orders" / one.snapshot / "rows.parquet")
    lose_everything(world)
    world.settle()
    assert [one.snapshot for one in facts(world, SnapshotPassedOver)] == [
        one.snapshot for one in taken[::-1]
    ][:3]
    assert len(facts(world, BootstrapStarted)) == 1


def rewritten(folder, change):
    """The snapshot with another manifest, as whoever wrote it would have it."""
    path = folder / "manifest.json"
    path.write_bytes(change(Manifest.decode(path.read_bytes())).encode())


def with_checkpoint(**changes):
    return lambda manifest: replace(manifest, checkpoint=replace(manifest.checkpoint, **changes))


FOREIGN = {
    "another table": (with_checkpoint(table_id="other"), "it is of another table than orders is now"),
    "another stream": (with_checkpoint(stream_arn="other"), "it follows another stream than orders has now"),
    "other columns": (with_checkpoint(reading="other"), "it was made by other settings of its columns"),
    "never complete": (with_checkpoint(was_ready=False), "its copy was never complete"),
    "another dataset": (lambda manifest: replace(manifest, dataset="users"), "it is one of dataset users"),
}


@pytest.mark.parametrize(("change", "reason"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_not_the_datasets_is_never_restored(change, reason, tmp_path):
    world = world_of(3, tmp_path)
    world.settle()
    for one in saved(world):
        rewritten(tmp_path / "kept" / "orders" / one.snapshot, change)
    lose_everything(world)
    world.settle()
    assert {fact.reason.partition(":")[0] for fact in facts(world, SnapshotPassedOver)} == {reason}
    assert facts(world, SnapshotRestored) == []
    assert len(facts(world, BootstrapStarted)) == 1


def test_a_snapshot_past_the_streams_memory_is_passed_over(tmp_path):
    world = world_of(4, tmp_path)
    world.settle()
    saved(world)
    world.clock.now += 25 * 3600.0
    world.seen.clear()
    lose_everything(world)
    world.settle()
    assert "and the stream keeps 24 h" in facts(world, SnapshotPassedOver)[0].reason
    assert facts(world, SnapshotRestored) == []
    assert len(facts(world, BootstrapStarted)) == 1


@pytest.mark.parametrize("behavior", GapBehavior)
def test_a_restored_copy_whose_shards_are_trimmed_is_of_no_use_whatever_the_behavior(behavior, tmp_path):
    """Its manifest looks young enough, and yet the service has forgotten: nobody was promised what it lacks."""
    world = world_of(5, tmp_path, gap_behavior=behavior)
    world.settle()
    saved(world)
    for _ in range(14):
        world.live(writes=3, write_rate=1.0)
        world.simulator.streams.rotate_shards(TABLE)
        world.clock.now += 2 * 3600
    world.seen.clear()
    folder = tmp_path / "kept" / "orders"
    for one in folder.iterdir():
        rewritten(one, lambda manifest: replace(manifest, current_to=world.clock.now - 3600.0))
    world.runner.snapshots = replace(OFTEN, mode=SnapshotMode.BOOTSTRAP_ONLY)
    lose_everything(world)
    while not facts(world, Reinitialized) or world.sink.open().live.checkpoint.snapshot:
        world.runner.step()
        assert world.runner.status is None or not world.runner.status.ready, "it is older than what was seen"
    world.settle()
    assert facts(world, SnapshotRestored)
    assert facts(world, GapFound) == []
    assert "is of no use" in facts(world, Reinitialized)[0].reason
    assert world.sink.open().live.checkpoint.snapshot == ""


def test_a_machine_that_the_stream_has_left_behind_poisons_no_snapshot_and_no_later_machine(tmp_path):
    """It stops and says so, and stores nothing; the next ones start by a Scan, and from what that one stored.

    Nobody has to clean up (spiceai/spiceai, issue 10754).
    """
    world = world_of(5, tmp_path, replace(OFTEN, batches=1))
    world.settle()
    saved(world)
    for _ in range(14):
        world.put("k1")
        world.simulator.streams.rotate_shards(TABLE)
        world.clock.now += 2 * 3600
    world.seen.clear()
    world.runner.facts.clear()
    world.runner.boot()
    world.runner.run_until(lambda: facts(world, GapFound), 20_000)
    world.runner.ask(TakeSnapshot(1))
    run_for(world, 60.0)
    assert "is not healthy" in world.runner.replies[-1].refusal
    assert facts(world, SnapshotSaved) == []
    lose_everything(world)
    world.settle()
    assert facts(world, SnapshotRestored) == []
    assert "and the stream keeps 24 h" in facts(world, SnapshotPassedOver)[0].reason
    assert len(facts(world, BootstrapStarted)) == 1
    good = saved(world)[-1]
    lose_everything(world)
    world.settle()
    assert [one.snapshot for one in facts(world, SnapshotRestored)] == [good.snapshot]
    assert facts(world, BootstrapStarted) == []


class Deaf:
    """A place that does not answer, so many times; then it does."""

    def __init__(self, shelf, times, verb):
        self._shelf, self._times, self._verb = shelf, times, verb

    def __getattr__(self, name):
        if name == self._verb and self._times:
            self._times -= 1
            return self._silence
        return getattr(self._shelf, name)

    def _silence(self, *_):
        raise SnapshotUnavailable("the place does not answer")


@pytest.mark.parametrize("verb", ["listed", "restore"])
@pytest.mark.parametrize(
    ("on_failure", "times", "restored"),
    [
        (RestoreFailure.WARN, 2, True),
        (RestoreFailure.WARN, 100, False),
        (RestoreFailure.FALLBACK, 100, False),
        (RestoreFailure.RETRY, 12, True),
    ],
)
def test_a_place_that_does_not_answer_is_asked_again_as_often_as_is_configured(
    verb, on_failure, times, restored, tmp_path
):
    world = world_of(6, tmp_path, SELDOM)
    world.settle()
    saved(world)
    world.runner.snapshots = replace(SELDOM, on_failure=on_failure)
    world.runner.shelf = Deaf(world.runner.shelf, times, verb)
    world.sink._copies.clear()
    world.runner.facts.clear()
    world.runner.boot()
    world.settle()
    assert bool(facts(world, SnapshotRestored)) is restored
    assert bool(facts(world, BootstrapStarted)) is not restored
    told = facts(world, SnapshotsUnanswered) or facts(world, SnapshotPassedOver)
    assert bool(told) is not restored


def test_the_next_older_one_is_tried_where_the_newest_does_not_come(tmp_path):
    world = world_of(2, tmp_path)
    world.settle()
    world.live(writes=30)
    world.settle()
    older, newest = saved(world, 2)[-2:]
    world.runner.snapshots = replace(OFTEN, on_failure=RestoreFailure.FALLBACK)
    world.runner.shelf = Deaf(world.runner.shelf, 3, "restore")
    world.sink._copies.clear()
    world.runner.facts.clear()
    world.runner.boot()
    world.settle()
    assert [one.snapshot for one in facts(world, SnapshotPassedOver)] == [newest.snapshot]
    assert [one.snapshot for one in facts(world, SnapshotRestored)] == [older.snapshot]


def test_one_is_taken_after_a_bootstrap_and_then_by_time_if_something_has_changed(tmp_path):
    world = world_of(7, tmp_path, SELDOM)
    world.settle()
    assert len(saved(world)) == 1
    run_for(world, 1500.0)
    assert len(facts(world, SnapshotSaved)) == 1, "nothing has changed"
    world.live(writes=3)
    run_for(world, 100.0)
    assert len(facts(world, SnapshotSaved)) == 2
    world.live(writes=3)
    run_for(world, 500.0)
    assert len(facts(world, SnapshotSaved)) == 2, "it is not time yet"


def test_with_always_one_is_taken_though_nothing_has_changed(tmp_path):
    world = world_of(7, tmp_path, replace(SELDOM, always=True))
    world.settle()
    for count in (1, 2, 3):
        assert len(saved(world, count)) == count
        run_for(world, 1010.0)


def test_an_idle_copy_is_stored_again_before_its_snapshot_is_of_no_use(tmp_path):
    world = world_of(8, tmp_path, SELDOM)
    world.settle()
    first = saved(world)[0]
    run_for(world, RENEW + 60.0)
    second = saved(world, 2)[-1]
    assert second.snapshot > first.snapshot


def test_a_resumed_copy_is_not_stored_at_once(tmp_path):
    world = world_of(9, tmp_path, SELDOM)
    world.settle()
    saved(world)
    world.runner.facts.clear()
    world.runner.boot()
    world.settle()
    run_for(world, 900.0)
    assert facts(world, SnapshotSaved) == []


def test_a_failure_is_told_tried_again_and_keeps_nobody_waiting(tmp_path):
    world = world_of(10, tmp_path, SELDOM)
    world.runner.shelf = Deaf(world.runner.shelf, 3, "save")
    world.settle()
    world.live(writes=20)
    world.settle()
    saved(world)
    assert len(facts(world, SnapshotFailed)) == 3
    assert world.runner.status.live


def test_batches_are_counted_from_the_last_one(tmp_path):
    world = world_of(11, tmp_path, Snapshots(SnapshotPlace(), batches=4, interval=None))
    world.settle()
    count = len(saved(world))
    for number in range(12):
        world.put(f"k{number}")
        world.settle()
    run_for(world, 30.0)
    assert 2 <= len(facts(world, SnapshotSaved)) - count <= 3


def test_an_operator_gets_one_now_or_the_reason_why_not(tmp_path):
    world = world_of(12, tmp_path, SELDOM)
    world.runner.ask(TakeSnapshot(1))
    assert world.runner.replies[-1].outcome is None
    assert "is not healthy" in world.runner.replies[-1].refusal
    world.settle()
    saved(world)
    world.runner.ask(TakeSnapshot(2))
    world.runner.run_until(lambda: world.runner.replies[-1].ticket == 2, 20_000)
    taken = world.runner.replies[-1].outcome
    assert isinstance(taken, Manifest)
    assert taken.rows == len(world.truth())
    assert taken.current_to <= world.clock.now


def test_without_settings_an_operator_is_told_how_to_have_some(tmp_path):
    world = world_of(13, tmp_path, None)
    world.settle()
    world.runner.ask(TakeSnapshot(1))
    assert "write snapshots: enabled under its acceleration" in world.runner.replies[-1].refusal


def test_where_none_are_written_an_operator_gets_none_either(tmp_path):
    world = world_of(13, tmp_path, replace(SELDOM, mode=SnapshotMode.BOOTSTRAP_ONLY))
    world.settle()
    world.runner.ask(TakeSnapshot(1))
    assert "writes no snapshots (snapshots: bootstrap_only)" in world.runner.replies[-1].refusal


def test_one_that_somebody_removes_meanwhile_is_looked_for_anew(tmp_path):
    world = world_of(2, tmp_path)
    world.settle()
    world.live(writes=30)
    world.settle()
    older, newest = saved(world, 2)[-2:]
    shelf = world.runner.shelf

    class Pruned:
        def __getattr__(self, name):
            if name == "restore":
                shutil.rmtree(tmp_path / "kept" / "orders" / newest.snapshot, ignore_errors=True)
            return getattr(shelf, name)

    world.runner.shelf = Pruned()
    world.sink._copies.clear()
    world.runner.facts.clear()
    world.runner.boot()
    world.settle()
    assert [one.snapshot for one in facts(world, SnapshotRestored)] == [older.snapshot]
    assert facts(world, SnapshotPassedOver, BootstrapStarted) == []


def test_who_is_to_wait_looks_again_however_often_what_is_restored_is_removed(tmp_path):
    """Whoever writes them keeps few, and this place is slow."""
    world = world_of(6, tmp_path, replace(SELDOM, on_failure=RestoreFailure.RETRY))
    world.settle()
    saved(world)
    shelf, tries = world.runner.shelf, []

    class Slow:
        def __getattr__(self, name):
            if name != "restore" or len(tries) == 6:
                return getattr(shelf, name)
            tries.append(name)
            return self._removed

        def _removed(self, manifest):
            raise SnapshotGone(f"{manifest.id} is not there")

    world.runner.shelf = Slow()
    world.sink._copies.clear()
    world.runner.facts.clear()
    listings = []
    listed = shelf.listed
    shelf.listed = lambda: listings.append(1) or listed()
    world.runner.boot()
    world.settle()
    assert facts(world, SnapshotRestored)
    assert len(listings) == 1 + len(tries)


def test_a_restore_that_takes_long_is_no_standstill(tmp_path):
    world = world_of(6, tmp_path, SELDOM)
    world.settle()
    saved(world)
    shelf = world.runner.shelf

    class Slow:
        def __getattr__(self, name):
            if name == "restore":
                world.clock.now += 10 * world.runner.settings.liveness
                world.runner.ask(TakeSnapshot(1))
            return getattr(shelf, name)

    world.runner.shelf = Slow()
    world.sink._copies.clear()
    world.runner.facts.clear()
    world.runner.boot()
    world.settle()
    assert facts(world, SnapshotRestored)
    assert facts(world, Stalled) == []
