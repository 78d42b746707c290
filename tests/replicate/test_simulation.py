"""The invariants of the design, under schedules, faults and crashes that a seed decides."""

import duckdb
import pytest

from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance
from headrace.observe import BootstrapFinished, BootstrapResumed, BootstrapStarted, StatusChanged
from support.seeded import Hazards
from support.world import TABLE, World

ROUGH = {"fault": 0.03, "unknown_commit": 0.05, "expired_iterator": 0.02}


def rough(*, crash=0.0):
    return Hazards(**ROUGH, crash=crash)


class DuckDBSink(DuckDBAccelerator):
    """The real engine, in memory: what it has committed survives a crash of everything else."""

    def __init__(self):
        self.instance = DuckDBInstance({TABLE: None})
        super().__init__(self.instance, TABLE)

    def live_rows(self):
        with self.instance.cursor() as cursor:
            try:
                rows = cursor.execute(f"SELECT id, version FROM {TABLE}").fetchall()
            except duckdb.CatalogException:
                return {}
        return {(key,): {"version": version} for key, version in rows}


def facts(world, kind):
    return [fact for fact in world.runner.facts if isinstance(fact, kind)]


def test_a_table_at_rest_is_copied_and_becomes_ready():
    world = World(1, items=50)
    world.settle()

    assert len(facts(world, BootstrapStarted)) == 1
    assert len(facts(world, BootstrapFinished)) == 1
    assert world.copy() == world.truth()


@pytest.mark.parametrize("seed", range(60))
def test_the_copy_equals_the_table_and_no_key_goes_backwards(seed):
    world = World(seed, items=40, hazards=rough(), empty_pages=0.1)
    world.live(writes=150)
    world.settle()


@pytest.mark.parametrize("seed", range(60))
def test_crashes_at_any_moment_lose_nothing_and_take_no_key_back(seed):
    world = World(seed, items=40, hazards=rough(crash=0.004), empty_pages=0.1)
    world.live(writes=150)
    world.settle()


@pytest.mark.parametrize("seed", range(8))
def test_duckdb_keeps_the_same_promises(seed):
    sink = DuckDBSink()
    world = World(seed, items=20, hazards=rough(crash=0.004), empty_pages=0.1, sink=sink)
    world.live(writes=60)
    world.settle()
    sink.instance.close()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1300))
def test_duckdb_keeps_the_same_promises_over_many_seeds(seed):
    sink = DuckDBSink()
    world = World(seed, items=30, hazards=rough(crash=0.004), empty_pages=0.1, sink=sink)
    world.live(writes=150)
    world.settle()
    sink.instance.close()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 4000))
def test_crashes_at_any_moment_lose_nothing_over_many_seeds(seed):
    world = World(seed, items=60, hazards=rough(crash=0.004), empty_pages=0.1)
    world.live(writes=300)
    world.settle()


def test_every_mishap_of_the_simulation_really_happens():
    """A fault that never fires proves nothing."""
    counts: dict[str, int] = {}
    for seed in range(20):
        world = World(seed, items=40, hazards=rough(crash=0.004), empty_pages=0.1)
        world.live(writes=100)
        for what, count in world.hazards.counts.items():
            counts[what] = counts.get(what, 0) + count
    assert set(counts) == {
        "crash",
        "unknown commit",
        "expired iterator",
        "accelerator error",
        "Throttled",
        "Unavailable",
        "empty page",
    }


def test_the_same_seed_gives_the_same_trace():
    def trace(seed):
        world = World(seed, items=30, hazards=rough(crash=0.004), empty_pages=0.1)
        world.live(writes=80)
        return world.runner.trace

    assert trace(7) == trace(7)
    assert trace(7) != trace(8)


def test_a_crash_during_the_scan_resumes_it_and_does_not_repeat_it():
    world = World(3, items=3000)
    world.runner.run_until(lambda: _rows(world) > 0, 20_000)
    world.runner.boot()
    world.settle()

    assert len(facts(world, BootstrapStarted)) == 1
    assert len(facts(world, BootstrapResumed)) <= 1


def test_lag_grows_while_nothing_can_be_read():
    """Ready, live and fresh are three facts: a dead stream is neither live nor fresh."""
    world = World(4, items=10)
    world.settle()
    world.hazards.fault = 1.0
    world.runner.run_until(lambda: not world.runner.status.fresh, 20_000)
    world.runner.run_until(lambda: not world.runner.status.live, 60_000)
    assert world.runner.status.ready
    assert world.runner.status.reason

    world.hazards.fault = 0.0
    world.runner.run_until(lambda: world.runner.status.live and world.runner.status.fresh, 60_000)


def _rows(world):
    stored = world.sink.open().live
    return stored.checkpoint.rows_scanned if stored else 0


def test_status_names_a_reason_whenever_the_dataset_is_not_ready():
    world = World(5, items=20)
    world.settle()
    for status in facts(world, StatusChanged):
        assert status.ready or status.reason
