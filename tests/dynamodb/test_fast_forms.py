"""The compiled way gives the rows of the generic way, or steps aside."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import reduce
from typing import Any

import msgspec
import pyarrow as pa
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
    Times,
    list_of,
    number_type,
    time_type,
)
from headrace.dynamodb.compile import Compiled, compile_schema
from headrace.dynamodb.declared import declared_schema, frozen_schema
from headrace.dynamodb.forms import Mismatch
from headrace.dynamodb.generic import Harvest
from headrace.dynamodb.number_forms import number_form
from headrace.dynamodb.reader import ItemReader
from headrace.mapping import Declared, ListType, Mapping, NumberType
from headrace.schema import TableSchema
from headrace.time_layout import Layout
from support.attribute_values import AV, scalars, sets, values
from support.attribute_values import numbers as any_numbers

KEYS = TableSchema.of_keys((("pk", "S"),))
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
NULL = {"NULL": True}
STRUCTS = MAPPINGS["structs"]
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


def harvest_of(page: list[dict[str, AV]], mapping: Mapping) -> Harvest:
    harvest = Harvest(("pk",), ItemReader(mapping))
    for item in page:
        harvest.add_item(msgspec.Raw(json.dumps(item).encode()))
    return harvest


def taught(page: list[dict[str, AV]], mapping: Mapping) -> tuple[TableSchema, Harvest]:
    harvest = harvest_of(page, mapping)
    schema = harvest.widened(declared_schema(KEYS, mapping), closed=mapping.json_column is not None)
    return (frozen_schema(schema) if mapping.freeze else schema), harvest


def fast_rows(compiled: Compiled | None, page: list[dict[str, AV]]) -> pa.RecordBatch:
    assert compiled is not None
    body = json.dumps({"Items": page}, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
    return compiled.rows(compiled.scan.decode(body).rows)


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
@settings(generous, max_examples=300)
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


def of(*values: AV | None) -> list[dict[str, AV]]:
    """Items whose attribute ``a`` has these values; None is none."""
    return [
        {"pk": {"S": str(number)}, **({} if value is None else {"a": value})}
        for number, value in enumerate(values)
    ]


def both_ways(page: list[dict[str, AV]], mapping: Mapping = STRUCTS) -> pa.RecordBatch:
    """The rows of a page by the schema that it taught, which are the same both ways."""
    schema, harvest = taught(page, mapping)
    closed = mapping.freeze or mapping.json_column is not None
    rows = fast_rows(compile_schema(schema, harvest.tags, mapping, closed=closed), page)
    rows.validate(full=True)
    assert rows.equals(harvest.rows(schema))
    return rows


def column(page: list[dict[str, AV]], mapping: Mapping = STRUCTS) -> pa.Array:
    return both_ways(page, mapping).column("a")


def takes(first: list[dict[str, AV]], second: list[dict[str, AV]], mapping: Mapping = STRUCTS) -> bool:
    """Whether the schema that the first page taught decodes the second one the fast way."""
    schema, harvest = taught(first, mapping)
    try:
        fast_rows(compile_schema(schema, harvest.tags, mapping), second)
    except (Mismatch, msgspec.DecodeError, ValueError):
        return False
    return True


def numbers(*texts: str) -> list[dict[str, AV]]:
    return of(*({"N": text} for text in texts))


def times(*texts: str) -> list[dict[str, AV]]:
    return of(*({"S": text} for text in texts))


@pytest.mark.parametrize(
    ("values", "type_", "expected"),
    [
        ([{"S": ""}, {"S": "é{"}], pa.string(), ["", "é{"]),
        ([{"BOOL": True}, {"BOOL": False}], pa.bool_(), [True, False]),
        ([{"B": ""}, {"B": "aGk="}], pa.binary(), [b"", b"hi"]),
        ([{"N": "1"}, {"N": "-9223372036854775808"}, {"N": "1.0"}], pa.int64(), [1, -(2**63), 1]),
        ([{"N": "1"}, {"N": "1E3"}, {"N": "-0"}], pa.int64(), [1, 1000, 0]),
        (
            [{"N": "0.1"}, {"N": "1E+22"}, {"N": "0.30000000000000004"}],
            pa.float64(),
            [0.1, 1e22, 0.30000000000000004],
        ),
        ([{"N": "18446744073709551616"}, {"N": "1"}], pa.decimal128(38, 0), [Decimal(2**64), Decimal(1)]),
        ([{"N": "0.1000000000000000001"}, {"N": "2.50"}], pa.decimal128(38, 19), None),
        ([{"N": "0.10000000000000000001"}, {"N": "1E+30"}, {"N": "007"}], pa.string(), None),
        ([{"L": []}, {"L": [NULL]}], pa.list_(pa.string()), [[], [None]]),
        ([{"L": [{"S": "x"}]}, {"L": []}], pa.list_(pa.string()), [["x"], []]),
        ([{"SS": ["b", "a"]}, {"L": [{"S": "x"}, NULL]}], pa.list_(pa.string()), [["b", "a"], ["x", None]]),
        (
            [{"NS": ["1.50"]}, {"SS": ["x"]}, {"BS": ["aGk="]}],
            pa.list_(pa.string()),
            [["1.5"], ["x"], ["aGk="]],
        ),
        ([{"NS": ["2", "1"]}, {"L": [NULL]}], pa.list_(pa.int64()), [[2, 1], [None]]),
        ([{"BS": ["aGk="]}, {"L": []}], pa.list_(pa.binary()), [[b"hi"], []]),
        ([{"M": {}}], pa.string(), ["{}"]),
        (
            [{"S": "x"}, {"N": "1.50"}, {"BOOL": True}, {"B": "aGk="}],
            pa.string(),
            ["x", "1.5", "true", "aGk="],
        ),
        (
            [
                {"S": "x"},
                {"L": [{"N": "1"}, NULL, {"L": [{"N": "1.0"}]}]},
                {"M": {"b": {"N": "2.0"}, "a": NULL}},
            ],
            pa.string(),
            ["x", '["1",null,"[1.0]"]', '{"b":2}'],
        ),
        (
            [
                {
                    "L": [
                        {"N": "1E2"},
                        {"BOOL": False},
                        {"B": "aGk="},
                        {"M": {"b": {"S": '"'}, "a": {"SS": ["x"]}}},
                    ]
                }
            ],
            pa.list_(pa.string()),
            [["100", "false", "aGk=", '{"a":["x"],"b":"\\""}']],
        ),
    ],
)
def test_each_form_holds_its_values_beside_null_and_missing_ones(values, type_, expected):
    array = column(of(*values, NULL, None))
    assert array.type == type_
    assert array[len(values) :].to_pylist() == [None, None]
    if expected is not None:
        assert array[: len(values)].to_pylist() == expected


def test_a_map_is_a_struct_even_where_it_lacks_members():
    maps = [{"M": {"x": {"N": "1"}, "y": {"S": "a"}}}, {"M": {}}, {"M": {"y": NULL}}, NULL, None]
    array = column(of(*maps))
    assert array.to_pylist() == [
        {"x": 1, "y": "a"},
        {"x": None, "y": None},
        {"x": None, "y": None},
        None,
        None,
    ]


def test_structs_and_lists_of_them_nest():
    line = {
        "M": {
            "sku": {"S": "s"},
            "at": {"L": [{"M": {"n": {"N": "1.5"}}}, NULL]},
            "more": {"M": {"deep": {"M": {}}}},
        }
    }
    array = column(of({"L": [line, NULL, {"M": {}}]}, {"L": []}, None))
    nothing = {"at": None, "more": None, "sku": None}
    assert array.to_pylist() == [
        [{"at": [{"n": 1.5}, None], "more": {"deep": "{}"}, "sku": "s"}, None, nothing],
        [],
        None,
    ]


def test_members_that_disagree_are_json():
    values = [
        {"S": "1"},
        {"N": "1.0"},
        {"BOOL": True},
        {"B": "aGk="},
        {"L": [{"N": "1"}]},
        {"M": {"z": {"S": "é"}}},
        NULL,
    ]
    array = column(of(*({"M": {"x": value}} for value in values)))
    assert [row["x"] for row in array.to_pylist()] == [
        '"1"',
        "1",
        "true",
        '"aGk="',
        '["1"]',
        '{"z":"é"}',
        None,
    ]


def test_a_dictionary_keeps_its_entries_by_name_and_leaves_null_ones_out():
    many = {"M": {f"k{number:03d}": {"N": str(number)} for number in range(101)}}
    array = column(
        of(
            many,
            {"M": {"b": {"N": "2"}, "n": NULL, "a": {"N": "1"}}},
            {"M": {}},
            {"M": {"n": NULL}},
            NULL,
            None,
        )
    )
    assert array.type == pa.map_(pa.string(), pa.int64())
    assert array[1:].to_pylist() == [[("a", 1), ("b", 2)], [], [], None, None]


def test_a_member_whose_name_cannot_be_declared_is_read_all_the_same():
    assert column(of({"M": {'q"': {"N": "1"}, "x": {"S": "s"}}})).to_pylist() == [{'q"': 1, "x": "s"}]


def test_typed_lists_hold_what_their_elements_are():
    typed = Mapping(list_type=ListType.TYPED)
    assert column(of({"L": [{"N": "1"}, NULL]}, {"NS": ["2"]}), typed).to_pylist() == [[1, None], [2]]
    assert column(of({"L": [{"BOOL": True}, NULL]}), typed).to_pylist() == [[True, None]]
    assert column(of({"L": [{"B": "aGk="}]}, {"BS": ["aGk="]}), typed).to_pylist() == [[b"hi"], [b"hi"]]
    assert column(of({"L": [{"N": "1"}, {"S": "x"}]}), typed).to_pylist() == [["1", "x"]]


@pytest.mark.parametrize(
    ("known", "met", "taken"),
    [
        (["1"], ["9007199254740992"], True),
        (["1"], ["9007199254740993"], False),
        (["1"], ["9007199254740994"], True),
        (["9007199254740993"], ["-9223372036854775808"], True),
        (["9007199254740993"], ["9223372036854775808"], False),
        (["1"], ["1.5"], False),
        (["1"], ["0.99999999999999999999"], False),
        (["1"], ["0x10"], False),
        (["1.5"], ["2", "-0.5", "100"], True),
        (["1.5"], ["1.25"], False),
        (["1.5"], ["1.50"], True),
        (["1.5"], ["1E-5"], False),
        (["0.30000000000000004"], ["0.1234567890123456"], True),
        (["0.30000000000000004"], ["0.12345678901234567"], False),
        (["1.5"], ["1E+22"], False),
        (["1.5", "1E+22"], ["1E+22", "12345678901234567890"], False),
        (["1.5"], ["nan"], False),
        (["1.5"], ["inf"], False),
        (["100000000000000000000"], ["5", "200000000000000000000"], True),
        (["100000000000000000000"], ["1000000000000000000000"], False),
        (["100000000000000000000"], ["18446744073709551617"], False),
        (["100000000000000000000"], ["12345678901E+10"], True),
        (["18446744073709551617"], ["18446744073709551616", "1E+19"], True),
        (["123456789012345678901.5"], ["-0.5", "1E+20", "2.0"], True),
        (["123456789012345678901.5"], ["1E-40"], False),
        (["123456789012345678901.5"], ["1E-84"], False),
        (["123456789012345678901.5"], [f"0.{'0' * 83}1"], False),
        (["0.098761555452326605"], ["-9897898407300007200000"], False),
        (["0.1000000000000000001"], ["1234567890123456789.5"], True),
        (["0.1000000000000000001"], ["12345678901234567890"], False),
        (["0.1000000000000000001"], ["0.10000000000000000001"], False),
        (["0.10000000000000000001", "1E+30"], ["0.5", "1E+30", "007"], True),
        (["0.10000000000000000001", "1E+30"], ["1E+31"], False),
        (["0.10000000000000000001", "1E+30"], ["1E-21"], False),
    ],
)
def test_numbers_are_taken_if_what_is_known_of_their_digits_stays_true(known, met, taken):
    assert takes(numbers(*known), numbers(*met)) is taken


@settings(generous, max_examples=500)
@given(
    known=st.lists(any_numbers, min_size=1, max_size=2),
    met=st.lists(any_numbers, max_size=3),
    declared=st.booleans(),
)
def test_numbers_of_any_digits_are_held_exactly_or_not_at_all(known, met, declared):
    digits = reduce(Digits.join, (Digits.of(Decimal(text)) for text in known))

    def holds(text: str) -> bool:
        joined = digits.join(Digits.of(Decimal(text)))
        return bool(joined.arrow() == digits.arrow()) if declared else joined == digits

    form = number_form(digits, holds, declared=declared)
    if all(map(holds, met)):
        held = form([*met, None]).to_pylist()
        assert [Decimal(repr(one) if isinstance(one, float) else one) for one in held[:-1]] == [
            *map(Decimal, met)
        ]
        assert held[-1] is None
    else:
        with pytest.raises((Mismatch, ValueError)):
            form([*met, None])


def test_declared_numbers_are_taken_if_they_are_stored_alike():
    declared = Mapping(declared=(Declared("a", LONG),))
    assert takes([], numbers("9007199254740993"), declared)
    assert not takes([], numbers("1.5"), declared)
    double = Mapping(declared=(Declared("a", number_type(Digits.of(Decimal("1.5")))),))
    assert takes([], numbers("1.125", "0.30000000000000004"), double)
    assert not takes([], numbers("0.30000000000000005"), double)


def test_rounded_numbers_are_the_nearest_doubles():
    rounded = Mapping(number_type=NumberType.FLOAT)
    page = numbers("0.1000000000000000055511151231257827", "1E-130", "18446744073709551617")
    assert column(page, rounded).to_pylist() == [0.1, 1e-130, 2.0**64]
    assert not takes(page, numbers("inf"), rounded)


@pytest.mark.parametrize(
    ("texts", "type_"),
    [
        (["2024-03-15T14:30:00Z", "2024-03-15T14:30:01Z"], pa.timestamp("ms", "UTC")),
        (["2024-03-15T14:30:00.120Z", "0000-01-01T00:00:00.000Z"], pa.timestamp("ms", "UTC")),
        (["2024-03-15T14:30:00.12Z", "2024-03-15T14:30:00Z"], pa.timestamp("ms", "UTC")),
        (["2024-03-15T14:30:00.123456", "9999-12-31T23:59:59.000000"], pa.timestamp("us")),
        (["2024-03-15T14:30:00+02:00"], pa.timestamp("ms", "UTC")),
        (["2024-03-15T14:30:00Z", "2024-03-15 14:30:00Z"], pa.string()),
        (["2024-03-15T14:30:00Z", "2024-02-30T14:30:00Z"], pa.string()),
        (["2024-03-15T14:30:00Z", "2024-03-15T14:30:00+02:00"], pa.string()),
        (["2024-03-15T14:30:00Z", "2024-03-15T14:30:00"], pa.string()),
    ],
)
def test_times_of_one_layout_and_zone_are_timestamps(texts, type_):
    array = column([*times(*texts), *of(NULL, None)])
    assert array.type == type_
    assert array.null_count == 2


@pytest.mark.parametrize(
    ("known", "met", "taken"),
    [
        ("2024-03-15T14:30:00Z", "2025-03-15T14:30:00Z", True),
        ("2024-03-15T14:30:00Z", "2024-03-15T14:30:00.5Z", False),
        ("2024-03-15T14:30:00.5Z", "2024-03-15T14:30:00.1Z", True),
        ("2024-03-15T14:30:00.5Z", "2024-03-15T14:30:00Z", True),
        ("2024-03-15T14:30:00.123Z", "2024-03-15T14:30:00.321Z", True),
        ("2024-03-15T14:30:00.123Z", "2024-03-15T14:30:00.320Z", False),
        ("2024-03-15T14:30:00.123Z", "2024-03-15T14:30:00.32Z", False),
        ("2024-03-15T14:30:00.120Z", "2024-03-15T14:30:00.123Z", True),
        ("2024-03-15T14:30:00.120Z", "2024-03-15T14:30:00.123+00:00", False),
        ("2024-03-15T14:30:00.120Z", "2024-03-15 14:30:00.123Z", False),
        ("2024-03-15T14:30:00.120Z", "2024-03-15T14:30:00,123Z", False),
        ("2024-03-15T14:30:00Z", "2024-03-15T14:30:60Z", False),
        ("2024-03-15T14:30:00+02:00", "2024-03-15T14:30:01+02:00", True),
        ("2024-03-15T14:30:00+02:00", "2024-03-15T14:30:01+03:00", False),
        ("2024-03-15T14:30:00", "2024-03-15T14:30:01", True),
        ("2024-03-15T14:30:00", "20240315T14:30:0001", False),
    ],
)
def test_times_are_taken_only_under_all_layouts_of_their_column(known, met, taken):
    assert takes(times(known), times(met)) is taken
    assert takes(times(known), times(known, met)) is taken


def test_a_declared_time_is_taken_under_any_layout_of_its_column():
    layouts = frozenset({"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.000Z07:00"})
    declared = Mapping(declared=(Declared("a", time_type(Times("UTC", layouts))),))
    assert takes([], times("2024-03-15T14:30:00Z", "2024-03-15T14:30:01Z"), declared)
    assert takes([], times("2024-03-15T14:30:00Z", "2024-03-15T14:30:01.500Z"), declared)
    assert not takes([], times("2024-03-15T14:30:00.5Z"), declared)


def test_a_layout_that_takes_the_letter_of_a_zone_for_text_does_not_change_what_the_family_reads():
    family = (Layout.of("2006-01-02T15:04:05Z"), Layout.of("2006-01-02T15:04:05.999Z07:00"))
    mapping = Mapping(layouts=family)
    assert not takes(times("2024-03-15T14:30:00.5Z"), times("2024-03-15T14:30:00Z"), mapping)


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


def test_maps_are_flattened_into_columns_down_to_a_depth():
    page = [
        {"pk": {"S": "0"}, "a": {"M": {"x": {"N": "1"}, "y": {"M": {"z": {"S": "s"}, "w": {"M": {}}}}}}},
        {"pk": {"S": "1"}, "a": {"M": {"y": {"M": {"w": {"M": {"q": {"N": "1.50"}}}}}}}},
        {"pk": {"S": "2"}},
    ]
    assert both_ways(page, Mapping(unnest_depth=0)).column("a").to_pylist() == [
        '{"x":1,"y":{"z":"s","w":{}}}',
        '{"y":{"w":{"q":1.50}}}',
        None,
    ]
    assert both_ways(page, Mapping(unnest_depth=1)).to_pydict() == {
        "pk": ["0", "1", "2"],
        "a.x": [1, None, None],
        "a.y": ['{"z":"s","w":{}}', '{"w":{"q":1.50}}', None],
    }
    assert both_ways(page, Mapping(unnest_depth=2)).to_pydict() == {
        "pk": ["0", "1", "2"],
        "a.x": [1, None, None],
        "a.y.z": ["s", None, None],
        "a.y.w": ["{}", '{"q":1.50}', None],
    }


def test_an_attribute_that_is_not_always_a_map_has_a_column_beside_those_of_its_members():
    once = Mapping(unnest_depth=1)
    page = of({"M": {"x": {"N": "1"}}}, {"M": {}}, {"S": "s"}, NULL, None)
    assert both_ways(page, once).to_pydict() == {
        "pk": ["0", "1", "2", "3", "4"],
        "a.x": [1, None, None, None, None],
        "a": [None, "{}", "s", None, None],
    }
    for odd in ({"M": {}}, {"S": "s"}, NULL, {"M": {"y": {"N": "1"}}}):
        assert not takes(of({"M": {"x": {"N": "1"}}}), of(odd), once)
    assert not takes(of({"S": "s"}, {"N": "1"}), of({"M": {"x": {"N": "1"}}}), once)
    assert not takes(of({"M": {}}), of({"M": {"x": {"N": "1"}}}), once)


def test_attributes_without_a_column_are_members_of_one_json_object():
    page = [
        {"pk": {"S": "0"}, "b": {"N": "1.50"}, "a": {"S": "x"}, "c": {"M": {"z": {"SS": ["s"]}, "y": NULL}}},
        {"pk": {"S": "1"}, "a": {"S": 'say "}'}, 'q"': {"BS": ["aGk="]}},
        {"pk": {"S": "2"}, "a": {"S": "y"}},
    ]
    mapping = Mapping(json_column="rest", declared=(Declared("a", TEXT),))
    assert both_ways(page, mapping).to_pydict() == {
        "pk": ["0", "1", "2"],
        "a": ["x", 'say "}', "y"],
        "rest": ['{"b":1.50,"c":{"z":["s"],"y":null}}', '{"q\\"":["aGk="]}', None],
    }


def test_a_value_that_a_declared_column_does_not_hold_is_left_to_the_generic_way():
    mapping = Mapping(json_column="rest", declared=(Declared("a", LONG), Declared("b", list_of(TEXT))))
    assert takes(
        [], [{"pk": {"S": "0"}, "a": {"N": "1"}, "b": {"L": [{"N": "1"}]}, "c": {"N": "1"}}], mapping
    )
    assert not takes([], of({"S": "x"}), mapping)


@pytest.mark.parametrize(
    "mapping", [STRUCTS, Mapping(json_column="rest")], ids=["columns", "one JSON object"]
)
def test_a_deletion_has_nothing_but_its_key(mapping):
    schema, harvest = taught([{"pk": {"S": "a"}, "n": {"N": "1"}}], mapping)
    compiled = compile_schema(schema, harvest.tags, mapping)
    change = {"Keys": {"pk": {"S": "a"}}, "SequenceNumber": "1", "ApproximateCreationDateTime": 1}
    records = {"Records": [{"eventName": "REMOVE", "dynamodb": change}]}
    (record,) = compiled.records.decode(json.dumps(records)).rows
    (row,) = compiled.rows([compiled.from_keys(record.change.keys)]).to_pylist()
    assert row.pop("pk") == "a"
    assert set(row.values()) == {None}


def test_a_key_is_never_null():
    assert not takes(of({"S": "x"}), [{"a": {"S": "x"}}])
    assert not takes(of({"S": "x"}), [{"pk": NULL}])
