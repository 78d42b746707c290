"""Everything that is wrong is refused at its file, line and column, in words that say what to do."""

from pathlib import Path

import pytest

import headrace.metric
from headrace.config import load_pod
from headrace.errors import ConfigError

METRICS = ", ".join(metric.name for metric in headrace.metric.METRICS)
KEYS = "expected keys and values ('key: value'), one a line"


def test_a_missing_spicepod_is_said_to_be_one_command_away(tmp_path):
    with pytest.raises(ConfigError) as refused:
        load_pod(None, {}, tmp_path)
    assert str(refused.value) == (
        f"spicepod.yaml: there is no such file in {tmp_path}; `headrace init` writes a first Spicepod"
    )


def test_a_path_that_leads_nowhere_is_named(tmp_path):
    with pytest.raises(ConfigError) as refused:
        load_pod(Path("shop/pod.yaml"), {}, tmp_path)
    assert (
        str(refused.value) == "shop/pod.yaml: there is no such file; `headrace init` writes a first Spicepod"
    )


def test_a_folder_with_both_spellings_of_the_file_is_refused(tmp_path):
    (tmp_path / "spicepod.yaml").touch()
    (tmp_path / "spicepod.yml").touch()
    with pytest.raises(ConfigError) as refused:
        load_pod(None, {}, tmp_path)
    assert str(refused.value) == (
        f"{tmp_path}: there are spicepod.yaml and spicepod.yml; remove one, or name the one to load"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: datasets: there is no dataset; `headrace init` writes an example"),
        ("datasets: []\n", "1:11: datasets: there is no dataset; `headrace init` writes an example"),
        ("datasets:\n", "1:1: datasets: expected a list, each item after '- '"),
        ("datasets: orders\n", "1:11: datasets: expected a list, each item after '- '"),
        ("- orders\n", f"1:1: {KEYS}"),
        ("orders\n", f"1:1: {KEYS}"),
        ("datasets:\n  - orders\n", f"2:5: datasets[0]: {KEYS}"),
        (
            "dataset:\n  - from: dynamodb:orders\n    name: orders\n",
            "1:1: dataset: there is no such key; did you mean 'datasets'?",
        ),
        (
            "datasets: [\n",
            "2:1: YAML syntax: the document ends here, inside a quote or bracket that is not closed",
        ),
    ],
)
def test_a_document_that_is_no_spicepod_is_refused(folder, text, message):
    assert f"spicepod.yaml:{message}" in folder.refusal(text).splitlines()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("datasets:", "version: v3\ndatasets:", "1:10: version: 'v3' is not one of v1, v1beta1, v2"),
        (
            "datasets:",
            "kind: spicepod\ndatasets:",
            "1:7: kind: 'spicepod' is not one of Spicepod; did you mean 'Spicepod'?",
        ),
        (
            "datasets:",
            "view:\n  - name: v\ndatasets:",
            "1:1: view: there is no such key; did you mean 'views'?",
        ),
        (
            "from: dynamodb:orders\n    name",
            "name",
            "2:5: datasets[0].from: is missing; add from: dynamodb:TABLE",
        ),
        ("    name: orders\n", "", "2:5: datasets[0].name: is missing; add name: NAME"),
        ("name: orders", "name:", "3:5: datasets[0].name: has no value; give one, or remove the key"),
        (
            "name: orders",
            "name: [orders]",
            "3:11: datasets[0].name: expected letters, digits and `_`; not a reserved word of SQL; found a list",
        ),
        (
            "acceleration:",
            "accelerate:",
            "4:5: datasets[0].accelerate: there is no such key; did you mean 'acceleration'?",
        ),
        ("refresh_mode: changes", "- x", f"5:7: datasets[0].acceleration: {KEYS}"),
    ],
)
def test_a_wrong_shape_is_refused_at_its_place(folder, old, new, message):
    text = folder.dataset()
    assert old in text
    assert folder.refusal(text.replace(old, new)) == f"spicepod.yaml:{message}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "engine: duckbd",
            (
                "6:15: datasets[0].acceleration.engine: 'duckbd' is not one of duckdb, arrow, sqlite, postgres, "
                "cayenne; did you mean 'duckdb'?"
            ),
        ),
        (
            "engine: turso",
            (
                "6:15: datasets[0].acceleration.engine: 'turso' is not one of duckdb, arrow, sqlite, postgres, "
                "cayenne"
            ),
        ),
        (
            "engine: DuckDB",
            (
                "6:15: datasets[0].acceleration.engine: 'DuckDB' is not one of duckdb, arrow, sqlite, postgres, "
                "cayenne; did you mean 'duckdb'?"
            ),
        ),
        (
            "mode: files",
            "6:13: datasets[0].acceleration.mode: 'files' is not one of memory, file; did you mean 'file'?",
        ),
        ("enabled: yes", "6:16: datasets[0].acceleration.enabled: 'yes' is not one of true, false"),
        (
            "refresh_sql: SELECT id FROM orders",
            "6:20: datasets[0].acceleration.refresh_sql: refresh_sql is not supported with refresh_mode: changes; remove it, or choose full or append",
        ),
        (
            "refresh_check_interval: often",
            (
                "6:31: datasets[0].acceleration.refresh_check_interval: 'often' is not a duration; write one such as "
                "100ms, 1s, 1m30s, 2h"
            ),
        ),
        (
            "engin: duckdb",
            "6:7: datasets[0].acceleration.engin: there is no such key; did you mean 'engine'?",
        ),
        (
            "engine: arrow; mode: file",
            (
                "7:13: datasets[0].acceleration.mode: engine arrow lives in memory; write engine: duckdb to keep a "
                "file"
            ),
        ),
        (
            "on_conflict:;   (id, version): upsrt",
            (
                "7:24: datasets[0].acceleration.on_conflict['(id, version)']: 'upsrt' is not one of upsert, "
                "upsert_dedup, upsert_dedup_by_row_id; did you mean 'upsert'?"
            ),
        ),
        (
            "on_conflict:;   (id, version: upsert",
            (
                "7:9: datasets[0].acceleration.on_conflict['(id, version']: '(id, version' has an odd bracket; write "
                "id, or (id, version), in quotes where it stands between braces"
            ),
        ),
        (
            "on_conflict:;   (id, ): upsert",
            (
                "7:9: datasets[0].acceleration.on_conflict['(id, )']: '(id, )' lacks a name; write id, or (id, "
                "version)"
            ),
        ),
        (
            "on_conflict:;   (id, id): upsert",
            "7:9: datasets[0].acceleration.on_conflict['(id, id)']: '(id, id)' names a column twice",
        ),
        (
            "on_conflict:;   id: upsert;   version: upsert",
            (
                "7:9: datasets[0].acceleration.on_conflict: a table has one key; write one line, such as (id, "
                "version): upsert"
            ),
        ),
        ("on_conflict: upsert", f"6:20: datasets[0].acceleration.on_conflict: {KEYS}"),
        (
            "params:;   duckdb_file: x.duckdb",
            (
                "7:22: datasets[0].acceleration.params.duckdb_file: a copy in memory has no file; write mode: file, or "
                "remove the key"
            ),
        ),
        (
            "mode: file; params:;   duckdb_file: ~/x.duckdb",
            (
                "8:22: datasets[0].acceleration.params.duckdb_file: '~' is not expanded; write the whole path, or "
                "${env:HOME}/..."
            ),
        ),
        (
            "mode: file; params:;   duckdb_fil: x.duckdb",
            "8:9: datasets[0].acceleration.params.duckdb_fil: there is no such key; did you mean 'duckdb_file'?",
        ),
        (
            "snapshots_trigger_threshold: 5; params:;   snapshots_trigger_threshold: 6",
            (
                "8:9: datasets[0].acceleration.params.snapshots_trigger_threshold: 'snapshots_trigger_threshold' stands "
                "under acceleration too (line 6, column 7); keep one of them"
            ),
        ),
        (
            "snapshots_trigger_threshold: soon",
            (
                "6:36: datasets[0].acceleration.snapshots_trigger_threshold: 'soon' is not a number of batches from 1 "
                "up, or a duration (100ms, 1s, 1m30s, 2h)"
            ),
        ),
    ],
)
def test_a_wrong_acceleration_is_refused_at_its_place(folder, line, message):
    assert folder.refusal(folder.dataset(acceleration=line)) == f"spicepod.yaml:{message}"


