"""Generated statements over tables ``a``, ``b`` and ``c`` of one shape, whose answers do not depend on the order of rows."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from headrace.column_type import BOOL, INT, TEXT, struct_of
from support.copies import schema_of
from support.typed_values import number, times

SCHEMA = schema_of(
    n=INT,
    m=INT,
    t=TEXT,
    f=number("0.5"),
    d=number("1" * 25),
    seen=times(None, "2006-01-02T15:04:05.000"),
    z=times("UTC", "2006-01-02T15:04:05.000000Z07:00"),
    ok=BOOL,
    s=struct_of({"a": INT}),
)
"""The key ``id`` is a text; the rest may be NULL."""

_TEXTS = ["", "a", "ab", "abc", "b", "B", "a%", "é", "10"]
_DAY = 86_400_000
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "n": st.integers(0, 2),
    "m": st.integers(0, 2) | st.sampled_from([2**53 + 1, -(2**63)]),
    "t": st.sampled_from(_TEXTS),
    "f": st.sampled_from([-1.5, 0.0, 0.5, 1.0, 2.0, 2.0**53]),
    "d": st.integers(-1, 3),
    "seen": st.sampled_from([0, 1, _DAY, _DAY + 123, 2 * _DAY]),
    "z": st.sampled_from([0, 1, _DAY * 1000, _DAY * 1000 + 123_456]),
    "ok": st.booleans(),
    "s": st.fixed_dictionaries({"a": st.none() | st.integers(0, 3)}),
}
_LITERALS = {
    "id": ["'k0'", "'k1'", "'k3'", "''", "'K1'"],
    "n": ["0", "1", "-1", "3", "1.5", "1e0", "'2'", "9999999999", "99999999999999999999"],
    "m": ["0", "1", "9007199254740993", "9007199254740992.0", "-9223372036854775808", "true"],
    "t": ["'a'", "'ab'", "'b'", "''", "'é'", "'A'", "'a' COLLATE NOCASE"],
    "f": ["0", "0.5", "1", "2e0", "-1.5", "'0.5'", "'nan'", "9007199254740993", "0.1"],
    "d": ["0", "1", "1.0", "1.5", "2e0", "'1'", "-1"],
    "seen": [
        "'1970-01-01'",
        "'1970-01-02 00:00:00.123'",
        "'1970-01-02 00:00:00.123456'",
        "DATE '1970-01-02'",
        "TIMESTAMP '1970-01-02 00:00:00.123'",
        "TIMESTAMP '1970-01-02 00:00:00.123456'",
        "TIMESTAMPTZ '1970-01-02 00:00:00+00'",
        "'infinity'",
    ],
    "z": [
        "'1970-01-02'",
        "'1970-01-02 01:00:00.123456+01'",
        "TIMESTAMPTZ '1970-01-02 00:00:00+00'",
        "TIMESTAMP '1970-01-02'",
        "DATE '1970-01-02'",
    ],
    "ok": ["true", "false", "'t'", "1"],
    "s": ["{'a': 1}", "{'a': NULL}"],
}
_COLUMNS = tuple(_LITERALS)
_COMPARISONS = ["=", "=", "<", "<=", ">", ">=", "<>", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]
_PATTERNS = ["'a%'", "'ab'", "'a_'", "'_b%'", "'%'", "''", "'a%c'", "'é%'"]
_TABLES = ("a", "a", "b", "b", "c")
_JOINS = ["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"]


def tables() -> st.SearchStrategy[list[dict[str, Any]]]:
    """The rows of one table."""
    row = st.fixed_dictionaries({name: st.none() | values for name, values in _VALUES.items()})
    return st.lists(row, min_size=1, max_size=7).map(
        lambda rows: [{"id": f"k{number}", **row} for number, row in enumerate(rows)]
    )


@st.composite
def statements(draw: Any) -> str:
    """A statement. Where it is limited, it is ordered by all columns."""
    return _Writer(draw).statement()


class _Writer:
    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self._aliases = 0

    def statement(self) -> str:
        with_, known = "", _TABLES
        if self._chance(0.25):
            name, body = self._one(["w", "a"]), self.query(1)
            kind = self._one(["", "MATERIALIZED ", "NOT MATERIALIZED "])
            with_, known = f"WITH {name} AS {kind}({body}) ", (*known, name, name)
        body = self.query(2, known)
        if self._chance(0.2):
            operation = self._one(["UNION ALL", "UNION", "EXCEPT", "INTERSECT ALL"])
            body = f"{self._keys(known)} {operation} {self._keys(known)}"
        if self._chance(0.3):
            body = f"SELECT * FROM ({body}) ORDER BY ALL LIMIT {self._one([0, 1, 3, 50])} OFFSET {self._one([0, 1])}"
        return with_ + body

    def query(self, depth: int, known: tuple[str, ...] = _TABLES, outer: tuple[str, ...] = ()) -> str:
        """A SELECT with the columns of a table, or others."""
        from_, names = self._from(depth, known)
        where = self._where(depth, names, outer)
        form = self._one(["rows", "rows", "some", "named", "total", "count", "groups", "ranked"])
        column = self._column(names)
        match form:
            case "rows":
                return f"SELECT {self._one(['*', f'{names[0]}.*'])} FROM {from_}{where}"
            case "some":
                return f"SELECT {self._column(names)} AS x, {names[0]}.n AS {self._one(['y', 't'])} FROM {from_}{where}"
            case "named":
                return f"SELECT {names[0]}.n + 1 AS n, -{names[0]}.m AS m, {names[0]} AS whole FROM {from_}{where}"
            case "total":
                return (
                    f"SELECT count(*) AS x, count({column}) AS y, sum({names[0]}.n) AS z FROM {from_}{where}"
                )
            case "count":
                return f"SELECT count(*) AS x FROM {from_}{where}"
            case "groups":
                having = self._one(["", " HAVING count(*) > 1"])
                return f"SELECT {column} AS x, count(*) AS y FROM {from_}{where} GROUP BY ALL{having}"
            case _:
                qualify = self._one(["", " QUALIFY x = 1"])
                return f"SELECT {names[0]}.id AS k, rank() OVER (ORDER BY {column}) AS x FROM {from_}{where}{qualify}"

    def _keys(self, known: tuple[str, ...]) -> str:
        from_, names = self._from(1, known)
        return f"SELECT {names[0]}.id AS k, {names[0]}.t AS t FROM {from_}{self._where(1, names, ())}"

    def _from(self, depth: int, known: tuple[str, ...]) -> tuple[str, list[str]]:
        """What stands in FROM, and the names that are seen there."""
        text, names = self._item(depth, known)
        for _ in range(self._one([0, 1, 1, 1, 2])):
            other, others = self._item(depth, known)
            text, names = self._joined(text, names, other, others)
        return text, names

    def _joined(self, text: str, names: list[str], other: str, others: list[str]) -> tuple[str, list[str]]:
        form = self._one(["on"] * 5 + ["using", "using", "comma", "cross", "asof", "natural", "nested"])
        join = self._one(_JOINS)
        seen = names if join in ("SEMI JOIN", "ANTI JOIN") else names + others
        left, right = self._one([("n", "n"), ("n", "m"), ("m", "n"), ("id", "id"), ("t", "t"), ("ok", "ok")])
        condition = f"{names[0]}.{left} = {others[0]}.{right}"
        if self._chance(0.5):
            condition += f" AND {self._condition(self._one([names, others, names + others]), 0, ())}"
        match form:
            case "using":
                return f"{text} {join} {other} USING ({self._one(['id', 'n', 'n, id'])})", seen
            case "comma":
                return f"{text}, {other}", names + others
            case "cross":
                return f"({text} CROSS JOIN {other})", names + others
            case "asof":
                # Keys differ, so that each row has one nearest.
                asof = self._one(["ASOF JOIN", "ASOF LEFT JOIN"])
                return f"{text} {asof} {other} ON {names[0]}.id >= {others[0]}.id", names + others
            case "natural":
                return f"{text} NATURAL {self._one(['JOIN', 'LEFT JOIN'])} {other}", names + others
            case "nested":
                third, thirds = self._item(0, _TABLES)
                inner = self._one(["JOIN", "LEFT JOIN", "FULL JOIN"])
                nested = f"({other} {inner} {third} ON {others[0]}.n = {thirds[0]}.m)"
                return f"{text} {join} {nested} ON {condition}", [
                    *seen,
                    *(thirds if seen != names else []),
                ]
            case _:
                return f"{text} {join} {other} ON {condition}", seen

    def _item(self, depth: int, known: tuple[str, ...]) -> tuple[str, list[str]]:
        self._aliases += 1
        alias = f"x{self._aliases}"
        if depth > 0 and self._chance(0.15):
            table = self._one(known)
            return f"(SELECT * FROM {table}{self._where(depth - 1, [table], ())}) AS {alias}", [alias]
        table = self._one(known)
        if self._chance(0.1):
            return table, [table]
        if self._chance(0.02):
            return f"{table} AS {alias}(id, m, n)", [alias]
        return f"{self._one(['', 'main.']) if table in 'bc' else ''}{table} {alias}", [alias]

    def _where(self, depth: int, names: list[str], outer: tuple[str, ...]) -> str:
        count = self._one([0, 1, 1, 2])
        conditions = [self._condition(names, depth, outer) for _ in range(count)]
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    def _condition(self, names: list[str], depth: int, outer: tuple[str, ...]) -> str:
        forms = ["compared"] * 6 + ["in", "in", "like", "like", *["null"] * 4, "not null", "is", "member"]
        forms += ["turned", "between", "or", "not", *["outer"] * bool(outer)]
        forms += ["exists", "among", "scalar"] * (depth > 0)
        form = self._one(forms)
        if form in ("or", "not", "exists", "among", "scalar"):
            return self._nested(form, names, depth, outer)
        column = self._column(names)
        kind = column.rpartition(".")[2]
        first, second = self._one(_LITERALS[kind]), self._one(_LITERALS[kind])
        never, text, prefix = self._one(["", "", "NOT "]), self._column(names, "t"), self._one(["'a'", "''"])
        if {first, second} == {"'t'", "1"}:
            # Beside a number DuckDB makes one of the text, which fails where it comes to evaluate it.
            second = first
        if kind == "s" and form == "between":
            # DuckDB 1.5 has it only where its own scan splits it in two.
            form = "null"
        written = {
            "compared": f"{column} {self._one(_COMPARISONS)} {self._one([first, first, first, 'NULL'])}",
            "turned": f"{first} {self._one(['<', '>=', '='])} {column}",
            "between": f"{column} {never}BETWEEN {first} AND {second}",
            "in": f"{column} {never}IN ({first}, {self._one([second, 'NULL'])})",
            "null": f"{column} IS NULL",
            "not null": f"{column} IS NOT NULL",
            "like": self._one(
                [
                    f"{text} {never}LIKE {self._one(_PATTERNS)}",
                    f"starts_with({text}, {prefix})",
                ]
            ),
            "is": f"{never}{self._column(names, 'ok')}",
            "member": f"{self._column(names, 's')}.a {self._one(['= 1', 'IS NULL', '< 3'])}",
            "outer": f"{column} = {self._one(outer or names)}.{kind}",
        }
        return written[form]

    def _nested(self, form: str, names: list[str], depth: int, outer: tuple[str, ...]) -> str:
        never = self._one(["", "NOT "])
        if form == "or":
            return f"({self._condition(names, 0, outer)} OR {self._condition(names, 0, outer)})"
        if form == "not":
            return f"NOT ({self._condition(names, 0, outer)})"
        if form == "exists":
            return f"{never}EXISTS ({self.query(depth - 1, outer=tuple(names))})"
        from_, inner = self._from(0, _TABLES)
        where = self._where(depth - 1, inner, tuple(names))
        if form == "among":
            return f"{names[0]}.n {never}IN (SELECT {inner[0]}.n FROM {from_}{where})"
        return f"{names[0]}.n <= (SELECT max({inner[0]}.n) FROM {from_}{where})"

    def _column(self, names: list[str], kind: str | None = None) -> str:
        column = kind or self._one(_COLUMNS)
        bare = self._chance(0.4 if len(names) == 1 else 0.04)
        return column if bare else f"{self._one(names)}.{column}"

    def _one(self, choices: Any) -> Any:
        return self._draw(st.sampled_from(list(choices)))

    def _chance(self, share: float) -> bool:
        return bool(self._draw(st.integers(1, 100)) <= share * 100)
