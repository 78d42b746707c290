"""Each record has exactly one row, which says what the record says."""

from __future__ import annotations

import base64
import json
import lzma
import os

import msgspec
import pytest

from headrace.dataset import AwsAccess
from headrace.errors import (
    ConfigError,
    ConsumerFailed,
    RowRefused,
    TableUnusable,
    Throttled,
    Unavailable,
)
from headrace.mapping_facts import Audited
from headrace.replicate.delivery.response import judge
from headrace.row_table import RowTable
from headrace.simulator import Refuse, Unprocessed
from headrace.stream_record import StreamRecord
from headrace.target import AuditTrail, OutputTable
from headrace.target_context import TargetContext
from headrace.targets.audit import AuditTarget
from headrace.targets.audit.row import record_of
from support.audited import Audit, expect_diff, expect_row
from support.output_table import image, plain
from support.replication import Side

DONE = {"batchItemFailures": []}
KEEP = 90 * 86_400.0


@pytest.fixture
def started():
    """Starts an audit trail; all are stopped at the end."""
    running = []

    def start(**more):
        running.append(Audit(**more))
        return running[-1]

    yield start
    for audit in running:
        audit.stop()


@pytest.fixture(params=["batches", "conditional"])
def audit(request, started):
    """An audit trail in a table, in each way of writing."""
    return started(conditional=request.param == "conditional")


def told(audit):
    """The records of the source's stream, in order, as Lambda tells them."""
    return [json.loads(record.text) for record in audit.source.records()]


def put(audit, item):
    audit.source.call("PutItem", TableName="orders", Item=item)


def large(byte_count, **more):
    """An item with so many bytes that cannot be compressed."""
    return {"id": {"S": "large"}, "b": {"B": base64.b64encode(os.urandom(byte_count)).decode()}, **more}


def only(rows):
    [row] = rows.values()
    return row


def test_a_row_says_what_when_where_to_which_item_and_what_changed(audit):
    audit.source.put("a", v=1)
    audit.source.put("a", v=2)
    assert audit.deliver(audit.source.records()[1:]) == DONE
    record = told(audit)[1]
    assert only(audit.rows()) == {
        "event_id": {"S": record["eventID"]},
        "event_name": {"S": "MODIFY"},
        "table_name": {"S": "orders"},
        "source_arn": {"S": audit.source.arn},
        "region": {"S": "us-east-1"},
        "sequence_number": {"S": record["dynamodb"]["SequenceNumber"]},
        "changed_at": {"S": "2023-11-14T22:13:20.000Z"},
        "item_key": {"S": '{"id":{"S":"a"}}'},
        "keys": {"M": {"id": {"S": "a"}}},
        "old_image": {"M": {"id": {"S": "a"}, "v": {"S": "1"}}},
        "new_image": {"M": {"id": {"S": "a"}, "v": {"S": "2"}}},
        "diff": {"S": '[{"op":"replace","path":"/v","value":"2"}]'},
        "view_type": {"S": "NEW_AND_OLD_IMAGES"},
        "size_bytes": {"N": str(record["dynamodb"]["SizeBytes"])},
    }
    assert audit.told[-1] == Audited("trail", "shard", rows=1, packed=0)


def test_every_record_has_its_row_and_its_difference_applies(audit):
    audit.source.put("a", v=1)
    audit.source.update("a", v=2)
    audit.source.delete("a")
    audit.source.put("a", v=1)
    assert audit.deliver() == DONE
    rows, records = audit.rows(), told(audit)
    assert rows.keys() == {record["eventID"] for record in records}
    for record in records:
        expect_row(rows[record["eventID"]], record)
        assert "diff" in rows[record["eventID"]]


def test_images_are_kept_to_the_last_digit_and_type(audit):
    put(
        audit,
        {
            "id": {"S": "a"},
            "n": {"N": "1234567890123456789012345678901234567.5"},
            "s": {"NS": ["1", "2"]},
            "b": {"B": "/wA="},
            "m": {"M": {"S": {"S": ""}, "l": {"L": [{"NULL": True}, {"BOOL": False}, {"BS": ["AA=="]}]}}},
        },
    )
    audit.deliver()
    expect_row(only(audit.rows()), told(audit)[0])


