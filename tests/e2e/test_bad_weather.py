"""The real process under failures that pass, from its first request on: nothing is lost, each is counted, none is shown."""

import time

from headrace.simulator import Simulator
from headrace.simulator.faults import Cut, Damage, Lose, Refuse
from headrace.simulator.server import SimulatorServer
from support.deadline import eventually
from support.items import TableUnderTest

KINDS = {
    "throttled": Refuse("ProvisionedThroughputExceededException"),
    "internal error": Refuse("InternalServerError", status=500),
    "unavailable": Refuse("ServiceUnavailable", status=503),
    "connection lost": Lose(),
    "connection lost after the effect": Lose(after_effect=True),
    "cut off": Cut(keep=30),
    "a wrong checksum": Damage(header=True),
    "a damaged body": Damage(),
    "nothing but a head": Cut(keep=0),
    "an expired iterator": Refuse("ExpiredIteratorException"),
}
READS = ("DescribeTable", "DescribeStream", "GetShardIterator", "GetRecords", "Scan")


class Rain:
    """One of five requests that read is met by one kind after the other, while ``falling``."""

    def __init__(self):
        self.falling = True
        self.requests = 0
        self.met = dict.fromkeys(KINDS, 0)

    def __call__(self, operation, request):
        if not self.falling or operation not in READS:
            return None
        self.requests += 1
        if self.requests % 5:
            return None
        what = list(KINDS)[self.requests // 5 % len(KINDS)]
        if what == "an expired iterator" and operation != "GetRecords":
            return None
        self.met[what] += 1
        return KINDS[what]


def test_what_passes_is_tried_again_at_the_opening_and_while_running(headrace, pod):
    rain = Rain()
    simulator = Simulator(time.time, initial_shards=4)
    with SimulatorServer(simulator, "127.0.0.1", 0) as server:
        table = TableUnderTest(server.url)
        table.fill(200)
        simulator.faults = rain
        process = headrace(pod(server.url, mode="memory"))
        process.until_ready()
        at_the_opening = dict(rain.met)
        table.change(200, seed=1)
        eventually(
            lambda: process.sql("SELECT count(*) AS n FROM orders") == [{"n": len(table.items)}],
            within=60,
            what="every change is there",
        )
        eventually(
            lambda: all(rain.met[what] > 1 for what in KINDS), within=60, what=f"each kind fell: {rain.met}"
        )
        assert sum(at_the_opening.values()) > 3
        assert process.metric("errors_transient_total") >= 15
        assert process.metric("gaps_total") == 0
        assert process.metric("stalls_total") == 0
        assert "shard" in {event["what"].split()[0] for event in process.events("transient_fault")}
        rain.falling = False
        process.until_ready()
        assert process.dataset("orders")["status"] == "Ready"
        process.stop()
