"""The keys of an acceleration: their kinds, what they do, and what is not built."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from headrace.config import acceleration as accelerating
from headrace.config.entry import Entry, Key
from headrace.config.kind import (
    choice,
    column_names,
    conflict_rule,
    cron_schedule,
    duration,
    flag,
    integer,
    prose,
)
from headrace.config.parameter import Parameter, Unbuilt
from headrace.config.quantity import SECOND

ENGINES = ("duckdb", "arrow", "sqlite", "postgres", "cayenne")

NO_PARTITIONS = Unbuilt("not built yet; the copy is one table")
NO_EFFECT = "no effect; Headrace has nothing of the kind"


def _of(parameter: Parameter[object]) -> Key:
    return Key(parameter.kind, parameter.what, parameter.unbuilt)


class AccelerationEntry(Entry):
    """The local copy of a table."""

    enabled: Annotated[bool, Key(flag(), "Whether there is a local copy.")] = True
    engine: Annotated[
        str,
        Key(
            choice(*ENGINES),
            "What holds the copy ([which to choose](engines.md)). `arrow` is another name for `duckdb` in memory.",
        ),
    ] = "duckdb"
    mode: Annotated[
        str,
        Key(
            choice("memory", "file"),
            "Whether the copy outlives the process (`file`). Not with `engine: postgres`, whose server keeps it, and not "
            "`memory` with `engine: cayenne`, which keeps files.",
        ),
    ] = "memory"
    refresh_mode: Annotated[
        str,
        Key(
            choice("full", "append", "changes"),
            "How the copy is kept current ([refreshes.md](refreshes.md)): `full` copies the table anew, `append` adds what is "
            "newer by `time_column`, `changes` follows the stream.",
        ),
    ] = "full"
    on_conflict: Annotated[
        dict[
            Annotated[tuple[str, ...], Key(column_names(), "The table's key.")],
            Annotated[str, Key(conflict_rule(), "What a change of a known key does.")],
        ]
        | None,
        Field(
            description="The table's key, as `id: upsert` or `(id, version): upsert`. Not needed: the key is "
            "known. Where it is given, it must be the table's. `upsert_dedup` and `upsert_dedup_by_row_id` are other "
            "names for `upsert`: of several changes of a key, the last one holds. `drop` is refused: the copy would not "
            "be the table."
        ),
    ] = None
    params: Annotated[Any, Key(None, "Parameters of the engine.")] = None
    primary_key: Annotated[
        tuple[str, ...] | None,
        Key(
            column_names(),
            "The table's key. Not needed: the key is known. Where it is given, it must be the table's.",
        ),
    ] = None
    indexes: Annotated[
        dict[
            Annotated[tuple[str, ...], Key(column_names(), "The columns.")],
            Annotated[str, Key(choice("enabled", "unique"), "The kind of index.")],
        ]
        | None,
        Field(
            description="Indexes of the copy, as `status: enabled` or `(customer, created): enabled`; `unique` keeps "
            "columns unique too. With `engine: duckdb` and `engine: cayenne` there are none ([engines.md](engines.md#indexes))."
        ),
    ] = None
    snapshots: Annotated[str | None, _of(accelerating.SNAPSHOTS)] = None
    snapshots_trigger: Annotated[str | None, _of(accelerating.SNAPSHOTS_TRIGGER)] = None
    snapshots_trigger_threshold: Annotated[str | None, _of(accelerating.SNAPSHOTS_TRIGGER_THRESHOLD)] = None
    snapshots_compaction: Annotated[str | None, _of(accelerating.SNAPSHOTS_COMPACTION)] = None
    snapshots_reset_expiry_on_load: Annotated[
        str | None, _of(accelerating.SNAPSHOTS_RESET_EXPIRY_ON_LOAD)
    ] = None
    snapshots_creation_policy: Annotated[str | None, _of(accelerating.SNAPSHOTS_CREATION_POLICY)] = None
    refresh_check_interval: Annotated[
        int | None,
        Key(
            duration(SECOND),
            "How long after the end of a refresh the next begins ([refreshes.md](refreshes.md)). Without it, and without "
            "`refresh_cron`, the table is copied once, and then whenever somebody asks.",
        ),
    ] = None
    refresh_cron: Annotated[
        str | None,
        Key(
            cron_schedule(),
            "When refreshes begin, in place of `refresh_check_interval`: minute, hour, day of the month, month, day of the "
            "week, in UTC.",
        ),
    ] = None
    refresh_sql: Annotated[
        str | None,
        Key(
            prose(),
            "Which rows and columns are copied: `SELECT * FROM NAME WHERE condition`, or columns in place of `*` "
            "([selecting.md](selecting.md)). An error with `refresh_mode: changes`.",
        ),
    ] = None
    refresh_data_window: Annotated[
        int | None,
        Key(
            duration(SECOND),
            "How far back rows are copied, by `time_column`. No effect with `refresh_mode: changes`.",
        ),
    ] = None
    refresh_append_overlap: Annotated[
        int | None,
        Key(
            duration(),
            "How far behind the newest row an append looks back, for rows that come late.",
        ),
    ] = None
    refresh_on_startup: Annotated[
        str | None,
        Key(
            choice("auto", "always"),
            "Whether a start goes on with the copy that there is (`auto`), or refreshes it first (`always`). Without it, "
            "`auto`.",
        ),
    ] = None
    refresh_retry_enabled: Annotated[
        bool | None,
        Key(
            flag(),
            "Whether a request that fails is tried again. Without it, `true`. A throttled request always is, and the "
            "first load is tried until it is done.",
        ),
    ] = None
    refresh_retry_max_attempts: Annotated[
        int | None,
        Key(
            integer(0),
            "How often one request is tried again before the refresh is given up; the old copy stays. Without it, until "
            "it is done.",
        ),
    ] = None
    refresh_jitter_enabled: Annotated[
        bool | None,
        Key(
            flag(),
            "Whether refreshes, and the first load, begin at random moments around their time.",
        ),
    ] = None
    refresh_jitter_max: Annotated[
        int | None,
        Key(
            duration(),
            "How far from its time a refresh may begin. Without it, a tenth of `refresh_check_interval`.",
        ),
    ] = None
    retention_check_enabled: Annotated[
        bool | None,
        Key(
            flag(),
            "Whether old rows are removed from the copy. No effect with `refresh_mode: changes`: there rows go when "
            "DynamoDB deletes their items.",
        ),
    ] = None
    retention_period: Annotated[
        int | None, Key(duration(SECOND), "How long rows are kept, by `time_column`.")
    ] = None
    retention_check_interval: Annotated[
        int | None, Key(duration(SECOND), "How often old rows are looked for.")
    ] = None
    retention_sql: Annotated[
        str | None,
        Key(
            prose(),
            "Which rows are removed: `DELETE FROM NAME WHERE condition` ([selecting.md](selecting.md)).",
        ),
    ] = None
    on_zero_results: Annotated[
        str | None,
        Key(
            choice("return_empty", "use_source"),
            "What a query without rows does.",
            Unbuilt("only return_empty is built; no query goes on to DynamoDB", ("return_empty",)),
        ),
    ] = None
    ready_state: Annotated[
        str | None,
        Key(
            choice("on_load", "on_registration"),
            "When queries are answered: once the copy is complete (`on_load`), or at once, until then from DynamoDB "
            "itself (`on_registration`). Under the dataset or under `acceleration`.",
        ),
    ] = None
    partition_by: Annotated[Any, Key(None, "How the copy is partitioned.", NO_PARTITIONS)] = None
    disable_federation: Annotated[
        bool | None, Key(flag(), "Whether queries are kept from the engine.", Unbuilt(NO_EFFECT, ("false",)))
    ] = None
    metrics: Annotated[
        Any, Key(None, "Metrics of the acceleration.", Unbuilt("no effect; see metrics of the dataset"))
    ] = None
