"""Datasets whose rows a target writes, as a Spicepod gives them."""

import json

import pytest

from headrace.config import load_pod
from headrace.config.description import describe
from headrace.errors import ConfigError
from headrace.mapping import NumberType

FED = {"from": "target:feed", "name": "kept", "acceleration": {"mode": "file"}}
FEED = {"name": "feed", "from": "dynamodb:orders", "target": {"audit": {}}}


def _load(folder, *datasets, mappings=(FEED,)):
    pod = {"datasets": list(datasets), "event_source_mappings": list(mappings)}
    (folder / "spicepod.yaml").write_text(json.dumps(pod))
    return load_pod(folder, {}, folder)


def test_it_stands_beside_the_datasets_of_tables_and_keeps_numbers_exact(tmp_path):
    pod = _load(tmp_path, FED)
    assert pod.datasets == ()
    (fed,) = pod.fed
    assert (fed.name, fed.fed_by, fed.source) == ("kept", "feed", "target:feed")
    assert fed.mapping.number_type is NumberType.DECIMAL
    assert "rows        those that the target of feed writes" in describe(pod)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"from": "target:fed"}, "from: there is no event source mapping 'fed'; did you mean 'target:feed'?"),
        ({"from": "target:"}, "from: 'target:' names no event source mapping; write target:MAPPING"),
        ({"from": "targets:feed"}, "from: 'targets' is not a source that Headrace reads"),
        ({"acceleration": {"enabled": "false"}}, "has no place for its rows; add acceleration"),
        ({"acceleration": {}}, "acceleration: its rows would be gone with the process"),
        ({"acceleration": {"mode": "file", "refresh_mode": "changes"}}, "refresh_mode: belongs to a copy of a table"),
        ({"params": {"aws_region": "us-east-1"}}, "params: belongs to a copy of a table"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_its_key(tmp_path, keys, words):
    with pytest.raises(ConfigError) as refused:
        _load(tmp_path, {**FED, **keys})
    assert words in str(refused.value)


def test_the_rows_of_a_mapping_have_one_place(tmp_path):
    with pytest.raises(ConfigError, match="has the rows of that mapping already"):
        _load(tmp_path, FED, {**FED, "name": "again"})


@pytest.mark.parametrize("calls", [{"function": "m:f"}, {"target": {"replicate": {"table": "other"}}}])
def test_only_targets_that_write_rows_feed_a_dataset(tmp_path, calls):
    feed = {"name": "feed", "from": "dynamodb:orders", **calls}
    with pytest.raises(ConfigError, match="feed writes no rows; audit, view and custom do"):
        _load(tmp_path, FED, mappings=[feed])


def test_of_a_target_that_is_refused_itself_nobody_says_that_it_writes_no_rows(tmp_path):
    feed = {"name": "feed", "from": "dynamodb:orders", "target": {"view": {"sqll": "SELECT id FROM orders"}}}
    with pytest.raises(ConfigError, match="there is no such key") as refused:
        _load(tmp_path, FED, mappings=[feed])
    assert "writes no rows" not in str(refused.value)


def test_no_mapping_reads_a_dataset_that_has_no_table(tmp_path):
    with pytest.raises(ConfigError, match="is written by a target, and has no table"):
        _load(tmp_path, FED, mappings=[FEED, {"name": "x", "dataset": "kept", "function": "m:f"}])
