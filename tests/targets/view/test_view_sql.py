"""What SQL a view takes, what it refuses and why, and what expressions give: DuckDB's answers wherever DuckDB is exact."""

from __future__ import annotations

from decimal import Decimal
from time import process_time

import duckdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.dataset import AwsAccess
from headrace.errors import ConfigError
from headrace.target import MaterializedView, OutputTable
from headrace.targets.view import defined
from headrace.targets.view.definition import define
from headrace.targets.view.value import (
    Unevaluable,
    group_text,
    group_values,
    sortable,
    unsorted,
)
from support.viewing import tagged


def _image(**values):
    return {name: msgspec.Raw(msgspec.json.encode(tagged(value))) for name, value in values.items()}


def value(expression, **item):
    """What an expression gives for an item."""
    (column,) = define(f"SELECT {expression} AS x FROM t").columns
    return column.evaluate(_image(**item))


REFUSED = [
    ("SELECT DISTINCT a FROM t", "no DISTINCT: GROUP BY"),
    ("SELECT a FROM t ORDER BY a", "no ORDER BY"),
    ("SELECT a FROM t LIMIT 1", "no LIMIT"),
    ("SELECT a FROM t JOIN u ON t.x = u.x", "no joins"),
    ("SELECT a FROM t, u", "no joins"),
    ("SELECT a FROM (SELECT 1 AS a)", "no subqueries"),
    ("SELECT (SELECT 1) AS a FROM t", "no subqueries"),
    ("SELECT a FROM t WHERE a IN (SELECT 1)", "no subqueries"),
    ("WITH u AS (SELECT 1) SELECT a FROM t", "no WITH"),
    ("SELECT a FROM t UNION SELECT a FROM u", "no UNION"),
    ("SELECT a, count(*) AS n FROM t GROUP BY a HAVING n > 1", "no HAVING"),
    ("SELECT rank() OVER (ORDER BY a) AS r FROM t", "no window functions"),
    ("SELECT a FROM t QUALIFY a > 1", "no QUALIFY"),
    ("SELECT a FROM t USING SAMPLE 10", "no samples"),
    ("SELECT a, count(*) AS n FROM t GROUP BY ROLLUP (a)", "no GROUPING SETS"),
    ("SELECT 1 AS a", "no SELECT without FROM"),
    ("SELECT a FROM range(3)", "no table functions"),
    ("SELECT now() AS a FROM t", "changes though no item does"),
    ("SELECT a FROM t WHERE a < current_date", "changes though no item does"),
    ("SELECT random() AS a FROM t", "another one each time"),
    ("SELECT a / 2 AS b FROM t", "does not divide"),
    ("SELECT a * 1e5 AS b FROM t", "is a double"),
    ("SELECT CAST(a AS DOUBLE) AS b FROM t", "casts to VARCHAR"),
    ("SELECT median(a) AS b FROM t", "the aggregates of a view are"),
    ("SELECT sum(max(a)) AS b FROM t", "not within one another"),
    ("SELECT count(DISTINCT a) AS b FROM t", "no DISTINCT in aggregates"),
    ("SELECT sum(a ORDER BY b) AS b FROM t", "no ORDER BY in aggregates"),
    ("SELECT sum(a) EXPORT_STATE AS b FROM t", "no EXPORT_STATE"),
    ("SELECT other.sum(a) AS b FROM t", "no schema"),
    ("SELECT a FROM other.t", "write the table's name alone"),
    ("SELECT a FROM t WHERE sum(a) > 1", "the aggregates of a view"),
    ("SELECT strftime(a, 'x') AS b FROM t", "no function or operator strftime"),
    ("SELECT list_transform(a, x -> x) AS b FROM t", "no function or operator list_transform"),
    ("SELECT count(*) FROM t", "has no name; write"),
    ("SELECT a + 1 FROM t", "has no name; write"),
    ("SELECT a, b AS a FROM t", "two columns are called a"),
    ("SELECT b, count(*) AS n FROM t GROUP BY a", "b stands neither in GROUP BY nor in an aggregate"),
    ("SELECT *, count(*) AS n FROM t GROUP BY a", "name the columns"),
    ("SELECT upper(a) AS a, count(*) AS n FROM t GROUP BY a", "may mean the attribute a or the column"),
    ("SELECT a, count(*) AS n FROM t GROUP BY 3", "there is no such column"),
    ("SELECT a, count(*) AS n FROM t GROUP BY 0.1", "there is no such column"),
    ("SELECT a, count(*) AS n FROM t GROUP BY 2", "cannot make one"),
    ("SELECT * REPLACE (1 AS a) FROM t", "takes * and * EXCLUDE"),
    ("SELECT left(a) AS b FROM t", "it takes 2 arguments, and has 1"),
    ("SELECT a FROM t WHERE a = ?", "nobody gives a view values"),
    ("SELECT a FROM t; SELECT b FROM t", "this is 2 statements"),
    ("DELETE FROM t", "a view is one SELECT"),
    ("SELECT FROM WHERE", "a view is one SELECT"),
    ("SELECT " + "a + (" * 300 + "a" + ")" * 300 + " AS b FROM t", "nested too deeply"),
    ("SELECT " + "a + (" * 3000 + "a" + ")" * 3000 + " AS b FROM t", "Max expression depth"),
]


