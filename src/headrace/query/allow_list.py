"""User SQL -> a statement that may run: everything it names is on a list.

Settings alone do not hold DuckDB: loaded extensions reach files and hosts in spite of them. So a statement
is refused unless each kind of node, each function and each table in its syntax tree is known to be safe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from headrace.errors import QueryError, QueryFault
from headrace.namespace import CATALOGS, INFORMATION_SCHEMA, SCHEMAS
from headrace.query.catalog import Catalog, Reference, TableFacts, ViewQuery, known_as, nearest
from headrace.query.described import is_plain
from headrace.query.functions import FUNCTIONS, MULTIPLYING, TABLE_FUNCTIONS
from headrace.query.in_short import in_short, is_in_full
from headrace.query.information import HIDDEN, TABLES, hidden_name
from headrace.query.nodes import EXPRESSION_CLASSES, TREE_KINDS
from headrace.query.parser import ANSWERED, Parsed, Parser, Tree, Verb, too_deep

MOST_PARTS: Final = 1000
"""Queries and joins in one statement: beyond, planning alone takes seconds that nothing interrupts."""

LARGEST_COUNT: Final = 10_000_000
"""How often, or how wide, one call may repeat a value."""

_PATH_SIGNS = frozenset("./\\:")
_INTERNAL = ("duckdb_", "headrace_", "pg_", "pragma_", "sqlite_", "information_schema")
_OUTSIDE: Final = frozenset({"getenv", "getvariable", "set_config", "sleep"})
"""Functions that are refused as such even where this DuckDB does not know them."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A statement that may run.

    ``sql`` is the text that was checked, with short names: for DESCRIBE, of the query that is described; empty for what
    only lists. ``references`` are the places where it reads tables. ``plain``: DESCRIBE of columns of the only table, as
    they are. ``parsed`` is the query's tree and text; what stands before it in ``sql`` is ``prefix``. ``views`` are
    those that it reads, and that they read, each after those that it reads itself.
    """

    verb: Verb
    sql: str
    parsed: Parsed
    references: tuple[Reference, ...] = ()
    plain: bool = False
    prefix: str = ""
    views: Mapping[str, ViewQuery] = field(default_factory=dict)

    @property
    def tables(self) -> frozenset[str]:
        """The tables that it reads, by itself or through views, as the catalogue spells them."""
        places = [self.references, *(view.references for view in self.views.values())]
        return frozenset(one.table for references in places for one in references) - self.views.keys()

    @property
    def runs(self) -> bool:
        """Whether the query's rows are wanted, and not only what is known of it."""
        return self.verb is Verb.RUN or (
            self.verb is Verb.EXPLAIN and "ANALYZE" in self.parsed.options.upper()
        )


def check(sql: str, catalog: Catalog, parser: Parser) -> Checked:
    """``sql``, if it only reads, and only what ``catalog`` names.

    Raises QueryError: INVALID for what is not SQL, UNKNOWN_NAME for a table or function that does not exist,
    REFUSED for everything else that is not on the lists, TOO_LARGE for a text that is too long.
    """
    parsed = parser.parse(sql)
    if parsed.verb.lists:
        return Checked(parsed.verb, "", parsed)
    parsed, references = _in_short(parsed, catalog, parser)
    views = _views(references, catalog)
    if parsed.verb is Verb.EXPLAIN:
        prefix = f"EXPLAIN {parsed.options} "
        _expect_same(prefix, parsed, parser)
        return Checked(Verb.EXPLAIN, prefix + parsed.query, parsed, references, prefix=prefix, views=views)
    one = len({reference.table for reference in references}) == 1
    plain = parsed.verb is Verb.DESCRIBE and one and not views and is_plain(parsed.tree)
    return Checked(parsed.verb, parsed.query, parsed, references, plain, views=views)


def _in_short(parsed: Parsed, catalog: Catalog, parser: Parser) -> tuple[Parsed, tuple[Reference, ...]]:
    """The query with short names, and where it reads tables, if all that it holds is on the lists."""
    references = _references(parsed.tree, catalog, parser.functions())
    if not any(is_in_full(reference.node) for reference in references):
        return parsed, references
    # The text of what is described is not the one in which its nodes have their places.
    parsed = replace(parsed, tree=parser.tree(parsed.query))
    parsed = in_short(parsed, _references(parsed.tree, catalog, parser.functions()), parser)
    hidden = dict.fromkeys(HIDDEN, TableFacts(ready=True))
    return parsed, _references(parsed.tree, {**catalog, **hidden}, parser.functions())


