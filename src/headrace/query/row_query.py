"""SQL that names rows of one dataset, each by itself: ``refresh_sql`` and ``retention_sql``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from headrace.errors import QueryError, QueryFault
from headrace.namespace import SCHEMA
from headrace.query.allow_list import check
from headrace.query.catalog import TableFacts
from headrace.query.functions import AGGREGATES, ROW_FUNCTIONS
from headrace.query.leaf_names import NAME, TABLE
from headrace.query.outline import PLACE, outline
from headrace.query.parser import BLANK, Parser, Tree, Verb

_SELECTS: Final = "SELECT * FROM {0} WHERE condition, or columns in place of *"
_DELETES: Final = "DELETE FROM {0} WHERE condition"

_END: Final = "; \t\r\n"
_DELETE: Final = re.compile(rf"({BLANK})DELETE\b", re.IGNORECASE | re.DOTALL)
_WHERE: Final = re.compile(
    rb"%s(?:(?:AS\b%s)?(?!WHERE\b)%s%s)?WHERE\b" % (BLANK.encode(), BLANK.encode(), NAME, BLANK.encode()),
    re.IGNORECASE | re.DOTALL,
)
_MODIFIERS: Final = {
    "DISTINCT_MODIFIER": "DISTINCT",
    "ORDER_MODIFIER": "ORDER BY",
    "LIMIT_MODIFIER": "LIMIT",
    "LIMIT_PERCENT_MODIFIER": "LIMIT",
}
_CHANGES_OF_STAR: Final = (
    "exclude_list",
    "qualified_exclude_list",
    "replace_list",
    "rename_list",
    "columns",
    "expr",
)
_CLASSES: Final = {
    "SUBQUERY": "a query within the condition",
    "WINDOW": "a window",
    "STAR": "* within the condition",
    "POSITIONAL_REFERENCE": "a column by its position",
    "PARAMETER": "a parameter",
}
_INSTANT: Final = "{now}"
_DAY: Final = "CAST({now} AS DATE)"
_WALL: Final = "CAST({now} AS TIMESTAMP)"
_CALLED: Final = {
    "now": _INSTANT,
    "transaction_timestamp": _INSTANT,
    "get_current_timestamp": _INSTANT,
    "current_localtimestamp": _WALL,
    "today": _DAY,
    "current_date": _DAY,
}
_NAMED: Final = {"current_timestamp": _INSTANT, "localtimestamp": _WALL, "current_date": _DAY}
"""The clock's names that stand without brackets. DuckDB takes them for columns where there are such."""
_CLOCKLIKE: Final = frozenset({"ago", "current_localtime", "get_current_time", "current_time", "localtime"})
_ANY_TIME: Final = "TIMESTAMPTZ '2000-01-01 00:00:00+00'"


@dataclass(frozen=True, slots=True)
class RowCondition:
    """A condition on the row: SQL in which columns go by their bare names, or after ``alias``.

    ``text`` has a place ``{now}``, and other braces doubled. ``columns`` are those that it speaks of, each with the names
    below it where it asks for a struct's member; ``bound`` are names that may also be a lambda's.
    """

    alias: str
    text: str
    columns: frozenset[tuple[str, ...]]
    bound: frozenset[str] = frozenset()

    def at(self, now: str) -> str:
        """The condition, with SQL for what ``now()`` gives."""
        return self.text.format(now=now)


@dataclass(frozen=True, slots=True)
class RowQuery:
    """What is asked of one dataset: ``columns`` by the names that SQL sees, None all; ``condition`` None: all rows."""

    columns: tuple[str, ...] | None = None
    condition: RowCondition | None = None


def selected(sql: str, dataset: str, parser: Parser) -> RowQuery:
    """What ``SELECT ... FROM dataset WHERE ...`` names.

    Raises QueryError, saying what is wrong and what is allowed, for everything else.
    """
    return _Reading(sql, dataset, parser, _SELECTS.format(dataset)).read()


def deleted(sql: str, dataset: str, parser: Parser) -> RowCondition:
    """Which rows ``DELETE FROM dataset WHERE ...`` removes. Raises QueryError as ``selected``."""
    allowed = _DELETES.format(dataset)
    kind, text = parser.only_statement(sql)
    found = _DELETE.match(text)
    if kind != "DELETE" or found is None:
        raise QueryError(QueryFault.REFUSED, f"this is not a plain DELETE; write {allowed}")
    # DuckDB gives syntax trees of SELECT only; what follows the first word is the same in both.
    asked = _Reading(f"{found[1]}SELECT *{text[found.end() :]}", dataset, parser, allowed).read()
    if asked.condition is None:
        raise QueryError(
            QueryFault.REFUSED, f"a DELETE without WHERE would remove every row; write {allowed}"
        )
    return asked.condition