@pytest.mark.parametrize(("sql", "words"), REFUSED, ids=[sql[:60] for sql, _ in REFUSED])
def test_what_a_view_does_not_take_is_refused_with_the_reason(sql, words):
    with pytest.raises(ConfigError) as refused:
        define(sql)
    assert words in str(refused.value)


def test_a_column_that_a_dataset_has_already_is_refused_before_anything_runs():
    sql = "SELECT name AS view_key FROM t"
    with pytest.raises(ConfigError, match=r"kept: target.view.sql: a column cannot be called view_key"):
        defined(MaterializedView(sql), "kept")
    defined(MaterializedView(sql, OutputTable("rows", AwsAccess("us-east-1"))), "kept")


def test_groups_may_be_given_as_expressions_positions_names_or_all():
    for grouped in ("left(day, 7)", "1", "month", "ALL"):
        found = define(f"SELECT left(day, 7) AS month, count(*) AS n FROM t GROUP BY {grouped}")
        assert found.groups is not None
        assert [column.group for column in found.columns] == [0, None]
        assert group_text(each(_image(day="2024-05-01")) for each in found.groups) == '["2024-05"]'


def test_a_name_with_its_table_is_the_name_without():
    found = define("SELECT o.a, max(o.b.c) AS m FROM orders AS o GROUP BY a")
    assert [column.group for column in found.columns] == [0, None]
    assert found.measures[0].evaluate(_image(b={"M": {"c": {"N": "1"}}})) == 1


def test_what_is_aggregated_twice_is_kept_once():
    found = define(
        "SELECT sum(a) AS s, avg(t.a) AS m, min(a) AS l, sum(b) FILTER (WHERE c) AS f, sum(b) AS g FROM t"
    )
    assert [(each.text, each.adds, each.sorts) for each in found.measures] == [
        ("a", True, True),
        ("b", True, False),
        ("b", True, False),
    ]


def test_products_have_all_their_digits():
    number = 12345678901234567890123456789012345678
    assert int(value("a * a", a=number)) == number**2
    assert value("a + b - a", a=Decimal("1e125"), b=Decimal("1e-130")) == Decimal("1e-130")


