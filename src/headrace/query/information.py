"""``information_schema``: what there is, told from the catalogue and never from DuckDB's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pyarrow as pa

from headrace.leaf import Condition, Fit
from headrace.namespace import CATALOG, INFORMATION_SCHEMA, SCHEMA
from headrace.query.catalog import Catalog
from headrace.query.parser import Verb

_PREFIX: Final = "headrace_information_"
"""What stands before a table's name in connections, where no statement can name it."""


def _texts(*names: str) -> list[pa.Field]:
    return [pa.field(name, pa.string()) for name in names]


_OF_TABLE: Final = ("table_catalog", "table_schema", "table_name")
TABLES: Final = {
    "schemata": pa.schema(_texts("catalog_name", "schema_name", "schema_owner")),
    "tables": pa.schema(_texts(*_OF_TABLE, "table_type")),
    "columns": pa.schema(
        [
            *_texts(*_OF_TABLE, "column_name"),
            pa.field("ordinal_position", pa.int32()),
            *_texts("column_default", "is_nullable", "data_type"),
        ]
    ),
    "views": pa.schema(_texts(*_OF_TABLE, "view_definition")),
}
"""Its tables, with columns that SQL's standard names (ISO/IEC 9075-11). ``data_type`` is a type's name as DESCRIBE gives it."""

Described = Callable[[str], pa.Table]
"""The answer to DESCRIBE of a table."""


def hidden_name(table: str) -> str:
    """How connections know a table of information_schema."""
    return f"{_PREFIX}{table}"


HIDDEN: Final = {hidden_name(table): table for table in TABLES}


class Information:
    """One table of information_schema as a leaf; with ``outline`` it has no rows, and describes nothing."""

    def __init__(self, table: str, catalog: Catalog, describe: Described, *, outline: bool) -> None:
        self._table = table
        self._catalog = catalog
        self._describe = describe
        self._outline = outline

    def begin(self) -> InformationReading:
        """Its rows as they are now."""
        rows = [] if self._outline else list(self._rows())
        return InformationReading(pa.Table.from_pylist(rows, TABLES[self._table]))

    def _rows(self) -> Iterator[dict[str, object]]:
        if self._table == "schemata":
            for name in (SCHEMA, INFORMATION_SCHEMA):
                yield {"catalog_name": CATALOG, "schema_name": name}
            return
        for name in sorted(self._catalog):
            row: dict[str, object] = dict(zip(_OF_TABLE, (CATALOG, SCHEMA, name), strict=True))
            view = self._catalog[name].view
            if self._table == "tables":
                yield row | {"table_type": "BASE TABLE" if view is None else "VIEW"}
            elif self._table == "columns":
                for place, column in enumerate(self._describe(name).to_pylist(), start=1):
                    yield row | {"ordinal_position": place, **column}
            elif view is not None:
                yield row | {"view_definition": view.sql}


class InformationReading:
    """The rows of one statement."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        return self._rows.schema

    def fit(self, condition: Condition) -> Fit:  # noqa: ARG002  # LeafReading's.
        """There are few: DuckDB does the choosing."""
        return Fit.NO

    def scan(
        self,
        columns: Sequence[str],
        conditions: Sequence[Condition],  # noqa: ARG002  # LeafReading's.
        limit: int | None = None,  # noqa: ARG002  # LeafReading's.
    ) -> Iterator[pa.RecordBatch]:
        """All of them."""
        for batch in self._rows.to_batches():
            yield batch.select(list(columns))

    def cancel(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing is held."""


def listed(verb: Verb, catalog: Catalog) -> pa.Table:
    """The answer to a SHOW that lists what there is."""
    match verb:
        case Verb.SHOW_DATABASES:
            return pa.table({"database_name": [CATALOG]})
        case Verb.SHOW_SCHEMAS:
            schemas = [SCHEMA, INFORMATION_SCHEMA]
            return pa.table({"database_name": [CATALOG] * len(schemas), "schema_name": schemas})
        case _:
            names = sorted(catalog)
            return pa.table({"table_name": names, "ready": [catalog[name].ready for name in names]})
