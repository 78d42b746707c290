"""Bad weather between the simulator's server and the transport that Headrace uses: each has its own error."""

from __future__ import annotations

import json
import time

import pytest

from headrace.dataset import AwsAccess, Secret
from headrace.dynamodb import botocore_transport
from headrace.errors import AccessDenied, IteratorExpired, ShardGone, Throttled, Unavailable
from headrace.refusal import Place, Request, refusal
from headrace.simulator import Cut, Damage, Lose, Refuse, Slow
from headrace.simulator.server import SimulatorServer
from headrace.simulator.weather import Weather


@pytest.fixture
def send(call):
    """Sends to the server as Headrace does; ``send.plant`` sets the weather."""
    call.arn = call.table(view="NEW_IMAGE")
    for number in range(10):
        call.put(f"k{number}", x={"S": "x" * 20_000})
    with SimulatorServer(call.simulator) as server:
        transport = botocore_transport(
            AwsAccess("us-east-1", server.url, Secret("AKIDEXAMPLE"), Secret("secret"))
        )

        def send(operation="Scan", **request):
            body = {"TableName": "orders"} if operation == "Scan" else request
            return transport(operation, json.dumps(body).encode())

        def plant(*faults):
            left = list(faults)
            call.simulator.faults = lambda *_: left.pop(0) if left else None

        send.plant = plant
        send.call = call
        yield send


@pytest.mark.parametrize("cut", [Cut(), Cut(1), Cut(share=0.5), Cut(share=0.9999)])
def test_a_connection_cut_in_the_middle_of_a_body_is_unavailable(send, cut):
    whole = send()
    send.plant(cut)
    with pytest.raises(Unavailable, match=r"IncompleteRead|cut off"):
        send()
    assert send().body == whole.body


@pytest.mark.parametrize(
    "damage", [Damage(header=True), Damage(share=0.0), Damage(share=0.5), Damage(share=1.0)]
)
def test_a_body_that_is_not_that_of_its_crc_is_unavailable(send, damage):
    whole = send()
    send.plant(damage)
    with pytest.raises(Unavailable, match="CRC32"):
        send()
    assert send().body == whole.body


@pytest.mark.parametrize("lose", [Lose(), Lose(after_effect=True)])
def test_a_lost_connection_is_unavailable(send, lose):
    send.plant(lose)
    with pytest.raises(Unavailable, match="no answer"):
        send()
    assert send().status == 200


def test_a_slow_body_trickles_and_is_whole(send):
    whole = send()
    send.plant(Slow(0.4))
    begun = time.monotonic()
    assert send().body == whole.body
    assert time.monotonic() - begun > 0.3


def test_a_body_cut_while_it_trickles_is_unavailable(send):
    send.call.simulator.faults = lambda *_: (Cut(share=0.5), Slow(0.2))
    with pytest.raises(Unavailable, match=r"IncompleteRead|cut off"):
        send()


@pytest.mark.parametrize(
    ("operation", "planted", "kind"),
    [
        ("Scan", Refuse("ProvisionedThroughputExceededException"), Throttled),
        ("GetRecords", Refuse("LimitExceededException"), Throttled),
        ("DescribeStream", Refuse("ThrottlingException"), Throttled),
        ("Scan", Refuse("InternalServerError", status=500), Unavailable),
        ("Scan", Refuse("ServiceUnavailable", status=503), Unavailable),
        ("GetRecords", Refuse("ExpiredIteratorException"), IteratorExpired),
        ("GetRecords", Refuse("ResourceNotFoundException"), ShardGone),
        ("Scan", Refuse("ExpiredTokenException"), AccessDenied),
        ("Scan", Refuse("AccessDeniedException"), AccessDenied),
    ],
)
def test_a_refusal_arrives_as_its_own_error(send, operation, planted, kind):
    send.plant(planted)
    request = {
        "GetRecords": {"ShardIterator": "any"},
        "DescribeStream": {"StreamArn": send.call.arn},
    }.get(operation, {})
    response = send(operation, **request)
    assert type(refusal(response, Request(operation, "orders", Place()))) is kind


def test_no_answer_in_a_storm_is_taken_for_another(send):
    """What arrives is the truth or an error, never anything else."""
    whole = send().body
    rates = dict.fromkeys(
        ("cut body", "wrong crc", "damaged body", "slow body", "lost answer", "lost request", "throttle"),
        0.15,
    )
    weather = Weather(1, {**rates, "slow body": 0.03}, lambda: send.call.now)
    send.call.simulator.faults = weather
    seen = {"whole": 0, "lost": 0, "refused": 0}
    for _ in range(90):
        try:
            response = send()
        except Unavailable:
            seen["lost"] += 1
        else:
            assert response.status == 400 or response.body == whole
            seen["whole" if response.status == 200 else "refused"] += 1
    assert all(seen.values())
    assert all(weather.counts.values())
