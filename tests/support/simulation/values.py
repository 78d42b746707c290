"""Attribute values as a workload draws them, and what a column of the copy must show for each.

The rules of the second part are those of docs/types.md, written down a second time: the model must not
believe the code that it judges.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random
from typing import Any

from headrace.schema import ColumnType, Kind

Value = Mapping[str, Any]
Item = dict[str, dict[str, Any]]

_LETTERS = "abc é☃\"\\'\n\t"
_NUMBERS = (
    "0",
    "7",
    "-3",
    "1.5",
    "0.1",
    "-2.75",
    "9007199254740992",
    "9007199254740993",
    "-9223372036854775808",
)
_LONG_NUMBERS = (
    "9223372036854775808",
    "0.1234567890123456789012345678901234567",
    "1" + "0" * 30,
    "0." + "0" * 9 + "1",
)


def _text(random: Random) -> dict[str, Any]:
    return {"S": "".join(random.choice(_LETTERS) for _ in range(random.randrange(6)))}


def _number(random: Random) -> dict[str, Any]:
    return {"N": random.choice(_NUMBERS if random.random() < 0.8 else _LONG_NUMBERS)}


def _binary(random: Random) -> dict[str, Any]:
    return {"B": base64.b64encode(random.randbytes(random.randrange(1, 5))).decode()}


def _list(random: Random) -> dict[str, Any]:
    inner = (
        {"N": "1"},
        {"S": 'a"b'},
        {"BOOL": True},
        {"NULL": True},
        {"L": [{"N": "2.5"}]},
        {"M": {"x": {"S": "y"}}},
    )
    return {"L": [random.choice(inner) for _ in range(random.randrange(4))]}


def _map(random: Random) -> dict[str, Any]:
    return {"M": {"n": _number(random), "t": _text(random), "l": _list(random)}}


_DRAWS: tuple[Callable[[Random], dict[str, Any]], ...] = (
    _text,
    _number,
    _number,
    _binary,
    lambda random: {"BOOL": random.random() < 0.5},
    lambda _: {"NULL": True},
    _list,
    _map,
    lambda random: {"SS": sorted(random.sample(["a", "b", "ç"], random.randint(1, 3)))},
    lambda random: {"NS": random.choice((["1"], ["2", "3"], ["1.5", "2"], ["9007199254740993"]))},
    lambda _: {"BS": ["AQ==", "Ag=="]},
)


def draw_value(random: Random, steady: int | None = None) -> dict[str, Any]:
    """Any value; of one and the same kind where ``steady`` says which."""
    draw = random.choice(_DRAWS) if steady is None else _DRAWS[steady % len(_DRAWS)]
    return draw(random)


def shown(value: Value, column: ColumnType) -> Any:
    """What a column of this type must hold for ``value``; None for NULL."""
    ((tag, content),) = value.items()
    if tag == "NULL":
        return None
    if column.many:
        return [_element(one, column.kind) for one in _members(tag, content)]
    if tag in ("L", "SS", "NS", "BS"):
        texts = [_element(one, Kind.TEXT) for one in _members(tag, content)]
        return json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    return _element(value, column.kind)


def _members(tag: str, content: Any) -> list[Value]:
    return list(content) if tag == "L" else [{tag[0]: one} for one in content]


def _element(value: Value, kind: Kind) -> Any:
    ((tag, content),) = value.items()
    if tag == "NULL":
        return None
    if tag == "N" and kind in (Kind.INT, Kind.LONG):
        return int(Decimal(content))
    if tag == "N" and kind is Kind.FLOAT:
        return float(content)
    if tag == "B" and kind is Kind.BINARY:
        return base64.b64decode(content)
    if tag == "BOOL" and kind is Kind.BOOL:
        return content
    if tag in ("S", "N", "B"):
        return content
    return _plain(value)


def _plain(value: Value) -> str:
    """JSON without type tags, numbers as written."""
    ((tag, content),) = value.items()
    if tag == "M":
        return "{" + ",".join(f"{_quoted(name)}:{_plain(inner)}" for name, inner in content.items()) + "}"
    if tag in ("L", "SS", "NS", "BS"):
        return "[" + ",".join(_plain(inner) for inner in _members(tag, content)) + "]"
    if tag == "N":
        return str(content)
    if tag == "NULL":
        return "null"
    return json.dumps(content) if tag == "BOOL" else _quoted(content)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
