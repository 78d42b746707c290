"""The plugin as a user meets it: a test file, run by pytest, warnings being errors."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from headrace.testing import plugin

pytest_plugins = ["pytester"]


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs a file of tests with the plugin, and expects so many outcomes."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(text, **outcomes):
        pytester.makepyfile(text)
        options = ("-p", "no:cacheprovider", "-W", "error", "--strict-markers")
        result = pytester.runpytest_inprocess(*options, plugins=[plugin])
        result.assert_outcomes(**outcomes)
        return result

    return run


def test_each_test_has_a_dynamodb_of_its_own(run):
    run(
        """
        def test_one(headrace_dynamodb):
            headrace_dynamodb.create_table("orders", "id")

        def test_other(headrace_dynamodb):
            assert headrace_dynamodb.call("ListTables") == {"TableNames": []}
            headrace_dynamodb.create_table("orders", "id")
        """,
        passed=2,
    )


def test_a_handler_is_tested_with_events(run):
    run(
        """
        def handler(event, context):
            assert context.get_remaining_time_in_millis() > 0
            for record in event["Records"]:
                totals[record["dynamodb"]["Keys"]["id"]["S"]] = record["dynamodb"]["SequenceNumber"]

        totals = {}

        def test_handler(headrace_dynamodb, headrace_client, headrace_lambda_context):
            headrace_dynamodb.create_table("orders", "id")
            for number in range(5):
                headrace_client.put_item(TableName="orders", Item={"id": {"S": str(number)}})
            for event in headrace_dynamodb.events("orders", batch_size=2):
                handler(event, headrace_lambda_context)
            assert sorted(totals) == list("01234")
        """,
        passed=1,
    )


def test_the_marker_says_how_it_is_made_the_nearest_one_last(run):
    run(
        """
        import pytest

        pytestmark = pytest.mark.headrace(initial_shards=3, seed=1, weather={"throttle": 0.5})

        @pytest.mark.headrace(initial_shards=4, now=1000.0)
        def test_marked(headrace_dynamodb):
            headrace_dynamodb.create_table("orders", "id")
            assert len(headrace_dynamodb.streams.open_shards("orders")) == 4
            assert headrace_dynamodb.clock.now == 1000.0
            assert headrace_dynamodb.weather.counts == {"throttle": 0}
        """,
        passed=1,
    )


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("headrace(weather={'rain': 0.1})", "*'rain' is no weather; there is throttle, *"),
        ("headrace(wether={})", "*unexpected keyword argument 'wether'*"),
        ("headrace(3)", "*the marker headrace takes keywords only: headrace(now, seed, *"),
    ],
)
def test_a_wrong_marker_is_refused_by_name(run, marker, words):
    result = run(
        f"""
        import pytest

        @pytest.mark.{marker}
        def test_marked(headrace_dynamodb):
            pass
        """,
        errors=1,
    )
    result.stdout.fnmatch_lines([words])


def test_an_sdk_that_reads_the_environment_is_led_there_and_back(run):
    run(
        """
        import os

        import boto3

        def handler(event, context):
            client = boto3.client("dynamodb")
            tables = client.list_tables()["TableNames"]
            client.close()
            return tables

        def test_handler(headrace_dynamodb, headrace_endpoint):
            headrace_dynamodb.create_table("orders", "id")
            assert handler({}, None) == ["orders"]
            streams = boto3.client("dynamodbstreams")
            assert len(streams.list_streams()["Streams"]) == 1
            streams.close()

        def test_after():
            assert "AWS_ENDPOINT_URL_DYNAMODB" not in os.environ
            assert "AWS_ACCESS_KEY_ID" not in os.environ
        """,
        passed=2,
    )


def test_the_fixtures_and_the_marker_are_listed(pytester):
    fixtures = pytester.runpytest_inprocess("--fixtures", "-v", plugins=[plugin])
    fixtures.stdout.fnmatch_lines(
        [
            "headrace_dynamodb*",
            "headrace_client*",
            "headrace_endpoint*",
            "headrace_lambda_context*",
        ]
    )
    markers = pytester.runpytest_inprocess("--markers", plugins=[plugin])
    markers.stdout.fnmatch_lines(["@pytest.mark.headrace(now, seed, initial_shards, weather, operations): *"])


def test_pytest_finds_the_plugin_where_headrace_is_installed():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    ((name, module),) = project["project"]["entry-points"]["pytest11"].items()
    assert import_module(module) is plugin
    assert name == module, "so that `-p` loads it once, whether or not it is installed"


def test_loading_the_plugin_loads_nothing_else():
    """Every run of pytest pays for what a plugin imports."""
    script = (
        "import sys, pytest; before = set(sys.modules); import headrace.testing.plugin; "
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == str(["headrace", "headrace.testing", "headrace.testing.plugin"])
