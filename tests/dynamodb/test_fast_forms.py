"""The compiled way gives the rows of the generic way, or steps aside."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.column_type import (
    JSON,
    LONG,
    TEXT,
    ColumnType,
    Digits,
    Kind,
    number_type,
)
from headrace.dynamodb.compile import compile_schema
from headrace.dynamodb.forms import Mismatch
from headrace.mapping import Declared, ListType, Mapping, NumberType
from support.attribute_values import AV, scalars, sets, values
from support.both_ways import NULL, fast_rows, harvest_of, of, takes, taught

MAPPINGS = {
    "structs": Mapping(),
    "typed lists": Mapping(list_type=ListType.TYPED),
    "no doubles": Mapping(number_type=NumberType.DECIMAL, list_type=ListType.TYPED),
    "rounded doubles": Mapping(number_type=NumberType.FLOAT),
    "flattened not at all": Mapping(unnest_depth=0),
    "flattened once": Mapping(unnest_depth=1),
    "flattened twice": Mapping(unnest_depth=2, list_type=ListType.TYPED),
    "no times": Mapping(layouts=()),
}
CLOSED = {
    "frozen": Mapping(freeze=True),
    "frozen and flattened": Mapping(freeze=True, unnest_depth=1),
    "one JSON object": Mapping(json_column="rest"),
    "one JSON object beside columns": Mapping(
        json_column="rest",
        declared=(Declared("a", TEXT), Declared("b", number_type(Digits(rounded=True))), Declared("c", JSON)),
    ),
    "declared": Mapping(declared=(Declared("a", LONG), Declared("b", ColumnType(Kind.BOOL)), Declared("c"))),
}
NAMES = st.sampled_from(["a", "b", "c", "Id", "é"])

generous = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def items(of: st.SearchStrategy[AV] = values) -> st.SearchStrategy[list[dict[str, AV]]]:
    """Items of few attributes, so that their values meet in one column."""
    return st.lists(st.dictionaries(NAMES, of, max_size=3), max_size=4).map(
        lambda page: [{"pk": {"S": str(number)}, **item} for number, item in enumerate(page)]
    )


def written(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[AV]:
    return numbers.map(lambda number: {"N": str(number)})


SCALARS: list[st.SearchStrategy[AV]] = [
    st.datetimes().map(lambda at: {"S": at.isoformat(timespec="milliseconds") + "Z"}),
    st.datetimes().map(lambda at: {"S": at.isoformat()}),
    written(st.integers(-(2**54), 2**54)),
    written(st.integers(-(10**21), 10**21)),
    written(st.decimals(-1000, 1000, places=2)),
    written(st.floats(allow_nan=False, allow_infinity=False, width=32)),
    written(st.sampled_from(["1E-20", "0.1", "-7.5", "1234567890.123456789"])),
    st.booleans().map(lambda truth: {"BOOL": truth}),
    scalars,
    sets,
]


def shaped(depth: int = 3) -> st.SearchStrategy[st.SearchStrategy[AV]]:
    """Strategies each of which has values of one shape."""
    alone = st.sampled_from(SCALARS)
    if not depth:
        return alone
    inner = shaped(depth - 1)
    lists = inner.map(lambda one: st.lists(one | st.just(NULL), max_size=3).map(lambda own: {"L": own}))
    maps = st.tuples(inner, inner).map(
        lambda two: st.fixed_dictionaries({}, optional={"x": two[0], "y": two[1]}).map(lambda own: {"M": own})
    )
    dictionaries = inner.map(
        lambda one: st.dictionaries(st.integers(0, 150).map(str), one, max_size=5).map(lambda own: {"M": own})
    )
    return st.one_of(alone, lists, maps, dictionaries)


@pytest.mark.parametrize("kind", MAPPINGS)
@generous
@given(page=items())
def test_a_page_is_decoded_the_fast_way_by_the_schema_that_it_taught(kind, page):
    mapping = MAPPINGS[kind]
    schema, harvest = taught(page, mapping)
    rows = fast_rows(compile_schema(schema, harvest.tags, mapping), page)
    rows.validate(full=True)
    assert rows.equals(harvest.rows(schema))


@pytest.mark.parametrize("kind", MAPPINGS | CLOSED)
@generous
@given(first=items(), second=items())
def test_a_page_met_later_gives_the_rows_of_the_generic_way_or_none(kind, first, second):
    check_a_later_page((MAPPINGS | CLOSED)[kind], first, second)


@pytest.mark.parametrize("kind", MAPPINGS | CLOSED)
@generous
@given(data=st.data())
def test_so_does_a_page_of_values_of_the_same_shapes(kind, data):
    pages = st.lists(st.none() | st.just(NULL) | data.draw(shaped()), max_size=4).map(lambda own: of(*own))
    check_a_later_page((MAPPINGS | CLOSED)[kind], data.draw(pages), data.draw(pages))


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", MAPPINGS | CLOSED)
@settings(generous, max_examples=150)
@given(data=st.data())
def test_so_do_thousands_of_pages(kind, data):
    mapping = (MAPPINGS | CLOSED)[kind]
    check_a_later_page(mapping, data.draw(items()), data.draw(items()))
    pages = st.lists(st.none() | st.just(NULL) | data.draw(shaped()), max_size=4).map(lambda own: of(*own))
    check_a_later_page(mapping, data.draw(pages), data.draw(pages))


def check_a_later_page(mapping: Mapping, first: list[dict[str, AV]], second: list[dict[str, AV]]) -> None:
    schema, harvest = taught(first, mapping)
    closed = mapping.freeze or mapping.json_column is not None
    try:
        rows = fast_rows(compile_schema(schema, harvest.tags, mapping, closed=closed), second)
    except (Mismatch, msgspec.DecodeError, ValueError):
        return
    rows.validate(full=True)
    later = harvest_of(second, mapping)
    wider = later.widened(schema, closed=closed)
    assert rows.equals(later.rows(schema))
    if mapping.number_type is NumberType.FLOAT:
        assert wider.arrow() == schema.arrow()
    else:
        assert wider == schema


@pytest.mark.parametrize(
    ("known", "met"),
    [
        ({"S": "x"}, {"N": "1"}),
        ({"BOOL": True}, {"S": "x"}),
        ({"M": {"x": {"S": "x"}}}, {"M": {"y": {"S": "x"}}}),
        ({"M": {"x": {"S": "x"}}}, {"M": {"x": {"N": "1"}}}),
        ({"M": {}}, {"M": {"x": {"S": "x"}}}),
        ({"L": []}, {"L": [{"S": "x"}]}),
        ({"L": [{"M": {}}]}, {"L": [{"S": "x"}]}),
        ({"SS": ["x"]}, {"L": [{"S": "x"}]}),
        (NULL, {"S": "x"}),
        ({"S": "x"}, {}),
        ({"L": [{"N": "1"}]}, {"L": [{}]}),
        ({"L": [{"N": "1"}]}, {"L": [{"N": "x"}]}),
        ({"L": [{"N": "1"}]}, {"L": [{"N": "1", "BOOL": True}]}),
        ({"L": [{"M": {"x": {"S": "x"}}}]}, {"L": [{"M": {"x": {}}}]}),
        ({"B": "aGk="}, {"B": "?"}),
    ],
)
def test_what_is_new_or_broken_is_left_to_the_generic_way(known, met):
    assert not takes(of(known), of(met))
