"""``headrace view`` against the interface of a runtime."""

import json

import pytest
from click.testing import CliRunner

from headrace.cli import client, main
from headrace.status import MappingStatus, State
from headrace.verified import Difference, Part, RowDifference, Verified
from support.serving import SmallSystem, served


@pytest.fixture(scope="module")
def runtime():
    system = SmallSystem()
    with served(system) as caller:
        yield system, "http://{}:{}".format(*caller.address)


@pytest.fixture
def system(runtime):
    system, _ = runtime
    system.forget()
    system.mappings.known = [
        MappingStatus(name, "dynamodb:orders", "view", State.READY, live=True) for name in ("status", "stats")
    ]
    return system


@pytest.fixture
def run(runtime, system):
    return lambda *arguments: CliRunner().invoke(main, ["view", *arguments, "--http", runtime[1]])


def test_an_equal_view_is_told_in_a_line(run):
    told = run("verify", "STATS")
    assert told.exit_code == 0
    assert told.stdout == "3 items count in the view, 2 rows: equal\n"


def test_differences_are_told_with_both_rows(run, system):
    differences = (
        RowDifference(Part.STATE, Difference.DIFFERENT, '["books"]', '{"n":{"N":"2"}}', '{"n":{"N":"1"}}'),
        RowDifference(Part.OUTPUT, Difference.MISSING, '["tools"]', '{"n":{"N":"1"}}', None),
    )
    system.mappings.verified = Verified(3, 2, 5, differences, moving=1, broken=2)
    told = run("verify", "stats")
    assert told.exit_code == 1
    assert told.stdout.splitlines() == [
        'different state  ["books"]',
        '          expected {"n":{"N":"2"}}',
        '          found    {"n":{"N":"1"}}',
        'missing   output ["tools"]',
        '          expected {"n":{"N":"1"}}',
        "          found    nothing",
        "and 3 more",
        "3 items count in the view, 2 rows: 5 differences; 1 kept changing, and can only be told of later; 2 items have no value and are in no row",
    ]
    assert json.loads(run("verify", "stats", "--format", "json").stdout)["differing"] == 5


def test_what_cannot_be_told_is_neither_equal_nor_different(run):
    told = run("verify", "status")
    assert told.exit_code == 2
    assert "status is not compared" in told.stderr


def test_a_comparison_may_take_longer_than_other_answers(run, system, monkeypatch):
    monkeypatch.setattr(client, "_ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(client, "_SETTLING_SECONDS", 0.05)
    system.mappings.verifying = 0.5
    assert run("verify", "stats").exit_code == 0


def test_a_view_is_made_anew_by_a_fill(run, system):
    told = run("rebuild", "stats")
    assert told.exit_code == 0
    assert system.mappings.fills == ["stats"]