def _views(references: Iterable[Reference], catalog: Catalog) -> Mapping[str, ViewQuery]:
    found: dict[str, ViewQuery] = {}
    for reference in references:
        facts = catalog.get(reference.table)
        if facts is None or facts.view is None or facts.stored:
            continue
        found |= _views(facts.view.references, catalog)
        found[reference.table] = facts.view
    return found


def _expect_same(prefix: str, parsed: Parsed, parser: Parser) -> None:
    # Put together again, it must still be what was checked.
    again = parser.parse(prefix + parsed.query)
    if again.verb is not Verb.EXPLAIN or again.tree != parsed.tree:
        raise QueryError(QueryFault.REFUSED, "this form of EXPLAIN is refused: write EXPLAIN SELECT ...")


def _references(tree: Tree, catalog: Catalog, existing: frozenset[str]) -> tuple[Reference, ...]:
    """Where the query reads tables, if all that it holds is on the lists."""
    walk = _Walk(catalog, existing)
    try:
        walk.visit(tree, frozenset())
    except RecursionError:
        raise too_deep() from None
    return tuple(walk.references)


class _Walk:
    """One pass over a tree; every node of it is seen, whichever field it hangs on."""

    def __init__(self, catalog: Catalog, existing: frozenset[str]) -> None:
        self._catalog = catalog
        self._existing = existing
        self.references: list[Reference] = []
        self._parts = 0

    def visit(self, node: Any, ctes: frozenset[str]) -> None:
        """Check ``node`` and all below it. ``ctes`` are the names that WITH defines at this place."""
        if isinstance(node, list):
            for child in node:
                self.visit(child, ctes)
        elif isinstance(node, dict):
            self._visit_node(node, ctes)

    def _visit_node(self, node: Tree, ctes: frozenset[str]) -> None:
        self._check_kind(node)
        if "function_name" in node:
            self._check_function(node)
        kind = node.get("type")
        below = dict(node)
        if "cte_map" in node:
            ctes = self._visit_ctes(below.pop("cte_map"), ctes)
        if kind == "RECURSIVE_CTE_NODE":
            # Only the second part sees the name; in the first it is whatever it is outside.
            self.visit(below.pop("right"), ctes | {str(node["cte_name"]).casefold()})
        elif kind == "BASE_TABLE":
            self._read_table(node, ctes)
        elif kind == "TABLE_FUNCTION":
            self.visit(_table_function(below.pop("function")), ctes)
        elif kind == "SHOW_REF":
            _check_shown(node)
            # Whether DESCRIBE sees the names of WITH is DuckDB's affair: here it sees none.
            ctes = frozenset()
        elif node.get("class") == "CONSTANT":
            return
        for child in below.values():
            self.visit(child, ctes)

    def _check_kind(self, node: Tree) -> None:
        class_, kind = node.get("class"), node.get("type")
        if class_ is not None:
            if class_ not in EXPRESSION_CLASSES:
                raise QueryError(QueryFault.REFUSED, f"{class_} expressions are refused: {ANSWERED}")
        elif isinstance(kind, str) and kind not in TREE_KINDS:
            raise QueryError(QueryFault.REFUSED, f"syntax of the kind {kind} is refused: {ANSWERED}")
        if kind in ("SELECT_NODE", "JOIN"):
            self._parts += 1
            if self._parts > MOST_PARTS:
                raise QueryError(
                    QueryFault.TOO_LARGE, f"the statement has more than {MOST_PARTS:,} queries and joins"
                )

    def _check_function(self, node: Tree) -> None:
        name = str(node["function_name"]).casefold()
        if node.get("export_state"):
            raise QueryError(QueryFault.REFUSED, "EXPORT_STATE is refused")
        if name in FUNCTIONS:
            _expect_modest(name, node)
            return
        if name in self._existing or name in _OUTSIDE:
            raise QueryError(
                QueryFault.REFUSED,
                f"the function {name}() is refused: it is not on the list of those that only compute",
            )
        close = nearest(name, FUNCTIONS)
        hint = f"; did you mean {close}()?" if close else ""
        raise QueryError(QueryFault.UNKNOWN_NAME, f"there is no function {name}(){hint}")

    def _visit_ctes(self, cte_map: Tree, ctes: frozenset[str]) -> frozenset[str]:
        for entry in cte_map["map"]:
            name = str(entry["key"])
            if _PATH_SIGNS & set(name) or name.casefold().startswith(_INTERNAL):
                raise QueryError(
                    QueryFault.REFUSED,
                    f"the WITH name {name!r} is refused: it could be taken for a file or an internal table",
                )
            # A definition sees those before it, not itself: its own name is still the table outside.
            self.visit(entry["value"], ctes)
            ctes |= {name.casefold()}
        return ctes

    def _read_table(self, node: Tree, ctes: frozenset[str]) -> None:
        name, schema, database = (
            str(node.get(key) or "") for key in ("table_name", "schema_name", "catalog_name")
        )
        if node.get("at_clause") is not None:
            raise QueryError(QueryFault.REFUSED, f"AT is refused: {name!r} is read as it is now")
        if not schema and not database and name.casefold() in ctes:
            return
        in_full = ".".join(part for part in (database, schema, name) if part)
        known: str | None = None
        if not database or database.casefold() in CATALOGS:
            if schema.casefold() == INFORMATION_SCHEMA:
                known = _table_of_information(name)
            elif schema.casefold() in SCHEMAS or not (database or schema):
                known = known_as(name, self._catalog)
        if known is None:
            raise _no_such_table(in_full, self._catalog)
        self.references.append(Reference(known, node))


