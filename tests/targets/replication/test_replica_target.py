"""Batches become writes to the replica, and whatever comes again changes nothing."""

from __future__ import annotations

import msgspec
import pytest

from headrace.batch import Batch
from headrace.errors import ConfigError, ConsumerFailed, TableUnusable, Throttled, Unavailable
from headrace.mapping_facts import ItemsFetched, Replicated
from headrace.replicate.delivery.response import judge
from headrace.simulator import Lose, Refuse, Unprocessed
from headrace.stream_record import StreamRecord
from headrace.target import Replica
from support.replication import Crash, Replication, Side

THROTTLE = Refuse("ProvisionedThroughputExceededException")
DONE = {"batchItemFailures": []}
PLAIN = Replica("orders", conditional=False)


@pytest.fixture
def started():
    """Starts a replication; all are stopped at the end."""
    running = []

    def start(source=None, replica=None, settings=None, **more):
        source = source or Side(seed=1)
        replica = replica or Side("eu-west-1", seed=2)
        running.append(Replication(source, replica, settings or Replica("orders"), **more))
        return running[-1]

    yield start
    for replication in running:
        replication.stop()


@pytest.fixture(params=["conditional", "plain", "two_way"])
def copy(request, started):
    """A replication from us-east-1 to eu-west-1, in each of its modes."""
    settings = {
        "conditional": Replica("orders"),
        "plain": PLAIN,
        "two_way": Replica("orders", two_way=True),
    }
    return started(settings=settings[request.param])


def counted(replication):
    fact = replication.told[-1]
    assert isinstance(fact, Replicated)
    return {name: getattr(fact, name) for name in ("put", "deleted", "newer", "echoes", "fetched")}


def test_the_last_record_of_an_item_decides_what_the_replica_has(copy):
    for key in ("a", "b", "c"):
        copy.source.put(key, v=1)
    copy.source.update("a", v=2)
    copy.source.delete("b")
    assert copy.deliver() == DONE
    assert copy.replica.stored() == copy.source.stored() != {}
    told = counted(copy)
    # Two-way, an item that is not there cannot be marked.
    assert told["deleted"] + told["newer"] == 1
    assert told["put"] == 2


def test_records_one_by_one_and_again_from_the_start_leave_the_replica_equal(copy):
    copy.source.put("a", v=1)
    copy.source.update("a", v=2)
    copy.source.delete("a")
    copy.source.put("a", v=3)
    records = copy.source.records()
    for record in [*records[:3], *records]:
        copy.deliver([record])
    assert copy.replica.stored() == copy.source.stored() != {}


def test_every_kind_of_value_arrives_as_it_is(started):
    copy = started(settings=PLAIN)
    item = {
        "id": {"S": "a"},
        "n": {"N": "12345678901234567890.5"},
        "b": {"B": "/wA="},
        "m": {"M": {"l": {"L": [{"NULL": True}, {"BOOL": False}]}, "é": {"S": ""}}},
        "s": {"SS": ["x", "y"]},
    }
    copy.source.call("PutItem", TableName="orders", Item=item)
    copy.deliver()
    assert copy.replica.call("GetItem", TableName="orders", Key={"id": {"S": "a"}})["Item"] == item


def test_a_put_that_comes_again_is_left_where_the_replica_is_newer(started):
    copy = started()
    copy.source.put("a", v=1)
    copy.source.put("a", v=2)
    first, second = copy.source.records()
    copy.deliver([second])
    assert copy.deliver([first]) == DONE
    assert copy.replica.stored()["a"]["v"] == {"S": "2"}
    assert counted(copy)["newer"] == 1


def test_a_put_that_comes_again_does_not_bring_a_deleted_item_back(started, tmp_path):
    copy = started(state=tmp_path / "state.sqlite")
    copy.source.put("a", v=1)
    copy.source.delete("a")
    put, remove = copy.source.records()
    copy.deliver([put, remove])
    copy.start()
    copy.deliver([put])
    assert copy.replica.stored() == {}
    copy.source.put("a", v=2)
    copy.deliver(copy.source.records()[2:])
    assert copy.replica.stored() == copy.source.stored() != {}


