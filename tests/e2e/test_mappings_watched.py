"""What is known of a mapping while it runs, over the simulator and with a function in a process of its own."""

import io
import json
import time

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from headrace.dataset import AwsAccess
from headrace.event_source_mapping import EventSourceMapping, Function, Pattern
from headrace.mapping_facts import FiltersUnmet
from headrace.mappings import Mappings
from headrace.metrics.log import LogFormat, make_logger
from headrace.metrics.story import MappingLogObserver
from headrace.simulator import Simulator
from headrace.status import State
from support.deadline import eventually

HANDLER = "def on_change(event, context):\n    print('took', len(event['Records']))\n"
PAID = '{"dynamodb": {"NewImage": {"status": {"S": ["PAID"]}}}}'
WAS_NEW = '{"dynamodb": {"OldImage": {"status": {"S": ["NEW"]}}}}'


class Watched:
    """One mapping with filters, its facts, its log and its metrics."""

    def __init__(self, folder):
        (folder / "handlers.py").write_text(HANDLER)
        self.simulator = Simulator(time.time)
        self.call(
            "CreateTable",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        mapping = EventSourceMapping(
            "paid",
            "orders",
            Function("handlers:on_change", folder),
            folder / "events.sqlite",
            access=AwsAccess(region="us-east-1"),
            filters=(Pattern(PAID), Pattern(WAS_NEW)),
        )
        self.facts = []
        self.registry = CollectorRegistry(auto_describe=False)
        self.lines = io.StringIO()
        log = MappingLogObserver(make_logger(LogFormat.JSON, environ={}, stream=self.lines))
        observers = [self.facts.append, log]
        self.mappings = Mappings(
            [mapping], lambda _access, _table: self.simulator, observers, self.registry, "salt"
        )

    def call(self, operation, **request):
        response = self.simulator(operation, json.dumps({"TableName": "orders"} | request).encode())
        assert response.status == 200, response.body

    @property
    def status(self):
        (status,) = self.mappings.statuses()
        return status

    def events(self, name):
        return [
            event for event in map(json.loads, self.lines.getvalue().splitlines()) if event["event"] == name
        ]


@pytest.fixture
def watched(tmp_path):
    watched = Watched(tmp_path)
    watched.mappings.start()
    yield watched
    watched.mappings.stop()


def test_a_mapping_is_watched_in_its_status_its_metrics_and_the_log(watched):
    for number, status in enumerate(("NEW", "PAID", "PAID", "SENT")):
        watched.call("PutItem", Item={"id": {"S": str(number)}, "status": {"S": status}})
    eventually(lambda: watched.status.delivered == 2, within=20, what="paid orders are delivered")
    eventually(lambda: watched.status.iterator_age_ms == 0, within=20, what="nothing waits")
    status = watched.status
    assert (status.consumer, status.status, status.live) == ("handlers:on_change", State.READY, True)
    assert (status.filtered, status.errors, status.retries) == (2, 0, 0)
    assert len(status.shards) >= 1
    text = generate_latest(watched.registry).decode()
    assert 'event_source_mapping_records_filtered_total{mapping="paid"} 2.0' in text
    assert 'event_source_mapping_records_delivered_total{mapping="paid"} 2.0' in text
    assert all(
        line["mapping"] == "paid"
        for name in ("function_output", "mapping_started")
        for line in watched.events(name)
    )
    eventually(lambda: watched.events("function_output"), within=20, what="the function's line is logged")
    assert watched.events("function_output")[0]["line"].startswith("took ")


def test_filters_that_ask_for_images_which_the_stream_lacks_are_told_once(watched):
    eventually(lambda: watched.status.live, within=20, what="the stream is followed")
    (unmet,) = [fact for fact in watched.facts if isinstance(fact, FiltersUnmet)]
    assert unmet.view == "NEW_IMAGE"
    (filter_,) = unmet.filters
    assert filter_.startswith("filters[1]: line 1, column 39: dynamodb.OldImage.status.S: this never matches")
    assert watched.events("filters_unmet")[0]["level"] == "warning"
