"""What refresh_sql, the data window and the time of the newest row keep of a page."""

import math
import threading
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.column_type import BOOL, INT, NULL, TEXT, list_of, struct_of
from headrace.dataset import Refresh, TimeColumn, TimeFormat
from headrace.errors import QueryError, QueryFault, SelectionUnusable
from headrace.mapping import Declared, Mapping
from headrace.query.parser import Parser
from headrace.query.row_query import deleted
from headrace.query.row_time import RowTime
from headrace.query.selection import SqlSelection
from headrace.schema import Column, Origin, TableSchema, rest_column
from headrace.time_layout import Layout
from support.copies import batch, paged, schema_of
from support.typed_values import number, times

NOW = 1_700_000_000.0
DAY = 86_400.0
MILLIS = times("UTC", "2006-01-02T15:04:05.000Z07:00")
ORDERS = schema_of(price=INT, status=TEXT, seen=MILLIS, tags=list_of(TEXT), place=struct_of({"city": TEXT}))
ROWS = (
    {"id": "a", "price": 1, "status": "new", "seen": 1_699_999_999_999, "place": {"city": "Ulm"}},
    {"id": "b", "price": 20, "status": "paid", "seen": 1_700_000_000_000, "tags": ["x"]},
    {"id": "c", "price": None, "status": None, "seen": None},
    {"id": "d", "price": 20, "status": "new", "seen": 1_699_000_000_000, "tags": ["x", "y"]},
)


@pytest.fixture(scope="module")
def parser():
    parser = Parser()
    yield parser
    parser.close()


@pytest.fixture
def select(parser):
    def made(sql=None, *, window=None, time=None, time_format=TimeFormat.AUTO, mapping=None):
        column = None if time is None else TimeColumn(time, time_format)
        return SqlSelection("orders", Refresh(sql=sql, window=window), column, mapping or Mapping(), parser)

    return made


def kept(selection, page, now=NOW, since=None):
    found = selection.keep(page, now, since)
    return [] if found is None else found.rows.column("id").to_pylist()


def where(condition):
    return f"SELECT * FROM orders WHERE {condition}"


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("price > 5", "bd"),
        ("NOT price > 5", "a"),
        ("status = 'new' AND orders.price < 5", "a"),
        ("status IS NULL", "c"),
        ("seen >= TIMESTAMPTZ '2023-11-14 22:13:20+00'", "b"),
        ("seen > now() - INTERVAL '1 day'", "ab"),
        ("seen::DATE = current_date OR seen < today() - 3", "abd"),
        ("seen < current_timestamp AND seen < localtimestamp", "ad"),
        ("list_contains(tags, 'y')", "d"),
        ("list_filter(tags, lambda tag: tag = 'y') = ['y']", "d"),
        ("place.city = 'Ulm'", "a"),
        ("place['city'] = 'Ulm'", "a"),
        ("status = '{now}' OR status = 'paid' -- {", "b"),
        ("true", "abcd"),
        ("1 = 2", ""),
    ],
)
def test_a_condition_means_what_it_means_in_a_query(select, condition, ids):
    assert kept(select(where(condition)), batch(ORDERS, *ROWS)) == list(ids)


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("missing > 1", ""),
        ("missing IS NULL AND price = 1", "a"),
        ("year(missing) = 2020 OR price = 1", "a"),
        ("missing.deep.deeper = 'x' OR price = 1", "a"),
        (" OR ".join([*(f"m{n} > {n}" for n in range(40)), "price = 1"]), "a"),
        ("list_contains(missing, 'x') OR price = 1", "a"),
        ("place.street = 'High' OR price = 1", "a"),
        ("place.street.number IS NULL", "abcd"),
        ("struct_extract(place, 'street') IS NULL AND place.city IS NOT NULL", "a"),
    ],
)
def test_what_no_item_has_had_yet_is_null_until_one_has(select, condition, ids):
    selection = select(where(condition))
    assert kept(selection, batch(ORDERS, *ROWS)) == list(ids)
    wider = ORDERS.join(schema_of(missing=NULL))
    assert kept(selection, batch(wider, *ROWS)) == list(ids)


