"""Filters of rounded numbers, of times, and of declared columns: no row is hidden, and exact says so."""

import pyarrow as pa
import pytest

from headrace.column_type import LONG, TEXT
from headrace.config.column_types import DOUBLE
from headrace.leaf import Comparison, Fit, Predicate
from headrace.mapping import Declared, Mapping, NumberType
from headrace.time_layout import Layout
from support.asked_tables import PLAIN, AskedTable, as_rows, duckdbs_rows

FLOATS = Mapping(number_type=NumberType.FLOAT)
ORDERS = [Comparison.LESS, Comparison.LESS_OR_EQUAL, Comparison.GREATER, Comparison.GREATER_OR_EQUAL]
COMPARED = [Comparison.EQUAL, Comparison.NOT_EQUAL, *ORDERS]


def table_of(values):
    table = AskedTable(PLAIN)
    for number, value in enumerate(values):
        table.put({"id": {"S": f"k{number:02}"}, "v": value})
    return table


def compared(table, mapping, condition):
    """How far the condition is carried out, once the rows are found to be right."""
    reading = table.leaf(mapping, knowing=True).begin()
    assert reading.schema.field("v").type == condition.values[0].type
    found = as_rows(list(reading.scan(["id", "v"], [condition])), ["id", "v"])
    wanted = as_rows(duckdbs_rows(table.rows(mapping), [condition]), ["id", "v"])
    fit = reading.fit(condition)
    assert found == wanted if fit is Fit.EXACT else set(wanted) <= set(found)
    return fit


NEAR = [
    "0",
    "0.1",
    "0.10000000000000000000001",
    "0.09999999999999999999999",
    "1E-130",
    "-1E-130",
    "1.5",
    "1E+100",
]


def test_numbers_that_round_to_one_double_are_found():
    table = table_of([{"N": text} for text in NEAR])
    for asked in (0.1, 0.0, -0.0, 1.5, 1e100, 5e-324):
        for comparison in COMPARED:
            fit = compared(table, FLOATS, Predicate("v", comparison, (pa.scalar(asked),)))
            assert fit is not Fit.EXACT


@pytest.mark.parametrize("zone", ["+02:00", "-11:00", "+14:00"])
def test_times_of_one_offset_are_found_by_their_instants(zone):
    texts = [f"2024-01-{day:02}T{hour:02}:30:00{zone}" for day in (1, 2, 3) for hour in (0, 12, 23)]
    table = table_of([{"S": text} for text in texts])
    instant = table.rows().column("v")[4]
    for count in (instant.value - 1, instant.value, instant.value + 1):
        asked = pa.scalar(count, instant.type)
        for comparison in COMPARED:
            assert compared(table, Mapping(), Predicate("v", comparison, (asked,))) is Fit.SUPERSET


@pytest.mark.parametrize(
    ("layout", "fits"),
    [
        ("2006-01-02 15:04:05.000", {Fit.EXACT}),
        ("20060102150405", {Fit.EXACT}),
        ("2006-01-02", {Fit.EXACT}),
        ("2006-01-02 15:04:05.999", {Fit.EXACT, Fit.SUPERSET}),
        ("02/01/2006 15:04:05", {Fit.EXACT, Fit.NO}),
        ("Jan 2 2006 3:04PM", {Fit.EXACT, Fit.NO}),
    ],
)
def test_times_without_a_zone_are_asked_for_by_their_texts(layout, fits):
    written = Layout.of(layout)
    hour, day = 3_600_000, 86_400_000
    counts = [19_723 * day + offset for offset in (0, day, 32 * day, 366 * day)]
    if "15" in layout or "3:" in layout:
        counts += [19_723 * day + 10 * hour, 19_755 * day + 23 * hour]
    table = table_of([{"S": written.format(count, None)} for count in counts])
    mapping = Mapping(layouts=written.family)
    found = set()
    for comparison in COMPARED:
        condition = Predicate("v", comparison, (pa.scalar(counts[1], pa.timestamp("ms")),))
        fit = compared(table, mapping, condition)
        found |= {fit} if comparison is not Comparison.NOT_EQUAL else set()
    assert found == fits


def test_a_time_that_the_layout_cannot_write_is_asked_for_by_days():
    table = table_of([{"S": "2024-01-01"}, {"S": "2024-01-02"}, {"S": "2024-01-03"}])
    mapping = Mapping(layouts=Layout.of("2006-01-02").family)
    noon = pa.scalar(19_724 * 86_400_000 + 43_200_000, pa.timestamp("ms"))
    for comparison in ORDERS:
        assert compared(table, mapping, Predicate("v", comparison, (noon,))) is Fit.SUPERSET


MIXED = [
    {"N": "5"},
    {"N": "1.5"},
    {"S": "5"},
    {"S": "five"},
    {"NULL": True},
    {"BOOL": True},
    {"L": []},
    {"M": {}},
]


@pytest.mark.parametrize(
    ("type_", "asked"), [(LONG, 5), (DOUBLE, 1.5), (TEXT, "5"), (TEXT, "five"), (TEXT, "true")]
)
def test_a_declared_column_hides_what_does_not_fit_it(type_, asked):
    mapping, table = Mapping(declared=(Declared("v", type_),), json_column="rest"), table_of(MIXED)
    for comparison in COMPARED:
        fit = compared(table, mapping, Predicate("v", comparison, (pa.scalar(asked, type_.arrow()),)))
        assert (fit is Fit.EXACT) == (type_ is TEXT and comparison not in ORDERS)


@pytest.mark.parametrize("type_", [LONG, DOUBLE, TEXT])
@pytest.mark.parametrize("comparison", [Comparison.IS_NULL, Comparison.IS_NOT_NULL])
def test_null_in_a_declared_column_is_also_what_does_not_fit_it(type_, comparison):
    mapping = Mapping(declared=(Declared("v", type_),), json_column="rest")
    table = table_of(MIXED)
    condition = Predicate("v", comparison)
    reading = table.leaf(mapping, knowing=True).begin()
    assert reading.fit(condition) is (
        Fit.EXACT if type_ is TEXT else Fit.NO if comparison is Comparison.IS_NULL else Fit.SUPERSET
    )
    found = as_rows(list(reading.scan(["id", "v"], [condition])), ["id", "v"])
    assert set(as_rows(duckdbs_rows(table.rows(mapping), [condition]), ["id", "v"])) <= set(found)
