"""``target.view``: the rows of one SELECT, kept by changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headrace.config.kind import duration, prose
from headrace.config.naming import table_name
from headrace.config.parameter import Parameter
from headrace.config.quantity import SECOND, format_duration
from headrace.config.targets.block import BESIDE, TargetBlock, TargetKind, table_in_words
from headrace.target import MaterializedView, OutputTable, Target

_DEFAULTS: Final = MaterializedView("")

SQL: Final = Parameter(
    "sql",
    prose(),
    "The view: filters, expressions, and with `GROUP BY` count, sum, avg, min and max.",
)
TABLE: Final = Parameter(
    "table",
    table_name(),
    "The DynamoDB table that gets the rows. It must exist; its key are the columns of `GROUP BY`, or the source's key. Without it, the "
    "dataset that is read `from: target:` the mapping gets them.",
)
TOMBSTONES: Final = Parameter(
    "tombstones",
    duration(3600 * SECOND),
    "For how long items that are in no row are remembered, so that an older change cannot bring one back.",
    default=format_duration(int(_DEFAULTS.tombstones) * SECOND),
)


def _read(block: TargetBlock) -> MaterializedView | None:
    settings = block.settings(VIEW.parameters)
    if settings is None:
        return None
    sql, name = settings.get(SQL), settings.get(TABLE)
    if not sql:
        block.refuse("has no sql; write view: {sql: SELECT ...}")
        return None
    if (name is None) is not block.fed:
        block.refuse(
            "writes to no table, and no dataset is read from it; name a table, or read a dataset `from: target:` this mapping"
            if name is None
            else "writes to a table, and a dataset is read from it as well; keep one of them: a second mapping can feed the other",
        )
        return None
    table = None if name is None else OutputTable(name, block.beside(settings))
    if table is not None and (table.name, table.access) == (block.table, block.access):
        block.refuse("is the table that is read; name another, or another region or endpoint_url", "table")
    return MaterializedView(sql, table, (settings.get(TOMBSTONES) or 0) / SECOND)


def _facts(target: Target) -> Iterator[tuple[str, str]]:
    assert isinstance(target, MaterializedView), "it is of this kind"
    yield "view", " ".join(target.sql.split())
    if target.table is None:
        yield "rows", "to the dataset that is read from it"
    else:
        yield "rows", f"to {table_in_words(target.table.name, target.table.access)}"
    yield "view type", "NEW_IMAGE or NEW_AND_OLD_IMAGES"


VIEW: Final = TargetKind(
    "view",
    "The rows of a SELECT, kept by changes.",
    (SQL, TABLE, *BESIDE, TOMBSTONES),
    _read,
    _facts,
    note="[What SQL is taken, and what is guaranteed](targets/view.md).",
)