@pytest.mark.parametrize(
    ("expression", "item", "words"),
    [
        ("a + 1", {"a": "x"}, r"\+ takes numbers, and got the text 'x'"),
        ("a > 1", {"a": "2"}, "> compares values of one type, and got the text '2' and the number 1"),
        ("a AND true", {"a": 1}, "AND takes booleans"),
        ("lower(a)", {"a": 1}, "lower takes texts, and got the number 1"),
        ("a || 'x'", {"a": {"L": []}}, "got a list"),
        ("CAST(a AS BIGINT)", {"a": Decimal("1.5")}, "a cast does not round"),
        ("CAST(a AS DECIMAL(5, 2))", {"a": 12345}, r"is beyond DECIMAL\(5,2\)"),
        ("CAST(a AS BOOLEAN)", {"a": "maybe"}, "cannot be made BOOLEAN"),
        ("a = b", {"a": {"M": {}}, "b": {"M": {}}}, "compares values of one type"),
    ],
)
def test_types_that_do_not_fit_give_no_value_and_the_reason(expression, item, words):
    with pytest.raises(Unevaluable, match=words):
        value(expression, **item)


@pytest.mark.parametrize(
    ("expression", "item", "expected"),
    [
        ("a", {}, None),
        ("a IS NULL", {"a": None}, True),
        ("a.b[2]", {"a": {"M": {"b": {"L": [{"S": "x"}, {"N": "5"}]}}}}, Decimal(5)),
        ("a.b[-1]", {"a": {"M": {"b": {"L": [{"S": "x"}]}}}}, "x"),
        ("a.b", {"a": "no map"}, None),
        ("TRY_CAST(a AS DECIMAL(38, 2))", {"a": "12.30"}, Decimal("12.3")),
        ("TRY_CAST(a AS DECIMAL(38, 2))", {"a": "12.345"}, None),
        ("CAST(a AS VARCHAR)", {"a": Decimal("1.50")}, "1.5"),
        ("a IS NOT NULL AND TRY_CAST(a AS BIGINT) > 1", {"a": "x"}, None),
        ("b AND a > 1", {"a": "x", "b": False}, False),
        ("round(a, 2)", {"a": Decimal("-1.005")}, Decimal("-1.01")),
        ("a - a % 86400", {"a": 1_700_000_000}, Decimal(1_699_920_000)),
    ],
)
def test_expressions_of_items(expression, item, expected):
    assert value(expression, **item) == expected


# As DuckDB

_small = st.integers(-999, 999).map(lambda number: Decimal(number).scaleb(-2))
_numbers = st.one_of(st.none(), _small)
_texts = st.one_of(st.none(), st.text("ab %_é1\u00df\u0130\u03a3\u03c2", max_size=5))
_flags = st.sampled_from((None, True, False))
_places = st.integers(-4, 4)

_NUMERIC = (
    "p + q", "p - q", "p * q", "-p", "abs(p)", "sign(p)", "round(p, 1)", "round(p)", "floor(p)", "ceil(p)", "p % 7", "mod(p, 0.3)",
    "p = q", "p <> q", "p < q", "p >= q", "p BETWEEN q AND 5", "p IN (1, q, 2.5)", "p NOT IN (1, q)", "p IS DISTINCT FROM q",
    "p IS NOT DISTINCT FROM q", "coalesce(p, q, 1)", "nullif(p, q)", "greatest(p, q)", "least(p, q, 1)",
    "CASE WHEN p > q THEN p WHEN p < q THEN q ELSE 0 END", "CASE p WHEN 1 THEN 'one' ELSE 'more' END", "CAST(p AS DECIMAL(10, 2))",
)  # fmt: skip
_TEXTUAL = (
    "s LIKE '%a_%b%'", "s NOT LIKE '%a%a'", "s LIKE '%' || t || '%'", "s || t", "concat(s, t)", "length(s)", "left(s, n)", "right(s, n)", "substring(s, n)", "substring('wxyz' || s, n, 2)", "replace(s, 'a', 'bb')",
    "replace(s, t, 'x')", "trim(s)", "ltrim(s)", "rtrim(s)", "upper(s)", "lower(s)", "s LIKE t", "s NOT LIKE 'a%'", "s ILIKE 'A_'", "s ILIKE t",
    "contains(s, t)", "starts_with(s, t)", "ends_with(s, t)", "split_part(s, 'a', n)", "s < t", "s = t", "s BETWEEN 'a' AND t",
    "nullif(s, t)", "greatest(s, t)",
)  # fmt: skip
_LOGICAL = (
    "f AND g",
    "f OR g",
    "NOT f",
    "f = g",
    "f IS NULL OR g",
    "f IS TRUE",
    "coalesce(f, g)",
    "CASE WHEN f THEN g END",
)


