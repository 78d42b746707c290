"""``target.audit``: a row for each record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headrace.config.kind import duration, flag
from headrace.config.naming import table_name
from headrace.config.parameter import Parameter, Settings
from headrace.config.quantity import SECOND, format_duration
from headrace.config.targets.block import BESIDE, TargetBlock, TargetKind, table_in_words
from headrace.target import AuditTrail, OutputTable, Target

_DEFAULTS: Final = AuditTrail()
_NEEDS_TABLE: Final = "is for a table, and this audit trail goes to a dataset; leave it out, or name a table"

TABLE: Final = Parameter(
    "table",
    table_name(),
    "The DynamoDB table of the rows. It must exist, with the key `event_id`, a string. Without it, the rows go to the dataset "
    "that is read `from: target:MAPPING`.",
)
KEEP: Final = Parameter(
    "keep",
    duration(3600 * SECOND),
    "How long after a change the table may expire its row: each row has that time in `expires_at`, which the table's time to live "
    "must be set to. Without it, rows stay.",
)
CONDITIONAL: Final = Parameter(
    "conditional",
    flag(),
    "Whether a row that is in the table is left alone when its record comes again. It takes a request for each row, and no right "
    "but `PutItem`. With `false`, rows are written in batches, over themselves.",
    default=str(_DEFAULTS.conditional).lower(),
)


def _read(block: TargetBlock) -> AuditTrail | None:
    settings = block.settings(AUDIT.parameters)
    if settings is None:
        return None
    name = settings.get(TABLE)
    if name is None:
        return _of_dataset(block, settings)
    if block.fed:
        block.refuse(
            "a dataset is read from this mapping, so its rows go there; leave the table out", "table"
        )
        return None
    output = OutputTable(name, block.beside(settings))
    if (name, output.access) == (block.table, block.access):
        block.refuse("is the table that is read; name another, or another region or endpoint_url", "table")
    keep = settings.get(KEEP)
    return AuditTrail(output, None if keep is None else keep / SECOND, settings.get(CONDITIONAL) is True)


def _of_dataset(block: TargetBlock, settings: Settings) -> AuditTrail | None:
    given = [parameter.name for parameter in (*BESIDE, KEEP, CONDITIONAL) if parameter.name in settings.given]
    for name in given:
        block.refuse(_NEEDS_TABLE, name)
    if not block.fed:
        block.refuse(
            "has nowhere to write to; name a table (audit: {table: TABLE}), or let a dataset read from this mapping "
            "(datasets: [{from: 'target:MAPPING', ...}])"
        )
    return None if given or not block.fed else AuditTrail()


def _facts(target: Target) -> Iterator[tuple[str, str]]:
    assert isinstance(target, AuditTrail), "it is of this kind"
    if target.table is None:
        yield "audit", "a row for each record, in the dataset that is read from this mapping"
    else:
        how = "left alone where they are there" if target.conditional else "written in batches"
        table = table_in_words(target.table.name, target.table.access)
        yield "audit", f"a row for each record in {table}; rows are {how}"
        if target.keep is not None:
            yield (
                "rows expire",
                f"{format_duration(int(target.keep) * SECOND)} after the change, by expires_at",
            )
    yield (
        "view type",
        "any; both images and the difference between them are in the rows with NEW_AND_OLD_IMAGES alone",
    )


AUDIT: Final = TargetKind(
    "audit",
    "A row for each record.",
    (TABLE, *BESIDE, KEEP, CONDITIONAL),
    _read,
    _facts,
    note="What is left out of region and address is as for the source, and so are the keys, where the address is the same.",
)
