"""Events become messages, ten in a request, those of one item in order; a request may be taken in part."""

import json
import threading

import botocore.session
import pytest
from botocore.stub import Stubber

from headrace.dataset import AwsAccess, Secret
from headrace.dynamodb import service_client
from headrace.errors import ConsumerFailed, DestinationUnavailable
from headrace.targets.outbox.cloudevents import CloudEvents
from headrace.targets.outbox.messages import Messages, Queue, Topic
from headrace.targets.outbox.target import OutboxTarget
from support.ministack import Ministack
from support.outbox import batch, failed, in_order, record

DONE = {"batchItemFailures": []}
FIFO = "https://sqs.eu-west-1.amazonaws.com/1/orders.fifo"


class Scripted:
    """A queue that takes what it is not told to refuse; ``refuses`` are (times, code, SenderFault) by an event's number."""

    def __init__(self, place=FIFO, limit=262_144):
        self.place = place
        self.most = limit
        self.asked = 0
        self.refuses = {}
        self.requests = []
        self.taken = []
        self.raises = []
        self._lock = threading.Lock()

    def limit(self):
        self.asked += 1
        return self.most

    def send(self, messages):
        with self._lock:
            self.requests.append(messages)
            if self.raises:
                raise self.raises.pop(0)
            return [entry for message in messages if (entry := self._taken(message)) is not None]

    def close(self):
        pass

    def _taken(self, message):
        number = int(json.loads(message["Body"])["data"]["new"]["n"])
        times, code, fault = self.refuses.get(number, (0, "", False))
        if times > 0:
            self.refuses[number] = times - 1, code, fault
            return {"Id": message["Id"], "Code": code, "SenderFault": fault, "Message": "why"}
        self.taken.append(number)
        return None


@pytest.fixture
def outbox():
    made = []

    def make(channel, **more):
        waits = []
        place = Messages("events", channel, **{"clock": lambda: sum(waits), "pause": waits.append} | more)
        made.append(OutboxTarget("events", CloudEvents(), place, lambda _: None))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_ten_events_go_in_one_request_and_never_two_of_one_item(outbox):
    queue = Scripted()
    records = [record(number, f"k{number % 25}") for number in range(1, 61)]
    assert outbox(queue).consume(batch(*records)) == DONE
    assert sorted(queue.taken) == list(range(1, 61))
    assert sorted(map(len, queue.requests)) == [5, 5, 10, 10, 10, 10, 10]
    for request in queue.requests:
        assert len({message["MessageGroupId"] for message in request}) == len(request)
    assert all(in_order([n for n in queue.taken if n % 25 == key]) for key in range(25))


def test_in_a_fifo_queue_an_item_is_a_group_and_an_events_id_keeps_it_from_coming_twice(outbox):
    queue = Scripted()
    outbox(queue).consume(batch(record(1), record(2), record(3, "b")))
    sent = {json.loads(one["Body"])["id"]: one for request in queue.requests for one in request}
    assert all(one["MessageDeduplicationId"] == id_ for id_, one in sent.items())
    groups = [sent[f"{number:032x}"]["MessageGroupId"] for number in (1, 2, 3)]
    assert groups[0] == groups[1] != groups[2]
    plain = Scripted("https://sqs.eu-west-1.amazonaws.com/1/orders")
    outbox(plain).consume(batch(record(1)))
    assert plain.requests[0][0].keys() == {"Id", "Body"}


def test_what_is_at_fault_itself_is_reported_with_later_events_of_its_item_and_others_go_on(outbox):
    queue = Scripted()
    queue.refuses[2] = 1, "InvalidMessageContents", True
    response = outbox(queue).consume(batch(record(1), record(2), record(3, "b"), record(4), record(5, "b")))
    assert failed(response) == [2, 4]
    assert "InvalidMessageContents: why" in response["batchItemFailures"][0]["error"]
    assert sorted(queue.taken) == [1, 3, 5]


@pytest.mark.parametrize(
    ("code", "fault"),
    [("InternalError", False), ("RequestThrottled", True), ("AWS.SimpleQueueService.InternalError", False)],
)
def test_what_the_service_is_at_fault_for_is_sent_again_before_later_events_of_its_item(outbox, code, fault):
    queue = Scripted()
    queue.refuses[1] = 3, code, fault
    assert outbox(queue).consume(batch(record(1), record(2), record(3, "b"))) == DONE
    assert [number for number in queue.taken if number != 3] == [1, 2]
    queue.refuses[4] = 1000, code, fault
    with pytest.raises(DestinationUnavailable, match=code.rsplit(".", maxsplit=1)[-1]):
        outbox(queue).consume(batch(record(4)))


def test_a_request_that_nobody_took_was_not_tried(outbox):
    queue = Scripted()
    queue.raises = [DestinationUnavailable("down"), DestinationUnavailable("down")]
    target = outbox(queue)
    with pytest.raises(DestinationUnavailable, match="down"):
        target.consume(batch(record(1), record(2)))
    with pytest.raises(DestinationUnavailable, match="down"):
        target.consume(batch(record(1)))
    assert target.consume(batch(record(1), record(2))) == DONE
    assert queue.taken == [1, 2]


def test_a_request_that_is_too_long_is_sent_in_halves(outbox):
    queue = Scripted()
    queue.raises = [DestinationUnavailable("too long", "BatchRequestTooLong")] * 3
    assert outbox(queue, senders=1).consume(batch(*[record(n, f"k{n}") for n in range(1, 11)])) == DONE
    assert sorted(queue.taken) == list(range(1, 11))


