"""What every accelerator must make of a value whose column has become wider: the forms of types, each by example."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from unittest import mock

import pytest
from hypothesis import strategies as st

from headrace import column_type
from headrace.column_type import (
    BINARY,
    BOOL,
    INT,
    JSON,
    LONG,
    NULL,
    TEXT,
    list_of,
    map_of,
    struct_of,
)
from support.copies import batch, create, schema_of, work
from support.engines import ENGINES, REAL, harness_of
from support.laws import hold
from support.typed_values import VALUES, in_column, number, times, type_of

HALF = number("0.5")
MANY = number("0." + "1" * 38)
NO_MEMBERS = struct_of({})
SECONDS, MILLIS, MICROS = (f"2006-01-02T15:04:05{end}Z07:00" for end in ("", ".000", ".999999"))
NAIVE, NAIVE_NANOS = "2006-01-02 15:04:05", "2006-01-02 15:04:05.999999999"
DAY = 1_704_164_645_000
"""2024-01-02T03:04:05Z in milliseconds."""

FORMS = [
    # narrow type, value, what else the column holds, the value it becomes
    (INT, 42, HALF, 42.0),
    (INT, -(2**53), HALF, -(2.0**53)),
    (INT, 42, LONG, 42),
    (INT, 42, TEXT, "42"),
    (INT, 42, number("1e20"), Decimal(42)),
    (INT, 42, number("12345678901234567890.5"), Decimal(42)),
    (LONG, -(2**63), TEXT, "-9223372036854775808"),
    (LONG, 2**53 + 1, HALF, Decimal(2**53 + 1)),
    (LONG, 2**53 + 1, MANY, "9007199254740993"),
    (number("1e18"), 10**18, HALF, 1e18),
    (HALF, 42.0, TEXT, "42"),
    (HALF, -0.0, TEXT, "0"),
    (HALF, 0.1, TEXT, "0.1"),
    (HALF, 0.1, number("0.1000000000000000001"), Decimal("0.1")),
    (HALF, -1.5e-9, TEXT, "-0.0000000015"),
    (number("1.25e20"), Decimal("1.25e20"), TEXT, "125000000000000000000"),
    (number("1e100"), -1e100, TEXT, "-1" + "0" * 100),
    (number("1e100"), -1e100, MANY, "-1" + "0" * 100),
    (number("1e23"), Decimal("1e23"), HALF, 1e23),
    (number("0.30000000000000001"), Decimal("0.30000000000000001"), INT, Decimal("0.30000000000000001")),
    (number("0.30000000000000001"), Decimal("0.3"), number("0.1000000000000000001"), Decimal("0.3")),
    (number("0.30000000000000001"), Decimal("-0.3"), TEXT, "-0.3"),
    (number("12345678901234567890"), Decimal(10), TEXT, "10"),
    (MANY, "0.25", TEXT, "0.25"),
    (BOOL, True, TEXT, "true"),
    (BOOL, False, INT, "false"),
    (BINARY, b"\x00\xffa", TEXT, "AP9h"),
    (JSON, '{"a": 1.10}', TEXT, '{"a": 1.10}'),
    (JSON, "[1]", INT, "[1]"),
    (TEXT, '"', INT, '"'),
    (NULL, None, INT, None),
    (NULL, None, list_of(BINARY), None),
    (NULL, None, struct_of({"a": INT}), None),
    # Times
    (times("UTC", SECONDS, MICROS), DAY, times("UTC", MICROS), DAY * 1000),
    (times("UTC", SECONDS, MICROS), DAY, TEXT, "2024-01-02T03:04:05Z"),
    (times("UTC", MILLIS), DAY, TEXT, "2024-01-02T03:04:05.000Z"),
    (times("UTC", MICROS), DAY * 1000 + 120, TEXT, "2024-01-02T03:04:05.00012Z"),
    (times("+02:00", SECONDS), DAY, TEXT, "2024-01-02T05:04:05+02:00"),
    (times("+02:00", SECONDS), DAY, times("UTC", SECONDS), "2024-01-02T05:04:05+02:00"),
    (times(None, NAIVE, NAIVE_NANOS), DAY, times(None, NAIVE_NANOS), DAY * 10**6),
    (times(None, NAIVE), -62_167_219_200_000, TEXT, "0000-01-01 00:00:00"),
    (times(None, NAIVE_NANOS), DAY * 10**6 + 1, INT, "2024-01-02 03:04:05.000000001"),
    # Lists
    (list_of(NULL), [None, None], list_of(HALF), [None, None]),
    (list_of(NULL), [None], TEXT, "[null]"),
    (list_of(NULL), [], list_of(struct_of({"a": INT})), []),
    (list_of(INT), [1, None], list_of(HALF), [1.0, None]),
    (list_of(INT), [1, None], list_of(TEXT), ["1", None]),
    (list_of(INT), [1, None, 3], INT, '["1",null,"3"]'),
    (list_of(INT), [], TEXT, "[]"),
    (list_of(HALF), [0.5, 1e22], TEXT, '["0.5","10000000000000000000000"]'),
    (list_of(BOOL), [True, None], TEXT, '["true",null]'),
    (list_of(BOOL), [True, None], list_of(INT), ["true", None]),
    (list_of(BINARY), [b"\xff"], TEXT, '["/w=="]'),
    (list_of(BINARY), [b"\xff"], list_of(TEXT), ["/w=="]),
    (list_of(JSON), ['{"a":1}', None], TEXT, '["{\\"a\\":1}",null]'),
    (list_of(JSON), ['{"a":1}'], list_of(TEXT), ['{"a":1}']),
    (list_of(TEXT), ['"\\\x0b\u2028', ""], INT, '["\\"\\\\\\u000b\u2028",""]'),
    (list_of(times("UTC", MILLIS)), [DAY], list_of(TEXT), ["2024-01-02T03:04:05.000Z"]),
    (
        list_of(struct_of({"a": INT})),
        [{"a": 1}, None],
        list_of(struct_of({"b": INT})),
        [{"a": 1, "b": None}, None],
    ),
    (list_of(struct_of({"a": INT})), [{"a": 1}, None], list_of(INT), ['{"a":1}', None]),
    (list_of(struct_of({"a": INT})), [{"a": 1}, None], TEXT, '["{\\"a\\":1}",null]'),
    # Maps as structs
    (NO_MEMBERS, "{}", TEXT, "{}"),
    (NO_MEMBERS, "{}", struct_of({"a": INT}), {"a": None}),
    (NO_MEMBERS, "{}", map_of(INT), {}),
    (struct_of({"b": INT}), {"b": 1}, struct_of({"a": TEXT, "c": BOOL}), {"a": None, "b": 1, "c": None}),
    (struct_of({"b": INT}), {"b": 1}, struct_of({"b": HALF}), {"b": 1.0}),
    (struct_of({"b": INT}), {"b": 1}, struct_of({"b": TEXT}), {"b": "1"}),
    (struct_of({"b": TEXT}), {"b": "1"}, struct_of({"b": INT}), {"b": '"1"'}),
    (struct_of({"b": BOOL}), {"b": True}, struct_of({"b": INT}), {"b": "true"}),
    (struct_of({"b": BINARY}), {"b": b"\xff"}, struct_of({"b": INT}), {"b": '"/w=="'}),
    (struct_of({"b": list_of(INT)}), {"b": [1, None]}, struct_of({"b": INT}), {"b": '["1",null]'}),
    (struct_of({"b": NO_MEMBERS}), {"b": "{}"}, struct_of({"b": INT}), {"b": "{}"}),
    (struct_of({"b": NULL}), {"b": None}, struct_of({"b": struct_of({"c": INT})}), {"b": None}),
    (struct_of({"b": times(None, NAIVE)}), {"b": DAY}, struct_of({"b": TEXT}), {"b": "2024-01-02 03:04:05"}),
    (struct_of({"b": times(None, NAIVE)}), {"b": DAY}, struct_of({"b": INT}), {"b": '"2024-01-02 03:04:05"'}),
    (
        struct_of({"s": struct_of({"b": INT}), "t": TEXT}),
        {"s": {"b": 1}, "t": None},
        struct_of({"s": struct_of({"a": struct_of({"x": INT})})}),
        {"s": {"a": None, "b": 1}, "t": None},
    ),
    (
        struct_of({'q"': TEXT, "B": HALF, "a": JSON, "n": INT, "é": struct_of({"y": BOOL})}),
        {'q"': "\n", "B": 1e22, "a": '"1"', "n": None, "é": {"y": False}},
        TEXT,
        '{"B":10000000000000000000000,"a":"1","q\\"":"\\n","é":{"y":false}}',
    ),
    (struct_of({"a": INT}), {"a": None}, TEXT, "{}"),
    # Maps as dictionaries
    (struct_of({"a": INT, "b": NULL}), {"a": 1, "b": None}, map_of(INT), {"a": 1}),
    (struct_of({"a": INT, "b": TEXT}), {"a": 1, "b": "x"}, map_of(NULL), {"a": "1", "b": '"x"'}),
    (struct_of({"a": INT}), {"a": None}, map_of(struct_of({"x": INT})), {}),
    (
        struct_of({"a": struct_of({"x": INT})}),
        {"a": {"x": 1}},
        map_of(struct_of({"y": INT})),
        {"a": {"x": 1, "y": None}},
    ),
    (map_of(INT), {"b": 1, "a": 2}, map_of(HALF), {"a": 2.0, "b": 1.0}),
    (map_of(INT), {"b": 1, "a": 2}, map_of(TEXT), {"a": "2", "b": "1"}),
    (map_of(INT), {"b": 1, "B": 2}, TEXT, '{"B":2,"b":1}'),
    (map_of(TEXT), {'"': "\\"}, list_of(TEXT), '{"\\"":"\\\\"}'),
    (map_of(list_of(struct_of({"a": INT}))), {"x": [{"a": 1}]}, TEXT, '{"x":["{\\"a\\":1}"]}'),
    (map_of(INT), {}, TEXT, "{}"),
]


@pytest.fixture(params=ENGINES)
def copy(request, tmp_path):
    harness = harness_of(request.param, tmp_path)
    harness.sink.open()
    yield harness
    harness.close()


@pytest.mark.parametrize("by_batch", [False, True], ids=["stored", "arriving"])
def test_every_widened_value_is_still_there(copy, by_batch):
    """Invariant 5: no value is lost, whether it widens in the table or on its way to it. A column for each form."""
    names = [f"v{number}" for number in range(len(FORMS))]
    narrow, values, others, becomes = (
        dict(zip(names, part, strict=True)) for part in zip(*FORMS, strict=True)
    )
    narrow_schema, wide_schema = schema_of(**narrow), schema_of(**others)
    copy.sink.apply(create())
    works = [
        work(1, batch(narrow_schema, {"id": "a", **values}, {"id": "b"})),
        work(2, batch(wide_schema, {"id": "c"})),
    ]
    if by_batch:
        works.reverse()
    for one in works:
        applied = copy.sink.apply(one)
    nothing = dict.fromkeys(names)
    expected = {
        ("a",): {"id": "a", **becomes},
        ("b",): {"id": "b", **nothing},
        ("c",): {"id": "c", **nothing},
    }
    assert copy.live() == expected
    found = copy.live()[("a",)]
    assert {name: type(found[name]) for name in names} == {
        name: type(value) for name, value in becomes.items()
    }
    assert applied.schema == copy.sink.open().live.schema == narrow_schema.join(wide_schema)
    if copy.survives:
        copy.restart()
        copy.sink.open()
        assert copy.live() == expected


@pytest.fixture(scope="module", params=REAL)
def pair(request, tmp_path_factory):
    """An engine and plain dictionaries."""
    harnesses = [harness_of(request.param, tmp_path_factory.mktemp("real")), harness_of("memory", None)]
    for harness in harnesses:
        harness.sink.open()
    yield harnesses
    for harness in harnesses:
        harness.close()


def test_a_column_that_widens_alone_takes_the_shortest_way_to_the_same_values(pair):
    """Where an engine's own ALTER suffices, nothing else in the table asks for more."""
    sink = pair[0].sink
    for narrow, value, other, becomes in FORMS:
        sink.apply(create())
        sink.apply(work(1, batch(schema_of(v=narrow), {"id": "a", "v": value}, {"id": "b"})))
        sink.apply(work(2, batch(schema_of(v=other), {"id": "c"})))
        assert {key: row["v"] for (key,), row in pair[0].live().items()} == {
            "a": becomes,
            "b": None,
            "c": None,
        }


def test_items_in_any_order_leave_the_same_types_and_values(pair):
    """One item a transaction, so that every step widens what is stored."""
    values = st.lists(VALUES, min_size=2, max_size=4)
    hold(partial(agree, pair), pair[0], examples=30, values=values, order=st.permutations(range(4)))


def agree(pair, values, order):
    with mock.patch.object(column_type, "MOST_MEMBERS", 3):
        items = list(enumerate(pair[0].holding(values)))
        shuffled = sorted(items, key=lambda item: order[item[0]])
        found = [_stored(harness, given) for harness in pair for given in (items, shuffled)]
        type_, rows = found[0]
        assert rows == {(str(n),): {"id": str(n), "v": in_column(value, type_)} for n, value in items}
        assert all(other == found[0] for other in found)


def _stored(harness, items):
    harness.sink.apply(create())
    for mark, (number_, value) in enumerate(items, 1):
        own = type_of(value)
        row = {"id": str(number_), "v": in_column(value, own)}
        harness.sink.apply(work(mark, batch(schema_of(v=own), row), scanning=True))
    return harness.sink.open().live.schema.column("v").type, harness.live()
