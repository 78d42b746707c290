"""A Spicepod's keys: their kinds, what they do, and what is not built.

The models check a document's shape; each value is read from its source text by its kind. What stands
under ``params`` is read by the tables of parameters.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

import headrace.metric
from headrace.config.acceleration_model import NO_EFFECT, NO_PARTITIONS, AccelerationEntry
from headrace.config.column_types import declared_type
from headrace.config.entry import Entry, Key
from headrace.config.kind import (
    choice,
    column_reference,
    flag,
    format_of_times,
    integer,
    prose,
    text,
)
from headrace.config.mapping_model import (
    FilterCriteriaEntry,
    MappingEntry,
    OnFailureEntry,
    PatternEntry,
    TargetEntry,
)
from headrace.config.naming import DatasetSource, column_name, dataset_name, dataset_source
from headrace.config.parameter import Unbuilt
from headrace.config.runtime_model import ApiKeyEntry, AuthEntry, CachingEntry, RuntimeEntry
from headrace.config.views import ViewAccelerationEntry, ViewEntry
from headrace.dataset import RestoreFailure, TimeFormat

METRICS = tuple(metric.name for metric in headrace.metric.METRICS)


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
    embeddings: Annotated[Any, Key(None, "Embeddings of the column.", Unbuilt(NO_EFFECT))] = None
    full_text_search: Annotated[Any, Key(None, "An index of words.", Unbuilt(NO_EFFECT))] = None


class DatasetEntry(Entry):
    """One table under one name."""

    from_: Annotated[
        DatasetSource,
        Key(
            dataset_source(),
            "The DynamoDB table; or the event source mapping whose target writes the rows ([more](targets.md)).",
        ),
        Field(alias="from"),
    ]
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
            "itself (`on_registration`). Under the dataset or under `acceleration`.",
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
        str | None, Key(text("a column"), "The column of time by which data is partitioned.", NO_PARTITIONS)
    ] = None
    time_partition_format: Annotated[
        str | None, Key(text("a format"), "The format of that column.", NO_PARTITIONS)
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
        bool | None, Key(flag(), "Whether there is a table of metadata.", Unbuilt(NO_EFFECT, ("false",)))
    ] = None
    replication: Annotated[Any, Key(None, "Spice's own replication.", Unbuilt(NO_EFFECT))] = None
    embeddings: Annotated[Any, Key(None, "Embeddings of columns.", Unbuilt(NO_EFFECT))] = None
    vectors: Annotated[Any, Key(None, "A vector store.", Unbuilt(NO_EFFECT))] = None
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
    datasets: Annotated[
        list[DatasetEntry],
        Field(description="The tables. There is one at least, or one of `event_source_mappings`."),
    ] = []  # noqa: RUF012  # Pydantic copies it.
    metadata: Annotated[Any, Key(None, "Notes for people and programs.")] = None
    secrets: Annotated[
        list[SecretStoreEntry] | None,
        Field(description="Where references look. Only the environment is built."),
    ] = None
    runtime: Annotated[RuntimeEntry | None, Field(description="Settings of the runtime.")] = None
    snapshots: Annotated[
        SnapshotsEntry | None, Field(description="Where snapshots are kept, and how many.")
    ] = None
    views: Annotated[
        list[ViewEntry] | None, Field(description="Queries under names, which statements read like tables.")
    ] = None
    event_source_mappings: Annotated[
        list[MappingEntry] | None, Field(description="What is called with the changes of tables.")
    ] = None
    catalogs: Annotated[Any, Key(None, "Spice's catalogs.", Unbuilt(NO_EFFECT))] = None
    models: Annotated[Any, Key(None, "Spice's models.", Unbuilt(NO_EFFECT))] = None
    embeddings: Annotated[Any, Key(None, "Spice's embeddings.", Unbuilt(NO_EFFECT))] = None
    rerankers: Annotated[Any, Key(None, "Spice's rerankers.", Unbuilt(NO_EFFECT))] = None
    search_engines: Annotated[Any, Key(None, "Spice's search engines.", Unbuilt(NO_EFFECT))] = None
    tools: Annotated[Any, Key(None, "Spice's tools.", Unbuilt(NO_EFFECT))] = None
    workers: Annotated[Any, Key(None, "Spice's workers.", Unbuilt(NO_EFFECT))] = None
    evals: Annotated[Any, Key(None, "Spice's evaluations.", Unbuilt(NO_EFFECT))] = None
    functions: Annotated[Any, Key(None, "Spice's functions.", Unbuilt(NO_EFFECT))] = None
    extensions: Annotated[Any, Key(None, "Spice's extensions.", Unbuilt(NO_EFFECT))] = None
    management: Annotated[Any, Key(None, "Spice's management.", Unbuilt(NO_EFFECT))] = None
    dependencies: Annotated[
        Any,
        Key(None, "Other Spicepods.", Unbuilt("other Spicepods are not loaded; write their datasets here")),
    ] = None


MODELS: dict[tuple[str, ...], type[Entry]] = {
    (): Spicepod,
    ("snapshots",): SnapshotsEntry,
    ("secrets",): SecretStoreEntry,
    ("runtime",): RuntimeEntry,
    ("runtime", "auth"): AuthEntry,
    ("runtime", "auth", "api-key"): ApiKeyEntry,
    ("runtime", "caching"): CachingEntry,
    ("views",): ViewEntry,
    ("views", "acceleration"): ViewAccelerationEntry,
    ("datasets",): DatasetEntry,
    ("datasets", "acceleration"): AccelerationEntry,
    ("datasets", "columns"): ColumnEntry,
    ("datasets", "metrics"): MetricEntry,
    ("event_source_mappings",): MappingEntry,
    ("event_source_mappings", "filter_criteria"): FilterCriteriaEntry,
    ("event_source_mappings", "filter_criteria", "filters"): PatternEntry,
    ("event_source_mappings", "on_failure"): OnFailureEntry,
    ("event_source_mappings", "target"): TargetEntry,
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