def test_an_event_that_is_too_large_is_reported_and_one_request_holds_no_more_than_it_may(outbox):
    queue = Scripted("arn:aws:sns:eu-west-1:1:orders", limit=3000)

    def large(number, size):
        return record(number, f"k{number}", new={"n": {"N": str(number)}, "x": {"S": "x" * size}})

    target = outbox(queue)
    response = target.consume(batch(*[large(n, 1800) for n in (1, 2, 3)], large(4, 5000), large(5, 10)))
    assert failed(response) == [4]
    assert (
        "and a message to arn:aws:sns:eu-west-1:1:orders 3,000; raise"
        in response["batchItemFailures"][0]["error"]
    )
    assert sorted(queue.taken) == [1, 2, 3, 5]
    assert all(sum(len(one["Body"]) for one in request) <= 3000 for request in queue.requests)
    queue.most = 10_000
    assert target.consume(batch(large(4, 5000))) == DONE
    with pytest.raises(ConsumerFailed) as raised:
        target.consume(batch(large(6, 50_000)))
    assert raised.value.type == "TooLarge"


def test_a_message_holds_no_letter_that_a_queue_refuses(outbox):
    queue = Scripted()
    outbox(queue).consume(batch(record(1, new={"n": {"N": "1"}, "x": {"S": "\ufffe\uffff"}})))
    body = queue.requests[0][0]["Body"]
    assert not {"\ufffe", "\uffff"} & set(body)
    assert json.loads(body)["data"]["new"]["x"] == "\ufffe\uffff"


# By the shapes of AWS


def stubbed(service, *answers):
    client = botocore.session.get_session().create_client(
        service, "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    stubber = Stubber(client)
    for operation, answer in answers:
        stubber.add_response(operation, answer)
    stubber.activate()
    return client, stubber


@pytest.mark.parametrize("service", ["sqs", "sns"])
def test_requests_and_answers_are_those_of_the_services(outbox, service):
    done = {
        "Successful": [
            {"Id": "0", "MessageId": "m", **({"MD5OfMessageBody": "x"} if service == "sqs" else {})}
        ]
    }
    partly = done | {"Failed": [{"Id": "1", "SenderFault": True, "Code": "InvalidParameter", "Message": "m"}]}
    ask, send = (
        (("get_queue_attributes", {"Attributes": {"MaximumMessageSize": "1048576"}}), "send_message_batch")
        if service == "sqs"
        else (("get_topic_attributes", {"Attributes": {}}), "publish_batch")
    )
    client, stubber = stubbed(service, ask, (send, partly), (send, done | {"Failed": []}))
    access = AwsAccess("eu-west-1")
    channel = (
        Queue(FIFO, access, lambda *_: client, None)
        if service == "sqs"
        else Topic("arn:aws:sns:eu-west-1:1:orders.fifo", access, lambda *_: client, None)
    )
    target = outbox(channel, senders=1)
    assert failed(target.consume(batch(record(1), record(2, "b"), record(3)))) == [2]
    stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", "make it, or correct target.outbox.to"),
        ("AccessDenied", "it takes sqs:SendMessage"),
    ],
)
def test_what_is_wrong_with_a_queue_says_what_to_do(outbox, code, cure):
    client, stubber = stubbed("sqs")
    stubber.add_response("get_queue_attributes", {"Attributes": {}})
    stubber.add_client_error("send_message_batch", code, "no")
    with pytest.raises(DestinationUnavailable, match=cure):
        outbox(Queue(FIFO, AwsAccess(), lambda *_: client, None)).consume(batch(record(1)))


# Against an independent stand-in for AWS


@pytest.fixture(scope="module")
def access():
    with Ministack() as stand_in:
        yield AwsAccess("us-east-1", stand_in.url, Secret("test"), Secret("test"))


def received(sqs, url, count):
    found = []
    for _ in range(100):
        got = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
        ).get("Messages", [])
        for message in got:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        found += got
        if len(found) >= count and not got:
            return found
    raise AssertionError(f"{len(found)} of {count} messages came")


@pytest.mark.long
@pytest.mark.parametrize("named", ["url", "arn", "topic"])
def test_a_fifo_queue_has_each_items_events_in_order_and_each_once(access, outbox, named):
    sqs, sns = service_client("sqs", access), service_client("sns", access)
    url = sqs.create_queue(QueueName=f"orders-{named}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    if named == "topic":
        topic = sns.create_topic(Name="orders.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        channel = Topic(topic, access, service_client, None)
    else:
        channel = Queue(url if named == "url" else arn, access, service_client, None)
    records = [record(number, f"k{number % 7}") for number in range(1, 61)]
    target = outbox(channel)
    assert target.consume(batch(*records)) == DONE
    assert target.consume(batch(*records[30:])) == DONE
    numbers = [int(json.loads(message["Body"])["data"]["new"]["n"]) for message in received(sqs, url, 60)]
    assert sorted(numbers) == list(range(1, 61))
    assert all(in_order([number for number in numbers if number % 7 == key]) for key in range(7))


@pytest.mark.long
def test_a_queue_that_is_not_there_is_told(access, outbox):
    gone = f"{access.endpoint_url}/000000000000/gone"
    with pytest.raises(DestinationUnavailable, match="there is no such queue"):
        outbox(Queue(gone, access, service_client, None)).consume(batch(record(1)))
