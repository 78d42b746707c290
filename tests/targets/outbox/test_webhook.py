"""Events become requests: signed, in the order of their items, again and again where that may help."""

import socket
import threading
import time
from email.utils import formatdate

import pytest

from headrace import __version__
from headrace.errors import ConsumerFailed, Throttled, Unavailable
from headrace.targets.outbox.nakadi import DataChangeEvents
from headrace.targets.outbox.webhook import PATIENCE
from support.canned_http import Canned, CannedServer
from support.certificates import made as certificates_made
from support.deadline import eventually
from support.outbox import OTHER_SECRET, SECRET, failed, record, scripted, verified

DONE = {"batchItemFailures": []}


def test_an_event_is_a_signed_request(receiver, sending):
    outbox = sending(headers={"Authorization": "Bearer t0p"})
    assert outbox.deliver(record(1)) == DONE
    (got,) = receiver.server.received
    assert (got.method, got.path) == ("POST", "/hooks/orders?team=a")
    assert got.headers["content-type"] == "application/cloudevents+json"
    assert got.headers["authorization"] == "Bearer t0p"
    assert got.headers["user-agent"] == f"headrace/{__version__}"
    assert got.headers["webhook-id"] == f"{1:032x}" == receiver.taken[0]["id"]
    assert got.headers["webhook-timestamp"] == "1767225700"
    assert verified(got.headers, got.body, SECRET)
    assert not verified(got.headers, got.body + b" ", SECRET)
    assert not verified(got.headers | {"webhook-timestamp": "1767225701"}, got.body, SECRET)
    assert outbox.counts == (1, 0, 0)


def test_several_secrets_all_sign_so_that_a_receiver_may_change_its_own(receiver, sending):
    sending(secrets=(SECRET, OTHER_SECRET)).deliver(record(1))
    (got,) = receiver.server.received
    assert verified(got.headers, got.body, SECRET)
    assert verified(got.headers, got.body, OTHER_SECRET)


def test_without_a_secret_nothing_is_signed(receiver, sending):
    sending(secrets=()).deliver(record(1))
    assert "webhook-signature" not in receiver.server.received[0].headers


def test_events_of_one_item_come_in_order_and_those_of_others_meanwhile(receiver, sending):
    waiting = threading.Event()

    def hold(_):
        # The item's second event waits for another item's.
        assert waiting.wait(10)
        return Canned()

    def release(_):
        waiting.set()
        return Canned()

    receiver.meets(2, hold)
    receiver.meets(4, release)
    outbox = sending()
    assert outbox.deliver(record(1), record(2), record(3), record(4, "b")) == DONE
    of_a = [number for number in receiver.numbers if number != 4]
    assert of_a == [1, 2, 3]
    assert receiver.numbers.index(4) < receiver.numbers.index(2)


# What is not taken


@pytest.mark.parametrize("status", [400, 401, 404, 410, 301, 308])
def test_what_the_receiver_refuses_is_reported_with_later_events_of_its_item_and_others_go_on(
    receiver, sending, status
):
    receiver.meets(2, Canned(b"no such thing", status, {"Location": receiver.url}))
    outbox = sending()
    response = outbox.deliver(record(1), record(2), record(3, "b"), record(4), record(5, "b"))
    assert failed(response) == [2, 4]
    assert f"answers {status}" in response["batchItemFailures"][0]["error"]
    assert "no such thing" in response["batchItemFailures"][0]["error"]
    assert sorted(receiver.numbers) == [1, 3, 5]
    assert receiver.tries(2) == 1
    assert receiver.tries(4) == 0
    assert outbox.waits == []
    assert outbox.counts == (3, 0, 2)


def test_events_that_were_taken_are_not_sent_again_when_their_records_come_again_behind_one_that_failed(
    receiver, sending
):
    receiver.meets(1, Canned(status=400), Canned(status=400))
    outbox = sending()
    records = [record(1), record(2, "b"), record(3, "c")]
    assert failed(outbox.deliver(*records)) == [1]
    assert failed(outbox.deliver(*records, attempt=2)) == [1]
    assert outbox.counts == (0, 2, 1)
    assert outbox.deliver(*records, attempt=3) == DONE
    assert [receiver.tries(number) for number in (1, 2, 3)] == [3, 1, 1]


@pytest.mark.parametrize(
    "trouble",
    [
        Canned(status=500),
        Canned(status=502),
        Canned(status=503),
        Canned(status=429),
        Canned(status=408),
        Canned(silent=True),
    ],
)
def test_what_may_pass_is_tried_again_until_it_is_taken(receiver, sending, trouble):
    receiver.meets(1, trouble, trouble)
    outbox = sending()
    assert outbox.deliver(record(1), record(2)) == DONE
    assert receiver.numbers == [1, 2]
    assert receiver.tries(1) == 3
    assert len(outbox.waits) == 2
    assert receiver.server.received[0].body == receiver.server.received[1].body


