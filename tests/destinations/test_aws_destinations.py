"""Failures in queues, topics and buckets, against an independent stand-in for AWS."""

import itertools
import json

import pytest

from headrace.dataset import AwsAccess, Secret
from headrace.destinations import document, open_destination
from headrace.dynamodb import service_client
from headrace.errors import ConfigError, DestinationUnavailable
from headrace.event_source_mapping import FailureDestination
from headrace.message_service import SMALLEST
from support.deliveries import failure, record
from support.ministack import Ministack

names = itertools.count()


@pytest.fixture(scope="module")
def access():
    with Ministack() as stand_in:
        yield AwsAccess("us-east-1", stand_in.url, Secret("test"), Secret("test"))


@pytest.fixture(scope="module")
def clients(access):
    return {service: service_client(service, access) for service in ("sqs", "sns", "s3")}


@pytest.fixture
def sqs(clients):
    return clients["sqs"]


@pytest.fixture
def queue(sqs):
    """Makes queues; the URL and the ARN of each."""

    def make(suffix="", **attributes):
        url = sqs.create_queue(QueueName=f"failed{next(names)}{suffix}", Attributes=attributes)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return url, arn

    return make


@pytest.fixture
def send(access):
    def send(kind, place, *failures):
        destination = open_destination(FailureDestination(kind, place, access), service_client)
        for each in failures:
            destination.send(each)
        destination.close()

    return send


def received(sqs, url):
    found = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], AttributeNames=["All"]
    )
    return found.get("Messages", [])


@pytest.mark.parametrize("named", ["url", "arn"])
def test_a_queue_gets_a_message_named_by_url_or_arn(sqs, queue, send, named):
    url, arn = queue()
    send("sqs", url if named == "url" else arn, failure(1, 2))
    (got,) = received(sqs, url)
    assert got["Body"].encode() == document.whole(failure(1, 2))


def test_a_fifo_queue_gets_each_failure_once_in_the_mappings_group(sqs, queue, send):
    url, _ = queue(".fifo", FifoQueue="true")
    send("sqs", url, failure(1, mapping="a b"), failure(1, mapping="a b"))
    (got,) = received(sqs, url)
    assert got["Attributes"]["MessageGroupId"] == "a%20b"
    assert got["Attributes"]["MessageDeduplicationId"] == failure(1, mapping="a b").id


def test_what_does_not_fit_the_queues_own_limit_is_left_out(sqs, queue, send):
    url, _ = queue(MaximumMessageSize="5000")
    large = failure(1, records=(record(1, text=b'"' + b"x" * 5000 + b'"'),))
    send("sqs", url, large)
    (got,) = received(sqs, url)
    told = json.loads(got["Body"])
    assert "a message holds 5,000 bytes" in told["headrace"]["omitted"]
    assert told["headrace"]["id"] == large.id


def test_a_topic_gets_a_message(clients, sqs, queue, send):
    url, arn = queue()
    topic = clients["sns"].create_topic(Name=f"failed{next(names)}")["TopicArn"]
    clients["sns"].subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    send("sns", topic, failure(1))
    (got,) = received(sqs, url)
    assert json.loads(got["Body"])["Message"].encode() == document.whole(failure(1))


def test_a_topic_takes_a_quarter_of_a_mebibyte_unless_it_says_more(clients, sqs, queue, send):
    url, arn = queue()
    topic = clients["sns"].create_topic(Name=f"failed{next(names)}")["TopicArn"]
    clients["sns"].subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    send("sns", topic, failure(1, records=(record(1, text=b'"' + b"x" * SMALLEST + b'"'),)))
    (got,) = received(sqs, url)
    assert (
        "a message holds 262,144 bytes"
        in json.loads(json.loads(got["Body"])["Message"])["headrace"]["omitted"]
    )


@pytest.mark.parametrize("prefix", ["", "/kept/here/"])
def test_a_bucket_gets_an_object_where_lambda_would_put_it(clients, send, prefix):
    bucket = f"failed{next(names)}"
    clients["s3"].create_bucket(Bucket=bucket)
    large = failure(1, records=(record(1, text=b'"' + b"x" * 300_000 + b'"'),))
    send("s3", bucket + prefix, large, large)
    (found,) = clients["s3"].list_objects_v2(Bucket=bucket)["Contents"]
    below = prefix.strip("/") + "/" if prefix else ""
    assert found["Key"] == (
        f"{below}aws/lambda/status/s1/2023/11/14/2023-11-14T22.16.40-{document.request_id(large)}"
    )
    got = clients["s3"].get_object(Bucket=bucket, Key=found["Key"])
    assert got["Body"].read() == document.with_payload(large)
    assert got["ContentType"] == "application/json"