AWS = "aws_access_key_id and aws_secret_access_key"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("redy_lag: 1s", "5:7: datasets[0].params.redy_lag: there is no such key; did you mean 'ready_lag'?"),
        (
            "dynamodb_aws_regoin: x",
            "5:7: datasets[0].params.dynamodb_aws_regoin: there is no such key; did you mean 'dynamodb_aws_region'?",
        ),
        (
            "ready_lag: 5",
            "5:18: datasets[0].params.ready_lag: '5' has no unit; write a duration such as 100ms, 1s, 1m30s, 2h",
        ),
        (
            "ready_lag: 0s",
            "5:18: datasets[0].params.ready_lag: '0s' is too short; the least is 1ns",
        ),
        (
            "scan_interval: 2h",
            "5:22: datasets[0].params.scan_interval: '2h' is too long; the most is 1h",
        ),
        (
            "ready_lag: 1s; replication_ready_lag: 1s",
            (
                "6:7: datasets[0].params.replication_ready_lag: 'replication_ready_lag' and 'ready_lag' (line 5, column "
                "7) are one parameter; keep one of them"
            ),
        ),
        (
            "aws_region: us-east-1; dynamodb_aws_region: us-east-1",
            (
                "6:7: datasets[0].params.dynamodb_aws_region: 'dynamodb_aws_region' and 'aws_region' (line 5, column 7) "
                "are one parameter; keep one of them"
            ),
        ),
        (
            "lag_exceeds_shard_retention_behavior: error; dynamodb_replication_invalid_checkpoint_behavior: error",
            (
                "6:7: datasets[0].params.dynamodb_replication_invalid_checkpoint_behavior: "
                "'dynamodb_replication_invalid_checkpoint_behavior' and 'lag_exceeds_shard_retention_behavior' (line 5, "
                "column 7) are one parameter; keep one of them"
            ),
        ),
        (
            "lag_exceeds_shard_retention_behavior: ready_after",
            (
                "5:45: datasets[0].params.lag_exceeds_shard_retention_behavior: 'ready_after' is not one of error, "
                "ready_before_load, ready_after_load, restart; did you mean 'ready_after_load'?"
            ),
        ),
        (
            "scan_segments: 0",
            "5:22: datasets[0].params.scan_segments: '0' is neither 'auto' nor a whole number from 1 to 1000000",
        ),
        (
            "scan_segments: 0010",
            "5:22: datasets[0].params.scan_segments: '0010' is neither 'auto' nor a whole number from 1 to 1000000",
        ),
        (
            "consistent_read: 1",
            "5:24: datasets[0].params.consistent_read: '1' is not one of true, false",
        ),
        (
            "buffer_size: 1MiB",
            "5:20: datasets[0].params.buffer_size: '1MiB' is too small; the least is 4MiB",
        ),
        (
            "unnest_depth: deep",
            "5:21: datasets[0].params.unnest_depth: 'deep' is not a whole number from 0 up",
        ),
        (
            "dynamodb_time_format: yyyy-MM-dd HH:mm:ss",
            (
                "5:29: datasets[0].params.dynamodb_time_format: 'yyyy-MM-dd HH:mm:ss' is not a layout of times: it has no "
                "year (2006 or 06). A layout shows how your times would write Mon Jan 2 15:04:05 MST 2006, for example "
                "2006-01-02 15:04:05"
            ),
        ),
        (
            "time_format: [2006-01-02]",
            (
                "5:20: datasets[0].params.time_format: expected a Go time layout such as `2006-01-02 15:04:05`; found a "
                "list"
            ),
        ),
        (
            "schema_infer_max_records: 0",
            "5:33: datasets[0].params.schema_infer_max_records: '0' is not a whole number from 1 up",
        ),
        ("list_type: json", "5:18: datasets[0].params.list_type: 'json' is not one of text, typed"),
        (
            "number_type: floats",
            (
                "5:20: datasets[0].params.number_type: 'floats' is not one of auto, decimal, float; did you mean "
                "'float'?"
            ),
        ),
        (
            "schema_evolution: off",
            "5:25: datasets[0].params.schema_evolution: 'off' is not one of on, freeze",
        ),
        ("aws_region:", "5:7: datasets[0].params.aws_region: has no value; give one, or remove the key"),
        (
            "aws_region: US East",
            "5:19: datasets[0].params.aws_region: 'US East' is not an AWS region such as us-east-1",
        ),
        (
            "aws_region: [us-east-1]",
            "5:19: datasets[0].params.aws_region: expected an AWS region such as us-east-1; found a list",
        ),
        (
            "endpoint_url: localhost:8000",
            "5:21: datasets[0].params.endpoint_url: expected an address such as http://127.0.0.1:8000",
        ),
        (
            "endpoint_url: http://localhost:8000/?x=1",
            (
                "5:21: datasets[0].params.endpoint_url: expected an address such as http://127.0.0.1:8000, without '?' "
                "or '#'"
            ),
        ),
        ("aws_auth: key", f"5:17: datasets[0].params.aws_auth: 'key' needs {AWS}; give both"),
        (
            "aws_access_key_id: x",
            "5:26: datasets[0].params.aws_access_key_id: needs aws_secret_access_key beside it; give both",
        ),
        (
            "dynamodb_aws_secret_access_key: x",
            "5:39: datasets[0].params.dynamodb_aws_secret_access_key: needs aws_access_key_id beside it; give both",
        ),
        (
            "aws_session_token: x",
            f"5:26: datasets[0].params.aws_session_token: needs {AWS} beside it; give all three, or none",
        ),
        (
            "aws_region: ${keyring:region}",
            "5:19: datasets[0].params.aws_region: there is no secret store 'keyring'; known here: env, secrets",
        ),
        (
            "scan_interval: ${env:interval}",
            (
                "5:22: datasets[0].params.scan_interval: what ${env:interval} stands for is not a duration (100ms, 1s, "
                "1m30s, 2h), at most 1h"
            ),
        ),
    ],
)
def test_a_wrong_parameter_is_refused_at_its_place(folder, lines, message):
    refusal = folder.refusal(folder.dataset(params=lines), {"INTERVAL": "soon"})
    assert refusal == f"spicepod.yaml:{message}"


