"""Attribute values as a workload draws them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

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
    """A struct whose members come, go and disagree."""
    members = {"n": _number, "t": _text, "l": _list, "at": _time, "odd": _any_scalar}
    return {
        "M": {name: members[name](random) for name in random.sample(sorted(members), random.randrange(5))}
    }


def _dictionary(random: Random) -> dict[str, Any]:
    """A map whose names are data."""
    return {"M": {f"key {random.randrange(150)}": _number(random) for _ in range(random.randrange(30))}}


def _maps(random: Random) -> dict[str, Any]:
    return {"L": [random.choice((_map(random), {"NULL": True})) for _ in range(random.randrange(3))]}


def _time(random: Random) -> dict[str, Any]:
    text = f"2024-03-{random.randint(1, 31):02d}T14:30:{random.randrange(60):02d}"
    return {"S": text + random.choice(("Z", "Z", "Z", ".120Z", ".5Z", "", "+02:00", ".123456Z"))}


def _any_scalar(random: Random) -> dict[str, Any]:
    return random.choice((_text, _number, _binary, _time))(random)


_DRAWS: tuple[Callable[[Random], dict[str, Any]], ...] = (
    _text,
    _number,
    _number,
    _binary,
    lambda random: {"BOOL": random.random() < 0.5},
    lambda _: {"NULL": True},
    _list,
    _map,
    _dictionary,
    _maps,
    _time,
    lambda random: {"SS": sorted(random.sample(["a", "b", "ç"], random.randint(1, 3)))},
    lambda random: {"NS": random.choice((["1"], ["2", "3"], ["1.5", "2"], ["9007199254740993"]))},
    lambda _: {"BS": ["AQ==", "Ag=="]},
)


def draw_value(random: Random, steady: int | None = None) -> dict[str, Any]:
    """Any value; of one and the same kind where ``steady`` says which."""
    draw = random.choice(_DRAWS) if steady is None else _DRAWS[steady % len(_DRAWS)]
    return draw(random)
