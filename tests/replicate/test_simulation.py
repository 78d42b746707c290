"""The invariants of the design, under whatever a seed decides: writes, faults, schedules, crashes."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.dynamodb.decode import Decoder
from headrace.observe import StatusChanged
from support.simulation.scenario import KINDS, draw, kinds_of
from support.simulation.shrink import replay_line, shrink, story
from support.simulation.world import World, run

TESTS = Path(__file__).parents[1]


def seeds(simulation, first, count, engine="memory"):
    for seed in range(first, first + count):
        outcome = run(draw(seed, engine))
        simulation.add(outcome)
        if outcome.broken is not None:
            lines = [
                f"seed {seed}: {outcome.message}",
                replay_line(outcome.scenario),
                *story(shrink(outcome)),
            ]
            pytest.fail("\n".join(lines), pytrace=False)


def blocks(everyday, in_all):
    """Blocks of seeds: the first few for every day, the others beside the thousands of the long run."""
    return [*range(everyday), *(pytest.param(one, marks=pytest.mark.long) for one in range(everyday, in_all))]


@pytest.mark.parametrize("block", blocks(3, 6))
def test_no_seed_breaks_a_promise(simulation, block):
    seeds(simulation, 20 * block, 20)


@pytest.mark.parametrize("block", blocks(1, 2))
def test_no_seed_breaks_a_promise_on_duckdb(simulation, block):
    seeds(simulation, 3 * block, 3, "duckdb")


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_no_seed_breaks_a_promise_on_engines_with_a_key(simulation, engine):
    seeds(simulation, 0, 3, engine)


def test_no_seed_breaks_a_promise_on_cayenne(simulation):
    seeds(simulation, 0, 2, "cayenne")


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("block", range(100))
def test_ten_thousand_seeds_break_no_promise(simulation, block):
    seeds(simulation, 10_000 + 100 * block, 100)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("block", range(50))
def test_a_thousand_seeds_break_no_promise_on_duckdb(simulation, block):
    seeds(simulation, 10_000 + 20 * block, 20, "duckdb")


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
@pytest.mark.parametrize("block", range(50))
def test_a_thousand_seeds_break_no_promise_on_engines_with_a_key(simulation, block, engine):
    seeds(simulation, 10_000 + 20 * block, 20, engine)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("block", range(15))
def test_three_hundred_seeds_break_no_promise_on_cayenne(simulation, block):
    seeds(simulation, 10_000 + 20 * block, 20, "cayenne")


def test_every_kind_of_trouble_really_happens():
    """A fault that never fires proves nothing. Each kind's own seeds are looked for, not found by luck."""
    missing = set(kinds_of("memory"))
    for seed in range(1000, 3000):
        scenario = draw(seed)
        if not missing.isdisjoint(scenario.kinds):
            missing -= {kind for kind, count in run(scenario).counts.items() if count}
        if not missing:
            return
    pytest.fail(f"never happened in 2000 seeds: {sorted(missing)}")


@pytest.mark.parametrize("engine", ["duckdb-file", "sqlite-file"])
def test_a_log_is_really_cut_in_the_middle_of_a_commit(engine):
    counts = Counter()
    for seed in range(200):
        scenario = draw(seed, engine, items=8, writes=20, rounds=1)
        if scenario.mishaps.get("crash inside a commit", 0.0) > 0.03 and scenario.snapshots is None:
            counts.update(run(scenario).counts)
        if counts["crash inside a commit"]:
            return
    pytest.fail("no log was cut in 200 seeds")


@pytest.mark.long
def test_commits_and_upkeep_of_cayenne_really_end_in_their_middle():
    missing = {"crash inside a commit", "crash inside upkeep", "full disk in upkeep"}
    for seed in range(400):
        scenario = draw(seed, "cayenne", items=8, writes=20, rounds=1)
        if any(scenario.mishaps.get(kind, 0.0) > 0.04 for kind in missing):
            counts = run(scenario).counts
            missing = {kind for kind in missing if not counts[kind]}
        if not missing:
            return
    pytest.fail(f"never happened in 400 seeds: {sorted(missing)}")


def test_the_same_seed_gives_the_same_trace():
    for seed in (7, 8, 9):
        assert run(draw(seed)).trace == run(draw(seed)).trace
    assert run(draw(7)).trace != run(draw(8)).trace


@pytest.mark.parametrize(
    "engine",
    [
        "memory",
        *(pytest.param(one, marks=pytest.mark.long) for one in ("duckdb-file", "sqlite-file", "cayenne")),
    ],
)
def test_the_trace_does_not_depend_on_the_process(engine):
    """Not on the order of sets, which the hash seed decides, nor on the engine's files."""

    def traces(hash_seed):
        command = [sys.executable, "-m", "support.simulation", "--trace", "--jobs", "1"]
        command += ["--start", "40", "--seeds", "2", "--engine", engine]
        command += ["--items", "8", "--writes", "20", "--rounds", "1"]
        done = subprocess.run(
            command,
            cwd=TESTS,
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        return [line for line in done.stdout.splitlines() if line.startswith("seed ")]

    first, second = traces("1"), traces("2")
    assert len(first) == 2
    assert first == second


def test_a_kind_that_is_left_out_leaves_the_others_their_dice():
    whole, less = draw(11), draw(11, without=frozenset({draw(11).kinds[0]}))
    assert set(whole.kinds) - set(less.kinds) == {whole.kinds[0]}
    assert all(whole.weather[kind] == rate for kind, rate in less.weather.items())
    assert all(whole.mishaps[kind] == rate for kind, rate in less.mishaps.items())


def test_seeds_differ_in_what_goes_wrong_and_some_are_calm():
    drawn = [set(draw(seed).kinds) for seed in range(100)]
    assert any(not kinds for kinds in drawn)
    assert max(len(kinds) for kinds in drawn) > len(KINDS) / 3
    assert len({frozenset(kinds) for kinds in drawn}) > 60


def test_a_failing_seed_is_made_small_and_names_the_command_that_repeats_it(monkeypatch):
    """A record that is dropped is found, and all that has nothing to do with it is taken away."""
    read = Decoder.records_page

    def lose_the_last(self, body, **rest):
        page = read(self, body, **rest)
        if page.changes is None or page.next_iterator is not None:
            return page
        return replace(page, changes=None)

    monkeypatch.setattr(Decoder, "records_page", lose_the_last)
    failed = next(outcome for outcome in (run(draw(seed)) for seed in range(200)) if outcome.broken)
    assert failed.broken == "agreement"
    small = shrink(failed, patience=5.0)
    assert small.broken == failed.broken
    assert small.scenario.writes <= failed.scenario.writes
    assert len(small.scenario.kinds) <= len(failed.scenario.kinds)
    line = replay_line(small.scenario)
    assert line.startswith(f"make simulate START={failed.scenario.seed} SEEDS=1 ENGINE=memory")
    assert "smallest: agreement" in story(small)[0]


def test_status_names_a_reason_whenever_the_dataset_is_not_ready():
    told = []
    world = World(draw(5))
    note = world.checks.told
    world.checks.told = lambda fact: (told.append(fact), note(fact))
    world.begin()
    world.live(0)
    world.settle()
    statuses = [fact for fact in told if isinstance(fact, StatusChanged)]
    assert statuses
    assert all(status.ready or status.reason for status in statuses)