def test_params_that_are_no_mapping_are_refused(folder):
    text = folder.dataset(params="aws_region:us-east-1")
    assert folder.refusal(text) == f"spicepod.yaml:5:7: datasets[0].params: {KEYS}"


def test_a_secret_that_is_not_set_is_refused_with_both_names(folder):
    text = folder.dataset(params="aws_access_key_id: ${secrets:key}; aws_secret_access_key: x")
    assert folder.refusal(text) == (
        "spicepod.yaml:5:26: datasets[0].params.aws_access_key_id: neither KEY nor SPICE_KEY is set in the "
        f"environment, {folder.path}/.env.local (which does not exist) or {folder.path}/.env (which does not "
        "exist); set one of them"
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("- name: lag", f"8:15: datasets[0].metrics[0].name: 'lag' is not one of {METRICS}"),
        (
            "- enabled: true",
            f"8:9: datasets[0].metrics[0].name: is missing; add name: METRIC, one of {METRICS}",
        ),
        ("- lag_ms", f"8:9: datasets[0].metrics[0]: {KEYS}"),
        (
            "- name: lag_ms;   - name: lag_ms",
            "9:15: datasets[0].metrics[1].name: 'lag_ms' is listed twice; keep one",
        ),
        (
            "- name: lag_ms;     labels: x",
            "9:9: datasets[0].metrics[0].labels: there is no such key; known here: name, enabled",
        ),
    ],
)
def test_a_wrong_metric_is_refused_at_its_place(folder, lines, message):
    text = folder.dataset(more=f"description: x; metrics:;   {lines}")
    assert folder.refusal(text) == f"spicepod.yaml:{message}"


