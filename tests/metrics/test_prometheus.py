import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from headrace.dataset import Acceleration, Dataset, SnapshotMode, SnapshotPlace, Snapshots
from headrace.errors import ConfigError
from headrace.evolution import ColumnChange, Happened
from headrace.metric import METRICS, PREFIX, MetricKind
from headrace.metrics.prometheus import PrometheusObserver
from headrace.metrics.reference import metrics_page
from headrace.observe import (
    BatchApplied,
    BootstrapFinished,
    BootstrapProgressed,
    BootstrapResumed,
    BootstrapStarted,
    DeadLetters,
    GapFound,
    LateRecordsHeld,
    RecordsRead,
    Reinitialized,
    SchemaEvolved,
    ShardsChanged,
    StatusChanged,
    StreamResumed,
    TransientFault,
)
from headrace.status import State

DOCUMENTED = {
    "shards_active",
    "records_consumed_total",
    "lag_ms",
    "errors_transient_total",
    "reinitializations_on_lag_exceeds_shard_retention_total",
}
ADDED = ColumnChange(Happened.ADDED, "a", after="Int64")
WIDENED = ColumnChange(Happened.RETYPED, "b", "Int64", "Float64")
ORDERS = Dataset("orders", "orders")
READY = StatusChanged("orders", State.READY, ready=True, live=True, fresh=True, lag=0.25, reason=None)


class Clock:
    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now


def samples(observer):
    """Every sample of the rendered text as another Prometheus reader understands it."""
    text, _ = observer.render()
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(observer, name, dataset="orders"):
    return samples(observer)[PREFIX + name, ("dataset", dataset)]


def stored(name, mode=SnapshotMode.ENABLED):
    snapshots = Snapshots(SnapshotPlace(), mode=mode)
    return Dataset(name, name, acceleration=Acceleration(snapshots=snapshots))


def test_every_metric_of_every_dataset_is_there_at_zero_before_anything_happens():
    observer = PrometheusObserver([stored("orders"), stored("users", SnapshotMode.CREATE_ONLY)], Clock())
    found = samples(observer)
    for metric in METRICS:
        name = metric.full_name + ("_count" if metric.kind is MetricKind.HISTOGRAM else "")
        for dataset in ("orders", "users"):
            assert found[name, ("dataset", dataset)] == 0, name


def test_snapshots_that_nobody_writes_do_not_grow_old():
    """Whoever alerts on the age of all datasets hears of those alone that are to have one."""
    off, reading = ORDERS, stored("users", SnapshotMode.BOOTSTRAP_ONLY)
    text = PrometheusObserver([off, reading], Clock()).render()[0].decode()
    assert "snapshot_age_seconds" not in text
    asked = replace(off, metrics=frozenset({"snapshot_age_seconds"}))
    assert value(PrometheusObserver([asked], Clock()), "snapshot_age_seconds") == 0


def test_the_documents_five_are_among_the_metrics_and_have_the_documents_form():
    observer = PrometheusObserver([ORDERS])
    observer(ShardsChanged("orders", reading=2, waiting=1, finished=5))
    text, content_type = observer.render()
    assert {metric.name for metric in METRICS} >= DOCUMENTED
    assert b'\ndataset_dynamodb_shards_active{dataset="orders"} 2.0\n' in text
    assert b"# TYPE dataset_dynamodb_records_consumed_total counter\n" in text
    assert content_type.startswith("text/plain")


def test_a_dataset_with_a_metrics_block_publishes_what_it_lists_and_no_more():
    users = Dataset("users", "users", metrics=frozenset({"lag_ms", "apply_seconds"}))
    observer = PrometheusObserver([ORDERS, users])
    of_users = {name for name, *labels in samples(observer) if ("dataset", "users") in labels}
    assert {name.removeprefix(PREFIX) for name in of_users} == {
        "lag_ms",
        "apply_seconds_bucket",
        "apply_seconds_count",
        "apply_seconds_sum",
    }
    assert value(observer, "ready") == 0


def test_an_empty_metrics_block_publishes_nothing():
    observer = PrometheusObserver([replace(ORDERS, metrics=frozenset())])
    assert observer.render()[0] == b""


def test_an_unknown_metric_is_refused_with_the_choices():
    with pytest.raises(ConfigError, match=r"orders: metrics: lagg_ms: choose from shards_active, .*lag_ms"):
        PrometheusObserver([replace(ORDERS, metrics=frozenset({"lagg_ms", "lag_ms"}))])


def test_counters_add_up_what_the_facts_say():
    observer = PrometheusObserver([ORDERS])
    for _ in range(2):
        observer(RecordsRead("orders", "shard-1", 40))
        observer(BatchApplied("orders", records=40, scanned=7, upserted=30, deleted=3, seconds=0.02))
        observer(SchemaEvolved("orders", (ADDED, WIDENED)))
        observer(TransientFault("orders", "GetRecords", "throttled", 0.1))
        observer(LateRecordsHeld("orders", "shard-1", 5))
        observer(DeadLetters("orders", 6))
    assert value(observer, "records_consumed_total") == 80
    assert value(observer, "rows_scanned_total") == 14
    assert value(observer, "rows_upserted_total") == 60
    assert value(observer, "rows_deleted_total") == 6
    assert value(observer, "schema_changes_total") == 4
    assert value(observer, "errors_transient_total") == 2
    assert value(observer, "held_records_total") == 10
    assert value(observer, "dead_letters_total") == 12


