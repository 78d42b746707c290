"""What AWS does at its worst, by name, in any mixture, as one seed decides."""

from __future__ import annotations

from headrace.simulator.weather.weather import READS, WEATHER, Weather

__all__ = ["READS", "WEATHER", "Weather"]