TWO = """\
datasets:
  - from: dynamodb:orders
    name: orders
    acceleration: {refresh_mode: changes, mode: file, params: {duckdb_file: a.duckdb}}
  - from: dynamodb:old_orders
    name: old_orders
    acceleration: {refresh_mode: changes, mode: file, params: {duckdb_file: data/../a.duckdb}}
"""


def test_two_datasets_of_one_name_are_refused_at_both_lines(folder):
    text = TWO.replace("name: old_orders", "name: Orders").replace("data/../a", "b")
    assert folder.refusal(text) == (
        "spicepod.yaml:6:11: datasets[1].name: 'Orders' is the name of datasets[0] too (line 3, column 11); names "
        "must differ, and not in capitals only"
    )


def test_two_datasets_in_one_file_are_refused(folder):
    assert folder.refusal(TWO) == (
        f"spicepod.yaml:7:77: datasets[1].acceleration.params.duckdb_file: datasets[0] keeps its copy in "
        f"{folder.path}/data/../a.duckdb too; give each dataset a file of its own"
    )


def test_a_file_that_is_a_folder_is_refused(folder):
    (folder.path / "data").mkdir()
    text = folder.dataset(acceleration="mode: file; params:;   duckdb_file: data")
    assert folder.refusal(text) == (
        "spicepod.yaml:8:22: datasets[0].acceleration.params.duckdb_file: "
        f"{folder.path}/data is a folder; name a file"
    )


