"""Answers that do not arrive as they were sent."""

from __future__ import annotations

from typing import Any

from headrace.simulator.faults import Cut, Damage, Fault, Slow
from headrace.simulator.weather.chance import Chance
from headrace.simulator.weather.refusals import Strike

_SLOW_SECONDS = (0.05, 2.0)


def cut_body(chance: Chance) -> Strike:
    """The connection ends before the body does."""

    def strike(_operation: str, _request: dict[str, Any]) -> Fault | None:
        return Cut(share=chance.random.random(), told=chance.happened) if chance.hits() else None

    return strike


def wrong_crc(chance: Chance) -> Strike:
    """The body is as it was, its x-amz-crc32 is not."""

    def strike(_operation: str, _request: dict[str, Any]) -> Fault | None:
        return Damage(header=True, told=chance.happened) if chance.hits() else None

    return strike


def damaged_body(chance: Chance) -> Strike:
    """The body says something else than its x-amz-crc32 is of."""

    def strike(_operation: str, _request: dict[str, Any]) -> Fault | None:
        return Damage(share=chance.random.random(), told=chance.happened) if chance.hits() else None

    return strike


def slow_body(chance: Chance) -> Strike:
    """The answer takes its time."""

    def strike(_operation: str, _request: dict[str, Any]) -> Fault | None:
        return Slow(chance.random.uniform(*_SLOW_SECONDS), told=chance.happened) if chance.hits() else None

    return strike
