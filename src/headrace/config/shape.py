"""Holds a document against the models: what is missing, unknown, or not of its kind."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from headrace.config.document import Data, Document
from headrace.config.entry import REFUSED, Entry
from headrace.config.model import METRICS, MODELS, Spicepod, spellings, unbuilt_keys
from headrace.config.problem import KeyPath, Problem, shown, unknown_key

_OF_A_KEY = "[key]"
"""What pydantic adds to the path of a mapping's key that is wrong."""

NO_DATASET = "there is no dataset; `headrace init` writes an example"
_NO_KEYS = "expected keys and values ('key: value'), one a line"
_SHAPES = {
    "list_type": "expected a list, each item after '- '",
    "model_type": _NO_KEYS,
    "model_attributes_type": _NO_KEYS,
    "dict_type": _NO_KEYS,
}
"""What to say of pydantic's own kinds of errors, as far as the models can bring them about."""


def read_shape(document: Document) -> tuple[Spicepod | None, list[Problem]]:
    """The document as models, or None and everything that is wrong with its shape."""
    data = document.data if document.data is not None else {}
    try:
        return Spicepod.model_validate(data), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    return None, [_problem(document, detail) for detail in details]


def unbuilt_sentences(model: type[Entry], data: Data, where: str = "") -> Iterator[str]:
    """A sentence for each key in ``data`` that asks for what this version does not do."""
    if not isinstance(data, dict):
        return
    for key, unbuilt in unbuilt_keys(model).items():
        value = data.get(key)
        if value is not None and value not in unbuilt.unless:
            yield f"{where}{key}: {unbuilt.instead}"


def _problem(document: Document, detail: ErrorDetails) -> Problem:
    path = detail["loc"]
    kind = detail["type"]
    if path and path[-1] == _OF_A_KEY:
        return document.at_key(path[:-1], detail["msg"])
    if kind == "extra_forbidden":
        return document.at_key(path, _unknown(str(path[-1]), _model(path[:-1])))
    if kind == "missing":
        return document.at_value(path, _missing(path))
    if kind == REFUSED:
        return document.at_value(path, detail["msg"])
    return document.at_value(path, _SHAPES[kind])


def _unknown(key: str, model: type[Entry]) -> str:
    known = model.foreign.get(key)
    if known is not None:
        return f"there is no such key; AWS's {key} is written '{known}' here"
    return unknown_key(shown(key), spellings(model))


def _model(path: KeyPath) -> type[Entry]:
    return MODELS[tuple(step for step in path if isinstance(step, str))]


def _missing(path: KeyPath) -> str:
    cures = {
        "from": "add from: dynamodb:TABLE",
        "name": f"add name: {_named(path)}",
    }
    return f"is missing; {cures[str(path[-1])]}"


def _named(path: KeyPath) -> str:
    if "metrics" in path:
        return f"METRIC, one of {', '.join(METRICS)}"
    return "ATTRIBUTE" if "columns" in path else "NAME"