class _Reading:
    """One text on its way to a RowQuery. ``allowed`` is what to write, in words."""

    def __init__(self, sql: str, dataset: str, parser: Parser, allowed: str) -> None:
        self._parser = parser
        self._dataset = dataset
        self._allowed = allowed
        parsed = parser.parse(sql.rstrip(_END))
        if parsed.verb is not Verb.RUN:
            raise self._refusal(f"{parsed.verb.value.upper()} names no rows")
        self._text, self._tree = parsed.query, parsed.tree

    def read(self) -> RowQuery:
        self._expect_plain()
        # What is left to be refused is refused in the words that any statement gets.
        check(self._text, {self._dataset: TableFacts(ready=True)}, self._parser)
        where = self._tree["where_clause"]
        return RowQuery(self._columns(), None if where is None else self._condition(where))

    def _expect_plain(self) -> None:
        tree, table = self._tree, self._tree.get("from_table") or {}
        kind = table.get("type")
        if tree.get("type") != "SELECT_NODE":
            raise self._refusal("it joins several queries into one")
        for modifier in tree["modifiers"]:
            raise self._refusal(
                f"{_MODIFIERS.get(modifier['type'], modifier['type'])} is not for rows by themselves"
            )
        groups = tree["group_expressions"] or tree["group_sets"] or tree["having"]
        if groups or tree["aggregate_handling"] != "STANDARD_HANDLING":
            raise self._refusal("it groups rows")
        if tree["cte_map"]["map"]:
            raise self._refusal("WITH is not allowed")
        if tree["qualify"] or tree["sample"] or table.get("sample") or table.get("column_name_alias"):
            raise self._refusal("QUALIFY, samples, and other names for columns are not allowed")
        if kind == "JOIN":
            raise self._refusal(f"it reads more than {self._dataset}: there are no joins")
        if kind != "BASE_TABLE":
            raise self._refusal(f"it does not read {self._dataset} itself")
        name = str(table["table_name"])
        if name.casefold() != self._dataset.casefold() or table["schema_name"].casefold() not in ("", SCHEMA):
            raise self._refusal(f"it reads {name}, not {self._dataset}")

    def _columns(self) -> tuple[str, ...] | None:
        listed = [self._listed(one) for one in self._tree["select_list"]]
        names = [name for name in listed if name is not None]
        if not names:
            return None
        if len(names) < len(listed):
            raise self._refusal("* and columns beside it; write one of them")
        return tuple(dict.fromkeys(names))

    def _listed(self, one: Tree) -> str | None:
        """The column that stands in the list, None for ``*``."""
        if one["class"] == "STAR":
            if any(one.get(key) for key in _CHANGES_OF_STAR):
                raise self._refusal("* takes nothing away and changes nothing here; name the columns")
            if one["relation_name"].casefold() not in ("", self._alias.casefold()):
                raise self._refusal(f"{one['relation_name']} is not what is read")
            return None
        if one.get("alias"):
            raise self._refusal(f"a column keeps its name: there is no AS ({one['alias']})")
        if one["class"] != "COLUMN_REF":
            raise self._refusal("the list holds columns alone, nothing that is computed")
        *before, name = map(str, one["column_names"])
        if before and [part.casefold() for part in before] != [self._alias.casefold()]:
            whole = ".".join(one["column_names"])
            raise self._refusal(
                f"{whole} is part of a column, or a column whose name has a dot; name the whole column, a name with a "
                f'dot in double quotes: "{whole}"'
            )
        return name

    @property
    def _alias(self) -> str:
        table = self._tree["from_table"]
        return str(table["alias"] or table["table_name"])

    def _condition(self, where: Tree) -> RowCondition:
        clocks = dict(self._expect_of_row(where))
        text = self._condition_text()
        base = len(self._text.encode()) - len(text)
        pieces: list[str] = []
        end = 0
        forms: dict[int, Any] = {}
        for node, form in sorted(
            ((node, form) for node, form in clocks.values()), key=lambda pair: pair[0][PLACE]
        ):
            start = int(node[PLACE]) - base
            found = _clock(node).match(text, start)
            if found is None:
                raise self._refusal("the time now is to be written as now()")
            pieces += [_braced(text[end:start]), form]
            end = found.end()
            forms[id(node)] = outline(self._parsed(f"SELECT {form.format(now=_ANY_TIME)}")["select_list"][0])
        pieces.append(_braced(text[end:]))
        names = set(_named(where, self._alias))
        if self._alias.casefold() != self._dataset.casefold():
            self._expect_alias(names)
        condition = RowCondition(
            self._alias,
            "".join(pieces),
            frozenset(names - {(name,) for name in _NAMED}),
            frozenset(_bound(where)),
        )
        # Taken out of the statement, and with another time, it must still be what was checked.
        again = self._parsed(f"SELECT * FROM t WHERE ({condition.at(_ANY_TIME)}\n)")  # noqa: S608  # Parsed only.
        if outline(again["where_clause"]) != outline(where, forms):
            raise self._refusal(
                "the condition is written in a form that cannot be taken out of its statement"
            )
        return condition

    def _expect_alias(self, names: set[tuple[str, ...]]) -> None:
        for path in names:
            if len(path) > 1 and path[0].casefold() == self._dataset.casefold():
                raise self._refusal(f"{'.'.join(path)}: {self._dataset} goes by the name {self._alias} here")

    def _parsed(self, sql: str) -> Tree:
        try:
            return self._parser.tree(sql)
        except QueryError as error:
            raise self._refusal(f"the condition does not stand by itself ({error})") from error

    def _condition_text(self) -> bytes:
        written = self._text.encode().rstrip()
        table = TABLE.match(written, int(self._tree["from_table"][PLACE]))
        found = None if table is None else _WHERE.match(written, table.end())
        if found is None:
            raise self._refusal("WHERE is not found where it is expected, after the dataset")
        return self._text.encode()[found.end() :]

    def _expect_of_row(self, node: Any) -> Iterator[tuple[int, tuple[Tree, str]]]:
        """The nodes of the clock and the SQL for each. Raises QueryError for what is no function of the row or of now()."""
        if isinstance(node, list):
            for child in node:
                yield from self._expect_of_row(child)
        elif isinstance(node, dict):
            class_ = node.get("class")
            if class_ in _CLASSES:
                raise self._refusal(f"{_CLASSES[class_]} is not allowed: the condition is about one row")
            form = self._clock_form(node)
            if form is not None:
                yield id(node), (node, form)
                return
            for child in node.values():
                yield from self._expect_of_row(child)

    def _clock_form(self, node: Tree) -> str | None:
        if node.get("class") == "COLUMN_REF":
            names = node["column_names"]
            name = str(names[0]).casefold()
            if len(names) == 1 and name in _CLOCKLIKE:
                raise self._refusal(f"{name} is a time without a day; write now()")
            return _NAMED.get(name) if len(names) == 1 else None
        if "function_name" not in node:
            return None
        name = str(node["function_name"]).casefold()
        if name in _CALLED and not node["children"] and not node["schema"]:
            return _CALLED[name]
        if name in _CALLED or name in _CLOCKLIKE or (name == "age" and len(node["children"]) == 1):
            raise self._refusal(
                f"{name}() in this form is not allowed; write now(), or what is computed from it"
            )
        if name in AGGREGATES:
            called = name.removesuffix("_star")
            raise self._refusal(f"{called}() is of several rows, and the condition is about one")
        if name not in ROW_FUNCTIONS:
            # Those of the allow-list; it has its own words for the others.
            check(self._text, {self._dataset: TableFacts(ready=True)}, self._parser)
            raise self._refusal(f"{name}() is not a function of the row or of now()")
        return None

    def _refusal(self, what: str) -> QueryError:
        return QueryError(QueryFault.REFUSED, f"{what}; write {self._allowed}")