@pytest.fixture(params=[False, True], ids=["one_way", "two_way"])
def deleting(request, started, tmp_path):
    """A replication of one item, the records of its put and its deletion, of which the put has arrived."""
    copy = started(settings=Replica("orders", two_way=request.param), state=tmp_path / "state.sqlite")
    copy.source.put("a", v=1)
    copy.deliver()
    copy.source.delete("a")
    return copy, *copy.source.records()


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("after_effect", [False, True])
def test_a_crash_within_a_deletion_leaves_one_that_is_done_when_it_comes_again(deleting, at, after_effect):
    copy, put, remove = deleting
    copy.replica.crash_at(at, after_effect)
    try:
        copy.deliver([remove])
    except Crash:
        gone = copy.replica.stored() == {}
        copy.start()
        copy.replica.crash_at(None, after_effect)
        copy.deliver([put])
        assert copy.replica.stored() == {} or not gone, "a put that came again has brought it back"
        copy.deliver([remove])
    assert copy.replica.stored() == {}


def test_a_deletion_that_comes_again_spares_what_the_other_side_has_put_since(started, tmp_path):
    copy = started(settings=Replica("orders", two_way=True), state=tmp_path / "state.sqlite")
    copy.source.put("a", v=1)
    copy.deliver()
    copy.source.delete("a")
    copy.deliver()
    copy.replica.put("a", v="theirs")
    copy.start()
    copy.deliver(copy.source.records()[1:])
    assert copy.replica.stored()["a"]["v"] == {"S": "theirs"}


def test_deletions_are_forgotten_after_a_while(started, tmp_path):
    settings = Replica("orders", tombstones=3600.0)
    copy = started(settings=settings, state=tmp_path / "state.sqlite")
    copy.source.put("a", v=1)
    copy.source.delete("a")
    copy.source.put("other", v=1)
    copy.source.delete("other")
    put, remove, _, other = copy.source.records()
    copy.deliver([put, remove])
    copy.source.now += 3601
    copy.deliver([other])
    copy.deliver([put])
    assert list(copy.replica.stored()) == ["a"]


def test_throttled_writes_are_tried_again_with_longer_and_longer_waits(copy):
    left = [3]

    def twice(operation, _):
        if operation == "DescribeTable" or not left[0]:
            return None
        left[0] -= 1
        return THROTTLE

    copy.replica.faults = twice
    copy.source.put("a", v=1)
    assert copy.deliver() == DONE
    assert copy.replica.stored() == copy.source.stored()
    assert copy.waits == sorted(copy.waits)
    assert len(copy.waits) == 3


def test_what_is_throttled_for_too_long_is_reported_and_the_rest_is_written(started):
    copy = started()
    for key in "abc":
        copy.source.put(key, v=1)
    copy.replica.faults = lambda operation, request: (
        THROTTLE if request.get("Item", {}).get("id") == {"S": "b"} else None
    )
    records = copy.source.records()
    (failure,) = copy.deliver(records)["batchItemFailures"]
    assert failure["itemIdentifier"] == records[1].sequence.text
    assert sum(copy.waits) <= 10
    assert sorted(copy.replica.stored()) == ["a", "c"]


def test_an_item_that_failed_comes_again_with_all_its_records(started):
    copy = started()
    copy.source.put("a", v=1)
    copy.source.put("b", v=1)
    copy.source.update("b", v=2)
    copy.replica.faults = lambda operation, request: (
        THROTTLE if request.get("Item", {}).get("id") == {"S": "b"} else None
    )
    records = copy.source.records()
    (failure,) = copy.deliver(records)["batchItemFailures"]
    assert failure["itemIdentifier"] == records[1].sequence.text


@pytest.mark.parametrize(
    ("fault", "error"),
    [(THROTTLE, Throttled), (Refuse("InternalServerError", status=500), Unavailable), (Lose(), Unavailable)],
)
def test_a_replica_that_cannot_be_written_to_at_all_is_no_failure_of_the_batch(copy, fault, error):
    copy.source.put("a", v=1)
    copy.source.put("b", v=1)
    copy.replica.faults = lambda operation, _: None if operation == "DescribeTable" else fault
    with pytest.raises(error):
        copy.deliver()


