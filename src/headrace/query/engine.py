"""SQL in, Arrow out: the one way in which anybody's statement reaches the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import duckdb
import pyarrow as pa

from headrace.errors import QueryError, QueryFault
from headrace.leaf import Leaf, RemoteLeaf
from headrace.prepared import Prepared
from headrace.query.allow_list import Checked, check
from headrace.query.catalog import Beside, Catalog
from headrace.query.described import DESCRIBED, EXPLAINED, DeclaredColumns, as_declared, described, explained
from headrace.query.information import HIDDEN, Information, listed
from headrace.query.leaf_names import quoted
from headrace.query.leaf_readings import Readings
from headrace.query.outlines import Facts, Outlines
from headrace.query.parameters import Given, given, nulls, ones
from headrace.query.parser import Parser, Tree, Verb
from headrace.query.statement import Connect, Read, Statement
from headrace.query.watch import Bounds, Watch

if TYPE_CHECKING:
    from headrace.query.leaf_statement import LeafStatement

BATCH_ROWS: Final = 8192
"""Rows of a batch: four of DuckDB's vectors. Larger batches read no faster, and hold more memory."""

ReadText = Callable[[duckdb.DuckDBPyConnection, str], pa.RecordBatchReader]
"""Reads a statement's text, in a connection in which its tables are."""


class QueryEngine:
    """Answers statements over the tables of ``catalog``, each in a connection of its own from ``connect``.

    ``catalog`` is asked anew for every statement, ``declared`` for what DESCRIBE says of a table's columns beyond
    the engine's types, and ``leaves`` for the tables that are not, or not wholly, DuckDB's. Any thread may call any method.
    """

    def __init__(
        self,
        connect: Connect,
        catalog: Callable[[], Catalog],
        bounds: Bounds | None = None,
        declared: DeclaredColumns | None = None,
        leaves: Callable[[], Mapping[str, Leaf | Beside]] = dict,
        parser: Parser | None = None,
    ) -> None:
        self._connect = connect
        self._catalog = catalog
        self._declared = declared
        self._leaves = leaves
        self._watch = Watch(bounds or Bounds())
        # A statement that asks for the columns of all tables has a place, and describes one table at a time.
        self._aside = Watch(bounds or Bounds())
        self._parser = parser or Parser()
        self._outlines = Outlines()

    def query(self, sql: str, parameters: Sequence[pa.Scalar] = ()) -> Statement:
        """The statement in ``sql``, checked and not yet run, with the values of ``?`` or ``$1`` and so on.

        DESCRIBE gives column_name, data_type (Arrow's names) and is_nullable; SHOW TABLES gives table_name
        and ready, for each table of the catalogue. Raises QueryError: INVALID, UNKNOWN_NAME, REFUSED, TOO_LARGE, and
        NOT_READY where a table that it reads may not be queried yet.
        """
        return self._query(sql, parameters, self._watch)

    def _query(self, sql: str, parameters: Sequence[pa.Scalar], watch: Watch) -> Statement:
        catalog = self._catalog()
        checked = self._checked(sql, catalog)
        values = given(parameters, checked.parsed.parameters)
        if checked.verb.lists:
            return self._statement(checked, lambda _: listed(checked.verb, catalog).to_reader(), watch)
        return self._over(checked, values, partial(self._read, checked, values), watch)

    def prepare(self, sql: str) -> Prepared:
        """What is known of ``sql`` without running it: no row is read. Raises QueryError as ``query`` and ``run``."""
        catalog = self._catalog()
        checked = self._checked(sql, catalog)
        if checked.verb.lists:
            return Prepared(listed(checked.verb, catalog).schema, 0)
        known = {Verb.DESCRIBE: DESCRIBED, Verb.EXPLAIN: EXPLAINED}.get(checked.verb)
        count = max(checked.parsed.parameters, default=0)
        if known is not None:
            return Prepared(known, count)
        facts = self._facts(checked, catalog)
        prepared = None if facts is None else self._outlines.found(sql, facts)
        if prepared is None:
            prepared = Prepared(self._schema(checked), count)
            if facts is not None:
                self._outlines.keep(sql, facts, prepared)
        return prepared

    def _facts(self, checked: Checked, catalog: Catalog) -> Facts | None:
        """What decides on the columns of its rows; None where that cannot be told."""
        declared = self._declared
        if declared is None or not checked.tables.isdisjoint(HIDDEN):
            return None
        leaves = self._leaves()
        columns = {table: declared(table) for table in checked.tables}
        if not all(columns.values()) or any(isinstance(leaves.get(one), RemoteLeaf) for one in columns):
            return None
        facts: dict[str, tuple[object, Mapping[str, str]]] = {
            view: (catalog[view], {}) for view in checked.views
        }
        return facts | {table: (catalog[table], known) for table, known in columns.items()}

    def _schema(self, checked: Checked) -> pa.Schema:
        """The columns of its rows."""
        outlined = replace(checked, verb=Verb.DESCRIBE)

        def columns(values: Given) -> pa.Schema:
            def read(cursor: duckdb.DuckDBPyConnection, text: str) -> pa.RecordBatchReader:
                return _outlined(cursor, checked, text, values).empty_table().to_reader()

            with self._over(outlined, values, read, self._watch) as statement:
                return statement.run()

        numbers = checked.parsed.parameters
        try:
            return columns(nulls(numbers))
        except QueryError as error:
            if not numbers or error.fault is not QueryFault.INVALID:
                raise
            # Some functions take no NULL.
            return columns(ones(numbers))

    def _checked(self, sql: str, catalog: Catalog) -> Checked:
        checked = check(sql, catalog, self._parser)
        _expect_ready(checked, catalog)
        return checked

    def _statement(self, checked: Checked, read: Read, watch: Watch) -> Statement:
        return Statement(checked, lambda: (read, Readings({})), self._connect, watch)

    def _over(self, checked: Checked, values: Given, read: ReadText, watch: Watch) -> Statement:
        leaves = self._read_here(checked)
        if not (leaves or checked.views):
            return self._statement(checked, lambda cursor: read(cursor, checked.sql), watch)
        # Arrow's datasets take 40 ms to import.
        from headrace.query.leaf_statement import LeafStatement

        def attempt() -> tuple[Read, Readings]:
            statement = LeafStatement(checked, leaves, self._parser, values)
            return lambda cursor: _read_leaves(cursor, statement, read), statement.readings

        return Statement(checked, attempt, self._connect, watch)

    def _read_here(self, checked: Checked) -> Mapping[str, Leaf | Beside]:
        """The tables of the statement that are not, or not wholly, DuckDB's."""
        known = self._leaves()
        leaves = {table: known[table] for table in checked.tables if table in known}
        told = {table: HIDDEN[table] for table in checked.tables if table in HIDDEN}
        if told:
            catalog = self._catalog()
            # A view of what describes tables is described too.
            leaves |= {
                name: Information(table, catalog, self._described, outline=not checked.runs)
                for name, table in told.items()
            }
        return leaves

    def _described(self, table: str) -> pa.Table:
        """The answer to DESCRIBE of a table, in a connection of its own; without columns where these are not known yet."""
        if self._catalog()[table].ready:
            with suppress(QueryError), self._query(f"DESCRIBE {quoted(table)}", (), self._aside) as statement:
                return statement.reader().read_all()
        return as_declared(self._declared(table) if self._declared is not None else {})

    def _read(
        self, checked: Checked, values: Given, cursor: duckdb.DuckDBPyConnection, text: str
    ) -> pa.RecordBatchReader:
        if checked.verb is not Verb.DESCRIBE:
            return cursor.execute(text, values.bound()).to_arrow_reader(BATCH_ROWS)
        declared: Mapping[str, str] = {}
        if checked.plain and self._declared is not None:
            declared = self._declared(*checked.tables)
        return described(_outlined(cursor, checked, text, values), declared).to_reader()

    @property
    def running(self) -> int:
        """How many statements run at this moment."""
        return self._watch.running

    def close(self) -> None:
        """Cancel what runs, and answer nothing more. Safe to call twice."""
        for statement in (*self._watch.close(), *self._aside.close()):
            if isinstance(statement, Statement):
                statement.cancel()


