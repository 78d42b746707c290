"""DynamoDB values as hypothesis strategies."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

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
times = st.one_of(
    st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds") + "Z"),
    st.datetimes().map(lambda at: at.isoformat(timespec="seconds") + "Z"),
    st.datetimes().map(lambda at: at.isoformat()),
    st.sampled_from(
        [
            "2024-03-15T14:30:00+02:00",
            "2024-03-15T14:30:00.120Z",
            "2024-03-15T14:30:00.12Z",
            "2024-03-15T14:30:00.123456+00:00",
            "2024-02-30T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
            "2024-03-15",
        ]
    ),
)
"""Strings that look like times, most of which are."""

scalars = st.one_of(
    times.map(lambda text: {"S": text}),
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
map_names = st.one_of(
    texts, st.sampled_from(["S", "N", "M", "L", "B", "BOOL", "NULL", "SS", "NS", "BS", "a", "b"])
)


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
