"""The JSON Schema of a Spicepod, for editors."""

from __future__ import annotations

from typing import Any

from headrace.config.acceleration import ACCELERATION
from headrace.config.aws_access import ACCESS, OF_MAPPINGS
from headrace.config.connector import CONNECTOR
from headrace.config.kind import or_reference
from headrace.config.model import Spicepod
from headrace.config.parameter import PREFIX, Parameter, described
from headrace.config.runtime_model import QUERY, RESULTS, TLS
from headrace.config.snapshots import PLACE
from headrace.config.targets import KINDS

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_VARIABLES: dict[str, Any] = {
    "description": "Variables of its environment: names and values, which may be references.",
    "type": ["object", "null"],
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12), from the models and tables that validation itself uses."""
    schema = Spicepod.model_json_schema(by_alias=True)
    definitions = schema["$defs"]
    definitions["DatasetEntry"]["properties"]["params"] = _block(CONNECTOR, PREFIX)
    definitions["AccelerationEntry"]["properties"]["params"] = _block(ACCELERATION, "")
    definitions["MappingEntry"]["properties"]["params"] = _block(OF_MAPPINGS, PREFIX)
    definitions["MappingEntry"]["properties"]["environment"] = _VARIABLES
    for kind in KINDS:
        definitions["TargetEntry"]["properties"][kind.name] = _block(kind.parameters, "")
    definitions["OnFailureEntry"]["properties"]["params"] = _block(ACCESS, PREFIX)
    definitions["SnapshotsEntry"]["properties"]["params"] = _block(PLACE, "")
    runtime = definitions["RuntimeEntry"]["properties"]
    runtime["tls"], runtime["query"] = _block(TLS, ""), _block(QUERY, "")
    definitions["CachingEntry"]["properties"]["sql_results"] = _block(RESULTS, "")
    runtime["results_cache"] = _block(RESULTS, "")
    cleaned: dict[str, Any] = _without_noise(schema)
    return {"$schema": DIALECT, **cleaned, "title": "Spicepod, as Headrace reads it"}


def _block(table: tuple[Parameter[object], ...], prefix: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for parameter in table:
        for name in parameter.names:
            properties[name] = _property(parameter)
            if prefix:
                properties[prefix + name] = _property(parameter)
    return {
        "description": "Parameters; see docs/configuration.md.",
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": False,
    }


def _property(parameter: Parameter[object]) -> dict[str, Any]:
    default = {"default": parameter.default} if parameter.default is not None else {}
    text = described(parameter.what, parameter.unbuilt)
    return {"description": text, **default, **or_reference(parameter.kind.schema)}


def _without_noise(value: Any) -> Any:
    """Without the titles and null defaults that pydantic adds."""
    if isinstance(value, list):
        return [_without_noise(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_noise(item)
        for key, item in value.items()
        if not (key == "title" and isinstance(item, str)) and not (key == "default" and item is None)
    }