def _table_of_information(name: str) -> str:
    """How connections know it. Raises QueryError."""
    table = known_as(name, TABLES)
    if table is None:
        there = ", ".join(sorted(TABLES))
        raise QueryError(
            QueryFault.UNKNOWN_NAME, f"there is no table {INFORMATION_SCHEMA}.{name}; there are {there}"
        )
    return hidden_name(table)


def _expect_modest(name: str, node: Tree) -> None:
    """Refuse a call that would make one value of gigabytes: DuckDB neither counts that memory nor interrupts the call."""
    if name not in MULTIPLYING:
        return
    for argument in node.get("children") or ():
        told = argument.get("value") if argument.get("class") == "CONSTANT" else None
        number = told.get("value") if isinstance(told, dict) else None
        if isinstance(number, int) and number > LARGEST_COUNT:
            raise QueryError(
                QueryFault.REFUSED,
                f"{name}() of {number:,} is refused: one value may be made of {LARGEST_COUNT:,} at most; in FROM, range() gives "
                "rows without holding them",
            )


def _table_function(function: Tree) -> Any:
    """What is left to check of a function in FROM: its arguments."""
    name = str(function.get("function_name", "")).casefold()
    if name not in TABLE_FUNCTIONS or function.get("schema") or function.get("catalog"):
        allowed = ", ".join(sorted(TABLE_FUNCTIONS))
        raise QueryError(
            QueryFault.REFUSED,
            f"{name or 'this'}() is refused in FROM; the functions allowed there: {allowed}",
        )
    return [value for key, value in function.items() if key not in ("function_name", "class", "type")]


def _check_shown(node: Tree) -> None:
    if node.get("query") is None or node.get("show_type") not in ("DESCRIBE", "SUMMARY"):
        raise QueryError(QueryFault.REFUSED, "this form of SHOW is refused: SHOW TABLES lists the datasets")


def _no_such_table(name: str, catalog: Catalog) -> QueryError:
    folded = name.casefold()
    if _PATH_SIGNS & set(name) or folded.startswith(_INTERNAL):
        return QueryError(
            QueryFault.REFUSED,
            f"reading {name!r} is refused: a statement reads datasets only; SHOW TABLES lists them",
        )
    close = nearest(name, catalog)
    hint = f"did you mean {close!r}?" if close else "SHOW TABLES lists the datasets"
    return QueryError(QueryFault.UNKNOWN_NAME, f"there is no dataset {name!r}; {hint}")
