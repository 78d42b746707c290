import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.config.problem import BadValueError
from headrace.config.quantity import format_duration, format_size, parse_duration, parse_size

NANOSECONDS = st.integers(min_value=0, max_value=2**63 - 1)


@given(NANOSECONDS)
def test_a_duration_that_is_written_is_read_back_exactly(nanoseconds):
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds


@given(NANOSECONDS)
def test_a_size_that_is_written_is_read_back_exactly(count):
    assert parse_size(format_size(count)) == count


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("100ms", 100_000_000),
        ("1s", 1_000_000_000),
        ("1.5s", 1_500_000_000),
        ("0.1s", 100_000_000),
        ("1m30s", 90_000_000_000),
        ("1m 30s", 90_000_000_000),
        ("2h", 7_200_000_000_000),
        ("30d", 2_592_000_000_000_000),
        ("7us", 7_000),
        ("7µs", 7_000),
        ("1ns", 1),
        ("106751d", 106751 * 86_400 * 10**9),
    ],
)
def test_durations_are_exact(text, nanoseconds):
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5", "'5' has no unit; write a duration such as 100ms, 1s, 1m30s, 2h"),
        ("0.5", "'0.5' has no unit; write a duration such as 100ms, 1s, 1m30s, 2h"),
        ("soon", "'soon' is not a duration; write one such as 100ms, 1s, 1m30s, 2h"),
        ("-1s", "'-1s' is not a duration; write one such as 100ms, 1s, 1m30s, 2h"),
        ("1s ", "'1s ' is not a duration; write one such as 100ms, 1s, 1m30s, 2h"),
        ("1S", "'1S' is not a duration; write one such as 100ms, 1s, 1m30s, 2h"),
        ("1.s", "'1.s' is not a duration; write one such as 100ms, 1s, 1m30s, 2h"),
        ("1e3s", "'1e3s' is not a duration; write one such as 100ms, 1s, 1m30s, 2h"),
        ("٣s", "'٣s' is not a duration; write one such as 100ms, 1s, 1m30s, 2h"),
        ("", "'' is not a duration; write one such as 100ms, 1s, 1m30s, 2h"),
        ("0.5ns", "'0.5ns' is not a whole number of nanoseconds"),
        ("300000d", "'300000d' is too large"),
    ],
)
def test_what_is_no_duration_is_refused_with_examples(text, message):
    with pytest.raises(BadValueError) as refused:
        parse_duration(text)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1024", 1024),
        ("64MiB", 64 * 2**20),
        ("64mib", 64 * 2**20),
        ("1GB", 10**9),
        ("1.5GiB", 3 * 2**29),
        ("2 KiB", 2048),
        ("7B", 7),
        ("1TB", 10**12),
    ],
)
def test_sizes_are_exact(text, count):
    assert parse_size(text) == count


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("big", "'big' is not a size; write one such as 64MiB, 1GB"),
        ("64 QiB", "'64 QiB' is not a size; write one such as 64MiB, 1GB"),
        ("-1GB", "'-1GB' is not a size; write one such as 64MiB, 1GB"),
        ("0.3B", "'0.3B' is not a whole number of bytes"),
        ("99999999TiB", "'99999999TiB' is too large"),
    ],
)
def test_what_is_no_size_is_refused_with_examples(text, message):
    with pytest.raises(BadValueError) as refused:
        parse_size(text)
    assert str(refused.value) == message
