"""Constants of a view's SQL, exact."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from headrace.errors import ConfigError
from headrace.targets.view.syntax import Tree, written
from headrace.targets.view.value import Value


def literal(node: Tree) -> Value:
    """The value of a constant. Raises ConfigError for a double, and for a type that items do not have."""
    given = node["value"]
    if given.get("is_null"):
        return None
    type_, content = given["type"]["id"], given.get("value")
    match type_:
        case "VARCHAR" | "BOOLEAN":
            plain: str | bool = content
            return plain
        case "DECIMAL":
            return Decimal(_integer(content)).scaleb(-int(given["type"]["type_info"]["scale"]))
        case "DOUBLE" | "FLOAT":
            raise ConfigError(
                f"{content!r} is a double, which would round; write numbers in plain digits, at most 38 of them"
            )
        case _ if type_.endswith("INT") or type_ == "INTEGER":
            return Decimal(_integer(content))
        case _:
            raise ConfigError(
                f"{written(node)}: a view has no constants of the type {type_}; there are numbers, texts, true, false and NULL"
            )


def _integer(content: Any) -> int:
    if isinstance(content, dict):
        return (int(content["upper"]) << 64) + int(content["lower"])
    return int(content)
