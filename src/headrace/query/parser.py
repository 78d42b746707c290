"""SQL text -> its syntax tree, by DuckDB's own parser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, lru_cache
from typing import Any, Final

import duckdb

from headrace.errors import QueryError, QueryFault
from headrace.namespace import CATALOGS, SCHEMAS
from headrace.query.door import translated
from headrace.query.outline import outline
from headrace.query.sandbox import Sandbox

Tree = dict[str, Any]
"""A node as ``json_serialize_sql`` gives it."""

LONGEST: Final = 256 * 1024
"""Characters of a statement. The planner's time grows with the square of some statements' length."""

REMEMBERED: Final = 128
REMEMBERED_LENGTH: Final = 4096
"""Statements of which the tree is kept, and their length in characters."""

ANSWERED: Final = "Headrace answers SELECT, EXPLAIN, DESCRIBE, SUMMARIZE and SHOW TABLES; nothing that writes"

BLANK: Final = r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*+"
_EXPLAIN = re.compile(
    rf"{BLANK}EXPLAIN\b{BLANK}"
    rf"(?P<options>ANALYZE\b|\({BLANK}(?:ANALYZE|FORMAT)\b[\w\s,]*\))?{BLANK}",
    re.IGNORECASE | re.DOTALL,
)
_DESCRIBE = re.compile(rf"{BLANK}(?:DESCRIBE|DESC|SHOW)\b", re.IGNORECASE | re.DOTALL)
_SHOW_COLUMNS = re.compile(
    rf"{BLANK}SHOW\b{BLANK}(?:FULL\b{BLANK})?COLUMNS\b{BLANK}(?:FROM|IN)\b", re.IGNORECASE | re.DOTALL
)


class Verb(Enum):
    """What is asked about the query."""

    RUN = "run"
    EXPLAIN = "explain"
    DESCRIBE = "describe"
    SHOW_TABLES = "show tables"
    SHOW_DATABASES = "show databases"
    SHOW_SCHEMAS = "show schemas"

    @property
    def lists(self) -> bool:
        """Whether it lists what there is, and has no query."""
        return self in (Verb.SHOW_TABLES, Verb.SHOW_DATABASES, Verb.SHOW_SCHEMAS)


@dataclass(frozen=True, slots=True)
class Parsed:
    """One statement that reads.

    ``query`` is the query's text and ``tree`` its node: for EXPLAIN and DESCRIBE of what is explained or
    described. ``options`` is what stands between EXPLAIN and the query. SHOW TABLES has no query. ``parameters`` are
    the numbers of the query's parameters, in order: that of ``$2`` is 2.
    """

    verb: Verb
    query: str
    tree: Tree
    options: str = ""
    parameters: tuple[int, ...] = ()


class Parser:
    """DuckDB's parser, in ``sandbox``, which it makes where none is given, and closes."""

    def __init__(self, sandbox: Sandbox | None = None) -> None:
        self.sandbox = sandbox or Sandbox()
        self._remembered = lru_cache(REMEMBERED)(self._parsed)

    def parse(self, sql: str) -> Parsed:
        """The one statement in ``sql``. Raises QueryError: INVALID, TOO_LARGE, or REFUSED for what does not read.

        Nobody changes a tree: what is asked again and again is parsed once.
        """
        return self._remembered(sql) if len(sql) <= REMEMBERED_LENGTH else self._parsed(sql)

    def _parsed(self, sql: str) -> Parsed:
        # What other systems call DESCRIBE, and DuckDB does not know.
        sql = _SHOW_COLUMNS.sub("DESCRIBE ", sql, count=1) if _SHOW_COLUMNS.match(sql) else sql
        kind, text = self.only_statement(sql)
        if kind == "EXPLAIN":
            return self._explained(text)
        if kind != "SELECT":
            raise QueryError(QueryFault.REFUSED, f"{kind} statements are refused: {ANSWERED}")
        tree, parameters = self._read(text)
        if (tree.get("from_table") or {}).get("type") != "SHOW_REF":
            return Parsed(Verb.RUN, text, tree, parameters=parameters)
        return self._shown(text, tree, parameters)

    @cached_property
    def _functions(self) -> frozenset[str]:
        rows = (
            self.sandbox.cursor().execute("SELECT DISTINCT function_name FROM duckdb_functions()").fetchall()
        )
        return frozenset(str(name).casefold() for (name,) in rows)

    def functions(self) -> frozenset[str]:
        """Every function that this DuckDB knows, by lower-case name: most of them are not for statements."""
        return self._functions

    def close(self) -> None:
        """Let go of the instance."""
        self.sandbox.close()

    def only_statement(self, sql: str) -> tuple[str, str]:
        """The kind of the one statement in ``sql``, as DuckDB calls it, and its text without ``;``. Raises QueryError."""
        _expect_sendable(sql)
        with translated(sql):
            statements = self.sandbox.statements(sql)
        kinds = [statement.type.name for statement in statements]
        if not kinds:
            raise QueryError(QueryFault.INVALID, "there is no statement; send one, such as SELECT 1")
        if len(kinds) == 1:
            return kinds[0], _without_end(statements[0].query)
        if kinds == ["CREATE"] * (len(kinds) - 1) + ["SELECT"] and not any(one.query for one in statements):
            raise QueryError(
                QueryFault.REFUSED,
                "PIVOT without the list of its values is refused, because DuckDB stores the values it finds: "
                "write PIVOT ... ON column IN (value, ...)",
            )
        raise QueryError(QueryFault.REFUSED, f"{len(kinds)} statements came at once; send one at a time")

    def _explained(self, text: str) -> Parsed:
        prefix = _EXPLAIN.match(text)
        if prefix is None:
            raise QueryError(QueryFault.REFUSED, "this form of EXPLAIN is refused: write EXPLAIN SELECT ...")
        kind, inner = self.only_statement(text[prefix.end() :])
        if kind != "SELECT":
            raise QueryError(QueryFault.REFUSED, f"EXPLAIN of {kind} is refused: {ANSWERED}")
        tree, parameters = self._read(inner)
        return Parsed(Verb.EXPLAIN, inner, tree, prefix["options"] or "", parameters)

    def _shown(self, text: str, tree: Tree, parameters: tuple[int, ...]) -> Parsed:
        shown = tree["from_table"]
        described = shown.get("query")
        if described is not None and shown.get("show_type") == "DESCRIBE":
            written, tree = self._described(text, described)
            return Parsed(Verb.DESCRIBE, written, tree, parameters=parameters)
        if described is not None:
            return Parsed(Verb.RUN, text, tree, parameters=parameters)
        verb = _listing(shown)
        if verb is not None:
            return Parsed(verb, text, {})
        raise QueryError(QueryFault.REFUSED, "this form of SHOW is refused: SHOW TABLES lists the datasets")

    def _described(self, text: str, described: Tree) -> tuple[str, Tree]:
        """The query that ``text`` describes, and the tree of just that: what is checked must be what will run.

        DuckDB writes some queries without quotes and parentheses that they need, so its text is taken only where the user's
        has none: for the name of a table.
        """
        rest = text[found.end() :] if (found := _DESCRIBE.match(text)) else ""
        with suppress(QueryError):
            own = self.tree(rest)
            if outline(own) == outline(described):
                return rest, own
        written = self._text(described)
        return written, self.tree(written)

    def tree(self, text: str) -> Tree:
        """The tree of one SELECT. Raises QueryError."""
        return self._read(text)[0]

    def _read(self, text: str) -> tuple[Tree, tuple[int, ...]]:
        """The tree of one SELECT, and the numbers of its parameters. Raises QueryError."""
        try:
            answer = json.loads(self._computed("json_serialize_sql(?::VARCHAR)", text))
        except RecursionError:
            raise too_deep() from None
        statements = answer.get("statements") or []
        if answer.get("error") or len(statements) != 1:
            reason = answer.get("error_message", "DuckDB gives no syntax tree for it")
            raise QueryError(QueryFault.REFUSED, f"the statement cannot be checked: {reason}")
        tree: Tree = statements[0]["node"]
        return tree, _numbers(statements[0].get("named_param_map") or ())

    def _text(self, tree: Tree) -> str:
        serialized = json.dumps({"error": False, "statements": [{"node": tree, "named_param_map": []}]})
        return self._computed("json_deserialize_sql(?::JSON)", serialized)

    def _computed(self, call: str, argument: str) -> str:
        with translated(argument):
            ((text,),) = self.sandbox.cursor().execute(f"SELECT {call}", [argument]).fetchall()
        return str(text)