def test_columns_that_appear_and_widen_are_met_as_they_are(select):
    selection = select(where("price > 5"))
    assert kept(selection, batch(schema_of(), {"id": "a"})) == []
    assert kept(selection, batch(schema_of(price=INT), {"id": "a", "price": 6})) == ["a"]
    wide = schema_of(price=number("5.5"))
    assert kept(selection, batch(wide, {"id": "a", "price": 5.5}, {"id": "b", "price": 5.0})) == ["a"]


def test_a_condition_that_a_row_breaks_is_told_with_its_name(select):
    page = batch(schema_of(price=TEXT), {"id": "a", "price": "many"})
    with pytest.raises(SelectionUnusable, match=r"refresh_sql of orders cannot be evaluated: .*'many'"):
        select(where("price::INT > 5")).keep(page, NOW, None)
    with pytest.raises(SelectionUnusable, match="cannot be evaluated: Cannot compare"):
        select(where("place > 5")).keep(batch(ORDERS, *ROWS), NOW, None)


def test_a_page_keeps_its_rows_types_and_their_records(select):
    page = paged(batch(ORDERS, *ROWS), first=None)
    found = select(where("price = 20")).keep(page, NOW, None)
    assert found.rows.schema == ORDERS.arrow()
    assert found.rows.to_pylist() == page.rows.take(pa.array([1, 3])).to_pylist()
    assert found.wire_bytes == page.wire_bytes
    letter = found.page.letter(1, "it is refused")
    assert (letter.key, letter.place, letter.reason) == ('{"id": {"S": "d"}}', 1, "it is refused")
    assert select().keep(page, NOW, None) is page


def test_nanoseconds_and_zones_are_not_cut(select):
    nanos = schema_of(seen=times("UTC", "2006-01-02T15:04:05.000000000Z07:00"))
    page = batch(
        nanos, {"id": "a", "seen": 1_700_000_000_000_000_001}, {"id": "b", "seen": 1_700_000_000_000_000_002}
    )
    found = select(where("seen > TIMESTAMP_NS '2023-11-14 22:13:20.000000001'")).keep(page, NOW, None)
    assert found.rows.column("id").to_pylist() == ["b"]
    assert found.rows.schema == nanos.arrow()


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT * FROM orders", ["id", "price", "status", "seen", "tags", "place"]),
        ("FROM orders", ["id", "price", "status", "seen", "tags", "place"]),
        ("SELECT status, id FROM orders;", ["id", "status"]),
        ('SELECT ID, "Status", orders.price FROM main.orders', ["id", "price", "status"]),
        ("SELECT o.id, later FROM orders AS o WHERE o.price > 1", ["id"]),
    ],
)
def test_a_list_keeps_columns_by_their_names_in_sql(select, sql, names):
    assert [column.name for column in select(sql).columns(ORDERS).columns] == names


def test_columns_that_differ_in_capitals_or_have_dots_keep_their_values(select):
    schema = TableSchema.of(
        [
            *schema_of().columns,
            Column(("Total",), "", INT),
            Column(("total",), "", TEXT),
            Column(("place", "city"), "", TEXT),
            rest_column("everything"),
        ]
    )
    names = [column.name for column in schema.columns]
    page = batch(schema, dict(zip(names, ["a", 1, "t", "Ulm", "{}"], strict=True)))
    both = select('SELECT id, TOTAL, "place.city", everything FROM orders').keep(page, NOW, None)
    assert both.rows.to_pylist() == page.rows.to_pylist()
    # Alone, an attribute has its own name.
    assert select(f'SELECT id, "{names[1]}" FROM orders').keep(page, NOW, None).rows.to_pylist() == [
        {"id": "a", "Total": 1}
    ]


def test_a_list_without_the_key_is_refused_as_soon_as_the_key_is_known(select):
    keys = TableSchema.of_keys((("customer", "S"), ("at", "N")))
    with pytest.raises(
        SelectionUnusable, match=r"leaves out at, of the table's key, .*write SELECT at, \.\.\."
    ):
        select("SELECT customer, total FROM orders").columns(keys)