def test_a_signature_is_of_the_time_of_its_own_try(receiver, sending):
    receiver.meets(1, Canned(status=429, headers={"Retry-After": "7"}))
    sending().deliver(record(1))
    first, second = receiver.server.received
    assert [one.headers["webhook-timestamp"] for one in (first, second)] == ["1767225700", "1767225707"]
    assert verified(second.headers, second.body, SECRET)


@pytest.mark.parametrize(
    ("status", "error"), [(500, ConsumerFailed), (503, Unavailable), (504, Unavailable), (429, Throttled)]
)
def test_patience_has_an_end_and_an_answer_of_the_application_alone_counts_as_a_try(
    receiver, sending, status, error
):
    receiver.meets(1, *[Canned(status=status)] * 100)
    outbox = sending()
    with pytest.raises(error, match=f"answers {status}"):
        outbox.deliver(record(1))
    assert 3 < sum(outbox.waits) <= PATIENCE


@pytest.mark.parametrize("asked", ["3", "date", "-1", "soon"])
def test_the_receiver_is_left_alone_for_as_long_as_it_asks(receiver, sending, asked):
    outbox = sending()
    told = formatdate(outbox.now + 3, usegmt=True) if asked == "date" else asked
    receiver.meets(1, Canned(status=503, headers={"Retry-After": told}))
    assert outbox.deliver(record(1)) == DONE
    assert (outbox.waits[0] >= 3) is (asked in ("3", "date"))


def test_who_asks_to_be_left_alone_for_longer_than_patience_gets_nothing_until_then(receiver, sending):
    receiver.meets(1, Canned(status=429, headers={"Retry-After": "100000"}))
    outbox = sending()
    for _ in range(3):
        with pytest.raises(Throttled):
            outbox.deliver(record(1))
    assert len(receiver.server.received) == 1
    outbox.now += 299
    with pytest.raises(Throttled, match="left alone for 1 s more"):
        sending_again(outbox)
    outbox.now += 1
    assert outbox.deliver(record(1)) == DONE


def sending_again(outbox):
    outbox.place._patience = 0.5
    try:
        outbox.deliver(record(1))
    finally:
        outbox.place._patience = PATIENCE


def test_a_receiver_that_does_not_answer_in_time_has_failed(receiver, sending):
    receiver.meets(1, lambda _: time.sleep(0.5) or Canned())
    outbox = sending(timeout=0.1, patience=0)
    with pytest.raises(ConsumerFailed, match="did not answer in time") as raised:
        outbox.deliver(record(1))
    assert raised.value.type == "Timeout"


def test_a_receiver_that_is_down_has_not_been_tried_however_many_events_there_are(sending):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        outbox = sending(
            f"http://127.0.0.1:{nobody.getsockname()[1]}/secret-path",
            patience=0.2,
            pause=time.sleep,
            monotonic=time.monotonic,
        )
        began = time.monotonic()
        with pytest.raises(Unavailable, match="no connection to http://127") as raised:
            outbox.deliver(*[record(number, f"k{number}") for number in range(1, 200)])
        assert time.monotonic() - began < 5
        assert "secret-path" not in str(raised.value)


def test_what_a_receiver_repeats_of_a_secret_is_not_told(receiver, sending):
    receiver.meets(1, lambda request: Canned(f"{request.headers} {request.path}\n".encode(), 400))
    with pytest.raises(ConsumerFailed) as raised:
        sending(headers={"Authorization": "Bearer t0p-secret"}).deliver(record(1))
    assert "authorization" in str(raised.value)
    assert "t0p-secret" not in str(raised.value)
    assert "/hooks/orders" not in str(raised.value)


@pytest.mark.parametrize(
    "said", ["no such token: t0p-secret", '{"key": "k3y-secret"}', "POST /T0000/B0000 ?"]
)
def test_parts_of_secrets_are_not_told_either(receiver, sending, said):
    receiver.server.answer = lambda _: Canned(said.encode(), 403)
    outbox = sending(
        receiver.server.url + "/hooks/T0000/B0000?key=k3y-secret",
        headers={"Authorization": "Bearer t0p-secret"},
    )
    with pytest.raises(ConsumerFailed) as raised:
        outbox.deliver(record(1))
    assert "t0p-secret" not in str(raised.value)
    assert "k3y-secret" not in str(raised.value)


