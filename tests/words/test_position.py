"""Sequence numbers: text that AWS wants back as it came, and that compares as the number which it writes."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.position import SequenceNumber

NUMBERS = st.integers(0, 10**40)


@given(st.lists(NUMBERS, max_size=20))
def test_sequence_numbers_of_any_lengths_sort_as_numbers(numbers):
    found = sorted(SequenceNumber(str(number)) for number in numbers)
    assert [int(one.text) for one in found] == sorted(numbers)


@given(NUMBERS, NUMBERS, st.integers(0, 3), st.integers(0, 3))
def test_every_comparison_is_the_numbers_whatever_zeros_stand_in_front(one, other, some, more):
    """DynamoDB Local pads its numbers with zeros."""
    left, right = SequenceNumber("0" * some + str(one)), SequenceNumber("0" * more + str(other))
    assert (left < right, left <= right, left > right, left >= right) == (
        one < other,
        one <= other,
        one > other,
        one >= other,
    )
    assert (left == right) is (one == other)
    assert one != other or hash(left) == hash(right)


def test_the_text_stays_as_it_came():
    assert SequenceNumber("000000000000000000001").text == "000000000000000000001"