def test_what_can_never_be_there_is_told_where_columns_are_fixed(select):
    closed = Mapping(json_column="rest", declared=(Declared("price", INT),))
    schema = TableSchema.of(
        [*schema_of().columns, Column(("price",), "price", INT, Origin.DECLARED), rest_column("rest")]
    )
    assert select("SELECT id, rest FROM orders WHERE price > 1", mapping=closed).columns(schema)
    for selection in (
        select("SELECT id, prize FROM orders", mapping=closed),
        select(where("prize > 1"), mapping=closed),
        select(time="prize", window=DAY, mapping=closed),
    ):
        with pytest.raises(SelectionUnusable, match=r"no column prize, .*\(id, price, rest\)"):
            selection.columns(schema)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT * FROM orders, users", "no joins"),
        ("SELECT * FROM users", "it reads users, not orders"),
        ("SELECT * FROM 'orders.csv'", "it reads orders.csv, not orders"),
        ("SELECT 1", "does not read orders itself"),
        ("SELECT DISTINCT id FROM orders", "DISTINCT"),
        ("SELECT * FROM orders ORDER BY id", "ORDER BY"),
        ("SELECT * FROM orders LIMIT 10", "LIMIT"),
        ("SELECT * FROM orders UNION ALL SELECT * FROM orders", "several queries"),
        ("SELECT id FROM orders GROUP BY id", "groups rows"),
        ("WITH a AS (SELECT 1) SELECT * FROM orders", "WITH"),
        ("SELECT * FROM orders TABLESAMPLE 10%", "samples"),
        ("SELECT id AS key FROM orders", "there is no AS (key)"),
        ("SELECT id, price * 2 FROM orders", "nothing that is computed"),
        ("SELECT count(*) FROM orders", "nothing that is computed"),
        ("SELECT *, id FROM orders", "write one of them"),
        ("SELECT * EXCLUDE (price) FROM orders", "name the columns"),
        ("SELECT * EXCLUDE (orders.price) FROM orders", "name the columns"),
        ("SELECT * REPLACE (1 AS price) FROM orders", "name the columns"),
        ("SELECT users.* FROM orders", "users is not what is read"),
        ("SELECT id, place.city FROM orders", 'in double quotes: "place.city"'),
        (where("price > random()"), "random() is not a function of the row"),
        (where("count(*) > 1"), "count() is of several rows"),
        (where("price > (SELECT 1)"), "a query within the condition"),
        (where("row_number() OVER () = 1"), "a window"),
        (where("unnest(tags) = 'x'"), "unnest()"),
        (where("age(seen) > INTERVAL '1 day'"), "write now()"),
        (where("current_user = 'x' AND session_user() = 'x'"), "session_user() is not a function"),
        (where("getenv('HOME') = 'x'"), "getenv() is refused"),
        (where("read_text('/etc/passwd') = 'x'"), "read_text() is refused"),
        (where("lowr(status) = 'x'"), "did you mean lower()?"),
        ("SELECT * FROM orders AS o WHERE orders.price > 1", "goes by the name o here"),
        (where("price > 1 WINDOW w AS (ORDER BY id)"), "does not stand by itself"),
        ("EXPLAIN SELECT * FROM orders", "EXPLAIN names no rows"),
        ("DELETE FROM orders WHERE price > 1", "DELETE statements are refused"),
        ("SELECT * FROM orders; SELECT * FROM orders", "2 statements"),
        (where("price > $1"), "a parameter is not allowed"),
        ("SELECT * FRM orders", "syntax error"),
    ],
)
def test_what_is_no_plain_selection_is_refused_with_what_to_write(select, sql, words):
    with pytest.raises(QueryError) as caught:
        select(sql)
    assert words in str(caught.value)
    assert caught.value.fault in (QueryFault.REFUSED, QueryFault.INVALID, QueryFault.UNKNOWN_NAME)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM orders WHERE price > 1;",
        "/* old */ delete from orders o where o.seen < now() - INTERVAL 1 DAY",
    ],
)
def test_a_plain_deletion_is_a_condition(parser, sql):
    assert deleted(sql, "orders", parser).columns in ({("price",)}, {("seen",)})


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("DELETE FROM orders", "would remove every row"),
        ("DELETE FROM users WHERE true", "it reads users"),
        ("DELETE FROM orders USING users WHERE true", "syntax error"),
        ("DELETE FROM orders WHERE true RETURNING *", "syntax error"),
        ("SELECT * FROM orders", "not a plain DELETE"),
        ("WITH a AS (SELECT 1) DELETE FROM orders WHERE true", "not a plain DELETE"),
        ("DELETE FROM orders WHERE id IN (SELECT id FROM orders)", "a query within the condition"),
    ],
)
def test_other_deletions_are_refused(parser, sql, words):
    with pytest.raises(QueryError) as caught:
        deleted(sql, "orders", parser)
    assert words in str(caught.value)


