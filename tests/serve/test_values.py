"""How values look in JSON: the table of the contract, by DuckDB's own types."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.arrow_text import column_texts
from headrace.serve.csv_rows import CsvRows
from headrace.serve.json_rows import JsonRows, unique
from headrace.serve.pieces import PIECE_BYTES, parts
from headrace.serve.values import EXACT, values


@pytest.fixture(scope="module")
def database():
    database = duckdb.connect(":memory:")
    yield database
    database.close()


def written(reader):
    rows = JsonRows(reader.schema)
    return json.loads(b"".join([rows.head(), *(rows.rows(batch) for batch in reader), rows.tail()]))


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("1::TINYINT", 1),
        ("9007199254740991", 9007199254740991),
        ("-9007199254740991", -9007199254740991),
        ("9007199254740992", "9007199254740992"),
        ("-9007199254740992", "-9007199254740992"),
        ("18446744073709551615::UBIGINT", "18446744073709551615"),
        ("5::HUGEINT", 5),
        ("170141183460469231731687303715884105727::HUGEINT", "170141183460469231731687303715884105727"),
        ("sum(1)", 1),
        ("1.50::DECIMAL(9, 2)", "1.5"),
        ("7::DECIMAL(10, 0)", "7"),
        ("0::DECIMAL(18, 10)", "0"),
        ("100::DECIMAL(38, 2)", "100"),
        ("12.5::DECIMAL(38, 2)", "12.5"),
        ("0.0000000000000000001::DECIMAL(38, 19)", "0.0000000000000000001"),
        ("500::DECIMAL(38, 0)", 500),
        ("9007199254740992::DECIMAL(38, 0)", "9007199254740992"),
        ("-0.5::DECIMAL(38, 20)", "-0.5"),
        ("0.1::DOUBLE", 0.1),
        ("'NaN'::DOUBLE", None),
        ("'inf'::DOUBLE", None),
        ("'-inf'::FLOAT", None),
        ("['NaN'::DOUBLE, 1.5]", [None, 1.5]),
        ("true", True),
        ("NULL", None),
        ("'ü \"\\ \n'", 'ü "\\ \n'),
        ("''", ""),
        ("'{\"a\": 1}'::JSON", '{"a": 1}'),
        ("'ab'::BLOB", "YWI="),
        ("['ab'::BLOB]", ["YWI="]),
        ("''::BLOB", ""),
        ("'a'::ENUM('a', 'b')", "a"),
        ("'6f1ed002-ab5e-4d3a-9b1c-111111111111'::UUID", "6f1ed002-ab5e-4d3a-9b1c-111111111111"),
        ("DATE '2024-02-29'", "2024-02-29"),
        ("DATE '-100-01-02'", "-0100-01-02"),
        ("DATE '290000-02-29'", "+290000-02-29"),
        ("'infinity'::DATE", "infinity"),
        ("'-infinity'::DATE", "-infinity"),
        ("TIME '01:02:03'", "01:02:03"),
        ("TIME '01:02:03.5'", "01:02:03.5"),
        ("TIME '24:00:00'", "24:00:00"),
        ("TIMESTAMP '2024-01-02 03:04:05'", "2024-01-02T03:04:05"),
        ("TIMESTAMP '2024-01-02 03:04:05.120'", "2024-01-02T03:04:05.12"),
        ("TIMESTAMP '2024-01-02 10:20:30'", "2024-01-02T10:20:30"),
        ("TIMESTAMP_S '2024-01-02 03:04:00'", "2024-01-02T03:04:00"),
        ("TIMESTAMP_MS '2024-01-02 03:04:05.006'", "2024-01-02T03:04:05.006"),
        ("TIMESTAMP_NS '2024-01-02 03:04:05.000000007'", "2024-01-02T03:04:05.000000007"),
        ("TIMESTAMP '290000-01-01 01:02:03.5'", "+290000-01-01T01:02:03.5"),
        ("TIMESTAMP '12024-01-01'", "+12024-01-01T00:00:00"),
        ("'infinity'::TIMESTAMP", "infinity"),
        ("'-infinity'::TIMESTAMP", "-infinity"),
        ("TIMESTAMPTZ '2024-01-02 03:04:05.5+02'", "2024-01-02T01:04:05.5Z"),
        ("'infinity'::TIMESTAMPTZ", "infinity"),
        ("INTERVAL '1 year 2 months 3 days'", "P1Y2M3D"),
        ("INTERVAL '90061.5 seconds'", "PT25H1M1.5S"),
        ("INTERVAL '-90.25 seconds'", "PT-1M-30.25S"),
        ("INTERVAL '0 days'", "PT0S"),
        ("[1, NULL, 9007199254740993]", [1, None, "9007199254740993"]),
        ("[[1], NULL, []]", [[1], None, []]),
        ("[1, 2]::INT[2]", [1, 2]),
        ("{'a': 1, 'b': {'c': [1.5]}}", {"a": 1, "b": {"c": ["1.5"]}}),
        ("{'a': NULL::INT}", {"a": None}),
        ("NULL::STRUCT(a INT)", None),
        ("row(1, 'x')", [1, "x"]),
        ("MAP {'k': 1, 'l': NULL}", {"k": 1, "l": None}),
        ("MAP {1: 'a', 9007199254740993: 'b'}", {"1": "a", "9007199254740993": "b"}),
        ("MAP {DATE '2024-01-02': true}", {"2024-01-02": True}),
        ("MAP {}", {}),
        ("union_value(n := 9007199254740993)", "9007199254740993"),
    ],
)
def test_a_value_in_json(database, sql, value):
    database.execute("SET TimeZone = 'UTC'")
    assert written(database.execute(f"SELECT {sql} AS x").to_arrow_reader(100)) == [{"x": value}]


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("Asia/Kolkata", "2024-07-01T17:30:00+05:30"),
        ("America/New_York", "2024-07-01T08:00:00-04:00"),
        ("Etc/UTC", "2024-07-01T12:00:00Z"),
    ],
)
def test_a_zoned_timestamp_has_its_zones_offset(zone, text):
    noon = datetime(2024, 7, 1, 12, tzinfo=UTC)
    assert values(pa.array([noon, None], pa.timestamp("us", zone))) == [text, None]


ORDER = pa.struct(
    [
        ("price", pa.decimal128(38, 2)),
        ("count", pa.decimal128(38, 0)),
        ("at", pa.timestamp("ms", "UTC")),
        ("seen", pa.list_(pa.timestamp("ns"))),
    ]
)


@pytest.mark.parametrize(
    ("type_", "given", "shown"),
    [
        (pa.decimal128(38, 2), [Decimal("12.50"), Decimal("-3.00"), None], ["12.5", "-3", None]),
        (pa.decimal128(38, 0), [Decimal(7), Decimal(10) ** 20, None], [7, "1" + "0" * 20, None]),
        (
            pa.timestamp("ms"),
            [1_700_000_000_120, 0, None],
            ["2023-11-14T22:13:20.12", "1970-01-01T00:00:00", None],
        ),
        (pa.timestamp("us"), [1_700_000_000_000_001], ["2023-11-14T22:13:20.000001"]),
        (pa.timestamp("ns"), [1_700_000_000_000_000_001], ["2023-11-14T22:13:20.000000001"]),
        (pa.timestamp("ms", "UTC"), [1_700_000_000_120, None], ["2023-11-14T22:13:20.12Z", None]),
        (pa.timestamp("us", "UTC"), [1_700_000_000_000_000], ["2023-11-14T22:13:20Z"]),
        (
            pa.map_(pa.string(), pa.decimal128(38, 1)),
            [[("a", Decimal("1.0"))], [], None],
            [{"a": "1"}, {}, None],
        ),
        (pa.map_(pa.string(), pa.int64()), [[("a", 2**53), ("b", 1)]], [{"a": str(2**53), "b": 1}]),
        (pa.map_(pa.string(), pa.list_(pa.string())), [[("a", ["x", None])]], [{"a": ["x", None]}]),
        (
            ORDER,
            [{"price": Decimal("1.10"), "count": Decimal(3), "at": 0, "seen": [1, None]}, None],
            [
                {
                    "price": "1.1",
                    "count": 3,
                    "at": "1970-01-01T00:00:00Z",
                    "seen": ["1970-01-01T00:00:00.000000001", None],
                },
                None,
            ],
        ),
        (
            pa.list_(pa.struct([("tags", pa.map_(pa.string(), ORDER))])),
            [[{"tags": [("k", {"price": Decimal("2.00")})]}, None], []],
            [[{"tags": {"k": {"price": "2", "count": None, "at": None, "seen": None}}}, None], []],
        ),
    ],
)
def test_each_type_that_a_column_can_have_looks_alike_in_json_in_csv_and_on_the_terminal(type_, given, shown):
    column = pa.array(given, type_)
    batch = pa.record_batch([pa.array(range(len(column))), column], ["n", "x"])
    assert values(column) == shown
    assert values(column.slice(1)) == shown[1:]
    rows = written(pa.RecordBatchReader.from_batches(batch.schema, [batch]))
    assert [row["x"] for row in rows] == shown
    in_csv = [line["x"] for line in csv.DictReader(io.StringIO(as_csv(batch)))]
    for value, in_file, on_terminal in zip(shown, in_csv, column_texts(column), strict=True):
        if isinstance(value, dict | list):
            assert json.loads(in_file) == json.loads(on_terminal) == value
        else:
            assert in_file == ("" if value is None else str(value))
            assert on_terminal == ("NULL" if value is None else str(value))


def as_csv(batch):
    rows = CsvRows(batch.schema)
    return b"".join([rows.head(), rows.rows(batch), rows.tail()]).decode()


@given(st.lists(st.none() | st.decimals(min_value=-(10**20), max_value=10**20, places=9), min_size=1))
def test_a_decimal_is_the_same_text_whatever_the_scale_of_its_column(numbers):
    narrow = values(pa.array(numbers, pa.decimal128(38, 9)))
    assert narrow == values(pa.array(numbers, pa.decimal128(38, 15)))
    for number, text in zip(numbers, narrow, strict=True):
        assert text is None if number is None else Decimal(text) == number
        assert text is None or "." not in text or text[-1] != "0"


def test_a_string_stands_only_where_a_number_would_round(database):
    rows = written(database.execute("SELECT unnest([1, 9007199254740992, NULL]) AS x").to_arrow_reader(100))
    assert rows == [{"x": 1}, {"x": "9007199254740992"}, {"x": None}]


def test_columns_of_one_name_are_told_apart(database):
    rows = written(database.execute('SELECT 1 AS a, 2 AS a, 3 AS a_1, 4 AS "a""b"').to_arrow_reader(100))
    assert rows == [{"a": 1, "a_2": 2, "a_1": 3, 'a"b': 4}]


def test_nulls_and_cuts_at_any_depth_stay_in_their_rows(database):
    sql = (
        "SELECT CASE WHEN i % 2 = 0 THEN {'a': i, 'b': [i, i + 1]} END AS s, "
        "CASE WHEN i % 3 = 0 THEN [{'x': i}] END AS l, CASE WHEN i % 2 = 1 THEN MAP {'k': [i]} END AS m "
        "FROM range(100) t(i)"
    )
    (batch,) = database.execute(sql).to_arrow_reader(100)
    fixed = [[i, -i] if i % 5 < 3 else None for i in range(100)]
    batch = batch.append_column("f", pa.array(fixed, pa.list_(pa.int64(), 2)))
    for start, length in ((0, 100), (7, 13), (50, 1), (99, 1), (3, 0)):
        cut = batch.slice(start, length)
        for column, whole in zip(cut.columns, batch.columns, strict=True):
            assert values(column) == values(whole)[start : start + length]
    assert values(batch.column("s"))[2] == {"a": 2, "b": [2, 3]}
    assert values(batch.column("l"))[2:4] == [None, [{"x": 3}]]
    assert values(batch.column("m"))[:2] == [None, {"k": [1]}]
    assert values(batch.column("f")) == fixed


def test_a_batch_of_large_items_is_sent_in_small_parts():
    batch = pa.record_batch({"x": ["y" * 400_000] * 50})
    pieces = list(parts(batch))
    assert max(piece.nbytes for piece in pieces) <= PIECE_BYTES
    assert sum(piece.num_rows for piece in pieces) == 50
    assert [piece.num_rows for piece in parts(pa.record_batch({"x": ["y" * 3 * PIECE_BYTES] * 2}))] == [1, 1]
    assert list(parts(batch.slice(0, 0))) == []


@given(st.lists(st.sampled_from(["a", "a_1", "a_2", "a_1_1", "b", "A", ""]), max_size=9))
def test_names_become_unique_and_those_that_were_stay(names):
    result = unique(names)
    assert len(set(result)) == len(names)
    for name in set(names):
        assert result[names.index(name)] == name


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_an_integer_is_never_rounded_by_a_reader_of_doubles(numbers):
    for number, value in zip(numbers, values(pa.array(numbers, pa.int64())), strict=True):
        if number is None:
            assert value is None
        else:
            assert int(value) == number
            assert isinstance(value, str) == (abs(number) > EXACT)


@given(st.lists(st.datetimes(), min_size=1), st.integers(-14 * 60, 14 * 60))
def test_a_timestamp_reads_back_as_itself(instants, minutes):
    naive = values(pa.array(instants, pa.timestamp("us")))
    assert [datetime.fromisoformat(text) for text in naive] == instants
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    zoned = pa.array([instant.replace(year=2024 if instant.day < 29 else 2000) for instant in instants])
    texts = values(zoned.cast(pa.timestamp("us", zone)))
    for text, instant in zip(texts, zoned.to_pylist(), strict=True):
        read = datetime.fromisoformat(text)
        assert read == instant.replace(tzinfo=UTC)
        assert read.utcoffset() == timezone(timedelta(minutes=minutes)).utcoffset(None)
