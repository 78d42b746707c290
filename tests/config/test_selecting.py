"""What a Spicepod says of rows to keep, of the time they are from, and of who answers before they are there."""

import pytest

from headrace.config import describe
from headrace.dataset import ReadyState, Refresh, Retention, TimeColumn, TimeFormat

FULL = "refresh_mode: full; "
RETAINED = FULL + "retention_check_enabled: true; "


def test_a_dataset_keeps_what_its_sql_and_window_say(only):
    dataset = only(
        acceleration=FULL + "refresh_sql: SELECT * FROM orders WHERE price > 1; refresh_data_window: 36h",
        more="time_column: at; time_format: ISO8601",
    )
    assert dataset.time_column == TimeColumn("at", TimeFormat.ISO_8601)
    assert dataset.acceleration.refresh == Refresh(
        sql="SELECT * FROM orders WHERE price > 1", window=36 * 3600.0
    )
    assert dataset.acceleration.retention is None


@pytest.mark.parametrize(
    "written", ["auto", "timestamp", "timestamptz", "iso8601", "unix_seconds", "unix_millis", "date"]
)
def test_every_format_of_times_has_its_name(only, written):
    assert only(more=f"time_column: at; time_format: {written}").time_column.format == TimeFormat(written)
    assert only(more="time_column: at").time_column.format is TimeFormat.AUTO


def test_a_time_column_is_a_reference(only):
    assert only(more="time_column: '\"at, first\"'").time_column.name == "at, first"
    assert only(more="time_column: place.at").time_column.name == "place.at"


def test_rows_go_after_a_time_or_by_sql_or_both(only):
    timed = "retention_check_interval: 1h; retention_period: 30d"
    dataset = only(acceleration=RETAINED + timed, more="time_column: at")
    assert dataset.acceleration.retention == Retention(3600.0, 30 * 86400.0)
    by_sql = "retention_check_interval: 90s; retention_sql: DELETE FROM orders WHERE done"
    assert only(acceleration=RETAINED + by_sql).acceleration.retention == Retention(
        90.0, None, "DELETE FROM orders WHERE done"
    )


@pytest.mark.parametrize(
    ("acceleration", "more", "refusal"),
    [
        (
            RETAINED + "retention_check_interval: 1h",
            "",
            "nothing says which; add retention_period or retention_sql",
        ),
        (RETAINED + "retention_sql: x", "", "nothing says when; add retention_check_interval"),
        (
            RETAINED + "retention_check_interval: 1h; retention_period: 1d",
            "",
            "acceleration.retention_period: rows are old by a time; add time_column: COLUMN to the dataset",
        ),
        (RETAINED + "retention_check_interval: 1ms; retention_sql: x", "", "too short; the least is 1s"),
        (
            FULL + "refresh_data_window: 1d",
            "",
            "acceleration.refresh_data_window: a window is one of time; add time_column",
        ),
        ("refresh_mode: append", "", "acceleration.refresh_mode: append adds the rows that are newer"),
        ("", "time_format: iso8601", "time_format: says how time_column is read; add time_column: COLUMN"),
        (
            "",
            "time_column: at; time_format: unix",
            "'unix' is not one of auto, timestamp, timestamptz, ISO8601",
        ),
        ("", "time_column: (a, b)", "'(a, b)' names 2 columns; name one"),
        (
            FULL + "ready_state: on_load",
            "ready_state: on_registration",
            "acceleration.ready_state: 'ready_state' stands under the dataset too (line 7, column 5); keep one of them",
        ),
        (
            "refresh_sql: SELECT * FROM orders",
            "",
            "refresh_sql is not supported with refresh_mode: changes; remove it, or choose full or append",
        ),
    ],
)
def test_what_is_missing_or_contradicts_itself_is_refused(folder, acceleration, more, refusal):
    assert refusal in folder.refusal(folder.dataset(acceleration=acceleration, more=more))


def test_what_a_stream_decides_is_said_to_have_no_effect(folder):
    keys = {
        "refresh_data_window": "1d",
        "retention_check_enabled": "true",
        "retention_period": "1d",
        "retention_check_interval": "1h",
        "retention_sql": "x",
    }
    lines = "; ".join(f"{key}: {value}" for key, value in keys.items())
    pod = folder.load(folder.dataset(acceleration=lines))
    assert [warning.split(": ")[1] for warning in pod.warnings] == [
        f"datasets[0].acceleration.{key}" for key in keys
    ]
    assert all("no effect with refresh_mode: changes" in warning for warning in pod.warnings)
    assert pod.warnings[0].startswith("spicepod.yaml:6:28: ")
    assert pod.datasets[0].acceleration.retention is None
    assert pod.datasets[0].unbuilt == ()


def test_retention_that_is_not_switched_on_is_said_to_have_no_effect(folder):
    pod = folder.load(folder.dataset(acceleration=FULL + "retention_period: 1d", more="time_column: at"))
    (warning,) = pod.warnings
    assert warning.endswith("retention_period: no effect without retention_check_enabled: true")


@pytest.mark.parametrize("place", ["acceleration", "more"])
def test_either_spelling_says_when_queries_are_answered(only, place):
    assert only(**{place: "ready_state: on_registration"}).ready_state is ReadyState.ON_REGISTRATION
    assert only().ready_state is ReadyState.ON_LOAD


def test_validate_says_what_is_kept_and_for_how_long(folder):
    acceleration = RETAINED + (
        "refresh_sql: SELECT id FROM orders; refresh_data_window: 7d; retention_check_interval: 1h; retention_period: 30d"
    )
    pod = folder.load(
        folder.dataset(acceleration=acceleration, more="time_column: at; ready_state: on_registration")
    )
    text = describe(pod)
    for line in (
        "time        at, read as auto",
        "rows        SELECT id FROM orders",
        "window      rows of the last 168h",
        "retention   every 1h: rows older than 720h",
        "queries     answered at once, from DynamoDB until the copy is complete",
    ):
        assert f"\n  {line}\n" in text
