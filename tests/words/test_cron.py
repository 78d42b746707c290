"""Schedules of five fields, beside a reading of crontab(5) that tries every minute."""

from calendar import timegm
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cron import Cron

LEAST = (0, 0, 1, 1, 0)
MOST = (59, 23, 31, 12, 7)


def at(*parts):
    return float(timegm((*parts, *(0,) * (6 - len(parts)), 0, 0, 0)))


def first(schedule, moment):
    return datetime.fromtimestamp(Cron.parse(schedule).after(moment), UTC)


@pytest.mark.parametrize(
    ("schedule", "since", "then"),
    [
        ("0 12 * * 1-5", (2024, 3, 1, 12), (2024, 3, 4, 12)),  # Friday noon is over; Monday.
        ("*/15 * * * *", (2024, 3, 1, 12, 44, 59), (2024, 3, 1, 12, 45)),
        ("0 0 29 2 *", (2096, 3, 1), (2104, 2, 29)),
        ("30 4 1,15 * 5", (2024, 3, 2), (2024, 3, 8, 4, 30)),  # A Friday is enough,
        ("30 4 1,15 * 5", (2024, 3, 8, 5), (2024, 3, 15, 4, 30)),  # as is the 15th.
        (
            "0 0 */2 * sun",
            (2024, 3, 1, 1),
            (2024, 3, 3),
        ),  # A field that begins with * restricts nothing: both.
        ("0 0 * jan,DEC fri-sun", (2024, 2, 1), (2024, 12, 1)),
        ("0 0 * * 7", (2024, 3, 1), (2024, 3, 3)),
        ("59 23 31 12 *", (2024, 12, 31, 23, 59), (2025, 12, 31, 23, 59)),
        ("0-10/5 8-9 * * *", (2024, 3, 1, 8, 5), (2024, 3, 1, 8, 10)),
    ],
)
def test_the_next_moment_is_the_first_later_one(schedule, since, then):
    assert first(schedule, at(*since)) == datetime(*then, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        ("* * * *", "has 4 fields, not 5"),
        ("@daily", "has 1 fields, not 5"),
        ("60 * * * *", "'60' is no minute; write a number from 0 to 59"),
        ("* 24 * * *", "'24' is no hour"),
        ("* * 0 * *", "'0' is no day of the month"),
        ("* * * foo *", "'foo' is no month; write a number from 1 to 12, or JAN and so on"),
        ("* * * * 8", "'8' is no day of the week"),
        ("*/0 * * * *", "the step 0"),
        ("5-1 * * * *", "ends before it begins"),
        ("5/2 * * * *", "write 5-59/2"),
        ("1,,2 * * * *", "'' says no minute"),
        ("٣ * * * *", "says no minute"),
        ("-1 * * * *", "'-1' says no minute"),
        ("0 0 30 2 *", "a day that there never is"),
        ("0 0 31 4,6,9,11 *", "a day that there never is"),
    ],
)
def test_what_is_no_schedule_is_refused_and_the_message_says_why(schedule, why):
    with pytest.raises(ValueError, match=why.replace("*", r"\*")):
        Cron.parse(schedule)


@st.composite
def fields(draw):
    """Five fields with what each means: texts of the grammar, sets by another way."""
    texts, meant = [], []
    for least, most in zip(LEAST, MOST, strict=True):
        parts, values = [], set()
        for _ in range(draw(st.integers(1, 2))):
            kind = draw(st.sampled_from("*/nr"))
            step = draw(st.integers(1, 9))
            low, high = sorted((draw(st.integers(least, most)), draw(st.integers(least, most))))
            if kind == "*":
                parts.append("*")
                values |= set(range(least, most + 1))
            elif kind == "/":
                parts.append(f"*/{step}")
                values |= {value for value in range(least, most + 1) if (value - least) % step == 0}
            elif kind == "n":
                parts.append(str(low))
                values.add(low)
            else:
                parts.append(f"{low}-{high}/{step}")
                values |= {value for value in range(low, high + 1) if (value - low) % step == 0}
        texts.append(",".join(parts))
        meant.append(values)
    return texts, meant


def means(texts, meant, moment):
    minute, hour, days, month, weekdays = meant
    of_month, of_week = moment.day in days, bool({moment.isoweekday(), moment.isoweekday() % 7} & weekdays)
    free = texts[2].startswith("*") or texts[4].startswith("*")
    day = of_month and of_week if free else of_month or of_week
    return moment.minute in minute and moment.hour in hour and moment.month in month and day


@given(fields(), st.integers(1_600_000_000, 1_900_000_000))
def test_every_schedule_means_what_trying_each_minute_finds(schedule, since):
    texts, meant = schedule
    try:
        cron = Cron.parse(" ".join(texts))
    except ValueError as error:
        assert "never is" in str(error)  # noqa: PT017 - which of both it is, is the point
        return
    found = cron.after(since)
    assert found > since
    assert means(texts, meant, datetime.fromtimestamp(found, UTC))
    minute = datetime.fromtimestamp(since, UTC).replace(second=0) + timedelta(minutes=1)
    for _ in range(3000):
        if minute.timestamp() >= found:
            break
        assert not means(texts, meant, minute), f"{minute} was left out"
        minute += timedelta(minutes=1)
    assert cron.after(found - 1) == found