def test_the_window_and_the_newest_row_are_lower_bounds_and_the_later_one_holds(select):
    page = batch(ORDERS, *ROWS)
    assert kept(select(time="seen"), page) == ["a", "b", "c", "d"]
    assert kept(select(time="seen", window=DAY), page) == ["a", "b"]
    assert kept(select(time="SEEN"), page, since=NOW) == ["b"]
    assert kept(select(time="seen", window=DAY), page, since=NOW) == ["b"]
    assert kept(select(time="seen", window=DAY), page, since=0.0) == ["a", "b"]
    assert kept(select(where("price = 1"), time="seen", window=DAY), page) == ["a"]
    assert kept(select(time="later", window=DAY), page) == []


LATE, EARLY, NONE = True, False, None


@pytest.mark.parametrize(
    ("type_", "form", "values"),
    [
        (pa.timestamp("ms", "UTC"), "auto", {1_699_999_999_999: EARLY, 1_700_000_000_000: LATE, None: NONE}),
        (pa.timestamp("ns"), "unix_millis", {1_700_000_000 * 10**9 - 1: EARLY, 1_700_000_000 * 10**9: LATE}),
        (pa.int64(), "auto", {1_699_999_999: EARLY, 1_700_000_000: LATE, -(2**63): EARLY, 2**63 - 1: LATE}),
        (pa.int64(), "unix_millis", {1_699_999_999_999: EARLY, 1_700_000_000_000: LATE}),
        (pa.float64(), "unix_seconds", {1_699_999_999.9999998: EARLY, 1_700_000_000.0: LATE}),
        (pa.decimal128(38, 20), "auto", {"1699999999.99999999999999999999": EARLY, "1700000000": LATE}),
        (pa.decimal128(38, 30), "auto", {"1.5": EARLY, None: NONE}),
        (
            pa.string(),
            "auto",
            {
                "2023-11-14T22:13:19.999999999Z": EARLY,
                "2023-11-14T22:13:20Z": LATE,
                "2023-11-15T00:13:19.999+02:00": EARLY,
                "2023-11-15T00:13:20+02:00": LATE,
                "2023-11-14 22:13:20": LATE,
                "2023-11-14": EARLY,
                "1699999999.999999999999": EARLY,
                "1.7e9": LATE,
                "soon": NONE,
                "": NONE,
                None: NONE,
            },
        ),
        (pa.string(), "unix_millis", {"1699999999999.9": EARLY, "1.7e12": LATE, "2023-11-15": NONE}),
        (pa.string(), "iso8601", {"1800000000": NONE, "2023-11-15": LATE}),
    ],
)
def test_each_kind_of_column_is_compared_exactly(type_, form, values):
    """A bound of whole seconds, and values as close to it as the column's type tells them apart."""
    texts = pa.types.is_decimal(type_)
    column = pa.array(list(values), pa.string()).cast(type_) if texts else pa.array(list(values), type_)
    time, bound = RowTime(TimeColumn("seen", TimeFormat(form))), Fraction(1_700_000_000)
    assert time.not_before(column, bound).to_pylist() == [one is LATE for one in values.values()]
    assert time.before(column, bound).to_pylist() == [one is EARLY for one in values.values()]


def test_a_bound_that_no_double_writes_lies_between_two_of_them():
    """A tenth of a second, as a float, is a little more than a hundred milliseconds."""
    millis = RowTime(TimeColumn("seen", TimeFormat.UNIX_MILLIS))
    column = pa.array([100.0, math.nextafter(100.0, math.inf)])
    assert millis.before(column, Fraction(0.1)).to_pylist() == [True, False]
    assert millis.not_before(column, Fraction(0.1)).to_pylist() == [False, True]


