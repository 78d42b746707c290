from hypothesis import given
from hypothesis import strategies as st

from headrace.backoff import CEILING, delay
from headrace.errors import AccessDenied, Throttled, Unavailable


@given(attempt=st.integers(1, 10_000), salt=st.text())
def test_a_delay_is_bounded_and_repeatable(attempt, salt):
    wait = delay(Unavailable("x"), attempt, salt)
    assert 0 < wait <= CEILING
    assert wait == delay(Unavailable("x"), attempt, salt)


def test_delays_grow_and_throttling_waits_longer_than_a_lost_connection():
    waits = [delay(Throttled("x"), attempt, "s") for attempt in range(1, 20)]
    assert waits[0] < 0.3
    assert waits[-1] > 8
    assert delay(Throttled("x"), 1, "s") > delay(Unavailable("x"), 1, "s")


def test_what_only_a_person_can_heal_is_tried_slowly_from_the_start():
    assert delay(AccessDenied("x"), 1, "s") >= 1.0


def test_shards_that_fail_together_come_back_apart():
    waits = {delay(Throttled("x"), 3, f"shard-{i}") for i in range(50)}
    assert len(waits) > 45
