"""Outboxes over a receiver of the test."""

import pytest

from headrace.mapping_facts import EventsSent
from headrace.targets.outbox.cloudevents import CloudEvents
from headrace.targets.outbox.target import OutboxTarget
from headrace.targets.outbox.webhook import Webhook
from headrace.webhook_secret import key_of
from support.outbox import SECRET, batch, receiving


class Sending:
    """An outbox to ``url``; what it told is in ``told``, what it waited for in ``waits``."""

    def __init__(self, url, format_=None, secrets=(SECRET,), headers=None, **more):
        self.waits = []
        self.told = []
        self.now = 1_767_225_700.0
        format_ = format_ or CloudEvents()
        more = {
            "timeout": 5.0,
            "clock": lambda: self.now,
            "monotonic": lambda: self.now,
            "pause": self._pause,
        } | more
        keys = [key_of(secret) for secret in secrets]
        self.place = Webhook("events", url, format_, keys, headers or {}, **more)
        self.target = OutboxTarget("events", format_, self.place, self.told.append)

    def deliver(self, *records, **more):
        return self.target.consume(batch(*records, **more))

    @property
    def counts(self):
        fact = self.told[-1]
        assert isinstance(fact, EventsSent)
        return fact.sent, fact.repeated, fact.waiting

    def _pause(self, seconds):
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


@pytest.fixture
def sending(receiver):
    """Makes outboxes to the receiver, or elsewhere; all are closed at the end."""
    made = []

    def make(url=None, **more):
        made.append(Sending(url or receiver.url, **more))
        return made[-1]

    yield make
    for one in made:
        one.target.close()
