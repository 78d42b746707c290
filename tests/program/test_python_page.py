"""docs/python.md and docs/flight.md: every example on them runs, and they name what there is."""

import inspect
import re
from pathlib import Path

import pytest

import headrace
from headrace.program import Headrace
from headrace.serve.flight import handles, parameters, runs

DOCS = Path(__file__).parents[2] / "docs"
PYTHON, FLIGHT = ((DOCS / name).read_text(encoding="utf-8") for name in ("python.md", "flight.md"))
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PYTHON + FLIGHT, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs_as_it_stands(running, folder, monkeypatch, number):
    monkeypatch.chdir(folder)
    example = EXAMPLES[number].replace("grpc://127.0.0.1:50051", running.flight_url)
    exec(compile(example, f"example {number}", "exec"), {})


def test_every_argument_and_method_stands_on_the_page():
    connect, opened = PYTHON.split("\n## open\n")
    assert set(re.findall(r"^\| `(\w+)` \|", connect, re.MULTILINE)) == set(
        inspect.signature(headrace.connect).parameters
    )
    methods = {name for name, value in vars(Headrace).items() if name[0] != "_" and inspect.isfunction(value)}
    assert set(re.findall(r"^\| `(\w+)\(", opened, re.MULTILINE)) == methods


def test_the_limits_on_the_page_are_those_that_hold():
    assert f"| {handles.MOST:,} at once, {handles.MOST_BYTES // 2**20} MiB together" in FLIGHT
    assert handles.IDLE_SECONDS == 3600
    assert f"| {parameters.MOST_BYTES // 2**20} MiB a run |" in FLIGHT
    assert f"| {runs.MOST} calls;" in FLIGHT
