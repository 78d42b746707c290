from dataclasses import replace

import pytest

from headrace.accelerator import Stored, StoredCopy
from headrace.checkpoint import Checkpoint, SegmentState, ShardState, Stage
from headrace.position import Position, SequenceNumber
from headrace.replicate.entry import CopyTable, Gap, Resume, decide, unfit_key
from headrace.source import SourceTable
from support.batches import SCHEMA

TABLE = SourceTable("orders", "table-1", "arn-1", (("id", "S"),), 10, 1000)
NOW = 1_000_000.0
SHARD = ShardState("s", None, None, Stage.READING, Position.after(SequenceNumber("7")))
CHECKPOINT = Checkpoint("table-1", "arn-1", NOW - 50, (SegmentState(None, done=True),), (SHARD,), NOW - 40)


def stored(checkpoint):
    return Stored(StoredCopy(checkpoint, SCHEMA), None)


def decided(store, table=TABLE, *, gap=None, drained=False):
    return decide(store, table, NOW, gap=gap, drained=drained)


def test_nothing_stored_is_copied_for_the_first_time():
    assert decided(Stored(None, None)) == CopyTable(None)


def test_a_stored_copy_of_the_same_stream_goes_on_without_a_scan():
    assert isinstance(decided(stored(CHECKPOINT)), Resume)


def test_a_table_re_created_under_its_name_starts_over():
    outcome = decided(stored(CHECKPOINT), replace(TABLE, table_id="table-2", stream_arn="arn-2"))
    assert outcome == CopyTable("table orders was re-created")


def test_other_settings_of_columns_are_those_of_every_row():
    by_other = replace(CHECKPOINT, reading="other")
    reason = "other settings of its columns than the stored copy was made by"
    assert decided(stored(by_other)) == CopyTable(reason)
    assert decided(stored(CHECKPOINT), replace(TABLE, reading="other")) == CopyTable(reason)
    assert isinstance(decided(stored(by_other), replace(TABLE, reading="other")), Resume)


def test_a_new_stream_is_entered_only_after_the_old_one_is_drained():
    renewed = replace(TABLE, stream_arn="arn-2")
    assert isinstance(decided(stored(CHECKPOINT), renewed), Resume)
    assert isinstance(decided(stored(CHECKPOINT), renewed, drained=True), CopyTable)


def test_a_gap_in_a_stream_that_was_replaced_needs_no_decision_by_a_person():
    renewed = replace(TABLE, stream_arn="arn-2")
    assert isinstance(decided(stored(CHECKPOINT), renewed, gap=Gap("s", "trimmed")), CopyTable)


def test_a_gap_in_the_same_stream_is_a_gap():
    assert decided(stored(CHECKPOINT), gap=Gap("s", "trimmed")) == Gap("s", "trimmed")


@pytest.mark.parametrize(("hours", "lost"), [(22.9, False), (23.1, True)])
def test_a_position_without_a_number_is_trusted_for_less_than_the_retention(hours, lost):
    """Nothing tells whether such a position was trimmed, so its age has to."""
    idle = replace(SHARD, position=Position.at_timestamp(0.0, NOW - hours * 3600))
    outcome = decided(stored(replace(CHECKPOINT, shards=(idle,))))
    assert isinstance(outcome, Gap if lost else Resume)


def test_a_copy_being_built_is_continued_before_the_one_that_is_served():
    building = StoredCopy(replace(CHECKPOINT, rows_scanned=5), SCHEMA)
    outcome = decided(Stored(StoredCopy(CHECKPOINT, SCHEMA), building))
    assert outcome == Resume(building)


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (("id",), ("id",)),
        (("Id",), ("id",)),
        (("id",), ("ID",)),
        (("pk", "sk"), ("sk", "pk")),
        (("Id", "id"), ("id", "Id")),
        (("a,b",), ("a,b",)),
    ],
)
@pytest.mark.parametrize("where", ["on_conflict", "primary_key"])
def test_a_claim_that_names_the_tables_key_fits_in_any_order_and_capitals(keys, names, where):
    table = replace(TABLE, keys=tuple((key, "S") for key in keys))
    assert unfit_key(table, {where: names}) is None


@pytest.mark.parametrize("names", [("id", "version"), ("version",), ("id", "ID"), ("id_",)])
@pytest.mark.parametrize(
    ("keys", "right"),
    [(("id", "at"), "(id, at)"), (("id", "Id", "at")[1:], "(Id, at)"), (("a,b", "("), '("a,b", "(")')],
)
def test_a_claim_that_does_not_is_told_the_right_one_as_it_is_written(names, keys, right):
    table = replace(TABLE, keys=tuple((key, "S") for key in keys))
    wrong = f"({', '.join(names)})"
    assert unfit_key(table, {"on_conflict": names}) == (
        f"acceleration.on_conflict names {wrong}, but the key of table orders is {right}; "
        f"write `{right}: upsert`, or leave on_conflict out"
    )
    assert unfit_key(table, {"primary_key": names}) == (
        f"acceleration.primary_key names {wrong}, but the key of table orders is {right}; "
        f"write `primary_key: {right}`, or leave primary_key out"
    )


def test_no_claim_is_no_mistake():
    assert unfit_key(TABLE, {}) is None
