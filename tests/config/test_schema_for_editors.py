"""The schema speaks of the same keys and choices as validation, because it is made from the same tables."""

import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from headrace.config import STARTER, json_schema
from headrace.config.acceleration import ACCELERATION
from headrace.config.connector import CONNECTOR
from headrace.config.model import MODELS, spellings

SCHEMA = json_schema()
DATASET = SCHEMA["$defs"]["DatasetEntry"]["properties"]
ACCELERATED = SCHEMA["$defs"]["AccelerationEntry"]["properties"]


def accepts(schema, value) -> bool:
    """A JSON Schema validator for the words that our schema uses, and no others."""
    checks = {
        "$ref": lambda ref: accepts(SCHEMA["$defs"][ref.removeprefix("#/$defs/")], value),
        "anyOf": lambda schemas: any(accepts(schema, value) for schema in schemas),
        "const": lambda const: value == const and isinstance(value, bool) == isinstance(const, bool),
        "enum": lambda words: value in words,
        "type": lambda types: any(
            is_of(value, type_) for type_ in ([types] if isinstance(types, str) else types)
        ),
        "pattern": lambda pattern: not isinstance(value, str) or re.search(pattern, value) is not None,
        "minimum": lambda least: not isinstance(value, int) or value >= least,
        "maximum": lambda most: not isinstance(value, int) or value <= most,
        "minLength": lambda least: not isinstance(value, str) or len(value) >= least,
        "maxLength": lambda most: not isinstance(value, str) or len(value) <= most,
        "minItems": lambda least: not isinstance(value, list) or len(value) >= least,
        "items": lambda items: not isinstance(value, list) or all(accepts(items, item) for item in value),
        "required": lambda keys: not isinstance(value, dict) or all(key in value for key in keys),
        "properties": lambda known: all(
            accepts(known[key], item) for key, item in entries(value) if key in known
        ),
        "propertyNames": lambda names: all(accepts(names, key) for key, _ in entries(value)),
        "additionalProperties": lambda other: all(
            other is not False and accepts(other, item)
            for key, item in entries(value)
            if key not in schema.get("properties", {})
        ),
    }
    told = {"description", "default", "$defs", "$schema", "title"}
    return all(checks[word](said) for word, said in schema.items() if word not in told)


def entries(value):
    return value.items() if isinstance(value, dict) else ()


def is_of(value, type_) -> bool:
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    if type_ in ("integer", "number"):
        return isinstance(value, int if type_ == "integer" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, types[type_])


def as_an_editor_reads(text):
    """YAML 1.2 core: dates stay text."""
    yaml = YAML(typ="safe", pure=True)
    yaml.constructor.add_constructor(
        "tag:yaml.org,2002:timestamp", lambda constructor, node: constructor.construct_scalar(node)
    )
    return yaml.load(text)


def test_the_schema_is_json_of_its_declared_dialect():
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "spicepods").glob("*.yaml")), ids=str)
def test_the_documents_spicepods_satisfy_the_schema(path):
    assert accepts(SCHEMA, as_an_editor_reads(path.read_text()))


def test_the_starter_satisfies_the_schema():
    assert accepts(SCHEMA, as_an_editor_reads(STARTER))


def test_every_parameter_is_in_the_schema_with_its_description_and_default():
    for table, prefixes, block in (
        (CONNECTOR, ("", "dynamodb_"), DATASET["params"]),
        (ACCELERATION, ("",), ACCELERATED["params"]),
    ):
        names = {prefix + name for one in table for name in one.names for prefix in prefixes}
        assert set(block["properties"]) == names
        assert block["additionalProperties"] is False
        for one in table:
            told = block["properties"][one.name]
            assert told["description"].startswith(one.what)
            assert told.get("default") == one.default


def test_every_default_is_of_its_parameters_kind():
    for one in (*CONNECTOR, *ACCELERATION):
        if one.default is not None:
            one.kind.parse(one.default)


