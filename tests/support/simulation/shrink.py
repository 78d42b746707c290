"""A failing scenario, made as small as it can be while the same check still fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from support.simulation.scenario import Scenario, draw
from support.simulation.world import Outcome, run

PATIENCE = 30.0
"""Seconds for which a smaller scenario is looked for."""


def shrink(outcome: Outcome, patience: float = PATIENCE) -> Outcome:
    """The outcome of the smallest scenario found: kinds of trouble go one by one, then rounds, writes and items."""
    until = time.monotonic() + patience
    smallest, again = outcome, True
    while again and time.monotonic() < until:
        again = False
        for smaller in _smaller(smallest.scenario):
            if time.monotonic() >= until:
                break
            tried = run(smaller)
            if tried.broken == outcome.broken:
                smallest, again = tried, True
                break
    return smallest


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    if scenario.rounds > 1:
        yield replace(scenario, rounds=1)
    for kind in scenario.kinds:
        yield scenario.without(kind)
    for writes in (scenario.writes // 2, scenario.writes * 3 // 4, scenario.writes - 1):
        if 0 < writes < scenario.writes:
            yield replace(scenario, writes=writes)
    for items in (scenario.items // 2, scenario.items * 3 // 4, scenario.items - 1):
        if 0 < items < scenario.items:
            yield replace(scenario, items=items)


def replay_line(scenario: Scenario) -> str:
    """The command that runs this very scenario again."""
    drawn = draw(scenario.seed, scenario.engine)
    line = f"make simulate START={scenario.seed} SEEDS=1 ENGINE={scenario.engine}"
    more = []
    left_out = [kind for kind in drawn.kinds if kind not in scenario.kinds]
    if left_out:
        more.append(f"--without '{','.join(left_out)}'")
    changed = [
        name for name in ("items", "writes", "rounds") if getattr(scenario, name) != getattr(drawn, name)
    ]
    more += [f"--{name} {getattr(scenario, name)}" for name in changed]
    return line + (f' ARGS="{" ".join(more)}"' if more else "")


def story(outcome: Outcome) -> list[str]:
    """A failing scenario, whole, for a person: what there is, what went wrong, and the last that happened."""
    scenario = outcome.scenario
    troubles = {**scenario.mishaps, **scenario.weather}
    return [
        f"smallest: {outcome.message}",
        replay_line(scenario),
        f"  engine {scenario.engine}, keys {scenario.keys}, items {scenario.items}, shards {scenario.shards}",
        f"  rounds {scenario.rounds}, writes {scenario.writes}, {scenario.gap} s between writes",
        f"  latency {scenario.latency} s, rotation {scenario.rotation}, pages of {scenario.page_limit}",
        f"  {scenario.settings}",
        *(f"  {name}: rate {rate:.4f}, happened {outcome.counts[name]}" for name, rate in troubles.items()),
        f"  the last of {outcome.lines} lines of its trace, {outcome.trace}:",
        *(f"    {line}" for line in outcome.last),
    ]
