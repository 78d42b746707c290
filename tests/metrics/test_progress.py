import io
import json
import re

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from headrace.metrics.log import LogFormat, make_logger
from headrace.metrics.progress import Pace, ProgressBars, ProgressLines, pace_text
from headrace.observe import (
    BootstrapFinished,
    BootstrapProgressed,
    BootstrapResumed,
    BootstrapStarted,
    RecordsRead,
)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def started(dataset="orders", items=20_000):
    return BootstrapStarted(dataset, segments=4, items=items, size_bytes=1, rebuild=False)


def progressed(rows, dataset="orders", items=20_000):
    return BootstrapProgressed(dataset, rows, items, segments_done=1, segments=4)


def test_the_rate_and_the_time_left_follow_from_the_rows():
    pace = Pace(0.0, items=20_000)
    pace.progressed(2.0, 8_000, 20_000)
    assert pace_text(pace.estimate(2.0)) == "8,000 of about 20,000 rows, 4,000 rows/s, 0:03 left"


def test_a_resumed_scan_does_not_count_the_rows_of_the_earlier_process_into_its_rate():
    pace = Pace(0.0, rows=1_000_000)
    pace.progressed(10.0, 1_001_000, 2_000_000)
    assert pace.estimate(10.0).rate == 100


def test_a_stalled_scan_shows_a_falling_rate():
    pace = Pace(0.0, items=2000)
    pace.progressed(1.0, 1000, 2000)
    assert pace.estimate(10.0).rate == 100


def test_the_rate_is_of_the_last_half_minute_only():
    pace = Pace(0.0, items=10**6)
    for second in range(1, 101):
        pace.progressed(float(second), min(second, 50) * 1000, 10**6)
    assert pace.estimate(100.0).rate == 0


def test_an_estimate_that_the_scan_has_passed_is_not_shown():
    pace = Pace(0.0, items=10)
    pace.progressed(1.0, 50, 10)
    assert pace_text(pace.estimate(1.0)) == "50 rows, 50 rows/s"


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10**6)), max_size=30), st.integers(0, 10**7))
def test_any_pace_gives_a_rate_and_a_time_that_are_not_negative(steps, items):
    now, rows = 0.0, 0
    pace = Pace(now, items=items)
    for seconds, more in steps:
        now, rows = now + seconds, rows + more
        pace.progressed(now, rows, items)
    estimate = pace.estimate(now)
    assert estimate.rate >= 0
    assert estimate.left is None or estimate.left >= 0
    assert str(f"{rows:,}") in pace_text(estimate)


def test_elsewhere_than_on_a_terminal_a_line_comes_every_few_seconds():
    stream, clock = io.StringIO(), Clock()
    lines = ProgressLines(make_logger(LogFormat.JSON, environ={}, stream=stream), clock, every=5.0)
    lines(started())
    for second in range(1, 13):
        clock.now = 100.0 + second
        lines(progressed(second * 1000))
    lines(BootstrapFinished("orders", 12_000, 12.0))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(event["event"], event["dataset"], event["rows"]) for event in events] == [
        ("bootstrap_progress", "orders", 5000),
        ("bootstrap_progress", "orders", 10_000),
    ]
    assert events[0]["rows_per_second"] == 1000
    assert events[0]["seconds_left"] == 15
    assert events[0]["segments"] == "1/4"


def test_two_datasets_have_lines_of_their_own():
    stream, clock = io.StringIO(), Clock()
    lines = ProgressLines(make_logger(LogFormat.JSON, environ={}, stream=stream), clock, every=5.0)
    lines(BootstrapResumed("orders", 1, 4, rows_scanned=100))
    lines(started("users", items=0))
    clock.now += 5
    lines(progressed(600))
    lines(progressed(50, "users", items=0))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(event["dataset"], event["rows_per_second"], event.get("items")) for event in events] == [
        ("orders", 100, 20_000),
        ("users", 10, None),
    ]


class Screen:
    """A terminal of 100 columns and the bars drawn on it."""

    def __init__(self):
        self.clock = Clock()
        self.file = io.StringIO()
        console = Console(file=self.file, force_terminal=True, width=100, color_system=None)
        self.bars = ProgressBars(console, self.clock, refresh_per_second=0)

    def drawn(self):
        """The lines of the last drawing, without control sequences."""
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\x1b", self.file.getvalue())
        return [line.strip() for line in re.split("[\x1b\r\n]+", text) if line.strip()]


def test_a_terminal_shows_a_bar_with_rows_rate_and_time_left():
    screen = Screen()
    screen.bars(started())
    screen.clock.now += 2
    screen.bars(progressed(8_000))
    last = screen.drawn()[-1]
    screen.bars.close()
    assert last.startswith("orders")
    assert "━" in last
    assert last.endswith("8,000 of about 20,000 rows, 4,000 rows/s, 0:03 left")


def test_each_dataset_under_way_has_its_bar_until_it_is_finished():
    screen = Screen()
    screen.bars(started("orders"))
    screen.bars(BootstrapResumed("users", 0, 4, rows_scanned=7))
    assert [line.split()[0] for line in screen.drawn()[-2:]] == ["orders", "users"]
    screen.bars(BootstrapFinished("orders", 1, 1.0))
    screen.bars(progressed(9, "users"))
    assert screen.drawn()[-1].startswith("users")
    before = sum(line.startswith("orders") for line in screen.drawn())
    screen.bars(progressed(10, "users"))
    assert sum(line.startswith("orders") for line in screen.drawn()) == before
    screen.bars(BootstrapFinished("users", 1, 1.0))
    assert screen.file.getvalue().endswith("\x1b[2K")


def test_a_later_bootstrap_is_drawn_again():
    screen = Screen()
    for rows in (10, 20):
        screen.bars(started())
        screen.bars(progressed(rows))
        screen.bars(BootstrapFinished("orders", rows, 1.0))
    assert [line for line in screen.drawn() if "20 of about" in line]


def test_facts_about_the_stream_draw_nothing():
    screen = Screen()
    screen.bars(RecordsRead("orders", "shard-1", 5))
    screen.bars.close()
    screen.bars.close()
    assert screen.file.getvalue() == ""
