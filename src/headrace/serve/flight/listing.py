"""The tables, as clients that browse a database ask for them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from headrace.errors import QueryError, QueryFault
from headrace.serve.running import Running

_TABLES: Final = (
    "SELECT table_catalog, table_schema, table_name, table_type FROM information_schema.tables ORDER BY ALL"
)
_SCHEMAS: Final = "SELECT catalog_name, schema_name FROM information_schema.schemata ORDER BY ALL"
_TYPES: Final = {"BASE TABLE": "TABLE", "VIEW": "VIEW"}

TABLE_TYPES: Final = tuple(_TYPES.values())
"""What tables are. What SQL calls BASE TABLE, clients of Flight SQL, JDBC and ODBC know as TABLE."""

ESCAPE: Final = "\\"
"""Makes the next ``%`` or ``_`` of a pattern stand for itself."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the catalogue."""

    catalog: str
    schema: str
    name: str
    type: str

    @property
    def sql(self) -> str:
        """Its name, as statements write it."""
        return ".".join(
            '"' + part.replace('"', '""') + '"' for part in (self.catalog, self.schema, self.name)
        )

    def columns(self, running: Running) -> pa.Schema:
        """The columns that ``SELECT *`` gives; none while it may not be queried. Raises QueryError."""
        try:
            return running.prepare(f"SELECT * FROM {self.sql}").schema  # noqa: S608 - quoted
        except QueryError as error:
            # One that goes, or whose copy fails, between two statements is no error of the whole list.
            if error.fault in (QueryFault.NOT_READY, QueryFault.UNKNOWN_NAME):
                return pa.schema([])
            raise

    def keys(self, running: Running) -> tuple[str, ...]:
        """The columns of its key, partition key first; none of a view, or while they are not known."""
        try:
            return tuple(name for name, _ in running.explain_stream(self.name).keys)
        except QueryError:
            return ()


def tables(running: Running) -> list[Table]:
    """Every table, in order. Raises QueryError."""
    return [
        Table(catalog, schema, name, _TYPES.get(type_, type_))
        for catalog, schema, name, type_ in _rows(running, _TABLES)
    ]


def schemas(running: Running) -> list[tuple[str, str]]:
    """Every schema, with its catalog before it, in order. Raises QueryError."""
    return [(catalog, schema) for catalog, schema in _rows(running, _SCHEMAS)]


def _rows(running: Running, sql: str) -> list[tuple[str, ...]]:
    answer = running.query(sql)
    schema = answer.run()
    rows = pa.Table.from_batches(answer.batches(), schema)
    return list(zip(*(column.to_pylist() for column in rows.columns), strict=True))


def matching(
    listed: Iterable[Table],
    *,
    catalog: str | None = None,
    schema_pattern: str | None = None,
    table_pattern: str | None = None,
    types: tuple[str, ...] = (),
) -> list[Table]:
    """Those that every filter lets through. ``catalog`` is a name, the patterns are as ``like`` has them; None is no filter.

    Names are case-insensitive, as everywhere in SQL.
    """
    schema_like, name_like = like(schema_pattern), like(table_pattern)
    return [
        table
        for table in listed
        if is_named(catalog, table.catalog)
        and schema_like.fullmatch(table.schema)
        and name_like.fullmatch(table.name)
        and (not types or table.type in types)
    ]


def is_named(asked: str | None, name: str) -> bool:
    """Whether ``name`` is the one that is asked for; None asks for any."""
    return asked is None or asked.casefold() == name.casefold()


def like(pattern: str | None) -> re.Pattern[str]:
    """What a pattern lets through: ``%`` is any text, ``_`` any letter, one after ESCAPE itself; None is every text."""
    if pattern is None:
        return re.compile(".*", re.DOTALL)
    pieces: list[str] = []
    letters = iter(pattern)
    for letter in letters:
        match letter:
            case "%":
                pieces.append(".*")
            case "_":
                pieces.append(".")
            case _:
                pieces.append(re.escape(next(letters, letter) if letter == ESCAPE else letter))
    return re.compile("".join(pieces), re.DOTALL | re.IGNORECASE)
