"""The table of faults on docs/simulator.md is the one that the catalogue makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.simulator.weather import WEATHER
from headrace.simulator.weather.reference import weather_table, with_weather_table

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")


def test_the_page_holds_the_table_that_the_catalogue_makes():
    assert with_weather_table(PAGE) == PAGE


def test_the_table_has_every_fault():
    rows = weather_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(WEATHER)


def test_a_page_without_a_place_for_it_is_refused():
    with pytest.raises(ValueError, match="the page has no <!-- weather: begin -->"):
        with_weather_table("nothing")
