"""When a Spicepod says that copies are refreshed."""

import pytest

from headrace.config import describe
from headrace.dataset import OnStartup, Refresh, RefreshMode

FULL = "refresh_mode: full; "


def refreshed(only, asked):
    return only(acceleration=FULL + asked).acceleration.refresh


def test_full_is_the_mode_of_what_says_none(folder):
    text = "datasets:\n  - from: dynamodb:orders\n    name: orders\n    acceleration:\n      enabled: true\n"
    (dataset,) = folder.load(text).datasets
    assert dataset.acceleration.refresh_mode is RefreshMode.FULL
    assert dataset.acceleration.refresh == Refresh()


@pytest.mark.parametrize(
    ("asked", "refresh"),
    [
        ("refresh_check_interval: 90s", Refresh(interval=90.0)),
        ("refresh_cron: '0 12 * * MON-FRI'", Refresh(cron="0 12 * * MON-FRI")),
        ("refresh_on_startup: always", Refresh(on_startup=OnStartup.ALWAYS)),
        ("refresh_retry_enabled: false", Refresh(retry=False)),
        ("refresh_retry_max_attempts: 10", Refresh(max_attempts=10)),
        (
            "refresh_check_interval: 10s; refresh_jitter_enabled: true",
            Refresh(interval=10.0, jitter=1.0),
        ),
        (
            "refresh_check_interval: 10s; refresh_jitter_enabled: true; refresh_jitter_max: 3s",
            Refresh(interval=10.0, jitter=3.0),
        ),
        ("refresh_jitter_enabled: true; refresh_jitter_max: 3s", Refresh(jitter=3.0)),
    ],
)
def test_a_spicepod_says_when_copies_are_refreshed(only, asked, refresh):
    assert refreshed(only, asked) == refresh


def test_an_append_may_look_back(only):
    dataset = only(
        acceleration="refresh_mode: append; refresh_append_overlap: 5m", more="time_column: placed_at"
    )
    assert dataset.acceleration.refresh == Refresh(overlap=300.0)


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        (
            "refresh_check_interval: 10ms",
            "6:31: datasets[0].acceleration.refresh_check_interval: '10ms' is too short",
        ),
        ("refresh_cron: 61 * * * *", "6:21: datasets[0].acceleration.refresh_cron: '61' is no minute; write"),
        ("refresh_cron: 0 0 31 2 *", "refresh_cron: '0 0 31 2 *' names a day that there never is"),
        (
            "refresh_check_interval: 1m; refresh_cron: 0 * * * *",
            "7:21: datasets[0].acceleration.refresh_cron: refresh_check_interval says when to refresh too (line 6, ",
        ),
        ("refresh_jitter_enabled: true", "and there is none; add refresh_jitter_max"),
        (
            "refresh_check_interval: 1m; refresh_jitter_enabled: true; refresh_jitter_max: 2m",
            "refresh_jitter_max: is longer than refresh_check_interval, which is 1m",
        ),
        ("refresh_retry_max_attempts: -1", "refresh_retry_max_attempts: '-1' is not"),
        ("refresh_on_startup: never", "refresh_on_startup: 'never' is not one of auto, always"),
    ],
)
def test_what_cannot_be_is_refused_and_the_message_says_why(folder, asked, refusal):
    assert refusal in folder.refusal(folder.dataset(acceleration=FULL + asked))


@pytest.mark.parametrize(
    "asked",
    [
        "refresh_check_interval: 1m",
        "refresh_cron: 0 * * * *",
        "refresh_append_overlap: 1m",
        "refresh_on_startup: always",
        "refresh_retry_enabled: false",
        "refresh_retry_max_attempts: 3",
        "refresh_jitter_enabled: true",
        "refresh_jitter_max: 1s",
    ],
)
def test_what_has_no_effect_beside_a_stream_is_said(folder, asked):
    pod = folder.load(folder.dataset(acceleration=f"refresh_mode: changes; {asked}"))
    (warning,) = pod.warnings
    assert asked.partition(":")[0] in warning
    assert "the stream keeps the copy current" in warning
    assert pod.datasets[0].acceleration.refresh == Refresh()
    assert pod.datasets[0].unbuilt == ()


@pytest.mark.parametrize(
    ("asked", "warning"),
    [
        ("refresh_append_overlap: 1m", "no effect with refresh_mode: full; it is for append"),
        ("refresh_jitter_max: 1s", "no effect without refresh_jitter_enabled: true"),
        (
            "refresh_retry_enabled: false; refresh_retry_max_attempts: 3",
            "no effect with refresh_retry_enabled: false",
        ),
    ],
)
def test_what_has_no_effect_in_a_mode_is_said(folder, asked, warning):
    (said,) = folder.load(folder.dataset(acceleration=FULL + asked)).warnings
    assert said.endswith(warning)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("refresh_mode: full", "full: Scans, each a copy anew; once, and when somebody asks"),
        (
            FULL + "refresh_check_interval: 10m; refresh_jitter_enabled: true",
            "full: Scans, each a copy anew; 10m after the last, or up to 1m off",
        ),
        (
            FULL + "refresh_cron: 0 12 * * 1-5; refresh_on_startup: always",
            "full: Scans, each a copy anew; at 0 12 * * 1-5 (UTC), and at each start",
        ),
        (
            "refresh_mode: append; refresh_check_interval: 1h",
            "append: one Scan, then others that add what is newer; 1h after the last",
        ),
    ],
)
def test_validate_says_when_refreshes_happen(folder, asked, said):
    lines = describe(folder.load(folder.dataset(acceleration=asked, more="time_column: at"))).splitlines()
    assert f"  refresh     {said}" in lines
    assert "  scan        automatic segments, consistent reads" in lines
    assert "  retries     until a refresh is done" in lines
    assert not any(line.startswith("  polls") for line in lines)


def test_validate_says_how_often_a_refresh_is_tried(folder):
    for asked, said in (("refresh_retry_enabled: false", "none"), ("refresh_retry_max_attempts: 3", "3")):
        lines = describe(folder.load(folder.dataset(acceleration=FULL + asked))).splitlines()
        assert f"  retries     {said}; then the old copy stays, until the next refresh" in lines