def test_what_comes_before_an_answer_is_none_and_the_answer_is_nobody_elses(sending):
    asked = []

    def script(connection, body):
        asked.append(body)
        connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        time.sleep(0.05)
        status = b"200 OK" if len(asked) == 1 else b"400 No"
        connection.sendall(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)

    with scripted(script) as url:
        assert failed(sending(url, senders=1).deliver(record(1), record(2, "b"))) == [2]
    assert len(asked) == 2


def test_a_protocol_that_is_another_from_here_on_is_no_answer(sending):
    callers = set()

    def script(connection, _):
        callers.add(connection.getpeername())
        connection.sendall(b"HTTP/1.1 101 Up\r\nUpgrade: x\r\n\r\n")

    with scripted(script) as url:
        assert failed(sending(url, senders=1).deliver(record(1), record(2, "b"))) == [1, 2]
    assert len(callers) == 2


def test_an_answer_that_comes_letter_by_letter_must_come_in_time_all_the_same(sending):
    def script(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for _ in range(100):
            time.sleep(0.05)
            connection.sendall(b"X: a\r\n")

    with scripted(script) as url:
        began = time.monotonic()
        with pytest.raises(ConsumerFailed, match="did not answer in time"):
            sending(url, timeout=0.2, patience=0).deliver(record(1))
        assert time.monotonic() - began < 2


def test_an_endless_answer_is_not_read_to_its_end(receiver, sending):
    receiver.meets(1, Canned(b"x" * 1_000_000, 200))
    receiver.meets(2, Canned(b"y" * 1_000_000, 400))
    outbox = sending()
    response = outbox.deliver(record(1), record(2, "b"))
    assert failed(response) == [2]
    assert len(response["batchItemFailures"][0]["error"]) < 1000


def test_an_answer_that_breaks_off_after_its_status_has_said_enough(receiver, sending):
    receiver.meets(1, Canned(b"half", 200, announced=1000))
    assert sending().deliver(record(1)) == DONE
    assert receiver.tries(1) == 1


def test_connections_are_used_again(receiver, sending):
    outbox = sending(senders=1)
    outbox.deliver(*[record(number, f"k{number}") for number in range(1, 8)])
    assert outbox.place._pool.num_connections == 1


# In the manner of Nakadi


def test_nakadis_events_come_as_an_array_as_its_own_interface_takes_them(receiver, sending):
    outbox = sending(format_=DataChangeEvents("orders"))
    assert outbox.deliver(record(1)) == DONE
    ((event,),) = receiver.taken
    (got,) = receiver.server.received
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == event["metadata"]["eid"]
    assert verified(got.headers, got.body, SECRET)


def test_an_array_that_was_taken_in_part_was_not_taken(receiver, sending):
    outbox = sending(format_=DataChangeEvents("orders"))
    refused = iter([Canned(b"[]", 207)])
    receiver.server.answer = lambda _: next(refused, Canned())
    assert outbox.deliver(record(1)) == DONE
    assert len(receiver.server.received) == 2


# TLS


def test_a_receiver_whose_certificate_is_not_trusted_gets_nothing(tmp_path, sending):
    import ssl

    made = certificates_made(tmp_path)
    with CannedServer(lambda _: Canned()) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made.certificate, made.key)
        server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
        url = server.url.replace("http:", "https:")
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            sending(url, patience=0).deliver(record(1))
        assert server.received == []
        assert sending(url, certificates=made.authority).deliver(record(1)) == DONE
        assert len(server.received) == 1


# Its end


def test_closing_ends_a_wait_and_says_that_nothing_was_tried(receiver, sending):
    receiver.meets(1, *[Canned(status=503)] * 100)
    outbox = sending(pause=None, monotonic=time.monotonic)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(outcome(outbox, record(1))))
    thread.start()
    eventually(lambda: receiver.tries(1) > 3, within=10, what="several tries")
    outbox.target.close()
    thread.join(5)
    assert ended == ["events: the outbox is being stopped"]
    with pytest.raises(Unavailable, match="is being stopped"):
        outbox.deliver(record(2))


def test_closing_does_not_wait_for_a_receiver_that_hangs(receiver, sending):
    hangs = threading.Event()
    receiver.meets(1, lambda _: Canned(status=200 if hangs.wait(30) else 500))
    outbox = sending(timeout=60)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(outcome(outbox, record(1))))
    thread.start()
    eventually(lambda: receiver.tries(1), within=10, what="a request")
    began = time.monotonic()
    outbox.target.close()
    thread.join(10)
    assert time.monotonic() - began < 5
    hangs.set()
    assert ended == ["events: the outbox is being stopped"]


def outcome(outbox, *records):
    try:
        return outbox.deliver(*records)
    except Unavailable as error:
        return str(error)
