import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from headrace.cli import main
from headrace.cli.local import spicepod
from headrace.config import STARTER, load_pod

POD = """\
datasets:
  - from: dynamodb:orders
    name: orders
    params: {aws_region: us-east-1, aws_access_key_id: AKIAEXAMPLE1, aws_secret_access_key: very-secret-key}
    acceleration: {refresh_mode: changes}
"""


def headrace(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_init_writes_a_spicepod_that_validate_accepts(folder):
    result = headrace("init")
    assert result.exit_code == 0
    assert result.stdout.startswith("Wrote spicepod.yaml.")
    assert (folder / "spicepod.yaml").read_text() == STARTER
    assert headrace("validate").exit_code == 0


def test_init_makes_the_folder_that_it_is_given_and_says_what_to_type_next(folder):
    result = headrace("init", "my pods/first")
    assert (folder / "my pods/first/spicepod.yaml").read_text() == STARTER
    assert "headrace validate 'my pods/first'" in result.stdout


@pytest.mark.parametrize("name", ["spicepod.yaml", "spicepod.yml"])
def test_init_never_overwrites(folder, name):
    (folder / name).write_text("mine")
    result = headrace("init")
    assert result.exit_code == 1
    assert result.stderr == f"Error: {name} exists and is left as it is: name another folder, or remove it\n"
    assert [file.name for file in folder.iterdir()] == [name]
    assert (folder / name).read_text() == "mine"


def test_init_says_why_it_cannot_write(folder):
    (folder / "file").write_text("")
    result = headrace("init", "file/pod")
    assert result.exit_code == 1
    assert "file/pod/spicepod.yaml cannot be written: Not a directory" in result.stderr


def test_validate_prints_what_a_spicepod_would_do_and_no_secret(folder):
    (folder / "pod.yaml").write_text(POD)
    result = headrace("validate", "pod.yaml")
    assert result.exit_code == 0
    assert "pod.yaml is valid: 1 dataset" in result.stdout
    assert "orders in us-east-1" in result.stdout
    assert "very-secret-key" not in result.output
    assert [file.name for file in folder.iterdir()] == ["pod.yaml"]


def test_validate_refuses_with_the_place_and_the_cure_and_no_traceback(folder):
    (folder / "spicepod.yaml").write_text(POD.replace("acceleration:", "acelleration:"))
    result = headrace("validate")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "spicepod.yaml:5:5:" in result.stderr
    assert "acceleration" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("verb", ["validate", "run"])
def test_sql_that_names_no_rows_of_its_dataset_is_refused_with_what_to_write(folder, verb):
    refreshed = """
datasets:
  - from: dynamodb:orders
    name: orders
    acceleration:
      refresh_mode: full
      refresh_sql: SELECT * FROM orders JOIN users USING (id)
      retention_check_enabled: true
      retention_check_interval: 1h
      retention_sql: DELETE FROM users WHERE true
"""
    (folder / "spicepod.yaml").write_text(refreshed)
    result = headrace(verb)
    assert result.exit_code == 1
    assert (
        "dataset orders: acceleration.refresh_sql: it reads more than orders: there are no joins; "
        "write SELECT * FROM orders WHERE condition, or columns in place of *\n"
        "dataset orders: acceleration.retention_sql: it reads users, not orders; "
        "write DELETE FROM orders WHERE condition\n"
    ) in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("verb", ["validate", "run"])
def test_where_there_is_no_spicepod_the_message_says_how_to_get_one(folder, verb):
    result = headrace(verb)
    assert result.exit_code == 1
    assert "`headrace init` writes a first Spicepod" in result.stderr


def test_validate_prints_the_schema_for_editors(folder):
    schema = json.loads(headrace("validate", "--schema").stdout)
    assert "datasets" in schema["properties"]


def test_the_spicepod_that_local_prints_is_accepted_as_it_is(folder):
    (folder / "spicepod.yaml").write_text(spicepod("http://127.0.0.1:8000", "eu-west-1"))
    pod = load_pod(None, os.environ, Path.cwd())
    (orders,) = pod.datasets
    assert (orders.access.endpoint_url, orders.access.region) == ("http://127.0.0.1:8000", "eu-west-1")
    assert orders.unbuilt == ()
    assert pod.warnings == ()


def test_run_refuses_an_address_that_is_none(folder):
    result = headrace("run", "--http", "8090")
    assert result.exit_code == 2
    assert "'8090' is not HOST:PORT" in result.stderr


MAPPED = """\
event_source_mappings:
  - {name: m, from: dynamodb:orders, function: handlers:f, filter_criteria: {filters: [{pattern: 'PATTERN'}]}}
"""


def test_validate_says_what_is_wrong_with_a_mappings_filters(folder):
    (folder / "handlers.py").touch()
    (folder / "spicepod.yaml").write_text(MAPPED.replace("PATTERN", '{"eventName": "INSERT"}'))
    refused = headrace("validate")
    assert refused.exit_code != 0
    assert "event_source_mappings: m: filter" in refused.output
    (folder / "spicepod.yaml").write_text(
        MAPPED.replace("PATTERN", '{"dynamodb": {"NewImage": {"n": {"N": [{"numeric": [">", 1]}]}}}}')
    )
    warned = headrace("validate")
    assert warned.exit_code == 0
    warnings = warned.output.partition("Warnings\n")[2]
    assert warnings.startswith("  event_source_mappings: m: filter")
