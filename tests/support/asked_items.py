"""Generated items of a table with indexes, and conditions on the columns that they become."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from headrace.leaf import AllOf, AnyOf, Comparison, Condition, Predicate

TEXTS = [
    "",
    "a",
    "ab",
    "abc",
    "b",
    "B",
    "é",
    "\U0001f6b0",
    "\ue000",
    "10",
    "5",
    "true",
    "YQ==",
    "[]",
    "{}",
    "%",
    "'",
]
NUMBERS = [
    "0",
    "1",
    "-1",
    "2",
    "5",
    "10",
    "0.5",
    "1.5",
    "-2.25",
    "0.1",
    "9007199254740993",
    "100000000000000000000",
    "12345678901234567890.5",
]
WILD = [
    *NUMBERS,
    "1E+20",
    "0.10000000000000000000001",
    "1E-40",
    "99999999999999999999999999999999999999",
]
TIMES = [
    "2024-01-01T00:00:00Z",
    "2024-01-01T10:00:00.5Z",
    "2024-01-02T00:00:00Z",
    "2024-02-29T23:59:59.123456Z",
]
OTHER_TIMES = ["2024-01-01T00:00:00+02:00", "2024-01-01T00:00:00", "2024-01-02", "noon"]
_KEY_TEXTS = ["a", "ab", "b", "é", "\U0001f6b0", "10"]

null = st.just({"NULL": True})
texts = st.sampled_from(TEXTS).map(lambda text: {"S": text})
integers = st.integers(-2, 6).map(lambda number: {"N": str(number)})
numbers = st.sampled_from(NUMBERS).map(lambda number: {"N": number})
wild = st.sampled_from(WILD).map(lambda number: {"N": number})
truths = st.booleans().map(lambda truth: {"BOOL": truth})
raws = st.sampled_from([b"", b"a", b"\x00", b"\xff", b"ab"]).map(
    lambda raw: {"B": base64.b64encode(raw).decode()}
)
times = st.sampled_from(TIMES).map(lambda text: {"S": text})
odd_times = st.sampled_from([*TIMES, *OTHER_TIMES]).map(lambda text: {"S": text})
sets = st.sampled_from(
    [{"SS": ["a", "b"]}, {"NS": ["1", "2.5"]}, {"L": []}, {"L": [{"N": "1"}, {"S": "x"}]}, {"M": {}}]
)
maps = st.fixed_dictionaries(
    {},
    optional={
        "x": integers | null,
        "y": st.sampled_from(["p", "q", ""]).map(lambda text: {"S": text}),
        "on": truths,
    },
).map(lambda members: {"M": members})
deep = st.fixed_dictionaries({"a": maps, "b": integers | texts}).map(lambda members: {"M": members})
anything = texts | numbers | truths | raws | times | sets | maps | null

REGULAR = {
    "text": texts,
    "n2": integers,
    "price": numbers,
    "exact": wild,
    "on": truths,
    "blob": raws,
    "when": times,
    "place": maps,
    "deep": deep,
    "tags": sets,
}
"""Attributes whose items are mostly of one type."""

INDEX_KEYS = {
    "tag": st.sampled_from(["a", "ab", "b"]).map(lambda text: {"S": text}),
    "n": integers,
    "seen": times,
    "raw": st.sampled_from([b"a", b"b\xff"]).map(lambda raw: {"B": base64.b64encode(raw).decode()}),
}


@st.composite
def items(draw: Any, *, indexed: bool = True, mixed: float = 0.15) -> list[dict[str, Any]]:
    """Items of different keys; of some attributes a few are of any type, as ``mixed`` says."""
    regular = dict(REGULAR)
    if draw(st.booleans()):
        regular["when"] = odd_times
    for name, usual in REGULAR.items():
        if draw(st.floats(0, 1)) < mixed:
            regular[name] = usual | anything
    own = st.fixed_dictionaries({}, optional={name: null | some for name, some in regular.items()})
    key: dict[str, Any] = {"id": st.sampled_from(_KEY_TEXTS).map(lambda text: {"S": text})}
    if indexed:
        key |= {"at": numbers}
        own = st.tuples(own, st.fixed_dictionaries({}, optional=INDEX_KEYS)).map(
            lambda parts: parts[0] | parts[1]
        )
    made = draw(st.lists(st.tuples(st.fixed_dictionaries(key), own), max_size=12))
    return list({repr(identity): identity | other for identity, other in made}.values())


def values_of(type_: pa.DataType) -> st.SearchStrategy[Any]:
    """Values that may be asked of a column."""
    if pa.types.is_string(type_):
        return st.sampled_from([*TEXTS, *NUMBERS])
    if pa.types.is_boolean(type_):
        return st.booleans()
    if pa.types.is_binary(type_):
        return st.sampled_from([b"", b"a", b"\xff", b"b"])
    if pa.types.is_int64(type_):
        return st.integers(-2, 6) | st.just(2**53 + 1)
    if pa.types.is_float64(type_):
        return st.sampled_from(
            [0.0, -0.0, 0.1, 0.5, 1.5, 5.0, -2.25, 1e20, 1e300, float("inf"), float("nan")]
        )
    if pa.types.is_decimal(type_):
        return st.sampled_from([Decimal(text) for text in ("0", "1", "5", "-1", "12345678901234567890")])
    if pa.types.is_timestamp(type_):
        day = 86_400 * {"ms": 10**3, "us": 10**6, "ns": 10**9}[type_.unit]
        start = 19_723 * day  # 2024-01-01
        return st.sampled_from([start, start + 1000, start + day // 24 * 10, start + day, start + 59 * day])
    raise AssertionError(type_)


def is_comparable(type_: pa.DataType) -> bool:
    """Whether values of a type are asked for."""
    return not pa.types.is_nested(type_)


_COMPARED = [
    Comparison.EQUAL,
    Comparison.EQUAL,
    Comparison.IN,
    Comparison.NOT_EQUAL,
    Comparison.NOT_IN,
    Comparison.LESS,
    Comparison.LESS_OR_EQUAL,
    Comparison.GREATER,
    Comparison.GREATER_OR_EQUAL,
]
_PREFIXED = [Comparison.STARTS_WITH, Comparison.NOT_STARTS_WITH]
_NULLS = [Comparison.IS_NULL, Comparison.IS_NOT_NULL]


@st.composite
def predicates(draw: Any, schema: pa.Schema, names: list[str], *, prefixes: bool) -> Predicate:
    """A predicate on one of the columns, or on a field within it; of a prefix only where they may be asked for."""
    column = draw(st.sampled_from(names))
    type_, field = schema.field(column).type, []
    while pa.types.is_struct(type_) and type_.num_fields and draw(st.integers(0, 3)):
        member = type_.field(draw(st.integers(0, type_.num_fields - 1)))
        type_, field = member.type, [*field, member.name]
    choices = [*_NULLS]
    if is_comparable(type_):
        choices = [*_COMPARED, *_NULLS[draw(st.integers(0, 1)) :]]
    if prefixes and pa.types.is_string(type_):
        choices += _PREFIXED
    comparison = draw(st.sampled_from(choices))
    most = {Comparison.IS_NULL: 0, Comparison.IS_NOT_NULL: 0, Comparison.IN: 3, Comparison.NOT_IN: 3}.get(
        comparison, 1
    )
    values = draw(st.lists(values_of(type_), min_size=min(most, 1), max_size=most)) if most else []
    return Predicate(column, comparison, tuple(pa.scalar(one, type_) for one in values), tuple(field))


def conditions(schema: pa.Schema, names: list[str], *, prefixes: bool = True) -> st.SearchStrategy[Condition]:
    """Trees of predicates."""
    some = predicates(schema, names, prefixes=prefixes)
    return st.recursive(
        some,
        lambda inner: st.builds(
            lambda kind, parts: kind(tuple(parts)),
            st.sampled_from([AllOf, AnyOf]),
            st.lists(inner, min_size=2, max_size=3),
        ),
        max_leaves=4,
    )
