"""docs/testing.md: every example on it runs, and it names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headrace.testing import plugin
from headrace.testing.dynamodb import SimulatedDynamoDB

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES, ids=re.findall(r"def (test_\w+)", PAGE))
def test_an_example_passes_as_it_stands(pytester, example):
    pytester.makepyfile(example)
    options = ("-p", "no:cacheprovider", "-W", "error", "--strict-markers")
    pytester.runpytest_inprocess(*options, plugins=[plugin]).assert_outcomes(passed=1)


def test_every_fixture_stands_on_the_page():
    fixtures = {name for name in vars(plugin) if name.startswith("headrace_")}
    assert fixtures == set(re.findall(r"^\| `(headrace_\w+)` \|", PAGE, re.MULTILINE)) - {
        "headrace_dynamodb` |"
    }


def test_every_command_stands_on_the_page():
    commands = {name for name, value in vars(SimulatedDynamoDB).items() if name[0] != "_" and callable(value)}
    section = PAGE.partition("## Commands")[2].partition("\n## ")[0]
    assert commands == {name for name in commands if f"`{name}(" in section}
