"""Whatever a place refuses, whenever the process dies: every event is taken, each item's in its order, always the same."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import ConsumerFailed, HeadraceError, Unavailable
from headrace.replicate.delivery.response import judge
from headrace.targets.outbox.cloudevents import CloudEvents
from headrace.targets.outbox.event import Place, by_item
from headrace.targets.outbox.target import OutboxTarget
from support.json_patch import applied, exact, same
from support.outbox import batch, record

KEYS = "abc"

changes = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(["put", "put", "null", "remove"]), st.integers(0, 3)),
    min_size=1,
    max_size=14,
)
troubles = st.lists(st.sampled_from(["refuse", "not now", "crash", "crash after", "taken"]), max_size=20)


class Crash(Exception):
    """The process is gone."""


class Fickle(Place):
    """Takes events, or not, as it is told; ``taken`` survives the process."""

    def __init__(self, troubles, taken):
        self._troubles = troubles
        self._taken = taken

    def deliver(self, events):
        failed = {}
        for chain in by_item(events).values():
            for event in chain:
                if error := self._takes(event):
                    failed[event] = error
                    break
        return failed

    def close(self):
        """Nothing is held."""

    def _takes(self, event) -> HeadraceError | None:
        trouble = self._troubles.pop() if self._troubles else "taken"
        if trouble == "crash":
            raise Crash
        if trouble == "refuse":
            return ConsumerFailed("Http400", "no")
        if trouble == "not now":
            return Unavailable("down")
        self._taken.append(event.body)
        if trouble == "crash after":
            raise Crash
        return None


def story(changes):
    """The records of changes, as a stream of both images has them; and the items in the end."""
    items, records = {}, []
    for number, (key, action, value) in enumerate(changes, 1):
        old = items.get(key)
        if action == "remove" and old is None:
            continue
        new = {"put": {"v": {"N": str(value)}}, "null": {"v": {"NULL": True}}, "remove": None}[action]
        records.append(record(number, key, old=old, new=new))
        items[key] = new
        if new is None:
            del items[key]
    return records, items


def arrives(changes, troubles, size):
    records, items = story(changes)
    troubles, taken = list(troubles), []
    format_ = CloudEvents()
    target = OutboxTarget("events", format_, Fickle(troubles, taken), lambda _: None)
    while records:
        part = batch(*records[:size])
        try:
            verdict = judge(part, target.consume(part), reports=True)
        except Crash:
            target = OutboxTarget("events", format_, Fickle(troubles, taken), lambda _: None)
            continue
        except HeadraceError:
            continue
        records = records[verdict.done :]
    expect(taken, story(changes)[0], items)


def expect(taken, records, items):
    first = [exact(body) for body in dict.fromkeys(taken)]
    assert {event["id"] for event in first} == {json.loads(one.text)["eventID"] for one in records}
    assert len(first) == len(records), "an event came in two forms"
    states = {}
    for key in KEYS:
        events = [event for event in first if event["data"]["keys"]["id"] == key]
        assert [event["sequence"] for event in events] == sorted(event["sequence"] for event in events)
        state = None
        for event in events:
            data = event["data"]
            assert (state is None) is (data["op"] == "inserted")
            if data["op"] == "modified":
                assert same(applied(state, data["patch"]), data["new"])
            state = data.get("new")
        if state is not None:
            states[key] = state
    assert states.keys() == items.keys()
    for key, item in items.items():
        wanted = None if "NULL" in item["v"] else exact(item["v"]["N"])
        assert same(states[key]["v"], wanted)


@settings(max_examples=80, deadline=None)
@given(changes, troubles, st.integers(1, 6))
def test_every_event_arrives_in_the_order_of_its_item(changes, troubles, size):
    arrives(changes, troubles, size)


@pytest.mark.long
@settings(max_examples=10_000, deadline=None)
@given(changes, troubles, st.integers(1, 14))
def test_every_event_arrives_in_the_order_of_its_item_in_ten_thousand_stories(changes, troubles, size):
    arrives(changes, troubles, size)