def _clock(node: Tree) -> re.Pattern[bytes]:
    name = re.escape(
        str(node["function_name"] if "function_name" in node else node["column_names"][0]).encode()
    )
    brackets = rb"\s*\(\s*\)" if "function_name" in node else rb""
    return re.compile(rb'(?:"%s"|%s)%s' % (name, name, brackets), re.IGNORECASE)


def _braced(text: bytes) -> str:
    return text.decode().replace("{", "{{").replace("}", "}}")


def _named(node: Any, alias: str) -> Iterator[tuple[str, ...]]:
    """The columns that the expression speaks of, with the names below them."""
    if isinstance(node, list):
        for child in node:
            yield from _named(child, alias)
    elif isinstance(node, dict):
        path = _path(node)
        if path is not None:
            unqualified = path[1:] if len(path) > 1 and path[0].casefold() == alias.casefold() else path
            yield unqualified
            return
        for child in node.values():
            yield from _named(child, alias)


def _path(node: Tree) -> tuple[str, ...] | None:
    """The names of a column, or of a struct's member however it is written; None for anything else."""
    if node.get("class") == "COLUMN_REF":
        return tuple(map(str, node["column_names"]))
    member = node.get("type") == "ARRAY_EXTRACT" or node.get("function_name") == "struct_extract"
    if not member or len(node["children"]) != 2:  # noqa: PLR2004  # What is read, and the member's name.
        return None
    above, name = _path(node["children"][0]), node["children"][1]
    value: Mapping[str, Any] = name.get("value") or {}
    if above is None or name.get("class") != "CONSTANT" or value["type"]["id"] != "VARCHAR":
        return None
    return (*above, str(value["value"]))


def _bound(node: Any) -> Iterator[str]:
    """Names that lambdas bind."""
    if isinstance(node, list):
        for child in node:
            yield from _bound(child)
    elif isinstance(node, dict):
        if node.get("class") == "LAMBDA":
            yield from (path[0] for path in _named(node["lhs"], ""))
        for child in node.values():
            yield from _bound(child)
