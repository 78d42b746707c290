"""How often each thing happened over many seeds, as a table for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from support.simulation.checks import CHECKS
from support.simulation.scenario import FORECAST, MISHAPS, kinds_of
from support.simulation.world import Outcome

ENOUGH = 200
"""Seeds after which every kind of trouble must have happened."""


@dataclass
class Tally:
    """The sum of outcomes, by engine: seeds, and how often each fault, check and fact occurred."""

    seeds: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    facts: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome in."""
        self.seeds[outcome.scenario.engine] += 1
        self.faults.update(outcome.counts)
        self.checks.update(outcome.checks)
        self.facts.update(outcome.facts)

    def merge(self, other: Tally) -> None:
        """Count all of another tally in."""
        self.seeds.update(other.seeds)
        self.faults.update(other.faults)
        self.checks.update(other.checks)
        self.facts.update(other.facts)

    def encode(self) -> dict[str, dict[str, int]]:
        """As plain dictionaries, for another process."""
        return {name: dict(getattr(self, name)) for name in ("seeds", "faults", "checks", "facts")}

    @classmethod
    def decode(cls, plain: dict[str, dict[str, int]]) -> Tally:
        """From ``encode``'s dictionaries."""
        return cls(**{name: Counter(counts) for name, counts in plain.items()})

    def missing(self) -> list[str]:
        """Kinds of trouble that never happened, where there were seeds enough for all to happen."""
        if self.seeds.total() < ENOUGH:
            return []
        kinds = kinds_of("duckdb" if self.seeds["duckdb-file"] >= ENOUGH else "memory")
        return [kind for kind in kinds if not self.faults[kind]]

    def lines(self) -> list[str]:
        """The table."""
        seeds = ", ".join(f"{count} on {engine}" for engine, count in sorted(self.seeds.items()))
        out = [f"seeds: {self.seeds.total()} ({seeds})"]
        out += _columns("on our side", {name: self.faults[name] for name in MISHAPS})
        out += _columns("on the service's side", {name: self.faults[name] for name in FORECAST})
        out += _columns("checks made", {name: self.checks[name] for name in CHECKS if self.checks[name]})
        out += _columns("facts told", dict(sorted(self.facts.items())))
        missing = self.missing()
        if missing:
            out.append(f"never happened: {', '.join(missing)}")
        return out


def _columns(title: str, counts: dict[str, int]) -> Iterable[str]:
    yield f"{title}:"
    cells = [f"{name:<28}{count:>10,}" for name, count in counts.items()]
    height = -(-len(cells) // 2)
    for row in range(height):
        yield "  " + "    ".join(cells[row::height])
