"""Failures as messages to a queue of SQS or a topic of SNS."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote, urlsplit

from headrace.dataset import AwsAccess
from headrace.destinations import document
from headrace.destinations.aws import DENIED, Connect, Service, placed, unless_denied
from headrace.ledger import Failure

SMALLEST: Final = 262_144
"""Bytes that a message may have where it is not allowed to ask.

Topics are made so, and queues were, until both could take 1 MiB (Amazon SNS developer guide, "Publishing large messages
with Amazon SNS"; Amazon SQS API reference, "SetQueueAttributes", MaximumMessageSize).
"""

_GROUP_LENGTH: Final = 128
"""Characters of a message group's id (Amazon SQS developer guide, "Message group ID")."""

_IN_HOST: Final = re.compile(r"^(?:sqs\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.amazonaws\.com")

_QUEUE_CURES: Final = {
    **dict.fromkeys(DENIED, "the credentials do not allow it; it takes sqs:SendMessage"),
    "NonExistentQueue": "there is no such queue; make it, or correct on_failure.destination",
    "QueueDoesNotExist": "there is no such queue; make it, or correct on_failure.destination",
    "InvalidParameterValue": "allow sqs:GetQueueAttributes, so that messages fit its MaximumMessageSize",
    "KmsAccessDenied": "the credentials may not use the queue's key; allow kms:GenerateDataKey and kms:Decrypt",
}
_TOPIC_CURES: Final = {
    **dict.fromkeys(DENIED, "the credentials do not allow it; it takes sns:Publish"),
    "NotFound": "there is no such topic; make it, or correct on_failure.destination",
    "NotFoundException": "there is no such topic; make it, or correct on_failure.destination",
    "InvalidParameter": "allow sns:GetTopicAttributes, so that messages fit its MaximumMessageSize",
    "KMSAccessDenied": "the credentials may not use the topic's key; allow kms:GenerateDataKey and kms:Decrypt",
}


class QueueDestination:
    """Messages to a queue of SQS, standard or FIFO; ``queue`` is its URL or ARN.

    What does not fit into a message is left out, and the message says so. In a FIFO queue a mapping is a message group.
    """

    def __init__(self, queue: str, access: AwsAccess, connect: Connect, region: str | None = None) -> None:
        self._queue = queue
        self._service = Service("sqs", placed(access, _queue_region(queue), region), connect, _QUEUE_CURES)

    def send(self, failure: Failure) -> None:
        """See ``Destination``."""
        with self._service.client(f"cannot send failure {failure.id} to {self._queue}") as client:
            url = self._url(client)
            limit = unless_denied(lambda: _size_of_queue(client, url), SMALLEST)
            client.send_message(
                QueueUrl=url, MessageBody=document.fitting(failure, limit), **_of_fifo(self._queue, failure)
            )

    def close(self) -> None:
        """See ``Destination``."""
        self._service.close()

    def _url(self, client: Any) -> str:
        if not self._queue.startswith("arn:"):
            return self._queue
        *_, account, name = self._queue.split(":")
        url: str = client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
        return url


class TopicDestination:
    """Messages to the topic of SNS with that ARN, standard or FIFO; see ``QueueDestination``."""

    def __init__(self, topic: str, access: AwsAccess, connect: Connect, region: str | None = None) -> None:
        self._topic = topic
        self._service = Service("sns", placed(access, arn_region(topic), region), connect, _TOPIC_CURES)

    def send(self, failure: Failure) -> None:
        """See ``Destination``."""
        with self._service.client(f"cannot send failure {failure.id} to {self._topic}") as client:
            limit = unless_denied(lambda: _size_of_topic(client, self._topic), SMALLEST)
            client.publish(
                TopicArn=self._topic,
                Message=document.fitting(failure, limit),
                **_of_fifo(self._topic, failure),
            )

    def close(self) -> None:
        """See ``Destination``."""
        self._service.close()


def arn_region(arn: str) -> str | None:
    """The region that an ARN names."""
    parts = arn.split(":")
    return parts[3] or None if arn.startswith("arn:") and len(parts) > 3 else None  # noqa: PLR2004 - its place


def _queue_region(queue: str) -> str | None:
    if queue.startswith("arn:"):
        return arn_region(queue)
    found = _IN_HOST.match(urlsplit(queue).hostname or "")
    return None if found is None else found[1] or found[2]


def _size_of_queue(client: Any, url: str) -> int:
    name = "MaximumMessageSize"
    asked = client.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(asked.get("Attributes", {}).get(name, SMALLEST))


def _size_of_topic(client: Any, topic: str) -> int:
    return int(client.get_topic_attributes(TopicArn=topic)["Attributes"].get("MaximumMessageSize", SMALLEST))


def _of_fifo(place: str, failure: Failure) -> dict[str, str]:
    if not place.endswith(".fifo"):
        return {}
    group = quote(failure.mapping, safe="")[:_GROUP_LENGTH]
    return {"MessageGroupId": group, "MessageDeduplicationId": failure.id}
