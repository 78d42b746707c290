"""Every metric that is published: its name, its kind and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "dataset_dynamodb_"
"""Stands before each name of a dataset's metric in the Prometheus text."""

MAPPING_PREFIX = "event_source_mapping_"
"""The same for event source mappings."""


class MetricKind(StrEnum):
    """How the values of a metric move, in Prometheus' words."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``name`` is what a ``metrics:`` block lists; ``help`` is a sentence for HELP lines.

    ``labels`` tell its samples apart.
    """

    name: str
    kind: MetricKind
    help: str
    prefix: str = PREFIX
    labels: tuple[str, ...] = ("dataset",)

    @property
    def full_name(self) -> str:
        """The name in the Prometheus text."""
        return self.prefix + self.name


def _counter(name: str, text: str) -> Metric:
    return Metric(name, MetricKind.COUNTER, text)


def _gauge(name: str, text: str) -> Metric:
    return Metric(name, MetricKind.GAUGE, text)


METRICS = (
    _gauge("shards_active", "Shards of the stream that are being read."),
    _counter("records_consumed_total", "Records read from the stream."),
    _gauge(
        "lag_ms",
        "Milliseconds between the stream's watermark and now, computed at the scrape, so that it grows when "
        "the stream is dead. Until a watermark is known: since the process started. Of a dataset that is refreshed: "
        "the age of its data, since the Scan of it began.",
    ),
    _counter("errors_transient_total", "Calls that failed and were to be tried again."),
    _counter(
        "stalls_total",
        "Times that a shard, the shard discovery, the Scan, a transaction or the accelerator made no progress "
        "for longer than the limit.",
    ),
    _counter(
        "reinitializations_on_lag_exceeds_shard_retention_total",
        "New bootstraps because the stream had forgotten changes that were not read.",
    ),
    _counter("reinitializations_total", "New bootstraps for any reason."),
    _counter("gaps_total", "Times that the stream had forgotten changes that were not read."),
    _counter("dead_letters_total", "Changes that could not be decoded or applied, kept as dead letters."),
    _gauge(
        "dead_letters_waiting", "Dead letters whose key has had no later change: their rows are out of date."
    ),
    _gauge("dead_letters_stored", "Dead letters in the accelerator, superseded ones included."),
    _counter(
        "dead_letters_superseded_total", "Dead letters that a later change of their key has made obsolete."
    ),
    _counter("dead_letters_retried_total", "Dead letters that were applied when an operator retried them."),
    _counter("dead_letters_discarded_total", "Dead letters that an operator discarded."),
    _counter(
        "held_records_total",
        "Records older than the Scan's end that arrived after Ready and were held until their shard caught up.",
    ),
    _gauge("shards_waiting", "Shards whose parent is not yet read to its end."),
    _gauge("shards_finished", "Shards read to their end and still listed by the stream."),
    _counter("rows_scanned_total", "Rows of the bootstrap Scan that are durable."),
    _counter("rows_upserted_total", "Rows written to the accelerator, after merging changes of one key."),
    _counter("rows_deleted_total", "Rows deleted from the accelerator, after merging changes of one key."),
    Metric("apply_seconds", MetricKind.HISTOGRAM, "Seconds that one transaction of the accelerator took."),
    _counter("query_requests_total", "Requests by which DynamoDB itself answered statements."),
    _counter(
        "query_read_units_total", "Read units that those requests consumed, as far as the service tells."
    ),
    _counter("query_items_left_out_total", "Items that cannot be decoded, which such an answer lacks."),
    _gauge(
        "checkpoint_age_seconds",
        "Seconds since the last durable checkpoint (an idle table makes none); since the process started "
        "until one is known.",
    ),
    _counter(
        "schema_changes_total",
        "Columns added, widened, renamed or removed, and members of structs; those that a first Scan finds, too.",
    ),
    _counter(
        "refreshes_total", "Refreshes that were done, the first load included (refresh_mode: full, append)."
    ),
    _counter("refresh_failures_total", "Refreshes that were given up; the old copy stayed."),
    _gauge("refresh_seconds", "Seconds that the last refresh took."),
    _gauge(
        "last_refresh_timestamp_seconds",
        "When the Scan of the last refresh ended, in seconds since 1970; 0 before the first is done.",
    ),
    _gauge("bootstrap_rows", "Rows of the current or last bootstrap Scan that are durable."),
    _gauge(
        "bootstrap_items", "Items that DynamoDB estimates the table to hold, for the bootstrap's progress."
    ),
    _counter("snapshots_total", "Snapshots that were written."),
    _counter("snapshot_failures_total", "Snapshots that could not be written."),
    _gauge(
        "snapshot_age_seconds",
        "Seconds since the changes that the newest known snapshot has up to; since the process started until one is "
        "known. Past 24 hours a snapshot is of no use: the stream has forgotten what follows it. Absent where no "
        "snapshots are written, unless it is asked for by name.",
    ),
    _gauge(
        "snapshot_seconds",
        "Seconds that the last snapshot took, from the copy to the place where it is kept.",
    ),
    _gauge("snapshot_bytes", "Bytes of the last snapshot."),
    _counter("snapshots_restored_total", "Copies that were restored from a snapshot."),
    _counter(
        "snapshots_passed_over_total", "Snapshots that were not restored: damaged, too old, or another's."
    ),
    _gauge("ready", "1 if the table may be queried, else 0."),
    _gauge(
        "live",
        "1 if every open shard made progress lately, else 0; of a dataset that is refreshed, 0 if a refresh stands still "
        "or has failed.",
    ),
    _gauge(
        "fresh",
        "1 if the lag is under ready_lag, else 0; of a dataset that is refreshed, 1 if the last refresh was when its "
        "schedule says.",
    ),
)
"""In the order in which they are published; the first five are Spice's."""