_LISTINGS: Final = {
    '"tables"': Verb.SHOW_TABLES,
    "__show_tables_expanded": Verb.SHOW_TABLES,
    '"databases"': Verb.SHOW_DATABASES,
    '"schemas"': Verb.SHOW_SCHEMAS,
}


def _listing(shown: Tree) -> Verb | None:
    """What is listed, if it is one of the lists that there are."""
    if shown.get("show_type") == "SHOW_UNQUALIFIED":
        return _LISTINGS.get(str(shown.get("table_name")))
    catalog, schema = (str(shown.get(key) or "").casefold() for key in ("catalog_name", "schema_name"))
    of_ours = schema in SCHEMAS and (not catalog or catalog in CATALOGS)
    return Verb.SHOW_TABLES if shown.get("show_type") == "SHOW_FROM" and of_ours else None


def _numbers(parameters: Iterable[Tree]) -> tuple[int, ...]:
    """The numbers of parameters. Raises QueryError for one that has a name."""
    names = [str(parameter["key"]) for parameter in parameters]
    named = next((name for name in names if not name.isdecimal()), None)
    if named is not None:
        raise QueryError(
            QueryFault.INVALID, f"the parameter ${named} has a name; number parameters instead ($1, or ?)"
        )
    return tuple(sorted(map(int, names)))


def _without_end(text: str) -> str:
    """One statement without the ``;`` that ends it, and what follows that."""
    written = text.encode()
    end = len(written)
    for place, kind in reversed(duckdb.tokenize(text)):
        if kind != duckdb.token_type.operator or written[place : place + 1] != b";":
            break
        end = place
    return written[:end].decode()


def _expect_sendable(sql: str) -> None:
    if len(sql) > LONGEST:
        raise QueryError(
            QueryFault.TOO_LARGE,
            f"the statement has {len(sql):,} characters; at most {LONGEST:,} are allowed",
        )
    if "\0" in sql:
        raise QueryError(QueryFault.INVALID, "the statement holds a NUL character")


def too_deep() -> QueryError:
    """The error for a statement whose tree cannot be walked."""
    return QueryError(QueryFault.INVALID, "the statement is nested too deeply; use WITH to flatten it")
