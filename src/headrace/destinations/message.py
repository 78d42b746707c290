"""Failures as messages to a queue of SQS or a topic of SNS."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from headrace.aws_service import DENIED, Connect, Service, placed, unless_denied
from headrace.dataset import AwsAccess
from headrace.destinations import document
from headrace.ledger import Failure
from headrace.message_service import (
    FIFO,
    SMALLEST,
    arn_region,
    queue_region,
    queue_url,
    size_of_queue,
    size_of_topic,
)

_GROUP_LENGTH: Final = 128
"""Characters of a message group's id (Amazon SQS developer guide, "Message group ID")."""

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
        self._service = Service("sqs", placed(access, queue_region(queue), region), connect, _QUEUE_CURES)

    def send(self, failure: Failure) -> None:
        """See ``Destination``."""
        with self._service.client(f"cannot send failure {failure.id} to {self._queue}") as client:
            url = queue_url(client, self._queue)
            limit = unless_denied(lambda: size_of_queue(client, url), SMALLEST)
            client.send_message(
                QueueUrl=url, MessageBody=document.fitting(failure, limit), **_of_fifo(self._queue, failure)
            )

    def close(self) -> None:
        """See ``Destination``."""
        self._service.close()


class TopicDestination:
    """Messages to the topic of SNS with that ARN, standard or FIFO; see ``QueueDestination``."""

    def __init__(self, topic: str, access: AwsAccess, connect: Connect, region: str | None = None) -> None:
        self._topic = topic
        self._service = Service("sns", placed(access, arn_region(topic), region), connect, _TOPIC_CURES)

    def send(self, failure: Failure) -> None:
        """See ``Destination``."""
        with self._service.client(f"cannot send failure {failure.id} to {self._topic}") as client:
            limit = unless_denied(lambda: size_of_topic(client, self._topic), SMALLEST)
            client.publish(
                TopicArn=self._topic,
                Message=document.fitting(failure, limit),
                **_of_fifo(self._topic, failure),
            )

    def close(self) -> None:
        """See ``Destination``."""
        self._service.close()


def _of_fifo(place: str, failure: Failure) -> dict[str, str]:
    if not place.endswith(FIFO):
        return {}
    group = quote(failure.mapping, safe="")[:_GROUP_LENGTH]
    return {"MessageGroupId": group, "MessageDeduplicationId": failure.id}