METRIC_NAMES = frozenset(metric.name for metric in METRICS)
"""What a ``metrics:`` block may list."""

APPLY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the apply_seconds buckets, in seconds; infinity follows."""


def _of_mapping(name: str, kind: MetricKind, text: str, *labels: str) -> Metric:
    return Metric(name, kind, text, MAPPING_PREFIX, ("mapping", *labels))


def _mapping_counter(name: str, text: str) -> Metric:
    return _of_mapping(name, MetricKind.COUNTER, text)


def _mapping_gauge(name: str, text: str) -> Metric:
    return _of_mapping(name, MetricKind.GAUGE, text)


MAPPING_METRICS = (
    _mapping_gauge(
        "iterator_age_ms",
        "Milliseconds since the oldest record was written that is not delivered yet, as AWS Lambda's IteratorAge, "
        "computed at the scrape: the largest of all shards, 0 where nothing waits.",
    ),
    _of_mapping(
        "shard_iterator_age_ms",
        MetricKind.GAUGE,
        "The same for each shard that is read.",
        "shard",
    ),
    _mapping_gauge(
        "lag_ms",
        "Milliseconds since the time up to which all is delivered, computed at the scrape. Until one is known: since the "
        "process started.",
    ),
    _mapping_counter("records_consumed_total", "Records read from the stream."),
    _mapping_counter("records_filtered_total", "Records that the filters left out."),
    _mapping_counter("records_delivered_total", "Records that the function or target has taken."),
    _mapping_counter("records_given_up_total", "Records that were given up, and kept as failures."),
    _mapping_counter("invocations_total", "Batches that were handed to the function or target."),
    _mapping_counter(
        "invocation_errors_total", "Of these, batches that failed as a whole: all records come again."
    ),
    _mapping_counter(
        "partial_failures_total", "Of these, batches of which a part is done: the rest comes again."
    ),
    _mapping_counter("retries_total", "Of these, batches whose first record was handed over before."),
    _mapping_counter("bisects_total", "Batches that were cut in two after they had failed."),
    _of_mapping("invocation_seconds", MetricKind.HISTOGRAM, "Seconds that one batch took."),
    _mapping_gauge("parked_keys", "Items that wait because a record of theirs keeps failing."),
    _mapping_counter("keys_parked_total", "Times that an item was parked."),
    _mapping_gauge("failures_waiting", "Failures that are kept until they are redriven or discarded."),
    _mapping_counter("failures_sent_total", "Failures that the destination of failures has taken."),
    _mapping_counter(
        "failures_redriven_total", "Failures and parked records that were tried again and are settled."
    ),
    _mapping_counter("function_processes_total", "Processes of the function that were started."),
    _mapping_counter("function_timeouts_total", "Invocations that were ended because they took too long."),
    _mapping_counter("function_out_of_memory_total", "Processes of the function that used up their memory."),
    _mapping_counter("items_put_total", "Items that were written to a replica."),
    _mapping_counter("items_deleted_total", "Items that were deleted from a replica."),
    _mapping_counter(
        "items_left_newer_total",
        "Items of a replica that were left alone: what is there, or a deletion, is of a newer change.",
    ),
    _mapping_counter(
        "items_left_echoes_total", "Changes that were left out, because a replicator had written them."
    ),
    _mapping_counter(
        "items_fetched_total", "Items that were read from the source, because the stream lacks them."
    ),
    _mapping_counter("documents_indexed_total", "Documents that were written to an index."),
    _mapping_counter("documents_deleted_total", "Documents that were deleted from an index."),
    _mapping_counter(
        "documents_left_newer_total",
        "Documents that were left alone: what is there, or a deletion, is of a newer change, or the same one.",
    ),
    _mapping_counter("documents_refused_total", "Documents that an index did not take."),
    _mapping_counter("audit_rows_total", "Rows that an audit trail has taken; what came again counts again."),
    _mapping_counter(
        "audit_rows_packed_total",
        "Those of them that hold compressed images, because DynamoDB takes no larger items.",
    ),
    _mapping_counter("events_sent_total", "Events that an outbox's receiver has taken."),
    _mapping_counter(
        "errors_transient_total", "Calls that failed, throttled ones included, and were to be tried again."
    ),
    _mapping_counter(
        "stalls_total",
        "Times that a shard, or the shard discovery, made no progress for longer than the limit.",
    ),
    _mapping_counter("gaps_total", "Times that the stream had forgotten records that were not delivered."),
    _mapping_counter("dead_letters_total", "Records that could not be read."),
    _mapping_gauge("shards_active", "Shards of the stream that are being read."),
    _mapping_gauge("shards_waiting", "Shards whose parent is not yet delivered to its end."),
    _mapping_gauge("shards_finished", "Shards delivered to their end and still listed by the stream."),
    _mapping_gauge("ready", "1 if the mapping follows its stream and nothing is wrong, else 0."),
    _mapping_gauge("live", "1 if every open shard made progress lately, else 0."),
)
"""Those of event source mappings, in the order in which they are published."""

INVOCATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
"""Upper bounds of the invocation_seconds buckets, in seconds; infinity follows. A Lambda function has at most 900."""
