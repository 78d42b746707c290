"""A replica is compared with its source while both change, and made equal without taking anything back."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import TableUnusable, Throttled
from headrace.refusal import Place
from headrace.simulator import Refuse, Unprocessed
from headrace.target import Replica
from headrace.targets.comparison import Comparison, ItemDifference, Kind
from headrace.targets.replication import ReplicaComparison
from headrace.targets.scanned import Scanned
from headrace.targets.table import Patience, Table
from support.replication import Replication, Side

CONDITIONAL, PLAIN, TWO_WAY = (
    Replica("orders"),
    Replica("orders", conditional=False),
    Replica("orders", two_way=True),
)
MODES = pytest.mark.parametrize(
    "mode", [CONDITIONAL, PLAIN, TWO_WAY], ids=["conditional", "plain", "two_way"]
)


class Verify:
    """Compares two sides; ``pausing`` is called in each pause, as others write meanwhile."""

    def __init__(self, mode=CONDITIONAL):
        self.source, self.replica = Side(seed=1), Side("eu-west-1", seed=2)
        self.mode = mode
        self.pausing = []
        self.found = []

    def __call__(self, *, repair=False, segments=3):
        patience = Patience(5.0, "verify", lambda _: None)
        tables = [Table(side, "orders", Place(), patience) for side in (self.source, self.replica)]
        comparison = ReplicaComparison(
            *tables, self.mode, segments=segments, pause=self._pause, clock=lambda: self.source.now
        )
        self.found = []
        compared = comparison.run(self.found.append, repair=repair)
        self.found.sort(key=lambda each: each.key)
        return compared

    def copied(self):
        """Have the replica be equal, by delivery."""
        copy = Replication(self.source, self.replica, self.mode)
        copy.deliver()
        copy.stop()

    def _pause(self, _):
        if self.pausing:
            self.pausing.pop(0)()


def key(name):
    return f'{{"id":{{"S":"{name}"}}}}'


@MODES
def test_a_replica_that_has_all_is_equal(mode):
    verify = Verify(mode)
    for number in range(30):
        verify.source.put(f"k{number}", v=number)
    verify.copied()
    compared = verify()
    assert compared.is_equal
    assert (compared.source, compared.replica) == (30, 30)
    assert verify.found == []


@MODES
def test_what_is_missing_extra_and_different_is_told_with_its_attributes(mode):
    verify = Verify(mode)
    for name in "abcd":
        verify.source.put(name, v=1, w=1)
    verify.copied()
    verify.replica.delete("a")
    verify.replica.put("b", v=2, x=1)
    verify.replica.put("e", v=1)
    verify.replica.update("d", w=2)
    compared = verify()
    assert not compared.is_equal
    assert (compared.missing, compared.different, compared.extra) == (1, 2, 1)
    assert verify.found == [
        ItemDifference(key("a"), Kind.MISSING),
        ItemDifference(key("b"), Kind.DIFFERENT, ("v", "w", "x")),
        ItemDifference(key("d"), Kind.DIFFERENT, ("w",)),
        ItemDifference(key("e"), Kind.EXTRA),
    ]


@MODES
def test_a_repair_makes_the_replica_equal(mode):
    verify = Verify(mode)
    for name in "abc":
        verify.source.put(name, v=1)
    verify.copied()
    verify.replica.delete("a")
    verify.replica.put("b", v=2)
    verify.replica.put("e", v=1)
    compared = verify(repair=True)
    assert compared.is_equal
    assert compared.repaired == 3
    assert [each.repaired for each in verify.found] == [True] * 3
    assert verify.replica.stored() == verify.source.stored()
    assert verify().is_equal


@MODES
def test_a_repair_fills_an_empty_replica_and_the_stream_goes_on_from_there(mode):
    verify = Verify(mode)
    for number in range(130):
        verify.source.put(f"k{number:03}", v=1)
    written = len(verify.source.records())
    assert verify(repair=True).repaired == 130
    verify.source.put("k000", v=2)
    verify.source.delete("k001")
    copy = Replication(verify.source, verify.replica, mode)
    copy.deliver(verify.source.records()[written:])
    copy.stop()
    assert verify.replica.stored() == verify.source.stored()


def test_two_way_a_repair_is_an_echo_to_the_other_side():
    verify = Verify(TWO_WAY)
    verify.source.put("a", v=1)
    verify.source.put("b", v=1)
    verify.copied()
    verify.replica.delete("a")
    verify.replica.put("b", v=2)
    verify.replica.put("c", v=1)
    before = len(verify.replica.records())
    verify(repair=True)
    back = Replication(verify.replica, verify.source, TWO_WAY)
    back.deliver(verify.replica.records()[before:])
    back.stop()
    assert verify.source.stored() == {name: {"id": {"S": name}, "v": {"S": "1"}} for name in ("a", "b")}


def test_numbers_and_sets_are_equal_however_they_are_written():
    verify = Verify(PLAIN)
    here = {
        "id": {"S": "a"},
        "n": {"N": "1"},
        "s": {"SS": ["x", "y"]},
        "m": {"M": {"a": {"N": "1"}, "b": {"NULL": True}}},
    }
    there = {
        "id": {"S": "a"},
        "n": {"N": "1"},
        "s": {"SS": ["y", "x"]},
        "m": {"M": {"b": {"NULL": True}, "a": {"N": "1"}}},
    }
    verify.source.call("PutItem", TableName="orders", Item=here)
    verify.replica.call("PutItem", TableName="orders", Item=there)
    assert verify().is_equal


def test_a_change_that_arrives_while_it_is_looked_at_is_no_difference():
    verify = Verify()
    verify.source.put("a", v=1)
    verify.pausing = [verify.copied]
    assert verify().is_equal
    assert verify.found == []


def test_an_item_that_changes_all_the_time_proves_nothing():
    verify = Verify()
    verify.source.put("a", v=0)
    verify.pausing = [lambda number=number: verify.source.put("a", v=number) for number in range(1, 9)]
    compared = verify()
    assert compared.is_equal
    assert compared.moving == 1


@MODES
def test_a_delivery_that_comes_between_is_not_taken_back(mode):
    verify = Verify(mode)
    verify.source.put("a", v=1)
    verify.replica.put("a", v=0)
    deliveries = []

    def between():
        """Right before the repair writes, the source changes and the change arrives."""
        if verify.source.asked.count("BatchGetItem") == 3 and not deliveries:
            deliveries.append(1)
            verify.source.put("a", v=2)
            verify.copied()

    verify.source.answered = between
    verify(repair=True)
    assert deliveries
    assert verify.replica.stored() == verify.source.stored()


def test_an_item_that_the_source_deletes_while_it_is_put_is_deleted_again():
    verify = Verify()
    verify.source.put("a", v=1)

    def after_put():
        if verify.replica.asked[-1] == "PutItem":
            verify.replica.answered = None
            verify.source.delete("a")

    verify.replica.answered = after_put
    compared = verify(repair=True)
    assert compared.is_equal
    assert verify.replica.stored() == {}


def test_what_the_replica_refuses_is_told_with_the_reason():
    verify = Verify()
    verify.source.put("a", v=1)
    verify.replica.faults = lambda operation, _: (
        Refuse("ValidationException", "too large") if operation == "PutItem" else None
    )
    assert not verify(repair=True).is_equal
    (found,) = verify.found
    assert not found.repaired
    assert "too large" in found.reason


def test_throttles_and_what_is_left_unprocessed_are_asked_again():
    verify = Verify()
    for number in range(12):
        verify.source.put(f"k{number}", v=1)
    asked = []

    def faults(operation, _):
        asked.append(operation)
        if len(asked) % 2:
            return Refuse("ProvisionedThroughputExceededException")
        return Unprocessed(most=5) if operation == "BatchGetItem" else None

    verify.source.faults = faults
    assert verify(repair=True).repaired == 12
    verify.source.faults = lambda *_: Refuse("ProvisionedThroughputExceededException")
    with pytest.raises(Throttled):
        verify()


def test_tables_that_cannot_be_compared_are_refused():
    verify = Verify()
    verify.replica = Side("eu-west-1", key=("other",))
    with pytest.raises(TableUnusable, match="a replica has the same key"):
        verify()


@given(
    st.dictionaries(st.text(max_size=3), st.binary(min_size=1, max_size=1), max_size=20),
    st.dictionaries(st.text(max_size=3), st.binary(min_size=1, max_size=1), max_size=20),
)
@settings(max_examples=50, deadline=None)
def test_sorted_sides_differ_where_dictionaries_do(ours, theirs):
    with Scanned() as scanned:
        scanned.add("source", ours.items())
        scanned.add("replica", theirs.items())
        found = list(scanned.differing())
    assert sorted(found) == sorted(
        key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)
    )


def test_when_one_side_cannot_be_read_whoever_still_reads_the_other_ends_first():
    reading = threading.Event()
    pages = []

    def endless():
        while True:
            pages.append(1)
            reading.set()
            yield [("k", b"d")] * 1000

    def failing():
        reading.wait(5)
        raise Throttled("not now")
        yield []

    class Broken:
        def scans(self):
            return [("source", endless()), ("replica", failing())]

    with pytest.raises(Throttled):
        Comparison(Broken()).run(lambda _: None)
    read = len(pages)
    time.sleep(0.05)
    assert len(pages) == read