def test_no_two_parameters_share_a_name():
    for table in (CONNECTOR, ACCELERATION):
        names = [name for one in table for name in one.names]
        assert len(names) == len(set(names))
        assert not [name for name in names if name.startswith("dynamodb_")]


def test_every_key_of_every_model_is_in_the_schema_with_a_description():
    for model in MODELS.values():
        told = SCHEMA if model.__name__ == "Spicepod" else SCHEMA["$defs"][model.__name__]
        assert set(told["properties"]) == set(spellings(model))
        assert told["additionalProperties"] is False
        assert all(key.get("description") for key in told["properties"].values())


MINIMAL = {"from": "dynamodb:orders", "name": "orders"}


@pytest.mark.parametrize(
    ("changed", "good"),
    [
        ({}, True),
        ({"params": {"scan_segments": 4, "ready_lag": "1m30s", "consistent_read": False}}, True),
        ({"params": {"scan_segments": "auto", "scan_interval": 0, "schema_evolution": True}}, True),
        ({"params": {"time_format": 20060102150405, "unnest_depth": 0, "number_type": "float"}}, True),
        ({"columns": [{"name": "at", "type": "TIMESTAMPTZ", "metadata": {"json_object": "*"}}]}, True),
        ({"columns": [{"type": "Int64"}]}, False),
        ({"columns": [{"name": "at", "typ": "Int64"}]}, False),
        ({"params": {"schema_evolution": "off"}}, False),
        ({"params": {"scan_segments": "${env:N}", "consistent_read": "${env:C}"}}, True),
        ({"params": None}, True),
        ({"acceleration": {"on_conflict": {"(id, version)": "upsert"}, "enabled": True}}, True),
        ({"from": "kafka:orders"}, False),
        ({"name": "my-orders"}, False),
        ({"params": {"scan_segments": 0}}, False),
        ({"params": {"ready_lag": 5}}, False),
        ({"params": {"ready_lag": "soon"}}, False),
        ({"params": {"buffer_size": "big"}}, False),
        ({"params": {"redy_lag": "1s"}}, False),
        ({"acceleration": {"engine": "duckbd"}}, False),
        ({"acceleration": {"on_conflict": {"id": "upsrt"}}}, False),
        ({"metrics": [{"name": "lag"}]}, False),
    ],
)
def test_an_editor_is_told_what_is_wrong(changed, good):
    assert accepts(SCHEMA, {"datasets": [MINIMAL | changed]}) is good


MAPPING = {"name": "order-status", "from": "dynamodb:orders", "function": "handlers:on_change"}


@pytest.mark.parametrize(
    ("changed", "good"),
    [
        ({}, True),
        ({"params": {"dynamodb_aws_region": "us-east-1", "endpoint_url": "${env:URL}"}}, True),
        ({"filter_criteria": {"filters": [{"pattern": "{}"}, {"extended_pattern": "{}"}]}}, True),
        ({"maximum_retry_attempts": -1, "maximum_record_age": -1, "maximum_batching_window": 0}, True),
        ({"maximum_retry_attempts": 3, "maximum_record_age": "1h", "tumbling_window": "1m"}, True),
        ({"function_response_types": ["ReportBatchItemFailures"], "environment": {"A": "x", "B": 1}}, True),
        ({"starting_position_timestamp": 1767225600, "on_failure": {"destination": "file:x"}}, True),
        ({"target": {"replicate": {"table": "copy", "region": "eu-west-1", "two_way": True}}}, True),
        ({"BatchSize": 10}, False),
        ({"batch_size": 0}, False),
        ({"maximum_retry_attempts": -2}, False),
        ({"maximum_record_age": 3600}, False),
        ({"function": "handlers.on_change"}, False),
        ({"filter_criteria": {"filters": [{"Pattern": "{}"}]}}, False),
        ({"on_failure": {"params": {"region": "x"}}}, False),
        ({"target": {"replicate": {"tabel": "copy"}}}, False),
    ],
)
def test_the_schema_judges_mappings_as_validation_does(changed, good):
    assert accepts(SCHEMA, {"event_source_mappings": [{**MAPPING, **changed}]}) is good
