"""``target.view`` of a mapping: what it keeps, where its rows go, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from headrace.config import describe, load_pod
from headrace.dataset import AwsAccess
from headrace.errors import ConfigError
from headrace.mappings import warnings_of
from headrace.target import MaterializedView, OutputTable

SQL = "SELECT category, count(*) AS n FROM orders GROUP BY category"
FED = {"from": "target:stats", "name": "stats", "acceleration": {"mode": "file"}}


@pytest.fixture
def load(tmp_path):
    def loaded(view, *datasets):
        mapping = {
            "name": "stats",
            "from": "dynamodb:orders",
            "params": {"aws_region": "us-east-1"},
            "target": {"view": view},
        }
        document = {"datasets": list(datasets), "event_source_mappings": [mapping]}
        (tmp_path / "spicepod.yaml").write_text(json.dumps(document))
        return load_pod(tmp_path, {}, tmp_path)

    return loaded


def test_rows_go_to_a_table_beside_the_source(load):
    pod = load({"sql": SQL, "table": "category-stats", "region": "eu-west-1", "tombstones": "2d"})
    [mapping] = pod.mappings
    assert mapping.consumer == MaterializedView(
        SQL, OutputTable("category-stats", AwsAccess(region="eu-west-1")), tombstones=2 * 86_400.0
    )
    assert str(mapping.consumer) == "view:category-stats"
    text = describe(pod)
    assert "category-stats in eu-west-1" in text
    assert SQL in text


def test_rows_go_to_the_dataset_that_is_read_from_the_mapping(load):
    [mapping] = load({"sql": SQL}, FED).mappings
    assert mapping.consumer == MaterializedView(SQL)
    assert warnings_of([mapping]) == {}


@pytest.mark.parametrize(
    ("view", "datasets", "words"),
    [
        ({"sql": SQL}, (), "target.view: writes to no table, and no dataset is read from it"),
        (
            {"sql": SQL, "table": "stats"},
            (FED,),
            "target.view: writes to a table, and a dataset is read from it",
        ),
        ({"sql": SQL, "table": "orders"}, (), "target.view.table: is the table that is read"),
        ({"table": "stats"}, (), "target.view: has no sql"),
        ({"sql": SQL, "table": "stats", "tombstones": "1m"}, (), "tombstones"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(load, view, datasets, words):
    with pytest.raises(ConfigError) as refused:
        load(view, *datasets)
    assert words in str(refused.value)


def test_sql_that_is_not_taken_is_refused_before_anything_runs(load):
    pod = load({"sql": "SELECT DISTINCT category FROM orders", "table": "stats"})
    with pytest.raises(
        ConfigError, match=r"event_source_mappings: stats: target.view.sql: .* it takes no DISTINCT"
    ):
        warnings_of(pod.mappings)


def test_sql_over_another_table_is_refused_before_anything_runs(load):
    pod = load({"sql": SQL.replace("orders", "customers"), "table": "stats"})
    with pytest.raises(
        ConfigError,
        match=r"stats: target.view.sql: FROM customers: .* are of table orders; write FROM orders",
    ):
        warnings_of(pod.mappings)


def test_sql_may_call_the_table_by_the_name_of_its_dataset(load):
    [mapping] = load({"sql": SQL.replace("orders", "Bought"), "table": "stats"}).mappings
    assert warnings_of([replace(mapping, dataset="bought")]) == {}
    with pytest.raises(ConfigError, match='write FROM "bought-2026"'):
        warnings_of([replace(mapping, dataset="bought-2026")])