def test_a_deletion_by_time_to_live_says_that_dynamodb_did_it(audit):
    audit.source.put("a", v=1)
    audit.source.put("b", v=1)
    audit.source.delete("b")
    audit.source.simulator.streams.expire_item("orders", {"id": {"S": "a"}})
    audit.deliver()
    users = [audit.rows()[record["eventID"]].get("user_principal") for record in told(audit)]
    assert users == [None, None, None, {"S": "dynamodb.amazonaws.com"}]
    assert [audit.rows()[record["eventID"]].get("user_type") for record in told(audit)][3] == {"S": "Service"}


def test_what_comes_again_changes_no_row(audit):
    audit.output.call(
        "UpdateTable",
        TableName="trail",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    audit.output.arn = audit.output.call("DescribeTable", TableName="trail")["Table"]["LatestStreamArn"]
    for number in range(5):
        audit.source.put("a", v=number)
    records = audit.source.records()
    audit.deliver(records)
    rows = audit.rows()
    audit.start()
    audit.source.now = audit.output.now = audit.source.now + 3600
    audit.deliver(records[2:], generation=7, attempt=3)
    audit.deliver([records[0]])
    assert audit.rows() == rows
    # The table's own stream has seen each row come, and nothing since.
    assert [json.loads(record.text)["eventName"] for record in audit.output.records()] == ["INSERT"] * 5


@pytest.mark.parametrize(
    ("view", "has"),
    [
        ("KEYS_ONLY", set()),
        ("NEW_IMAGE", {"new_image"}),
        ("OLD_IMAGE", {"old_image"}),
        ("NEW_AND_OLD_IMAGES", {"new_image", "old_image", "diff"}),
    ],
)
def test_images_are_there_as_far_as_the_stream_has_them(started, view, has):
    audit = started(source=Side(seed=1, view=view))
    audit.source.put("a", v=1)
    audit.source.put("a", v=2)
    audit.deliver()
    record = told(audit)[1]
    row = audit.rows()[record["eventID"]]
    expect_row(row, record)
    assert row.keys() & {"new_image", "old_image", "diff"} == has


def test_rows_may_expire_a_time_after_the_change(started):
    audit = started(keep=KEEP)
    audit.source.put("a", v=1)
    audit.output.now += 5
    audit.deliver()
    assert only(audit.rows())["expires_at"] == {"N": str(1_700_000_000 + 90 * 86_400)}


# What no table takes as it is


def test_a_row_that_its_difference_makes_too_large_goes_without_it(audit):
    put(audit, {"id": {"S": "a"}, "text": {"S": "x" * 250_000}})
    audit.deliver()
    row = only(audit.rows())
    expect_row(row, told(audit)[0])
    assert "new_image" in row
    assert "diff" not in row
    assert audit.told[-1] == Audited("trail", "shard", rows=1, packed=0)


def test_two_images_that_are_too_large_together_are_compressed(audit):
    item = large(380 * 1024)
    put(audit, item)
    put(audit, {**item, "v": {"N": "1"}})
    audit.source.put("small", v=1)
    assert audit.deliver() == DONE
    records, rows = told(audit), audit.rows()
    assert len(rows) == 3
    for record in records:
        expect_row(rows[record["eventID"]], record)
    packed = rows[records[1]["eventID"]]
    assert packed["encoding"] == {"S": "xz"}
    assert packed["keys"] == {"M": {"id": {"S": "large"}}}
    assert lzma.decompress(base64.b64decode(packed["record"]["B"])) == audit.source.records()[1].text
    assert audit.told[-1] == Audited("trail", "shard", rows=3, packed=1)
    audit.deliver()
    assert audit.rows() == rows


def test_maps_in_as_many_maps_as_an_item_may_have_are_compressed(audit):
    deep = {"S": "bottom"}
    for _ in range(32):
        deep = {"M": {"m": deep}}
    put(audit, {"id": {"S": "a"}, "deep": deep})
    audit.source.put("b", v=1)
    assert audit.deliver() == DONE
    records, rows = told(audit), audit.rows()
    for record in records:
        expect_row(rows[record["eventID"]], record)
    assert [rows[record["eventID"]].get("encoding") for record in records] == [{"S": "xz"}, None]


def test_what_is_too_large_even_so_fails_by_its_record_and_the_others_are_written(audit):
    audit.source.put("a", v=1)
    item = large(405_000)
    put(audit, item)
    audit.source.put("b", v=1)
    put(audit, {**item, "v": {"N": "1"}})
    audit.source.put("c", v=1)
    records = audit.source.records()[1:]
    response = audit.deliver(records)
    [failure] = response["batchItemFailures"]
    assert failure["itemIdentifier"] == records[2].sequence.text
    assert '{"id":{"S":"large"}} cannot be audited: the row has ' in failure["error"]
    assert "at most 409,600" in failure["error"]
    assert judge(audit.batch(records), response, reports=True).done == 2
    assert audit.told[-1] == Audited("trail", "shard", rows=3, packed=0)
    with pytest.raises(ConsumerFailed, match="the row has") as raised:
        audit.deliver(records[2:3])
    assert raised.value.type == "ValidationException"
    assert len(audit.rows()) == 3


# What goes wrong


def test_a_row_that_the_table_refuses_fails_with_its_words(audit):
    for key in "abc":
        audit.source.put(key, v=1)
    audit.output.faults = lambda operation, request: (
        Refuse("ValidationException", "the key of an index is too long")
        if b'{\\"id\\":{\\"S\\":\\"b\\"}}' in msgspec.json.encode(request)
        else None
    )
    [failure] = audit.deliver()["batchItemFailures"]
    assert "the key of an index is too long" in failure["error"]
    assert len(audit.rows()) == 2


def test_a_table_that_is_throttled_is_no_failure_of_the_records(audit):
    for key in "abc":
        audit.source.put(key, v=1)
    audit.output.faults = lambda operation, _: (
        None if operation == "DescribeTable" else Refuse("ProvisionedThroughputExceededException")
    )
    with pytest.raises(Throttled):
        audit.deliver()
    assert len(audit.waits) > 3
    audit.output.faults = None
    assert audit.deliver() == DONE
    assert len(audit.rows()) == 3


def test_what_the_table_leaves_undone_is_done_in_the_end(started):
    audit = started()
    for number in range(60):
        audit.source.put(f"k{number}", v=1)
    audit.output.faults = lambda operation, _: Unprocessed(most=20) if operation == "BatchWriteItem" else None
    assert audit.deliver() == DONE
    assert len(audit.rows()) == 60


def test_batches_need_one_right_and_so_do_conditional_puts(audit):
    audit.source.put("a", v=1)
    audit.source.put("b", v=1)
    audit.deliver()
    assert set(audit.output.asked) == {
        "DescribeTable",
        "PutItem" if audit.conditional else "BatchWriteItem",
    }


def test_a_row_that_is_there_is_left_as_it_is_by_conditional_puts(started):
    audit = started(conditional=True)
    audit.source.put("a", v=1)
    record = told(audit)[0]
    there = {"event_id": {"S": record["eventID"]}, "from": {"S": "before"}}
    audit.output.call("PutItem", TableName="trail", Item=there)
    assert audit.deliver() == DONE
    assert only(audit.rows()) == there


def test_a_table_that_is_not_there_stops_the_mapping_with_the_cure(audit):
    audit.output.call("DeleteTable", TableName="trail")
    audit.source.put("a", v=1)
    with pytest.raises(TableUnusable, match=r"create it: `aws dynamodb create-table --table-name trail"):
        audit.deliver()


def test_a_record_that_is_none_fails_by_itself(audit):
    audit.source.put("a", v=1)
    audit.source.put("b", v=1)
    first, second = audit.source.records()
    broken = [
        StreamRecord(second.sequence, second.created, second.key, text)
        for text in (
            b"{",
            second.text.replace(b'"eventID":"', b'"eventID":"",  "other":"'),
            second.text.replace(b'"eventID"', b'"event"'),
        )
    ] + [StreamRecord(second.sequence, 1e300, second.key, second.text)]
    for each in broken:
        [failure] = audit.deliver([first, each])["batchItemFailures"]
        assert failure["itemIdentifier"] == second.sequence.text
        with pytest.raises(ConsumerFailed, match=r'item \{"id":\{"S":"b"\}\} cannot be audited') as raised:
            audit.deliver([each])
        assert raised.value.type == "BrokenRecord"
    assert len(audit.rows()) == 1


def test_an_audit_trail_that_is_closed_takes_no_batch(audit):
    audit.source.put("a", v=1)
    audit.deliver()
    audit.stop()
    with pytest.raises(Unavailable, match="are being stopped"):
        audit.deliver()
    audit.stop()


def test_the_table_that_is_read_is_never_its_own_audit_trail():
    side = Side(seed=1, key=("event_id",))
    side.call("PutItem", TableName="orders", Item={"event_id": {"S": "a"}})
    audit = Audit(source=side)
    context = TargetContext(
        "trail", "orders", AwsAccess(), side, lambda *_: side, lambda *_: None, audit.told.append
    )
    audit.target = AuditTarget(AuditTrail(OutputTable("orders")), context)
    with pytest.raises(TableUnusable, match="is the table that is read"):
        audit.deliver()
    audit.stop()
    with pytest.raises(ConfigError, match="has nowhere to write to; name a table"):
        AuditTarget(AuditTrail(), context)


# To a dataset


class KeptRows(RowTable):
    """A dataset's rows, in memory; those of ``refused`` keys are refused."""

    def __init__(self):
        self.kept = {}
        self.refused = set()
        self.is_closed = False

    def write(self, rows):
        outcomes = []
        for row in rows:
            id_ = plain(row.key)["event_id"]["S"]
            outcomes.append(RowRefused("no such text") if id_ in self.refused else None)
            if outcomes[-1] is None:
                self.kept[id_] = plain(row.item)
        return outcomes

    def identity(self):
        return "the same"

    def rows(self):
        yield list(self.kept.values())

    def close(self):
        self.is_closed = True


def test_a_row_in_a_dataset_is_plain_json_for_sql_and_the_whole_record_besides(started):
    audit = started(dataset=KeptRows())
    put(audit, {"id": {"S": "a"}, "tags": {"SS": ["x", "y"]}})
    put(audit, {"id": {"S": "a"}, "tags": {"SS": ["y"]}, "n": {"N": "1.50"}})
    assert audit.deliver() == DONE
    records, rows = told(audit), audit.dataset.kept
    assert rows.keys() == {record["eventID"] for record in records}
    row = rows[records[1]["eventID"]]
    assert row["keys"] == {"S": '{"id":"a"}'}
    assert row["old_image"] == {"S": '{"id":"a","tags":["x","y"]}'}
    assert row["new_image"] == {"S": '{"id":"a","n":1.5,"tags":["y"]}'}
    change = records[1]["dynamodb"]
    expect_diff(row["diff"]["S"], change["OldImage"], change["NewImage"])
    assert row["record"] == {"S": audit.source.records()[1].text.decode()}
    assert row["event_name"] == {"S": "MODIFY"}
    assert audit.told[-1] == Audited("trail", "shard", rows=2, packed=0)


def test_a_dataset_takes_rows_of_any_size(started):
    audit = started(dataset=KeptRows())
    put(audit, large(400_000))
    assert audit.deliver() == DONE
    assert only(audit.dataset.kept)["record"]["S"] == audit.source.records()[0].text.decode()


def test_a_row_that_a_dataset_refuses_fails_by_its_record(started):
    audit = started(dataset=KeptRows())
    audit.source.put("a", v=1)
    audit.source.put("b", v=1)
    audit.dataset.refused.add(told(audit)[1]["eventID"])
    [failure] = audit.deliver()["batchItemFailures"]
    assert "no such text" in failure["error"]
    assert len(audit.dataset.kept) == 1
    audit.stop()
    assert audit.dataset.is_closed


def test_the_record_of_a_row_can_be_had_back(started):
    for audit in (started(), started(dataset=KeptRows())):
        item = large(290_000)
        put(audit, item)
        audit.source.put("small", v=1)
        put(audit, {**item, "v": {"N": "1"}})
        audit.deliver()
        rows = audit.rows() or audit.dataset.kept
        held = [record_of(image(rows[record["eventID"]])) for record in told(audit)]
        texts = [record.text for record in audit.source.records()]
        assert held == (texts if audit.dataset else [None, None, texts[2]])
