from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from headrace.dataset import GapBehavior
from headrace.event_source_mapping import EventSourceMapping, Function
from headrace.mapping_facts import (
    Audited,
    BatchBisected,
    EventsSent,
    FailureSent,
    FailuresRedriven,
    FunctionOutput,
    FunctionProcess,
    Invoked,
    KeyParked,
    MappingStatusChanged,
    RecordsFiltered,
    RecordsGivenUp,
    Replicated,
)
from headrace.metric import INVOCATION_BUCKETS, MAPPING_METRICS, MAPPING_PREFIX, METRICS, MetricKind
from headrace.metrics.mapping_prometheus import MappingMetrics
from headrace.observe import DeadLetters, GapFound, RecordsRead, ShardsChanged, Stalled, TransientFault
from headrace.status import SILENCE, State

NAMES = ("orders", "copy")


def mapping(name):
    return EventSourceMapping(name, "orders", Function("handlers:on_change", Path("/pod")), Path("/ledger"))


class Published:
    """The metrics of two mappings, as another Prometheus reader understands them."""

    def __init__(self, names=NAMES):
        self.now = 1000.0
        self.registry = CollectorRegistry(auto_describe=False)
        self.tell = MappingMetrics(self.registry, [mapping(name) for name in names], lambda: self.now)

    def samples(self):
        return {
            (sample.name.removeprefix(MAPPING_PREFIX), *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(generate_latest(self.registry).decode())
            for sample in family.samples
        }

    def value(self, name, mapping="orders"):
        return self.samples()[name, ("mapping", mapping)]


@pytest.fixture
def published():
    return Published()


def invoked(done, error=None, *, attempt=1, seconds=0.02):
    return Invoked("orders", "shard-1", 10, done, attempt, seconds, 3.0, error)


def status(state=State.READY, *, live=True, lag=0.5, **more):
    return MappingStatusChanged("orders", state, live=live, lag=lag, **more)


def test_every_metric_of_every_mapping_is_there_at_zero_before_anything_happens(published):
    found = published.samples()
    for metric in MAPPING_METRICS:
        name = metric.name + ("_count" if metric.kind is MetricKind.HISTOGRAM else "")
        for one in NAMES:
            assert "shard" in metric.labels or found[name, ("mapping", one)] == 0.0, metric.name
    assert generate_latest(Published(()).registry) == b""


def test_every_fact_moves_its_figures_and_no_others(published):
    for fact, moved in (
        (RecordsRead("orders", "shard-1", 20), {"records_consumed_total": 20}),
        (RecordsFiltered("orders", "shard-1", 7), {"records_filtered_total": 7}),
        (RecordsGivenUp("orders", "s", 2, "RecordAgeExceeded", "01", None), {"records_given_up_total": 2}),
        (BatchBisected("orders", "shard-1", 6), {"bisects_total": 1}),
        (KeyParked("orders", "shard-1", "{}", "ValueError"), {"keys_parked_total": 1}),
        (FailureSent("orders", "01"), {"failures_sent_total": 1}),
        (FailuresRedriven("orders", 3, 1), {"failures_redriven_total": 3}),
        (TransientFault("orders", "GetRecords", "throttled", 0.2), {"errors_transient_total": 1}),
        (Stalled("orders", "shard-1", 60.0), {"stalls_total": 1}),
        (GapFound("orders", "shard-1", "trimmed", GapBehavior.ERROR), {"gaps_total": 1}),
        (DeadLetters("orders", 1), {"dead_letters_total": 1}),
        (
            Replicated("orders", "shard-1", put=5, deleted=4, newer=3, echoes=2, fetched=1),
            {
                "items_put_total": 5,
                "items_deleted_total": 4,
                "items_left_newer_total": 3,
                "items_left_echoes_total": 2,
                "items_fetched_total": 1,
            },
        ),
        (
            Audited("orders", "shard-1", rows=5, packed=2),
            {"audit_rows_total": 5, "audit_rows_packed_total": 2},
        ),
        (EventsSent("orders", "shard-1", sent=3, repeated=2, waiting=1), {"events_sent_total": 3}),
        (FunctionProcess("orders", 1, "started"), {"function_processes_total": 1}),
        (FunctionProcess("orders", 1, "timed_out"), {"function_timeouts_total": 1}),
        (FunctionProcess("orders", 1, "out_of_memory"), {"function_out_of_memory_total": 1}),
        (FunctionProcess("orders", 1, "exited"), {}),
        (FunctionOutput("orders", "stdout", "hello", None), {}),
        (
            status(parked=2, failures=3),
            {"parked_keys": 2, "failures_waiting": 3, "ready": 1, "live": 1, "lag_ms": 500},
        ),
        (status(State.LOADING, live=False, parked=2, failures=3), {"ready": -1, "live": -1}),
    ):
        before = published.samples()
        published.tell(fact)
        after = published.samples()
        changed = {name[0]: after[name] - before[name] for name in before if after[name] != before[name]}
        assert changed == moved, fact


def test_invocations_are_counted_by_what_came_of_them(published):
    for fact in (
        invoked(10, seconds=0.02),
        invoked(0, "ValueError: 5", attempt=2, seconds=0.3),
        invoked(4, "BatchItemFailures: 1 of 10", attempt=3, seconds=1000.0),
    ):
        published.tell(fact)
    counted = {
        "invocations_total": 3,
        "invocation_errors_total": 1,
        "partial_failures_total": 1,
        "retries_total": 2,
        "records_delivered_total": 14,
        "invocation_seconds_count": 3,
    }
    assert {name: published.value(name) for name in counted} == counted
    assert published.value("invocation_seconds_sum") == pytest.approx(1000.32)
    found = published.samples()
    by_bound = [
        found["invocation_seconds_bucket", ("le", str(bound)), ("mapping", "orders")]
        for bound in INVOCATION_BUCKETS
    ]
    assert by_bound == [0] * 2 + [1] * 4 + [2] * 9
    assert published.value("invocations_total", "copy") == 0


def test_ages_are_of_the_scrape_and_those_of_shards_are_there_while_they_are_read(published):
    published.tell(status(ages={"shard-1": 4.0, "shard-2": 0.0}))
    published.now += 1.5
    assert published.value("iterator_age_ms") == 5500
    assert published.value("lag_ms") == 2000
    ages = {key[-1]: value for key, value in published.samples().items() if key[0] == "shard_iterator_age_ms"}
    assert ages == {("shard", "shard-1"): 5500, ("shard", "shard-2"): 0}
    published.tell(status(lag=None))
    assert published.value("iterator_age_ms") == 0
    assert not [key for key in published.samples() if key[0] == "shard_iterator_age_ms"]


def test_a_mapping_of_which_nothing_is_heard_is_neither_ready_nor_live(published):
    published.tell(status())
    published.now += SILENCE + 1
    assert (published.value("ready"), published.value("live")) == (0, 0)


def test_shards_are_counted_by_how_far_they_are_and_facts_about_others_nowhere(published):
    published.tell(ShardsChanged("orders", reading=3, waiting=2, finished=1))
    published.tell(RecordsRead("somebody-else", "shard-1", 20))
    found = [published.value(f"shards_{name}") for name in ("active", "waiting", "finished")]
    assert found == [3, 2, 1]


def test_names_of_metrics_of_both_kinds_that_say_the_same_are_the_same():
    alike = {metric.name for metric in METRICS} & {metric.name for metric in MAPPING_METRICS}
    assert alike >= {
        "lag_ms",
        "live",
        "ready",
        "records_consumed_total",
        "errors_transient_total",
        "gaps_total",
    }
    assert len({metric.full_name for metric in (*METRICS, *MAPPING_METRICS)}) == len(METRICS) + len(
        MAPPING_METRICS
    )
    assert all(metric.help.endswith(".") for metric in MAPPING_METRICS)
