"""Items as odd as DynamoDB allows: every type, the largest values, and attributes that change their type.

Limits: DynamoDB developer guide, "Constraints in DynamoDB" (400 KB an item, 38 digits a number, 32 levels of
nesting, empty strings and binaries outside of keys).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from headrace.simulator.items import MAX_ITEM_BYTES, item_weight

MAX_DEPTH = 32

Value = dict[str, Any]

_NUMBERS = (
    "0",
    "-1",
    "0.1",
    "9007199254740993",
    "9223372036854775808",
    "-9223372036854775809",
    "9.9999999999999999999999999999999999999E+125",
    "-9.9999999999999999999999999999999999999E+125",
    "1E-130",
    "-1E-130",
    "0.30000000000000004",
)
_TEXTS = (
    "",
    " ",
    "null",
    "NaN",
    "true",
    "1",
    "naïve ☃ 漢字 🚰",
    'quote " and \\ and \n and \t',
    "\u0000\u2028\u200d",
    "2026-01-02T03:04:05Z",
    "'; DROP TABLE orders; --",
    '{"S":"not a value"}',
)
_NAMES = ("status", "Status", "a.b", "select", "日本", "with space", "S", 'quote"d', "x" * 255, "né")


def odd_items(random: Random, *, largest: float = 0.002) -> Iterator[dict[str, Value]]:
    """Attributes of items without end, of a table whose key attributes are added by the caller.

    No name is ``id``, ``pk``, ``sk``, ``at`` or ``version``. The same names come again with values of other
    types, and new names keep coming. The share ``largest`` of the items leaves just room for 2,048 bytes of
    key within the 400 KB that an item may have.
    """
    grown = 0
    while True:
        names = random.sample(_NAMES, random.randint(0, 4))
        if random.random() < 0.2:  # noqa: PLR2004  # One item in five has an attribute that is new.
            grown += 1
        names += [f"grown{random.randint(0, grown)}"] if grown else []
        item = {name: odd_value(random) for name in names}
        if random.random() < largest:
            item["filling"] = {"S": ""}
            item["filling"] = {"S": "x" * (MAX_ITEM_BYTES - 4096 - item_weight(item))}
        yield item


def odd_value(random: Random) -> Value:
    """One attribute value, of any type that DynamoDB has."""
    return random.choice(_KINDS)(random)


def _number(random: Random) -> str:
    if random.random() < 0.5:  # noqa: PLR2004  # Half of them are at an edge.
        return random.choice(_NUMBERS)
    digits = random.randint(1, 38)
    return f"{random.choice(('', '-'))}{random.randint(10 ** (digits - 1), 10**digits - 1)}"


def _binary(random: Random) -> str:
    return base64.b64encode(random.randbytes(random.choice((0, 1, 2, 3, 64)))).decode()


def _members(random: Random, make: Callable[[Random], str]) -> list[str]:
    return sorted({make(random) for _ in range(random.randint(1, 4))})


def _numbers(random: Random) -> list[str]:
    # Whole and of one sign: two texts of one number would be a duplicate, which is refused.
    return [
        str(number) for number in sorted({random.getrandbits(random.choice((8, 64, 120))) for _ in range(3)})
    ]


def _deep(random: Random) -> Value:
    """A value nested as deep as is allowed."""
    value: Value = {"S": "the bottom"}
    for level in range(MAX_DEPTH - 1):
        value = {"M": {f"level{level}": value}} if random.random() < 0.7 else {"L": [value]}  # noqa: PLR2004
    return value


def _map(random: Random) -> Value:
    names = random.sample(_NAMES, random.randint(0, 3))
    return {"M": {name: random.choice(_SCALARS)(random) for name in names}}


def _list(random: Random) -> Value:
    return {"L": [random.choice((*_SCALARS, _map))(random) for _ in range(random.randint(0, 3))]}


_SCALARS: tuple[Callable[[Random], Value], ...] = (
    lambda random: {"S": random.choice(_TEXTS)},
    lambda random: {"N": _number(random)},
    lambda random: {"B": _binary(random)},
    lambda random: {"BOOL": random.random() < 0.5},  # noqa: PLR2004  # Heads or tails.
    lambda _: {"NULL": True},
)
_KINDS: tuple[Callable[[Random], Value], ...] = (
    *_SCALARS,
    lambda random: {"SS": _members(random, lambda dice: dice.choice(_TEXTS))},
    lambda random: {"NS": _numbers(random)},
    lambda random: {"BS": _members(random, _binary)},
    _map,
    _list,
    _deep,
)