def _read_leaves(
    cursor: duckdb.DuckDBPyConnection, statement: LeafStatement, read: ReadText
) -> pa.RecordBatchReader:
    text = statement.prepare(cursor)
    if not statement.explained:
        return read(cursor, text)
    lines = statement.told(cursor, text)
    return explained(read(cursor, text).read_all(), lines).to_reader()


def _outlined(cursor: duckdb.DuckDBPyConnection, checked: Checked, text: str, values: Given) -> pa.Schema:
    """The columns of the rows, none of which is read."""
    # The statement was checked as it stands; the line break ends a comment at its end.
    whole, tree = f"({text}\n)", checked.parsed.tree
    shows, limited = _shows(tree), _is_limited(tree)
    # DuckDB's parser has no second LIMIT.
    within = f"SELECT * FROM {whole}" if shows or limited else whole  # noqa: S608 - checked
    schema = cursor.execute(f"{within} LIMIT 0", values.bound()).to_arrow_reader(1).schema
    if shows or not limited:
        return schema
    # A subquery gives columns of one name different ones.
    names = cursor.execute(f"DESCRIBE {whole}", values.bound()).fetchall()
    return pa.schema([field.with_name(name) for field, (name, *_) in zip(schema, names, strict=True)])


def _shows(tree: Tree) -> bool:
    return "SHOW_REF" in (tree.get("from_table") or {}).values()


def _is_limited(tree: Tree) -> bool:
    return any("LIMIT" in modifier["type"] for modifier in tree["modifiers"])


def _expect_ready(checked: Checked, catalog: Catalog) -> None:
    waiting = sorted(table for table in checked.tables - HIDDEN.keys() if not catalog[table].ready)
    if waiting:
        reasons = "; ".join(f"{table}: {catalog[table].reason or 'it is loading'}" for table in waiting)
        raise QueryError(QueryFault.NOT_READY, f"not ready to be queried: {reasons}")
