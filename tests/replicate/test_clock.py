from hypothesis import given
from hypothesis import strategies as st

from headrace.replicate.clock import WINDOW, ServiceClock


@given(
    offset=st.floats(-1e5, 1e5),
    answers=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 5)), min_size=1, max_size=20),
)
def test_the_estimate_is_never_ahead_of_the_service(offset, answers):
    """Dates are floored and travel: whatever arrives, the clock stays a lower bound."""
    clock = ServiceClock()
    for sent_at, delay in answers:
        clock.observe(float(int(sent_at + offset)) - (1 if sent_at + offset < 0 else 0), sent_at + delay)
    now = 200.0
    assert clock.at(now) <= now + offset + 1e-6


def test_without_any_date_the_clocks_are_taken_to_agree():
    clock = ServiceClock()
    clock.observe(None, 5.0)
    assert clock.at(7.0) == 7.0


def test_a_bound_is_forgotten_so_that_drift_does_not_put_the_estimate_ahead():
    """A caller's clock that gains a second a day would otherwise be trusted for what it was at first."""
    clock = ServiceClock()
    for hour in range(1, 240):
        now = hour * 3600.0
        true = now * (1 - 1 / 86400)
        clock.observe(float(int(true)), now)
    assert clock.at(now) <= true + WINDOW * 2 / 86400