def test_apply_times_fall_into_cumulative_buckets():
    observer = PrometheusObserver([ORDERS])
    for seconds in (0.001, 0.02, 0.02, 60.0):
        observer(BatchApplied("orders", 1, 0, 1, 0, seconds))
    found = samples(observer)
    buckets = {
        dict(labels)["le"]: count
        for (name, *labels), count in found.items()
        if name.endswith("apply_seconds_bucket")
    }
    assert buckets["0.001"] == 1
    assert buckets["0.01"] == 1
    assert buckets["0.025"] == 3
    assert buckets["10.0"] == 3
    assert buckets["+Inf"] == 4
    assert value(observer, "apply_seconds_sum") == pytest.approx(60.041)


def test_the_lag_grows_by_itself_when_the_stream_is_dead():
    clock = Clock()
    observer = PrometheusObserver([ORDERS], clock)
    observer(READY)
    assert value(observer, "lag_ms") == 250
    clock.now += 60
    assert value(observer, "lag_ms") == 60_250
    observer(replace(READY, lag=None, live=False))
    assert value(observer, "lag_ms") == 60_250


def test_the_lag_counts_from_the_start_while_there_is_no_watermark():
    clock = Clock()
    observer = PrometheusObserver([ORDERS], clock)
    assert value(observer, "lag_ms") == 0
    clock.now += 5
    assert value(observer, "lag_ms") == 5_000


def test_the_gauges_follow_the_status():
    observer = PrometheusObserver([ORDERS])
    observer(READY)
    assert [value(observer, name) for name in ("ready", "live", "fresh")] == [1, 1, 1]
    observer(replace(READY, live=False, fresh=False))
    assert [value(observer, name) for name in ("ready", "live", "fresh")] == [1, 0, 0]


def test_only_a_new_bootstrap_after_a_gap_counts_as_caused_by_retention():
    observer = PrometheusObserver([ORDERS])
    after_gap = "reinitializations_on_lag_exceeds_shard_retention_total"
    observer(Reinitialized("orders", "the table was re-created"))
    assert (value(observer, "reinitializations_total"), value(observer, after_gap)) == (1, 0)
    observer(GapFound("orders", "shard-1", "trimmed", "ready_before_load"))
    observer(GapFound("orders", "shard-2", "trimmed", "ready_before_load"))
    observer(Reinitialized("orders", "the stream has forgotten changes"))
    assert (value(observer, "reinitializations_total"), value(observer, after_gap)) == (2, 1)
    observer(GapFound("orders", "shard-3", "trimmed", "error"))
    observer(Reinitialized("orders", "asked for"))
    assert (value(observer, "reinitializations_total"), value(observer, after_gap)) == (3, 1)
    assert value(observer, "gaps_total") == 3


def test_the_checkpoints_age_starts_again_at_each_commit():
    clock = Clock()
    observer = PrometheusObserver([ORDERS], clock)
    observer(StreamResumed("orders", shards=2, checkpoint_age=3600.0))
    assert value(observer, "checkpoint_age_seconds") == 3600
    observer(BatchApplied("orders", 1, 0, 1, 0, 0.01))
    clock.now += 4
    assert value(observer, "checkpoint_age_seconds") == 4


def test_the_bootstraps_rows_start_again_with_each_bootstrap():
    observer = PrometheusObserver([ORDERS])
    observer(BootstrapResumed("orders", 1, 4, rows_scanned=500))
    observer(BootstrapProgressed("orders", rows=900, items=1000, segments_done=3, segments=4))
    assert (value(observer, "bootstrap_rows"), value(observer, "bootstrap_items")) == (900, 1000)
    observer(BootstrapFinished("orders", 1000, 1.0))
    observer(BootstrapStarted("orders", segments=4, items=1200, size_bytes=1, rebuild=True))
    assert (value(observer, "bootstrap_rows"), value(observer, "bootstrap_items")) == (0, 1200)


def test_a_fact_about_an_unknown_dataset_changes_nothing():
    observer = PrometheusObserver([ORDERS], Clock())
    before = observer.render()
    observer(RecordsRead("nobody", "shard-1", 1))
    assert observer.render() == before


@given(name=st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_dataset_name_comes_back_from_the_text_as_it_was(name):
    observer = PrometheusObserver([Dataset(name, "t", metrics=frozenset({"shards_active"}))])
    observer(ShardsChanged(name, reading=3, waiting=0, finished=0))
    text = observer.render()[0].decode()
    # The reader under test splits at \n only; the format escapes no other character.
    line = next(line for line in text.split("\n") if line.startswith("dataset_dynamodb_shards_active{"))
    escaped = line[line.index('"') + 1 : line.rindex('"')]
    assert re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), escaped) == name


def test_the_page_about_metrics_is_the_one_that_the_definitions_make():
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert page.read_text(encoding="utf-8") == metrics_page()


def test_every_metric_has_a_full_sentence_of_help():
    for metric in METRICS:
        assert metric.help.endswith("."), metric.name
        assert [field.name for field in fields(metric)] == ["name", "kind", "help", "prefix", "labels"]


def test_a_dataset_of_which_nothing_is_heard_is_neither_live_nor_fresh():
    clock = Clock()
    observer = PrometheusObserver([ORDERS], clock)
    observer(READY)
    clock.now += 31
    assert value(observer, "live") == value(observer, "fresh") == 0
    assert value(observer, "ready") == 1
    observer(READY)
    assert value(observer, "live") == value(observer, "fresh") == 1
