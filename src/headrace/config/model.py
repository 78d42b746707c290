"""A Spicepod's keys: their kinds, what they do, and what is not built.

The models check a document's shape; each value is read from its source text by its kind. What stands
under ``params`` is read by the tables of parameters.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

import headrace.metric
from headrace.config import acceleration as accelerating
from headrace.config.column_types import declared_type
from headrace.config.entry import Entry, Key
from headrace.config.kind import (
    choice,
    column_names,
    column_reference,
    conflict_rule,
    cron_schedule,
    duration,
    flag,
    format_of_times,
    integer,
    prose,
    text,
)
from headrace.config.naming import column_name, dataset_name, table_source
from headrace.config.parameter import Parameter, Unbuilt
from headrace.config.quantity import SECOND
from headrace.dataset import RestoreFailure, TimeFormat

METRICS = tuple(metric.name for metric in headrace.metric.METRICS)
ENGINES = ("duckdb", "arrow", "sqlite", "postgres", "cayenne")

_NO_PARTITIONS = Unbuilt("not built yet; the copy is one table")
_NO_EFFECT = "no effect; Headrace has nothing of the kind"


def _of(parameter: Parameter[object]) -> Key:
    return Key(parameter.kind, parameter.what, parameter.unbuilt)


class MetricEntry(Entry):
    """One metric of a dataset."""

    name: Annotated[str, Key(choice(*METRICS), "The metric.")]
    enabled: Annotated[bool, Key(flag(), "Whether it is published.")] = True


class ColumnEntry(Entry):
    """One column that is declared."""

    name: Annotated[str, Key(column_name(), "The attribute, and the column that holds it.")]
    type: Annotated[
        str | None,
        Key(
            declared_type(),
            "The column's type, for good: a value that does not fit goes, as JSON, to the column of `json_object`, or to "
            "`_unmapped` where there is none. Without it, the column follows its values.",
        ),
    ] = None
    description: Annotated[str | None, Key(prose(), "A note for people.")] = None
    metadata: Annotated[
        Any,
        Key(
            None,
            "Notes for people and programs. `json_object: '*'` makes this the column of all attributes that are not "
            "declared, as one JSON object: beside the key and the declared columns there is no other.",
        ),
    ] = None
    nullable: Annotated[
        bool | None,
        Key(
            flag(),
            "Whether a value may be missing.",
            Unbuilt("no effect; in DynamoDB any attribute but the key may be missing", ("true",)),
        ),
    ] = None
    embeddings: Annotated[Any, Key(None, "Embeddings of the column.", Unbuilt(_NO_EFFECT))] = None
    full_text_search: Annotated[Any, Key(None, "An index of words.", Unbuilt(_NO_EFFECT))] = None


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
            "itself, by a Scan for each query (`on_registration`). Under the dataset or under `acceleration`.",
        ),
    ] = None
    partition_by: Annotated[Any, Key(None, "How the copy is partitioned.", _NO_PARTITIONS)] = None
    disable_federation: Annotated[
        bool | None, Key(flag(), "Whether queries are kept from the engine.", Unbuilt(_NO_EFFECT, ("false",)))
    ] = None
    metrics: Annotated[
        Any, Key(None, "Metrics of the acceleration.", Unbuilt("no effect; see metrics of the dataset"))
    ] = None


class DatasetEntry(Entry):
    """One table under one name."""

    from_: Annotated[str, Key(table_source(), "The DynamoDB table."), Field(alias="from")]
    name: Annotated[str, Key(dataset_name(), "The table's name in SQL.")]
    description: Annotated[str | None, Key(prose(), "A note for people.")] = None
    params: Annotated[Any, Key(None, "Parameters of the table and its stream.")] = None
    acceleration: Annotated[AccelerationEntry | None, Field(description="The local copy.")] = None
    metrics: Annotated[
        list[MetricEntry] | None, Field(description="The metrics to publish; without it, all.")
    ] = None
    metadata: Annotated[Any, Key(None, "Notes for people and programs.")] = None
    columns: Annotated[
        list[ColumnEntry] | None,
        Field(description="Columns whose names, and types where they are given, are fixed."),
    ] = None
    mode: Annotated[
        str | None,
        Key(
            choice("read", "read_write"),
            "Whether SQL may write.",
            Unbuilt("only read is built; Headrace does not write to DynamoDB", ("read",)),
        ),
    ] = None
    ready_state: Annotated[
        str | None,
        Key(
            choice("on_load", "on_registration"),
            "When queries are answered: once the copy is complete (`on_load`), or at once, until then from DynamoDB "
            "itself, by a Scan for each query (`on_registration`). Under the dataset or under `acceleration`.",
        ),
    ] = None
    time_column: Annotated[
        str | None,
        Key(
            column_reference(),
            "The column that tells when a row is from, for `refresh_mode: append`, `refresh_data_window` and "
            "`retention_period`.",
        ),
    ] = None
    time_format: Annotated[
        TimeFormat | None,
        Key(
            format_of_times(),
            "How that column tells it: numbers are seconds or milliseconds since 1970, texts are ISO 8601. `auto`: as the "
            "values are, numbers as seconds. A column of times is read as it is. "
            "(`time_format` under `params` is another key: the layout of times in the items.)",
        ),
    ] = None
    time_partition_column: Annotated[
        str | None, Key(text("a column"), "The column of time by which data is partitioned.", _NO_PARTITIONS)
    ] = None
    time_partition_format: Annotated[
        str | None, Key(text("a format"), "The format of that column.", _NO_PARTITIONS)
    ] = None
    unsupported_type_action: Annotated[
        str | None,
        Key(
            choice("error", "warn", "ignore", "string"),
            "What to do with a type that has no column type.",
            Unbuilt("no effect; every type of DynamoDB has a column type"),
        ),
    ] = None
    invalid_type_action: Annotated[
        str | None,
        Key(
            choice("error", "warn", "ignore"),
            "The old name of `unsupported_type_action`.",
            Unbuilt("no effect; every type of DynamoDB has a column type"),
        ),
    ] = None
    check_availability: Annotated[
        str | None,
        Key(
            choice("auto", "disabled"),
            "Whether a source without acceleration is checked.",
            Unbuilt("no effect; the state of every dataset is always shown"),
        ),
    ] = None
    has_metadata_table: Annotated[
        bool | None, Key(flag(), "Whether there is a table of metadata.", Unbuilt(_NO_EFFECT, ("false",)))
    ] = None
    replication: Annotated[Any, Key(None, "Spice's own replication.", Unbuilt(_NO_EFFECT))] = None
    embeddings: Annotated[Any, Key(None, "Embeddings of columns.", Unbuilt(_NO_EFFECT))] = None
    vectors: Annotated[Any, Key(None, "A vector store.", Unbuilt(_NO_EFFECT))] = None
    depends_on: Annotated[
        Any,
        Key(None, "What is to be loaded first.", Unbuilt("no effect; every dataset loads by itself")),
        Field(alias="dependsOn"),
    ] = None


class SnapshotsEntry(Entry):
    """Where snapshots are kept, for all datasets that ask for them."""

    enabled: Annotated[
        bool, Key(flag(), "Whether there are any; `false` turns off those of every dataset.")
    ] = True
    location: Annotated[
        str | None,
        Key(
            text("a folder, file:///FOLDER or s3://BUCKET/PREFIX"),
            "A folder, which may be on a file system that machines share, or a bucket of S3. Without it, "
            "`.headrace/snapshots`.",
        ),
    ] = None
    bootstrap_on_failure_behavior: Annotated[
        str,
        Key(
            choice(*RestoreFailure),
            "What to do while the location does not answer at a start: copy the table (`warn`, after three tries), try "
            "older snapshots before that (`fallback`), or ask until it answers (`retry`). A snapshot that is damaged, too "
            "old or not the dataset's is passed over in any case.",
        ),
    ] = "warn"
    keep: Annotated[
        int, Key(integer(1, 1000), "How many snapshots of a dataset stay; older ones are removed.")
    ] = 3
    params: Annotated[Any, Key(None, "How to reach the bucket.")] = None


class SecretStoreEntry(Entry):
    """A place that secrets come from."""

    from_: Annotated[
        str,
        Key(text("a secret store"), "The kind of store; `env` is the environment and the `.env` files."),
        Field(alias="from"),
    ]
    name: Annotated[str | None, Key(text("a name"), "What stands before the colon of a reference.")] = None
    description: Annotated[str | None, Key(prose(), "A note for people.")] = None
    params: Annotated[Any, Key(None, "Parameters of the store.", Unbuilt("not built yet"))] = None


class Spicepod(Entry):
    """A Spicepod, whole."""

    version: Annotated[str, Key(choice("v1", "v1beta1", "v2"), "The version of the format.")] = "v1"
    kind: Annotated[str, Key(choice("Spicepod"), "Always `Spicepod`.")] = "Spicepod"
    name: Annotated[str | None, Key(text("a name"), "The pod's name. Without it, its folder's.")] = None
    datasets: Annotated[list[DatasetEntry], Field(description="The tables.", min_length=1)]
    metadata: Annotated[Any, Key(None, "Notes for people and programs.")] = None
    secrets: Annotated[
        list[SecretStoreEntry] | None,
        Field(description="Where references look. Only the environment is built."),
    ] = None
    runtime: Annotated[Any, Key(None, "Settings of the runtime. None of them is built yet.")] = None
    snapshots: Annotated[
        SnapshotsEntry | None, Field(description="Where snapshots are kept, and how many.")
    ] = None
    views: Annotated[Any, Key(None, "Named SQL.", Unbuilt("views are not built yet; none is there"))] = None
    event_source_mappings: Annotated[
        Any,
        Key(
            None,
            "Functions and targets of changes.",
            Unbuilt("functions and targets are not built yet; none is called"),
        ),
    ] = None
    catalogs: Annotated[Any, Key(None, "Spice's catalogs.", Unbuilt(_NO_EFFECT))] = None
    models: Annotated[Any, Key(None, "Spice's models.", Unbuilt(_NO_EFFECT))] = None
    embeddings: Annotated[Any, Key(None, "Spice's embeddings.", Unbuilt(_NO_EFFECT))] = None
    rerankers: Annotated[Any, Key(None, "Spice's rerankers.", Unbuilt(_NO_EFFECT))] = None
    search_engines: Annotated[Any, Key(None, "Spice's search engines.", Unbuilt(_NO_EFFECT))] = None
    tools: Annotated[Any, Key(None, "Spice's tools.", Unbuilt(_NO_EFFECT))] = None
    workers: Annotated[Any, Key(None, "Spice's workers.", Unbuilt(_NO_EFFECT))] = None
    evals: Annotated[Any, Key(None, "Spice's evaluations.", Unbuilt(_NO_EFFECT))] = None
    functions: Annotated[Any, Key(None, "Spice's functions.", Unbuilt(_NO_EFFECT))] = None
    extensions: Annotated[Any, Key(None, "Spice's extensions.", Unbuilt(_NO_EFFECT))] = None
    management: Annotated[Any, Key(None, "Spice's management.", Unbuilt(_NO_EFFECT))] = None
    dependencies: Annotated[
        Any,
        Key(None, "Other Spicepods.", Unbuilt("other Spicepods are not loaded; write their datasets here")),
    ] = None


MODELS: dict[tuple[str, ...], type[Entry]] = {
    (): Spicepod,
    ("snapshots",): SnapshotsEntry,
    ("secrets",): SecretStoreEntry,
    ("datasets",): DatasetEntry,
    ("datasets", "acceleration"): AccelerationEntry,
    ("datasets", "columns"): ColumnEntry,
    ("datasets", "metrics"): MetricEntry,
}
"""The model at each path, list indexes left out."""


def spellings(model: type[Entry]) -> dict[str, str]:
    """The keys of a model as they are written, with their fields' names."""
    return {field.alias or name: name for name, field in model.model_fields.items()}


def unbuilt_keys(model: type[Entry]) -> dict[str, Unbuilt]:
    """The keys of a model that ask for something this version does not do."""
    found: dict[str, Unbuilt] = {}
    for key, name in spellings(model).items():
        for mark in model.model_fields[name].metadata:
            unbuilt = mark if isinstance(mark, Unbuilt) else getattr(mark, "unbuilt", None)
            if isinstance(unbuilt, Unbuilt):
                found[key] = unbuilt
    return found