@pytest.mark.parametrize(
    ("kind", "place", "cure"),
    [
        ("sqs", "arn:aws:sqs:us-east-1:000000000000:none", "no such queue; make it"),
        ("sns", "arn:aws:sns:us-east-1:000000000000:none", "no such topic; make it"),
        ("s3", "no-such-bucket/failed", "no such bucket; make it"),
    ],
)
def test_a_place_that_there_is_none_of_is_named_with_the_cure(send, kind, place, cure):
    with pytest.raises(DestinationUnavailable, match=cure) as caught:
        send(kind, place, failure(1))
    assert place.split("/")[0] in str(caught.value)
    assert failure(1).id in str(caught.value)


def test_a_queue_that_is_made_later_gets_what_failed_before(sqs, access):
    name = f"late{next(names)}"
    place = FailureDestination("sqs", f"arn:aws:sqs:us-east-1:000000000000:{name}", access)
    destination = open_destination(place, service_client)
    with pytest.raises(DestinationUnavailable):
        destination.send(failure(1))
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    destination.send(failure(1))
    assert len(received(sqs, url)) == 1
    destination.close()
    destination.close()


@pytest.mark.parametrize("kind", ["sqs", "sns", "s3"])
def test_where_nothing_listens_it_says_so(kind):
    place = {"sqs": "http://127.0.0.1:9/000000000000/q", "sns": "arn:aws:sns:us-east-1:0:t", "s3": "b"}[kind]
    nobody = AwsAccess("us-east-1", "http://127.0.0.1:9", Secret("test"), Secret("test"))
    destination = open_destination(FailureDestination(kind, place, nobody), service_client)
    with pytest.raises(DestinationUnavailable, match=r"EndpointConnectionError.*127\.0\.0\.1:9"):
        destination.send(failure(1))
    destination.close()


def refusing(code):
    """A client of botocore that is refused before anything is sent."""
    import botocore.exceptions

    class Refusing:
        def __getattr__(self, operation):
            def call(**asked):
                raise botocore.exceptions.ClientError({"Error": {"Code": code, "Message": "no"}}, operation)

            return (lambda: None) if operation == "close" else call

    return lambda service, access: Refusing()


@pytest.mark.parametrize(
    ("kind", "code", "cure"),
    [
        ("sqs", "AWS.SimpleQueueService.NonExistentQueue", "no such queue"),
        ("sqs", "AccessDenied", "it takes sqs:SendMessage"),
        ("sns", "AuthorizationError", "it takes sns:Publish"),
        ("s3", "AccessDenied", "it takes s3:PutObject"),
        ("s3", "PermanentRedirect", "in another region"),
        ("sqs", "ExpiredToken", "renew them"),
        ("s3", "SlowDown", "SlowDown"),
    ],
)
def test_what_aws_refuses_is_told_with_the_cure(kind, code, cure):
    destination = open_destination(FailureDestination(kind, "place"), refusing(code))
    with pytest.raises(DestinationUnavailable, match=cure):
        destination.send(failure(1))


@pytest.mark.parametrize(
    ("kind", "place", "region"),
    [
        ("sqs", "https://sqs.eu-west-1.amazonaws.com/0/q", "eu-west-1"),
        ("sqs", "https://eu-west-2.queue.amazonaws.com/0/q", "eu-west-2"),
        ("sqs", "https://sqs.cn-north-1.amazonaws.com.cn/0/q", "cn-north-1"),
        ("sqs", "arn:aws:sqs:eu-west-3:0:q", "eu-west-3"),
        ("sqs", "http://localhost:4566/0/q", "us-west-2"),
        ("sns", "arn:aws-us-gov:sns:us-gov-west-1:0:t", "us-gov-west-1"),
        ("s3", "bucket", "us-west-2"),
    ],
)
def test_the_region_is_the_places_own_else_the_configured_else_the_mappings(kind, place, region):
    asked = []

    def connect(service, access):
        asked.append((service, access.region))
        raise ConfigError("no keys")

    for given in (AwsAccess(), AwsAccess(region="ap-south-1")):
        destination = open_destination(FailureDestination(kind, place, given), connect, region="us-west-2")
        with pytest.raises(DestinationUnavailable, match="no keys"):
            destination.send(failure(1))
    own = region if region != "us-west-2" else "ap-south-1"
    assert asked == [(kind, region), (kind, own)]
