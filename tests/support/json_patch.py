"""JSON patches applied as RFC 6902 says, by rules written down here anew; numbers are exact."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any


def exact(text: bytes | str) -> Any:
    """JSON with every number as a Decimal: equal numbers are equal, however they are written."""
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


def same(one: Any, other: Any) -> bool:
    """Equality of RFC 6902, section 4.6. Python's own takes ``true`` for 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def applied(document: Any, patch: list[dict[str, Any]]) -> Any:
    """The document after all operations, in their order. Raises where a target is not there."""
    for operation in patch:
        document = _operated(copy.deepcopy(document), operation)
    return document


def tokens(pointer: str) -> list[str]:
    """RFC 6901, section 4: ``~1`` is read before ``~0``."""
    if pointer == "":
        return []
    assert pointer.startswith("/"), pointer
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/")]


def _operated(document: Any, operation: dict[str, Any]) -> Any:
    assert operation.keys() == ({"op", "path"} if operation["op"] == "remove" else {"op", "path", "value"})
    path = tokens(operation["path"])
    if not path:
        assert operation["op"] != "remove", "what would be left is no document"
        return operation["value"]
    parent = document
    for token in path[:-1]:
        parent = parent[token] if isinstance(parent, dict) else parent[_place(token, len(parent) - 1)]
    last = path[-1]
    if isinstance(parent, dict):
        _on_member(parent, last, operation)
    else:
        assert isinstance(parent, list), f"{operation['path']} leads into a scalar"
        _on_element(parent, last, operation)
    return document


def _on_member(parent: dict[str, Any], name: str, operation: dict[str, Any]) -> None:
    if operation["op"] != "add":
        assert name in parent, f"{operation} has no target"
    if operation["op"] == "remove":
        del parent[name]
    else:
        parent[name] = operation["value"]


def _on_element(parent: list[Any], token: str, operation: dict[str, Any]) -> None:
    match operation["op"]:
        case "add":
            parent.insert(_place(token, len(parent)), operation["value"])
        case "replace":
            parent[_place(token, len(parent) - 1)] = operation["value"]
        case "remove":
            del parent[_place(token, len(parent) - 1)]
        case other:
            raise AssertionError(f"{other} is none of ours")


def _place(token: str, most: int) -> int:
    assert token == "0" or (token.isascii() and token.isdigit() and token[0] != "0"), token
    assert int(token) <= most, f"{token} is beyond the end"
    return int(token)