def test_an_item_that_the_replica_refuses_fails_by_its_record_and_name(copy):
    copy.source.put("a", v=1)
    copy.source.put("b", v=1)
    copy.replica.faults = lambda operation, request: (
        Refuse("ValidationException", "Item size has exceeded the maximum allowed size")
        if b'"id":{"S":"b"}' in msgspec.json.encode(request)
        else None
    )
    records = copy.source.records()
    (failure,) = copy.deliver(records)["batchItemFailures"]
    assert failure["itemIdentifier"] == records[1].sequence.text
    assert '{"id":{"S":"b"}}' in failure["error"]
    assert "Item size" in failure["error"]
    verdict = judge(copy.batch(records), {"batchItemFailures": [failure]}, reports=True)
    assert verdict.done == 1
    assert "Item size" in verdict.fault.message
    with pytest.raises(ConsumerFailed, match="Item size") as raised:
        copy.deliver(records[1:])
    assert raised.value.type == "ValidationException"
    assert list(copy.replica.stored()) == ["a"]


def test_where_a_state_is_refused_the_one_before_it_is_written(copy):
    copy.source.put("a", v=1)
    copy.source.put("a", v=2)
    copy.source.put("a", v="bad")
    copy.replica.faults = lambda operation, request: (
        Refuse("ValidationException", "bad") if b'"bad"' in msgspec.json.encode(request) else None
    )
    records = copy.source.records()
    (failure,) = copy.deliver(records)["batchItemFailures"]
    assert failure["itemIdentifier"] == records[2].sequence.text
    assert copy.replica.stored()["a"]["v"] == {"S": "2"}


def test_a_record_that_is_none_says_which_item_it_is_of(copy):
    copy.source.put("a", v=1)
    (record,) = copy.source.records()
    with pytest.raises(ConsumerFailed, match=r'record of .*"a".* cannot be read'):
        copy.deliver([StreamRecord(record.sequence, record.created, record.key, b"{")])


def test_batches_of_writes_are_written_until_nothing_is_left_unprocessed(started):
    copy = started(settings=PLAIN)
    for number in range(60):
        copy.source.put(f"k{number}", v=1)
    copy.replica.faults = lambda operation, _: Unprocessed(most=7) if operation == "BatchWriteItem" else None
    assert copy.deliver() == DONE
    assert copy.replica.stored() == copy.source.stored()
    assert copy.replica.asked.count("BatchWriteItem") == 4 + 4 + 2
    assert counted(copy)["put"] == 60


def test_batches_that_are_left_unprocessed_for_ever_are_reported(started):
    copy = started(settings=PLAIN)
    for number in range(3):
        copy.source.put(f"k{number}", v=1)
    copy.replica.faults = lambda operation, _: (
        None
        if operation == "DescribeTable"
        else THROTTLE
        if "BatchWriteItem" in copy.replica.asked[:-1]
        else Unprocessed(most=1)
    )
    failures = copy.deliver()["batchItemFailures"]
    assert [each["itemIdentifier"] for each in failures] == [
        record.sequence.text for record in copy.source.records()[1:]
    ]
    assert list(copy.replica.stored()) == ["k0"]


def test_items_as_large_as_can_be_are_sent_in_requests_that_the_service_takes(started):
    copy = started(settings=PLAIN)
    for number in range(45):
        copy.source.put(f"k{number}", v="x" * 390_000)
    sizes = []
    copy.replica.faults = lambda operation, request: sizes.append(len(msgspec.json.encode(request)))
    copy.deliver()
    assert copy.replica.stored() == copy.source.stored()
    assert max(sizes) <= 16 * 2**20


@pytest.mark.parametrize("view", ["KEYS_ONLY", "OLD_IMAGE"])
def test_where_the_stream_has_no_items_they_are_fetched(started, view):
    copy = started(source=Side(seed=1, view=view))
    for key in "abc":
        copy.source.put(key, v=1)
    copy.source.delete("b")
    copy.source.update("c", v=2)
    copy.source.faults = lambda operation, _: Unprocessed(most=1) if operation == "BatchGetItem" else None
    assert copy.deliver() == DONE
    assert copy.replica.stored() == copy.source.stored() != {}
    assert copy.source.asked.count("BatchGetItem") == 3
    assert counted(copy) == {"put": 2, "deleted": 1, "newer": 0, "echoes": 0, "fetched": 3}
    copy.deliver()
    assert [fact for fact in copy.told if isinstance(fact, ItemsFetched)] == [
        ItemsFetched("copy", "orders", view)
    ]


