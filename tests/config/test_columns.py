"""How a Spicepod says what becomes of attributes: its parameters of types, and its declared columns."""

from contextlib import suppress

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.column_type import (
    BINARY,
    BOOL,
    JSON,
    LONG,
    TEXT,
    Digits,
    Times,
    holds,
    list_of,
    map_of,
    number_type,
    time_type,
)
from headrace.config.column_types import DOUBLE, TYPE_NAMES, read_type
from headrace.config.problem import BadValueError
from headrace.dataset import TimeColumn, TimeFormat
from headrace.mapping import Declared, ListType, Mapping, NumberType
from headrace.time_layout import Layout
from headrace.time_text import ISO_8601, layouts_of
from headrace.type_name import type_name

SPACED = "2006-01-02 15:04:05"
ZONED = "2006-01-02T15:04:05.000000Z07:00"


def test_without_a_word_about_types_items_become_columns_as_they_do_by_default(only):
    assert only().mapping == Mapping()


@pytest.mark.parametrize("prefix", ["", "dynamodb_"])
def test_every_setting_of_types_is_taken(only, prefix):
    lines = (
        f"time_format: {SPACED}",
        "unnest_depth: 3",
        "schema_infer_max_records: 100",
        "list_type: typed",
        "number_type: decimal",
        "schema_evolution: freeze",
    )
    dataset = only(params="; ".join(prefix + line for line in lines))
    assert dataset.unbuilt == ()
    assert dataset.mapping == Mapping(
        layouts=(Layout.of(SPACED),),
        unnest_depth=3,
        list_type=ListType.TYPED,
        number_type=NumberType.DECIMAL,
        sample=100,
        freeze=True,
    )


@pytest.mark.parametrize(
    ("written", "layout"),
    [
        (SPACED, SPACED),
        (f"'{SPACED}'", SPACED),
        ("20060102150405", "20060102150405"),
        ("2006-01-02", "2006-01-02"),
        ("2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z07:00"),
        ("Jan _2, 2006 at 3:04pm (MST)", "Jan _2, 2006 at 3:04pm (MST)"),
    ],
)
def test_a_time_format_is_its_source_text_whatever_yaml_would_make_of_it(only, written, layout):
    assert only(params=f"time_format: {written}").mapping.layouts == (Layout.of(layout),)


def test_a_time_format_may_come_from_the_environment(only):
    mapping = only({"LAYOUT": SPACED}, params="time_format: ${env:layout}").mapping
    assert mapping.layouts == (Layout.of(SPACED),)


def test_a_time_format_that_trims_its_fraction_takes_the_untrimmed_one_along(only):
    mapping = only(params="time_format: 2006-01-02T15:04:05.999Z07:00").mapping
    assert [layout.text for layout in mapping.layouts] == [
        "2006-01-02T15:04:05.999Z07:00",
        "2006-01-02T15:04:05.000Z07:00",
    ]


def test_the_time_format_of_a_time_column_is_another_thing(only):
    dataset = only(more="time_column: at; time_format: unix_seconds")
    assert dataset.mapping == Mapping()
    assert dataset.time_column == TimeColumn("at", TimeFormat.UNIX_SECONDS)


def test_columns_are_declared_by_name_or_with_their_type(only):
    more = (
        "columns:;   - name: id;     description: the order;   - name: total;     type: DECIMAL(18, 4);"
        "   - name: Tags;     type: varchar[];     metadata: {team: shop};   - name: 2006;     nullable: true"
    )
    dataset = only(more=more.replace(";  ", "; "))
    assert dataset.unbuilt == ()
    assert dataset.mapping.declared == (
        Declared("id"),
        Declared("total", number_type(Digits(34, 4, long=False, double=False))),
        Declared("Tags", list_of(TEXT)),
        Declared("2006"),
    )
    assert dataset.mapping.json_column is None


@pytest.mark.parametrize("type_", ["", "     type: Utf8;", "     type: JSON;"])
def test_one_column_may_hold_all_attributes_that_are_not_declared(only, type_):
    more = (
        f"columns:;   - name: PK;   - name: data_json;{type_}     metadata: {{json_object: '*', team: shop}}"
    )
    mapping = only(more=more.replace(";  ", "; ")).mapping
    assert (mapping.declared, mapping.json_column) == ((Declared("PK"),), "data_json")


