"""What queues of SQS and topics of SNS are to whoever sends messages to them."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

SMALLEST: Final = 262_144
"""Bytes that a message may have where it is not allowed to ask.

Topics are made so, and queues were, until both could take 1 MiB (Amazon SNS developer guide, "Publishing large messages
with Amazon SNS"; Amazon SQS API reference, "SetQueueAttributes", MaximumMessageSize).
"""

FIFO: Final = ".fifo"
"""How the names of queues and topics end that keep messages of one group in order."""

_IN_HOST: Final = re.compile(r"^(?:sqs\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.amazonaws\.com")


def arn_region(arn: str) -> str | None:
    """The region that an ARN names."""
    parts = arn.split(":")
    return parts[3] or None if arn.startswith("arn:") and len(parts) > 3 else None  # noqa: PLR2004 - its place


def queue_region(queue: str) -> str | None:
    """The region that a queue's URL or ARN names."""
    if queue.startswith("arn:"):
        return arn_region(queue)
    found = _IN_HOST.match(urlsplit(queue).hostname or "")
    return None if found is None else found[1] or found[2]


def queue_url(client: Any, queue: str) -> str:
    """The URL of a queue that is given by its URL or ARN."""
    if not queue.startswith("arn:"):
        return queue
    *_, account, name = queue.split(":")
    url: str = client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
    return url


def size_of_queue(client: Any, url: str) -> int:
    """The most bytes of one message of the queue."""
    name = "MaximumMessageSize"
    asked = client.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(asked.get("Attributes", {}).get(name, SMALLEST))


def size_of_topic(client: Any, topic: str) -> int:
    """The most bytes of one message to the topic."""
    return int(client.get_topic_attributes(TopicArn=topic)["Attributes"].get("MaximumMessageSize", SMALLEST))


def message_text(json: str) -> str:
    """JSON without the two characters that a message may not hold as they are (Amazon SQS developer guide, "Message content")."""
    return json.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