def test_everything_wrong_is_said_at_once_in_the_documents_order(folder):
    text = (
        "vresion: v1\n"
        "datasets:\n"
        "  - from: kafka:orders\n"
        "    name: select\n"
        "    params:\n"
        "      ready_lag: soon\n"
        "      aws_regoin: x\n"
        "    acceleration:\n"
        "      engine: duckbd\n"
        "  - from: dynamodb:users\n"
        "    name: Select\n"
        "    params: {scan_segments: many}\n"
    )
    places = [line.split(": ")[0:2] for line in folder.refusal(text).splitlines()]
    assert places == [
        ["spicepod.yaml:1:1", "vresion"],
        ["spicepod.yaml:3:11", "datasets[0].from"],
        ["spicepod.yaml:4:11", "datasets[0].name"],
        ["spicepod.yaml:6:18", "datasets[0].params.ready_lag"],
        ["spicepod.yaml:7:7", "datasets[0].params.aws_regoin"],
        ["spicepod.yaml:9:15", "datasets[0].acceleration.engine"],
        ["spicepod.yaml:11:11", "datasets[1].name"],
        ["spicepod.yaml:11:11", "datasets[1].name"],
        ["spicepod.yaml:12:29", "datasets[1].params.scan_segments"],
    ]


def test_a_refused_spicepod_leaves_nothing_behind(folder):
    folder.refusal(folder.dataset(params="ready_lag: soon", acceleration="mode: file"))
    assert [path.name for path in folder.path.iterdir()] == ["spicepod.yaml"]