_DUCKDB = duckdb.connect(":memory:", config={"threads": 1})


def _duckdb(expressions, columns, values):
    names = ", ".join(f"?::{type_} AS {name}" for name, type_ in columns.items())
    listed = ", ".join(f"({each})" for each in expressions)
    asked = _DUCKDB.execute(f"SELECT {listed} FROM (SELECT {names})", [values[name] for name in columns])
    return asked.fetchone()


def _expect_as_duckdb(expressions, columns, values):
    item = {name: each for name, each in values.items() if each is not None}
    told = _duckdb(expressions, columns, values)
    for expression, theirs in zip(expressions, told, strict=True):
        ours = value(expression, **item)
        known = (
            Decimal(str(theirs))
            if isinstance(theirs, (int, float)) and not isinstance(theirs, bool)
            else theirs
        )
        assert ours == known, (expression, values, ours, theirs)
        assert type(ours) is type(known), (expression, values, ours, theirs)


@settings(max_examples=25, deadline=None)
@given(_numbers, _numbers)
def test_numbers_are_computed_with_as_duckdb_does(p, q):
    _expect_as_duckdb(_NUMERIC, {"p": "DECIMAL(10,2)", "q": "DECIMAL(10,2)"}, {"p": p, "q": q})


@settings(max_examples=40, deadline=None)
@given(_texts, _texts, _places)
def test_texts_are_computed_with_as_duckdb_does(s, t, n):
    _expect_as_duckdb(_TEXTUAL, {"s": "VARCHAR", "t": "VARCHAR", "n": "BIGINT"}, {"s": s, "t": t, "n": n})


def test_a_long_text_that_is_like_nothing_is_soon_told_so():
    began = process_time()
    assert value("a LIKE '%a%a%a%a%b'", a="a" * 10_000) is False
    assert value("a LIKE '%a%a%a%a_b'", a="a" * 10_000 + "b") is True
    assert process_time() - began < 2.0


@settings(max_examples=10, deadline=None)
@given(_flags, _flags)
def test_logic_has_three_values_as_in_duckdb(f, g):
    _expect_as_duckdb(_LOGICAL, {"f": "BOOLEAN", "g": "BOOLEAN"}, {"f": f, "g": g})


# Values as bytes and as texts

_any_number = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent),
    st.integers(-(10**38) + 1, 10**38 - 1),
    st.integers(-130, 87),
)
_values = st.one_of(st.booleans(), _any_number, _small, st.text(), st.binary())


def _rank(given):
    place = [bool, Decimal, str, bytes].index(type(given))
    return place, given


@settings(max_examples=50, deadline=None)
@given(_values, _values)
def test_values_sort_as_their_bytes_do_and_come_back(one, other):
    assert unsorted(sortable(one)) == one
    assert (sortable(one) < sortable(other)) == (_rank(one) < _rank(other))
    assert (sortable(one) == sortable(other)) == (_rank(one) == _rank(other))


@given(
    st.lists(st.one_of(st.none(), _values), max_size=3), st.lists(st.one_of(st.none(), _values), max_size=3)
)
def test_groups_have_one_text_that_says_them(one, other):
    try:
        text, others = group_text(one), group_text(other)
    except Unevaluable:
        return
    typed = [(type(each), each) for each in one]
    assert [(type(each), each) for each in group_values(text)] == typed
    assert (text == others) == (typed == [(type(each), each) for each in other])
