"""A copy that is built anew never shows an empty or a mixed table to a query, in whatever moment the process dies.

A reader asks the engine itself between any two things that happen, with SQL, as a client would.
"""

import duckdb
import pytest

from headrace.accelerator import Notes
from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance, Limits
from headrace.dataset import GapBehavior
from headrace.observe import GapFound, Reinitialized
from headrace.replicate.commands import Apply
from support.world import TABLE, World


class DuckDBSink(DuckDBAccelerator):
    """The real engine. ``kill`` loses the process's share of it: in a file, what was committed stays."""

    def __init__(self, path):
        self.path = path
        self._start()

    def _start(self):
        instance = DuckDBInstance({TABLE: self.path}, Limits(2**29, 1))
        super().__init__(instance, TABLE)

    @property
    def instance(self):
        return self._instance

    def kill(self):
        self._instance.close()
        self._start()

    def live_rows(self):
        cursor = self._instance.cursor()
        try:
            rows = cursor.execute(f"SELECT id, version FROM {TABLE}").fetchall()
        except duckdb.CatalogException:
            return {}
        finally:
            cursor.close()
        assert len(rows) == len({key for key, _ in rows}), "a key is there twice"
        return {(key,): {"version": version} for key, version in rows}

    def tables(self):
        with self._instance.lane(TABLE) as connection:
            found = connection.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_catalog = current_database() ORDER BY 1"
            ).fetchall()
        return [name for (name,) in found]


@pytest.fixture(params=["file", "memory"])
def sink(request, tmp_path):
    made = DuckDBSink(tmp_path / "orders.duckdb" if request.param == "file" else None)
    yield made
    made.instance.close()


def settled(sink, seed, behavior=GapBehavior.READY_BEFORE_LOAD):
    world = World(seed, items=25, gap_behavior=behavior, sink=sink)
    world.settle()
    return world


def outlive(world):
    """More than a day of changes, deletions among them, is missed."""
    for round_ in range(14):
        for _ in range(4):
            world.write()
        world.delete(f"k{round_}")
        world.simulator.streams.rotate_shards(TABLE)
        world.clock.now += 2 * 3600
    world.seen.clear()
    world.vanished.clear()


class Reader:
    """Sees the whole old copy until it sees the new one, and from then on no key goes back."""

    def __init__(self, world, old):
        self.world = world
        self.old = old
        self.deleted = set(old) - set(world.truth())
        self.looks = 0
        self.swapped = False

    def look(self):
        self.looks += 1
        now = self.world.copy()
        if not self.swapped and now == self.old:
            return
        self.swapped = True
        assert not self.deleted & set(now), "what was deleted meanwhile is gone with the old copy"
        assert len(now) > 5, "never empty"
        self.world.look()


def facts(world, kind):
    return [fact for fact in world.runner.facts if isinstance(fact, kind)]


@pytest.mark.parametrize("seed", range(3))
def test_a_reader_sees_the_old_copy_until_it_sees_the_new_one(sink, seed):
    """With writes and deletions while the new copy is built."""
    world = settled(sink, seed)
    reader = Reader(world, world.copy())
    assert len(reader.old) > 5
    outlive(world)
    reader = Reader(world, reader.old)
    assert reader.deleted
    world.runner.boot()
    writes = 0
    while not reader.swapped:
        world.runner.step()
        if facts(world, Reinitialized) and writes < 30 and world.random.random() < 0.1:
            key = f"k{world.random.randrange(60)}"
            if key not in reader.deleted:
                world.put(key)
                writes += 1
        reader.look()
        if world.runner.status and facts(world, GapFound):
            assert world.runner.ready
    world.settle()
    reader.look()
    assert reader.looks > 50
    assert writes > 2
    own = ["headrace_checkpoint", "headrace_dead_letter", "headrace_rows"]
    assert sink.tables() == [*own, TABLE], "nothing is left behind"


@pytest.mark.parametrize(
    "when", ["created", "first page", "notes dropped", "before the swap", "after the swap"]
)
def test_a_crash_at_any_step_of_the_building_loses_neither_copy(tmp_path, when):
    """The file is opened anew by another instance; the answers that were on their way are lost."""
    sink = DuckDBSink(tmp_path / "orders.duckdb")
    world = settled(sink, 4)
    old = world.copy()
    outlive(world)
    reader = Reader(world, old)
    world.runner.boot()

    def is_it(request):
        if not isinstance(request, Apply):
            return False
        work = request.work
        return {
            "created": work.create is not None,
            "first page": bool(work.scan),
            "notes dropped": work.notes is Notes.DROP,
            "before the swap": work.swap,
            "after the swap": work.swap,
        }[when]

    def reached():
        return next((request for request in world.runner.outstanding if is_it(request)), None)

    while reached() is None:
        world.runner.step()
        reader.look()
    if when != "before the swap":
        sink.apply(reached().work)
    sink.kill()
    sink.open()
    reader.look()
    assert reader.swapped is (when == "after the swap")
    world.runner.boot()
    for _ in range(200):
        world.runner.step()
        reader.look()
        if not reader.swapped and world.runner.status.reason != "opening":
            assert world.runner.ready
    world.settle()
    reader.look()
    assert len(facts(world, Reinitialized)) == 1, "what was begun is gone on with, not begun again"
    sink.instance.close()


@pytest.mark.parametrize("seed", range(3))
def test_crashes_at_random_while_building_show_no_other_table(tmp_path, seed):
    sink = DuckDBSink(tmp_path / "orders.duckdb")
    world = settled(sink, seed)
    old = world.copy()
    outlive(world)
    reader = Reader(world, old)
    world.runner.boot()
    crashes = 0
    while not reader.swapped:
        if crashes < 8 and world.random.random() < 0.04:
            # A transaction under way commits or does not; everything else on its way is lost.
            for request in world.runner.outstanding:
                if isinstance(request, Apply) and world.random.random() < 0.5:
                    sink.apply(request.work)
            sink.kill()
            sink.open()
            world.runner.boot()
            crashes += 1
        world.runner.step()
        reader.look()
    world.settle()
    reader.look()
    assert crashes
    sink.instance.close()