def test_an_old_deletion_does_not_delete_what_was_fetched_since(started):
    copy = started(source=Side(seed=1, view="KEYS_ONLY"))
    copy.source.put("a", v=1)
    copy.source.delete("a")
    copy.source.put("a", v=2)
    for record in copy.source.records():
        copy.deliver([record])
        assert copy.replica.stored() == copy.source.stored() != {}


def test_a_deletion_by_time_to_live_is_replicated_as_any(copy):
    copy.source.put("a", v=1)
    copy.deliver()
    copy.source.simulator.streams.expire_item("orders", {"id": {"S": "a"}})
    remove = copy.source.records()[-1]
    assert b"dynamodb.amazonaws.com" in remove.text
    copy.deliver([remove])
    assert copy.replica.stored() == {}


def test_two_way_needs_both_images_and_says_how_to_get_them(started):
    copy = started(source=Side(seed=1, view="NEW_IMAGE"), settings=Replica("orders", two_way=True))
    copy.source.put("a", v=1)
    with pytest.raises(TableUnusable, match=r"is NEW_IMAGE; two_way needs .* update-table"):
        copy.deliver()
    with pytest.raises(ConfigError, match="two_way needs conditional"):
        started(settings=Replica("orders", conditional=False, two_way=True))


def test_a_replica_that_cannot_be_one_is_refused_with_the_reason(started):
    source = Side(seed=1)
    source.put("a", v=1)
    for replica, settings, reason in [
        (source, Replica("orders"), "is the source itself"),
        (Side("eu-west-1"), Replica("nowhere"), "table nowhere in .* does not exist"),
        (
            Side("eu-west-1", key=("id", "at")),
            Replica("orders"),
            r"is id \(S\) and at \(S\), that of .* is id \(S\)",
        ),
        (
            Side("eu-west-1", key=("other",)),
            Replica("orders"),
            r"is other \(S\), that of .* is id \(S\)",
        ),
        (Side("eu-west-1"), Replica("orders", version_attribute="id"), "is a part of the key"),
    ]:
        with pytest.raises(TableUnusable, match=reason):
            started(source=source, replica=replica, settings=settings).deliver()


def test_an_attribute_of_the_versions_name_is_not_overwritten(started):
    copy = started(settings=Replica("orders", version_attribute="v"))
    copy.source.put("a", v=1)
    with pytest.raises(ConsumerFailed, match="choose another version_attribute"):
        copy.deliver()


def test_replicas_of_replicas_are_made(started):
    first = started()
    first.source.put("a", v=1)
    first.deliver()
    second = started(source=first.replica, replica=Side("ap-south-1", seed=3))
    second.deliver()
    assert second.replica.stored() == first.source.stored() != {}


def test_versions_go_on_over_a_new_generation_of_numbers(started):
    copy = started()
    copy.source.put("a", v=1)
    copy.source.put("a", v=2)
    first, second = copy.source.records()
    copy.deliver([second])
    copy.target.consume(Batch("copy", copy.source.arn, "child", (first,), generation=1))
    assert copy.replica.stored()["a"]["v"] == {"S": "1"}


def test_a_target_that_is_closed_takes_no_batch(started):
    copy = started()
    copy.source.put("a", v=1)
    copy.stop()
    with pytest.raises(Unavailable, match="is being stopped"):
        copy.deliver()
    copy.stop()


def test_a_replica_that_is_gone_is_looked_at_anew(started):
    copy = started()
    copy.source.put("a", v=1)
    copy.deliver()
    copy.replica.call("DeleteTable", TableName="orders")
    copy.source.put("a", v=2)
    for _ in range(2):
        with pytest.raises(TableUnusable, match="orders"):
            copy.deliver()
    with pytest.raises(TableUnusable, match="does not exist; check its name, its region and its account"):
        copy.deliver()


def test_a_large_batch_of_keys_is_fetched_and_written_in_parts(started):
    copy = started(source=Side(seed=1, view="KEYS_ONLY"))
    for number in range(450):
        copy.source.put(f"k{number}", v=1)
    copy.deliver()
    assert copy.replica.stored() == copy.source.stored()
    assert copy.source.asked.count("BatchGetItem") == 4 + 1
    assert counted(copy)["put"] == 450
