import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.checkpoint import Checkpoint, SegmentState, ShardState, Stage
from headrace.errors import AcceleratorError
from headrace.position import Position, SequenceNumber

numbers = st.integers(10**20, 10**40 - 1).map(lambda n: SequenceNumber(str(n)))
positions = st.one_of(
    st.none(),
    numbers.map(Position.after),
    numbers.map(Position.at),
    st.floats(0, 2e9).map(Position.trim_horizon),
)
shards = st.builds(
    ShardState, st.text(), st.none() | st.text(), st.none() | numbers, st.sampled_from(Stage), positions
)
checkpoints = st.builds(
    Checkpoint,
    table_id=st.text(),
    stream_arn=st.text(),
    started_at=st.floats(0, 2e9),
    segments=st.lists(st.builds(SegmentState, st.none() | st.text(), st.booleans())).map(tuple),
    shards=st.lists(shards).map(tuple),
    was_ready=st.booleans(),
)


@given(checkpoints)
def test_a_checkpoint_comes_back_as_it_was_stored(checkpoint):
    assert Checkpoint.decode(checkpoint.encode()) == checkpoint


@pytest.mark.parametrize("text", ["", "{", "{}", '{"table_id": 1}', "null"])
def test_what_is_no_checkpoint_is_refused_with_the_cure(text):
    with pytest.raises(AcceleratorError, match="delete the accelerator's file"):
        Checkpoint.decode(text)


def test_a_checkpoint_of_a_newer_format_names_both_formats():
    newer = Checkpoint("t", "a", 0.0, (), (), format=99).encode()
    with pytest.raises(AcceleratorError, match=r"99.*up to 1"):
        Checkpoint.decode(newer)


@given(numbers, numbers)
def test_sequence_numbers_compare_as_integers(one, other):
    """As text, 1000000000007366876990 would come before 800000000007366876936."""
    assert (one < other) == (int(one.text) < int(other.text))
    assert SequenceNumber("800000000007366876936") < SequenceNumber("1000000000007366876990")