def test_no_columns_are_as_good_as_none_declared(only):
    assert only(more="columns: []").mapping == only(more="columns:").mapping == Mapping()


@pytest.mark.parametrize(
    ("names", "type_"),
    [
        (("Utf8", "VARCHAR", "TEXT", "String"), TEXT),
        (("Int64", "bigint", "INT", "Integer"), LONG),
        (("Float64", "DOUBLE", "float", "double  precision"), DOUBLE),
        (("Boolean", "BOOL"), BOOL),
        (("Binary", "BLOB", "bytea"), BINARY),
        (("JSON",), JSON),
        (("List(Utf8)", "text[]", "list( VARCHAR )"), list_of(TEXT)),
        (("List(List(Int64))", "INT[][]", "List(BIGINT[])"), list_of(list_of(LONG))),
        (("Map(Utf8, Int64)", "map(text,INT)"), map_of(LONG)),
        (("Map(Utf8, List(JSON))",), map_of(list_of(JSON))),
        (("Decimal128(18, 4)", "decimal(18,4)", "NUMERIC(18, 4)"), number_type(Digits(34, 4, False, False))),
        (("DECIMAL(38)",), number_type(Digits(38, 0, False, False))),
    ],
)
def test_a_type_may_be_called_as_arrow_or_sql_calls_it(names, type_):
    for name in names:
        assert read_type(name, ISO_8601) == type_


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("Float64", pa.float64()),
        ("Int64", pa.int64()),
        ("Decimal128(38, 0)", pa.decimal128(38, 0)),
        ("Decimal128(18, 4)", pa.decimal128(38, 4)),
        ("Decimal128(38, 19)", pa.decimal128(38, 19)),
        ("Decimal128(5, 5)", pa.decimal128(38, 5)),
        ("Timestamp(Millisecond)", pa.timestamp("ms")),
        ("Timestamp(Microsecond)", pa.timestamp("us")),
        ("TIMESTAMP", pa.timestamp("ms")),
        ("TIMESTAMPTZ", pa.timestamp("ms", "UTC")),
        ("timestamp with time zone", pa.timestamp("ms", "UTC")),
        ("Timestamp(Microsecond, +02:00)", pa.timestamp("us", "UTC")),
        ("Map(Utf8, List(Decimal128(38, 2)))", pa.map_(pa.string(), pa.list_(pa.decimal128(38, 2)))),
    ],
)
def test_a_declared_type_is_stored_as_its_name_says(name, stored):
    assert read_type(name, ISO_8601).arrow() == stored


@given(st.integers(0, 19).flatmap(lambda scale: st.tuples(st.integers(max(scale, 1), 38), st.just(scale))))
def test_every_decimal_that_may_be_declared_holds_integers(digits):
    type_ = read_type(f"DECIMAL({digits[0]}, {digits[1]})", ISO_8601)
    assert type_.arrow() == pa.decimal128(38, digits[1])
    assert holds(type_, LONG)


@pytest.mark.parametrize(
    ("name", "text", "held"),
    [
        ("TIMESTAMPTZ", "2024-01-02T03:04:05Z", True),
        ("TIMESTAMPTZ", "2024-01-02T03:04:05.120Z", True),
        ("TIMESTAMPTZ", "2024-01-02T03:04:05+00:00", True),
        ("TIMESTAMPTZ", "2024-01-02T03:04:05+02:00", False),
        ("TIMESTAMPTZ", "2024-01-02T03:04:05", False),
        ("TIMESTAMPTZ", "2024-01-02T03:04:05.123456Z", False),
        ("Timestamp(Millisecond, +02:00)", "2024-01-02T03:04:05+02:00", True),
        ("Timestamp(Microsecond)", "2024-01-02T03:04:05", True),
        ("Timestamp(Microsecond)", "2024-01-02T03:04:05.123456", True),
    ],
)
def test_a_declared_time_column_holds_strings_of_its_zone_and_unit(name, text, held):
    reading = layouts_of(text, ISO_8601)
    own = time_type(Times(reading.zone, reading.layouts))
    assert holds(read_type(name, ISO_8601), own, any_layout=True) is held