def test_texts_are_read_in_the_datasets_own_layout_first(select):
    german = Mapping(layouts=(Layout.of("2006-02-01"),))
    page = batch(schema_of(seen=TEXT), {"id": "a", "seen": "2023-01-12"}, {"id": "b", "seen": "2023-12-01"})
    bound = 1_685_577_600.0  # 1 June 2023
    assert kept(select(time="seen", mapping=german), page, since=bound) == ["a"]
    assert kept(select(time="seen"), page, since=bound) == ["b"]


@pytest.mark.parametrize(
    ("type_", "form", "cure"),
    [(INT, "timestamp", "unix_seconds or unix_millis"), (BOOL, "auto", "another time_column")],
)
def test_a_column_that_holds_no_times_of_the_format_is_told(select, type_, form, cure):
    page = batch(schema_of(seen=type_), {"id": "a", "seen": True if type_ is BOOL else 1})
    with pytest.raises(SelectionUnusable, match=cure):
        select(time="seen", time_format=TimeFormat(form)).keep(page, NOW, 0.0)
    assert kept(select(time="seen", time_format=TimeFormat(form)), page) == ["a"]


UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@given(
    unit=st.sampled_from(sorted(UNITS)),
    counts=st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=5),
    bound=st.floats(-9e9, 9e9),
    near=st.integers(-2, 2),
)
def test_the_law_of_bounds(unit, counts, bound, near):
    """A time is at a bound or later just where the exact numbers say so, and the latest is the greatest of them."""
    counts = [*counts, int(Fraction(bound) * UNITS[unit]) + near]
    exact = [Fraction(count, UNITS[unit]) for count in counts]
    time = RowTime(TimeColumn("seen"))
    column = pa.array(counts, pa.timestamp(unit))
    assert time.not_before(column, Fraction(bound)).to_pylist() == [one >= Fraction(bound) for one in exact]
    assert time.before(column, Fraction(bound)).to_pylist() == [one < Fraction(bound) for one in exact]
    assert time.latest(column) == max(exact)


def test_the_latest_time_of_any_kind_of_column():
    auto = RowTime(TimeColumn("seen"))
    assert auto.latest(pa.array([1, None, 3], pa.int64())) == 3
    assert auto.latest(pa.array(["2023-11-14T22:13:20.5Z", "1", "soon", None])) == Fraction(3_400_000_001, 2)
    assert auto.latest(pa.array([None, None], pa.string())) is None
    assert auto.latest(pa.array([], pa.timestamp("ms"))) is None


def test_a_fingerprint_tells_selections_apart_by_what_they_keep(select):
    assert (
        select().fingerprint
        == select("SELECT * FROM orders").fingerprint
        == select(time="seen").fingerprint
        == ""
    )
    assert (
        select("SELECT id, price FROM orders").fingerprint
        == select("select PRICE, ID from main.orders;").fingerprint
    )
    different = [
        select("SELECT id, price FROM orders"),
        select("SELECT id FROM orders"),
        select(where("price > 1")),
        select(where("price > 2")),
        select(time="seen", window=DAY),
        select(time="seen", window=2 * DAY),
        select(time="price", window=DAY),
        select(time="seen", window=DAY, time_format=TimeFormat.UNIX_MILLIS),
    ]
    assert len({selection.fingerprint for selection in different}) == len(different)


def test_pages_may_come_from_many_threads(select):
    selection = select(where("price % 2 = 0"))
    pages = [
        batch(schema, *({"id": f"{price}", "price": price} for price in range(first, first + 50)))
        for first in range(4)
        for schema in (schema_of(price=INT), schema_of(price=number("1" * 25)))
    ]
    found = {}

    def ask(number):
        found[number] = [kept(selection, pages[number]) for _ in range(20)]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(pages))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number_, answers in found.items():
        evens = [one for one in pages[number_].rows.column("id").to_pylist() if int(one) % 2 == 0]
        assert answers == [evens] * 20
