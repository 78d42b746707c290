"""``target.audit`` of a mapping: where its rows go, and what is refused."""

from __future__ import annotations

import json

import pytest

from headrace.config import describe, load_pod
from headrace.dataset import AwsAccess
from headrace.errors import ConfigError
from headrace.target import AuditTrail, OutputTable

FED = {"from": "target:trail", "name": "trail", "acceleration": {"mode": "file"}}


@pytest.fixture
def load(tmp_path):
    def loaded(audit, *datasets):
        mapping = {
            "name": "trail",
            "from": "dynamodb:orders",
            "params": {"aws_region": "us-east-1"},
            "target": {"audit": audit},
        }
        document = {"datasets": list(datasets), "event_source_mappings": [mapping]}
        (tmp_path / "spicepod.yaml").write_text(json.dumps(document))
        return load_pod(tmp_path, {}, tmp_path)

    return loaded


def test_rows_go_to_a_table_beside_the_source(load):
    pod = load({"table": "trail", "keep": "90d", "conditional": "true", "region": "eu-west-1"})
    [mapping] = pod.mappings
    assert mapping.consumer == AuditTrail(
        OutputTable("trail", AwsAccess(region="eu-west-1")), keep=90 * 86_400.0, conditional=True
    )
    assert str(mapping.consumer) == "audit:trail"
    text = describe(pod)
    assert "trail in eu-west-1" in text
    assert "rows are left alone where they are there" in text
    assert "2160h after the change, by expires_at" in text


def test_rows_go_to_the_dataset_that_is_read_from_the_mapping(load):
    pod = load({}, FED)
    [mapping] = pod.mappings
    assert mapping.consumer == AuditTrail()
    assert str(mapping.consumer) == "audit"
    assert "in the dataset that is read from this mapping" in describe(pod)


@pytest.mark.parametrize(
    ("audit", "datasets", "words"),
    [
        ({}, (), "target.audit: has nowhere to write to; name a table (audit: {table: TABLE}), or let a dataset"),
        (None, (), "target.audit: has nowhere to write to"),
        ({"table": "trail"}, (FED,), "target.audit.table: a dataset is read from this mapping"),
        ({"table": "orders"}, (), "target.audit.table: is the table that is read"),
        ({"keep": "90d"}, (FED,), "target.audit.keep: is for a table, and this audit trail goes to a dataset"),
        ({"region": "eu-west-1"}, (FED,), "target.audit.region: is for a table"),
        ({"conditional": "false"}, (FED,), "target.audit.conditional: is for a table"),
        ({"table": "trail", "keep": "1m"}, (), "target.audit.keep: '1m' is too short"),
        ({"table": "x"}, (), "'x' cannot be a DynamoDB table"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_its_key(load, audit, datasets, words):
    with pytest.raises(ConfigError) as refused:
        load(audit, *datasets)
    assert words in str(refused.value)
