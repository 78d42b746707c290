"""DynamoDB values as hypothesis strategies, and an independent judgement of how a cell holds one."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from headrace.schema import ColumnType, Kind

AV = dict[str, Any]

EDGES = [
    "0",
    "-0",
    "1",
    "-1",
    "0.1",
    "12.50",
    str(2**53 - 1),
    str(2**53),
    str(2**53 + 1),
    str(-(2**53) - 1),
    str(2**63 - 1),
    str(2**63),
    str(-(2**63)),
    str(-(2**63) - 1),
    "9007199254740993.0",
    "0.1000000000000000055511151231257827",
    "123456789012345.6",
    "1234567890123456.7",
    "9.9999999999999999999999999999999999999E+125",
    "1E-130",
    "-1E-130",
    "1E+22",
    "1E16",
    "1e3",
    "99999999999999999999999999999999999999",
    "0.30000000000000004",
]


def _written(number: tuple[int, int, bool]) -> str:
    digits, power, plain = number
    value = Decimal(digits).scaleb(power - len(str(abs(digits))))
    return format(value, "f") if plain else str(value)


numbers = st.one_of(
    st.sampled_from(EDGES),
    st.integers(-(2**70), 2**70).map(str),
    st.decimals(-(10**6), 10**6, places=2).map(str),
    st.tuples(st.integers(1 - 10**38, 10**38 - 1), st.integers(-129, 126), st.booleans()).map(_written),
)
texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ['he said "}', "a}}b{{", '{"S":"x"}', "]}", "\\", "é\u2028\x7f", "{", "\n", "M", "N", "{N"]
    ),
)
binaries = st.binary(max_size=9).map(lambda raw: base64.b64encode(raw).decode())
scalars = st.one_of(
    texts.map(lambda text: {"S": text}),
    numbers.map(lambda text: {"N": text}),
    binaries.map(lambda text: {"B": text}),
    st.booleans().map(lambda truth: {"BOOL": truth}),
    st.just({"NULL": True}),
)
sets = st.one_of(
    st.lists(texts, min_size=1, max_size=3, unique=True).map(lambda members: {"SS": members}),
    st.lists(numbers, min_size=1, max_size=3, unique=True).map(lambda members: {"NS": members}),
    st.lists(binaries, min_size=1, max_size=3, unique=True).map(lambda members: {"BS": members}),
)
map_names = st.one_of(texts, st.sampled_from(["S", "N", "M", "L", "BOOL", "NULL", "SS", "a", "b"]))


def _containers(values: st.SearchStrategy[AV]) -> st.SearchStrategy[AV]:
    return st.one_of(
        st.lists(values, max_size=3).map(lambda members: {"L": members}),
        st.dictionaries(map_names, values, max_size=3).map(lambda members: {"M": members}),
    )


_depth_1 = st.one_of(scalars, sets, _containers(st.one_of(scalars, sets)))
_depth_2 = st.one_of(_depth_1, _containers(_depth_1))
values: st.SearchStrategy[AV] = st.one_of(scalars, _depth_1, _containers(_depth_2))
"""Values of every type, three levels deep."""

names = st.one_of(
    st.sampled_from(
        ["a", "A", "b", "id2", "headrace_x", "", 'qu"ote', "ctrl\x01", "S", "é", "a.b", "select"]
    ),
    st.text(min_size=1, max_size=4),
).filter(lambda name: name != "pk")


def items(of: st.SearchStrategy[AV] = values) -> st.SearchStrategy[dict[str, AV]]:
    """Items with a text key ``pk`` and up to five attributes."""
    return st.tuples(st.text(min_size=1, max_size=4), st.dictionaries(names, of, max_size=5)).map(
        lambda pair: {"pk": {"S": pair[0]}, **pair[1]}
    )


def plain(value: AV) -> Any:
    """What the value means, numbers as ``Written``: compared by their digits."""
    ((tag, content),) = value.items()
    if tag == "M":
        return {name: plain(inner) for name, inner in content.items()}
    if tag == "L":
        return [plain(inner) for inner in content]
    if tag == "NS":
        return [Written(text) for text in content]
    if tag == "N":
        return Written(content)
    return None if tag == "NULL" else content


class Written(str):
    """A number as it is written."""

    __slots__ = ()


def meaning(text: str) -> Any:
    """The meaning of JSON text, in the terms of ``plain``; key order and number texts are kept."""
    return json.loads(text, parse_int=Written, parse_float=Written)


def same(one: Any, other: Any) -> bool:
    """Equality that tells numbers from texts and looks at the order of keys."""
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def in_text(value: AV) -> Any:
    """What a TEXT column must hold: of a list or set, a JSON array of its elements' texts."""
    ((tag, content),) = value.items()
    if tag == "L":
        return _Array([as_text(element) for element in content])
    return _Array(content) if tag in ("SS", "NS", "BS") else as_text(value)


class _Array:
    """Equal to every JSON array whose elements equal ``texts``."""

    def __init__(self, texts: list[Any]) -> None:
        self._texts = texts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and bool(json.loads(other) == self._texts)

    __hash__ = None  # type: ignore[assignment]  # Equal to many texts, so it has no hash.


def as_text(value: AV) -> Any:
    """What an element of a list of texts must hold."""
    ((tag, content),) = value.items()
    if tag in ("S", "N", "B"):
        return content
    if tag == "NULL":
        return None
    return {True: "true", False: "false"}[content] if tag == "BOOL" else JsonOf(value)


class JsonOf:
    """Equal to every compact JSON text that means the value."""

    def __init__(self, value: AV) -> None:
        self._meaning = plain(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and same(meaning(other), self._meaning)

    __hash__ = None  # type: ignore[assignment]


def holds(cell: Any, value: AV, type_: ColumnType) -> bool:
    """Whether ``cell`` of a column of ``type_`` is exactly ``value``."""
    ((tag, content),) = value.items()
    if tag == "NULL":
        return cell is None
    if type_ == ColumnType(Kind.TEXT):
        return bool(in_text(value) == cell)
    if type_.many:
        return isinstance(cell, list) and _holds_list(cell, value, type_.kind)
    if type_.kind is Kind.JSON:
        return as_text(value) == cell
    return _holds_scalar(cell, content, type_.kind)


def _holds_list(cell: list[Any], value: AV, kind: Kind) -> bool:
    ((tag, content),) = value.items()
    if len(cell) != len(content):
        return False
    if tag == "L":
        return all(as_text(element) == each for element, each in zip(content, cell, strict=True))
    if kind is Kind.TEXT:
        return cell == content
    return all(_holds_scalar(each, element, kind) for each, element in zip(cell, content, strict=True))


def _holds_scalar(cell: Any, content: Any, kind: Kind) -> bool:
    if kind in (Kind.INT, Kind.LONG):
        return isinstance(cell, int) and Decimal(cell) == Decimal(content)
    if kind is Kind.FLOAT:
        return isinstance(cell, float) and Decimal(repr(cell)) == Decimal(content)
    if kind is Kind.BINARY:
        return bool(cell == base64.b64decode(content))
    return bool(cell == content)
