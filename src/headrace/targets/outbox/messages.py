"""``sqs:`` and ``sns:``: events as messages to a queue or a topic.

Sources: Amazon SQS API Reference, SendMessageBatch and BatchResultErrorEntry; Amazon SNS API Reference, PublishBatch; developer
guides, "Message group ID", "Message deduplication ID".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol

from headrace.aws_service import DENIED, Connect, Service, placed, unless_denied
from headrace.dataset import AwsAccess
from headrace.errors import ConsumerFailed, DestinationUnavailable, HeadraceError
from headrace.message_service import (
    FIFO,
    SMALLEST,
    arn_region,
    message_text,
    queue_region,
    queue_url,
    size_of_queue,
    size_of_topic,
)
from headrace.targets.outbox.event import Event, Place, by_item
from headrace.targets.outbox.waiting import Tries

MOST_TOGETHER: Final = 10
"""Messages of one request."""

SENDERS: Final = 8
"""Requests that are under way at once, over all lanes."""

PATIENCE: Final = 10.0
"""Seconds after which a message that was not taken is not sent again until its batch is."""

_TOO_LONG: Final = frozenset({"BatchRequestTooLong"})
"""All messages of a request together are too large; the codes of SQS and SNS end so."""

_KEYS: Final = "target.outbox"
_QUEUE_CURES: Final = {
    **dict.fromkeys(DENIED, "the credentials do not allow it; it takes sqs:SendMessage"),
    "NonExistentQueue": "there is no such queue; make it, or correct target.outbox.to",
    "QueueDoesNotExist": "there is no such queue; make it, or correct target.outbox.to",
    "KmsAccessDenied": "the credentials may not use the queue's key; allow kms:GenerateDataKey and kms:Decrypt",
}
_TOPIC_CURES: Final = {
    **dict.fromkeys(DENIED, "the credentials do not allow it; it takes sns:Publish"),
    "NotFound": "there is no such topic; make it, or correct target.outbox.to",
    "NotFoundException": "there is no such topic; make it, or correct target.outbox.to",
    "KMSAccessDenied": "the credentials may not use the topic's key; allow kms:GenerateDataKey and kms:Decrypt",
}


class Channel(Protocol):
    """A queue or a topic. Every method raises DestinationUnavailable."""

    place: str
    """Its URL or ARN."""

    def limit(self) -> int:
        """The most bytes of a message."""
        ...

    def send(self, messages: Sequence[Mapping[str, str]]) -> Sequence[Mapping[str, Any]]:
        """Send entries of a batch request; those that failed, as BatchResultErrorEntry."""
        ...

    def close(self) -> None:
        """Give everything back. Safe to call twice."""
        ...


class Queue(Channel):
    """A queue of SQS, by its URL or ARN."""

    def __init__(self, queue: str, access: AwsAccess, connect: Connect, region: str | None) -> None:
        self.place = queue
        self._service = Service(
            "sqs", placed(access, queue_region(queue), region), connect, _QUEUE_CURES, _KEYS
        )
        self._url: str | None = None

    def limit(self) -> int:
        """See ``Channel``."""
        with self._service.client(f"cannot ask about {self.place}") as client:
            url = self._found(client)
            return unless_denied(lambda: size_of_queue(client, url), SMALLEST)

    def send(self, messages: Sequence[Mapping[str, str]]) -> Sequence[Mapping[str, Any]]:
        """See ``Channel``."""
        entries = [_renamed(message, "MessageBody") for message in messages]
        with self._service.client(f"cannot send events to {self.place}") as client:
            answer = client.send_message_batch(QueueUrl=self._found(client), Entries=entries)
            return list(answer.get("Failed", ()))

    def close(self) -> None:
        """See ``Channel``."""
        self._service.close()

    def _found(self, client: Any) -> str:
        if self._url is None:
            self._url = queue_url(client, self.place)
        return self._url


class Topic(Channel):
    """A topic of SNS, by its ARN."""

    def __init__(self, topic: str, access: AwsAccess, connect: Connect, region: str | None) -> None:
        self.place = topic
        self._service = Service(
            "sns", placed(access, arn_region(topic), region), connect, _TOPIC_CURES, _KEYS
        )

    def limit(self) -> int:
        """See ``Channel``."""
        with self._service.client(f"cannot ask about {self.place}") as client:
            return unless_denied(lambda: size_of_topic(client, self.place), SMALLEST)

    def send(self, messages: Sequence[Mapping[str, str]]) -> Sequence[Mapping[str, Any]]:
        """See ``Channel``."""
        entries = [_renamed(message, "Message") for message in messages]
        with self._service.client(f"cannot send events to {self.place}") as client:
            answer = client.publish_batch(TopicArn=self.place, PublishBatchRequestEntries=entries)
            return list(answer.get("Failed", ()))

    def close(self) -> None:
        """See ``Channel``."""
        self._service.close()


@dataclass(frozen=True, slots=True, eq=False)
class _Message:
    event: Event
    body: str
    size: int


class Messages(Place):
    """Events as messages of ``channel``, several in one request, never two of one item.

    For a request may be taken in part. In a FIFO queue or topic an item is a message group, and an event's id the
    deduplication id. ``salt`` spreads backoff; ``clock`` gives seconds, ``pause`` waits so many.
    """

    def __init__(
        self,
        mapping: str,
        channel: Channel,
        *,
        patience: float = PATIENCE,
        senders: int = SENDERS,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        self._mapping = mapping
        self._channel = channel
        self._is_fifo = channel.place.endswith(FIFO)
        self._patience = patience
        self._clock = clock
        self._closing = threading.Event()
        self._wait = pause or self._pause
        self._limit: int | None = None
        self._workers = ThreadPoolExecutor(senders, thread_name_prefix=f"headrace-outbox {mapping}")

    def deliver(self, events: Sequence[Event]) -> Mapping[Event, HeadraceError]:
        """See ``Place``."""
        failed: dict[Event, HeadraceError] = {}
        chains = [list(reversed(chain)) for chain in by_item(events).values()]
        while chains:
            refused = self._sent([chain.pop() for chain in chains])
            failed |= refused
            stuck = {event.item for event in refused}
            chains = [chain for chain in chains if chain and chain[-1].item not in stuck]
        return failed

    def close(self) -> None:
        """See ``Place``."""
        self._closing.set()
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._channel.close()

    def _sent(self, events: Sequence[Event]) -> dict[Event, HeadraceError]:
        """Send events of different items: those that were not taken, and why."""
        messages = [_message(event) for event in events]
        try:
            most = self._most(max(message.size for message in messages))
        except DestinationUnavailable as error:
            return dict.fromkeys(events, error)
        failed: dict[Event, HeadraceError] = {
            message.event: self._too_large(message) for message in messages if message.size > most
        }
        fitting = [message for message in messages if message.size <= most]
        try:
            waiting = [self._workers.submit(self._request, part) for part in self._parts(fitting)]
            for future in waiting:
                failed |= future.result()
        except (CancelledError, RuntimeError) as error:
            if self._closing.is_set():
                raise self._stopped() from error
            raise
        return failed

    def _most(self, size: int) -> int:
        """The most bytes of a message. It is asked again before one is refused: it may have grown."""
        limit = self._limit
        if limit is None or size > limit:
            limit = self._limit = self._channel.limit()
        return limit

    def _too_large(self, message: _Message) -> ConsumerFailed:
        return ConsumerFailed(
            "TooLarge",
            f"the event about {message.event.item} has {message.size:,} bytes, and a message to {self._channel.place} "
            f"{self._limit:,}; raise its MaximumMessageSize, or write patch: false",
        )

    def _parts(self, messages: Sequence[_Message]) -> Iterator[list[_Message]]:
        """As many as one request holds."""
        most = max(self._limit or 0, SMALLEST) if isinstance(self._channel, Queue) else self._limit or 0
        part: list[_Message] = []
        size = 0
        for message in messages:
            if part and (len(part) == MOST_TOGETHER or size + message.size > most):
                yield part
                part, size = [], 0
            part.append(message)
            size += message.size
        if part:
            yield part

    def _request(self, messages: Sequence[_Message]) -> dict[Event, HeadraceError]:
        """Send them until all are taken, are refused for good, or patience is at its end: those that were not taken, and why."""
        tries = Tries(self._patience, messages[0].event.id, self._clock, self._wait)
        failed: dict[Event, HeadraceError] = {}
        left = list(messages)
        while left:
            if self._closing.is_set():
                raise self._stopped()
            try:
                refused = self._channel.send([self._entry(place, each) for place, each in enumerate(left)])
            except DestinationUnavailable as error:
                if error.code in _TOO_LONG and len(left) > 1:
                    half = len(left) // 2
                    return failed | self._request(left[:half]) | self._request(left[half:])
                return failed | dict.fromkeys((each.event for each in left), error)
            errors = {
                left[place]: _error(entry, left[place], self._channel.place)
                for entry in refused
                for place in [int(entry["Id"])]
            }
            failed |= {one.event: error for one, error in errors.items() if isinstance(error, ConsumerFailed)}
            left = [one for one, error in errors.items() if not isinstance(error, ConsumerFailed)]
            if left:
                try:
                    tries.rest(errors[left[0]])
                except DestinationUnavailable:
                    return failed | {one.event: errors[one] for one in left}
        return failed

    def _entry(self, place: int, message: _Message) -> dict[str, str]:
        entry = {"Id": str(place), "Body": message.body}
        if self._is_fifo:
            entry |= {"MessageGroupId": message.event.group, "MessageDeduplicationId": message.event.id}
        return entry

    def _pause(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise self._stopped()

    def _stopped(self) -> DestinationUnavailable:
        return DestinationUnavailable(f"{self._mapping}: the outbox is being stopped")


def _message(event: Event) -> _Message:
    body = message_text(event.body.decode())
    return _Message(event, body, len(body.encode()))


def _renamed(message: Mapping[str, str], body: str) -> dict[str, str]:
    return {body if name == "Body" else name: value for name, value in message.items()}


def _error(entry: Mapping[str, Any], message: _Message, place: str) -> HeadraceError:
    """Why one message was not taken: it is at fault, or the service is, and then it is sent again."""
    code = str(entry.get("Code", "")).rsplit(".", 1)[-1]
    told = f"{place} did not take the event about {message.event.item}: {code}: {entry.get('Message', '')}"
    if entry.get("SenderFault") and "Throttl" not in code:
        return ConsumerFailed(code or "Rejected", told)
    return DestinationUnavailable(told, code)