def test_a_declared_time_is_of_the_datasets_own_layout(only):
    more = "columns:;   - {name: at, type: TIMESTAMP}"
    (declared,) = only(params=f"time_format: {SPACED}", more=more).mapping.declared
    assert declared.type == time_type(Times(None, frozenset({SPACED})))


@pytest.mark.parametrize("name", [name for name in TYPE_NAMES if "(" in name or name[0] != name[0].upper()])
def test_the_name_of_a_type_names_that_type(name):
    type_ = read_type(name, ISO_8601)
    assert read_type(type_name(type_), ISO_8601) == read_type(name.lower(), ISO_8601) == type_


CHOICES = ", ".join(TYPE_NAMES)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            "- {name: x, type: Strng}",
            f"8:25: datasets[0].columns[0].type: 'Strng' is not one of {CHOICES}; did you mean 'STRING'?",
        ),
        (
            "- {name: x, type: List(Int46)}",
            f"8:25: datasets[0].columns[0].type: 'Int46' is not one of {CHOICES}; did you mean 'Int64'?",
        ),
        ("- {name: x, type: '[]'}", f"8:25: datasets[0].columns[0].type: '' is not one of {CHOICES}"),
        (
            "- {name: x, type: Struct}",
            "8:25: datasets[0].columns[0].type: a struct's members come from the items; leave the type out, or write JSON",
        ),
        (
            "- {name: x, type: 'Map(Int64, Utf8)'}",
            "8:25: datasets[0].columns[0].type: 'Map(Int64, Utf8)': the keys of a map are text; write Map(Utf8, Utf8)",
        ),
        (
            "- {name: x, type: Timestamp(Second)}",
            (
                "8:25: datasets[0].columns[0].type: 'Timestamp(Second)': 'Second' is no unit of a timestamp; write "
                "Millisecond, Microsecond or Nanosecond"
            ),
        ),
        (
            "- {name: x, type: 'Timestamp(Millisecond, Mars)'}",
            (
                "8:25: datasets[0].columns[0].type: 'Timestamp(Millisecond, Mars)': 'Mars' is no zone; write UTC, or an "
                "offset such as +02:00"
            ),
        ),
        (
            "- {name: x, type: 'Timestamp(Nanosecond, UTC)'}",
            (
                "8:25: datasets[0].columns[0].type: 'Timestamp(Nanosecond, UTC)': instants are kept to the microsecond; "
                "write Microsecond, or no zone"
            ),
        ),
        (
            "- {name: x, type: Timestamp(Nanosecond)}",
            (
                "8:25: datasets[0].columns[0].type: 'Timestamp(Nanosecond)' is no type of the times of this dataset: ISO "
                "8601, for there is no time_format, writes Timestamp(Millisecond) or Timestamp(Microsecond) or "
                "Timestamp(Millisecond, UTC) or Timestamp(Microsecond, UTC)"
            ),
        ),
        (
            "- {name: x, type: 'DECIMAL(39, 2)'}",
            (
                "8:25: datasets[0].columns[0].type: 'DECIMAL(39, 2)': write the digits in all, at most 38, and those after "
                "the point, at most 19, such as Decimal128(38, 2)"
            ),
        ),
        ("- {type: Int64}", "8:9: datasets[0].columns[0].name: is missing; add name: ATTRIBUTE"),
        (
            "- {name: x, typ: Int64}",
            "8:19: datasets[0].columns[0].typ: there is no such key; did you mean 'type'?",
        ),
        (
            "- {name: headrace_x}",
            (
                "8:16: datasets[0].columns[0].name: 'headrace_x' begins with 'headrace_', which names Headrace's own "
                "columns"
            ),
        ),
        ("- {name: ''}", "8:16: datasets[0].columns[0].name: expected the name of an attribute"),
        (
            "- name: id;   - name: ID",
            (
                "9:15: datasets[0].columns[1].name: 'ID' is declared already (line 8, column 15); names differ, and not in "
                "capitals only"
            ),
        ),
        (
            "- {name: x, metadata: y}",
            "8:29: datasets[0].columns[0].metadata: expected keys and values ('key: value'), one a line",
        ),
        (
            "- {name: x, metadata: {json_object: id}}",
            (
                "8:43: datasets[0].columns[0].metadata.json_object: 'id' is not '*', which stands for all attributes that "
                "are not declared"
            ),
        ),
        (
            "- {name: x, metadata: {json_object: ['*']}}",
            (
                "8:43: datasets[0].columns[0].metadata.json_object: expected '*', which stands for all attributes that are "
                "not declared"
            ),
        ),
        (
            "- {name: x, metadata: {json_object: '*'}};   - {name: y, metadata: {json_object: '*'}}",
            (
                "9:43: datasets[0].columns[1].metadata.json_object: 'x' is the column of all other attributes already "
                "(line 8, column 30); keep one"
            ),
        ),
        (
            "- {name: x, type: Int64, metadata: {json_object: '*'}}",
            "8:25: datasets[0].columns[0].type: 'Int64' cannot hold a JSON object; write Utf8 or JSON, or remove it",
        ),
    ],
)
def test_a_wrong_column_is_refused_at_its_place(folder, column, message):
    text = folder.dataset(more=f"description: x; columns:;   {column}")
    assert folder.refusal(text) == f"spicepod.yaml:{message}"


