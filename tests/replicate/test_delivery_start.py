"""Where a mapping begins, and how its shards are numbered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.batch import Batch
from headrace.checkpoint import ShardState, Stage
from headrace.position import Position, SequenceNumber
from headrace.replicate.delivery.start import generations
from headrace.stream_record import StreamRecord

_HORIZON = Position.trim_horizon(0.0)


def _shard(id_: str, parent: str | None = None, starting: int | None = None) -> ShardState:
    number = None if starting is None else SequenceNumber(str(starting))
    return ShardState(id_, parent, number, Stage.WAITING, _HORIZON)


def test_a_child_whose_numbers_follow_has_the_generation_of_its_parent():
    states = [_shard("a", None, 10), _shard("b", "a", 20)]
    assert generations(states, {}, 3) == {"a": 3, "b": 3}


def test_a_child_whose_numbers_do_not_follow_or_are_not_told_has_the_next():
    states = [_shard("a", None, 10), _shard("b", "a", 5), _shard("c", "a"), _shard("d", "c", 30)]
    assert generations(states, {}, 0) == {"a": 0, "b": 1, "c": 1, "d": 2}


def test_what_is_known_stays_and_a_shard_whose_parent_is_forgotten_has_the_greatest():
    states = [_shard("b", "a", 20), _shard("x", "gone", 5)]
    assert generations(states, {"b": 4}, 0) == {"b": 4, "x": 4}


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10**25)), min_size=2, max_size=6))
def test_versions_are_ordered_as_generations_and_then_as_numbers(made):
    records = [
        (generation, StreamRecord(SequenceNumber(str(number)), 0.0, "k", b"")) for generation, number in made
    ]
    batches = [Batch("m", "arn", "s", (record,), generation) for generation, record in records]
    versions = [batch.version(batch.records[0]) for batch in batches]
    assert [place for _, place in sorted(zip(versions, range(len(made)), strict=True))] == [
        place for _, place in sorted(zip(made, range(len(made)), strict=True))
    ]
