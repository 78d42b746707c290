"""Dice, one set for each kind of thing: taking a kind away leaves the others' throws alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from random import Random


class Dice:
    """Whether one kind of mishap strikes. ``random`` is for how it does."""

    def __init__(self, name: str, seed: int, rate: float, counts: Counter[str]) -> None:
        self.random = Random(f"{seed}/{name}")
        self._name = name
        self._rate = rate
        self._counts = counts

    def hits(self, *, quiet: bool = False) -> bool:
        """One throw, counted where it strikes; while it is ``quiet`` the dice are thrown for nothing."""
        struck = self.random.random() < self._rate
        if struck and not quiet:
            self._counts[self._name] += 1
        return struck and not quiet


def draw_rates(
    seed: int, ranges: Mapping[str, tuple[float, float]], share: float, without: frozenset[str]
) -> dict[str, float]:
    """A subset of the kinds, about ``share`` of them, each at a rate within its range (evenly by magnitude).

    A swarm: seeds that mix few kinds find what a mixture of all of them hides.
    """
    rates = {}
    for name, (low, high) in ranges.items():
        random = Random(f"{seed}/rate of {name}")
        chosen, place = random.random() < share, random.random()
        if chosen and name not in without:
            rates[name] = math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
    return rates