def test_a_time_that_the_time_format_does_not_write_is_refused_with_what_it_does(folder):
    text = folder.dataset(params=f"time_format: {ZONED}", more="columns:;   - {name: at, type: TIMESTAMP}")
    assert folder.refusal(text) == (
        "spicepod.yaml:9:26: datasets[0].columns[0].type: 'TIMESTAMP' is no type of the times of this dataset: the "
        f"time_format {ZONED} writes Timestamp(Microsecond, UTC)"
    )


@pytest.mark.parametrize(
    ("setting", "type_"),
    [("decimal", "DOUBLE"), ("decimal", "List(Float64)"), ("float", "'DECIMAL(18, 2)'")],
)
def test_a_type_of_numbers_that_the_setting_has_none_of_is_refused(folder, setting, type_):
    text = folder.dataset(params=f"number_type: {setting}", more=f"columns:;   - {{name: n, type: {type_}}}")
    bare = type_.strip("'")
    assert folder.refusal(text) == (
        f"spicepod.yaml:9:25: datasets[0].columns[0].type: '{bare}' would hold no number, for number_type is {setting}; "
        "change one of them"
    )


@pytest.mark.parametrize("type_", ["Int64", "'DECIMAL(18, 2)'", "'Map(Utf8, Int64)'", "JSON"])
def test_a_type_that_goes_with_the_setting_of_numbers_is_taken(only, type_):
    assert only(
        params="number_type: decimal", more=f"columns:;   - {{name: n, type: {type_}}}"
    ).mapping.declared


def test_columns_that_are_no_list_are_refused(folder):
    assert folder.refusal(folder.dataset(more="columns: id")) == (
        "spicepod.yaml:6:14: datasets[0].columns: expected a list, each item after '- '"
    )


def test_a_type_that_nests_deeper_than_items_do_is_refused():
    with pytest.raises(BadValueError, match="nested deeper"):
        read_type("List(" * 5000, ISO_8601)


def test_a_declared_type_that_no_key_can_have_is_warned_of(folder):
    blocks = {
        "acceleration": "on_conflict:;   id: upsert",
        "more": "columns:;   - {name: id, type: TIMESTAMP}",
    }
    (warning,) = folder.load(folder.dataset(**blocks)).warnings
    assert warning == (
        "spicepod.yaml:9:26: datasets[0].columns[0].type: 'id' is of the key, which keeps its own type (text, numbers or "
        "binary); remove the type"
    )
    blocks["more"] = "columns:;   - {name: id, type: Utf8}"
    assert folder.load(folder.dataset(**blocks)).warnings == ()


@given(st.text(alphabet="ListMapUtf8(), []Timestamp", max_size=20))
def test_any_text_names_a_type_or_is_refused(text):
    with suppress(BadValueError):
        assert read_type(text, ISO_8601).arrow() is not None
