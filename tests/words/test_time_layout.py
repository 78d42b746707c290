"""Go's time layouts: a text is a time only if the time, formatted, is the text again."""

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.time_layout import PER_SECOND, Layout, Moment
from headrace.time_text import ISO_8601, Parsed, Reading, format_all, layouts_of, layouts_of_all, parse_all
from headrace.time_token import offset_of, zone_of
from support.time_formats import DOCUMENTED

FIRST, LAST = -62_167_219_200, 253_402_300_799
"""The first second of year 0 and the last of year 9999."""

NAMES = ("UTC", "GMT", "UT", "EST", "PDT")
SECOND, MINUTE, DAY = 1000, 60_000, 86_400_000
OFFSETS = st.integers(-24 * 60 - 59, 24 * 60 + 59).map(lambda minutes: zone_of(minutes * 60))
FINE_OFFSETS = st.integers(-89_999, 89_999).filter(lambda offset: not -60 < offset < 0).map(zone_of)
NO_ZONE, NAMED = st.none(), st.sampled_from(NAMES)
TWO_DIGITS = (-31_536_000, 3_124_223_999)
NANOSECONDS = (-9_223_300_000, 9_223_300_000)

LAYOUTS = [
    *(
        (one.text, 1 if "." in one.text else SECOND, OFFSETS if one.zoned else NO_ZONE, (FIRST, LAST))
        for one in ISO_8601
    ),
    ("2006-01-02 15:04:05", SECOND, NO_ZONE, (FIRST, LAST)),
    ("20060102150405", SECOND, NO_ZONE, (FIRST, LAST)),
    ("2006-01-02", DAY, NO_ZONE, (FIRST, LAST)),
    ("02.01.2006 15.04", MINUTE, NO_ZONE, (FIRST, LAST)),
    ("2006-01-02 15:04:05,000", 1, NO_ZONE, (FIRST, LAST)),
    ("2006-01-02 15:04:05,999999", 1, NO_ZONE, (FIRST, LAST)),
    ("2006-01-02T15:04:05.999999999Z07:00", 1, OFFSETS, NANOSECONDS),
    ("20060102T150405.000000000Z0700", 1, OFFSETS, NANOSECONDS),
    ("01/02/2006 15:04:05.999 -070000", 1, FINE_OFFSETS, (FIRST, LAST)),
    ("15:04:05Z07:00:00 on 02/01/2006", SECOND, FINE_OFFSETS, (FIRST, LAST)),
    ("(05.999Z07:00) 15:04 2006_01_02", 1, OFFSETS, (FIRST, LAST)),
    ("2006年01月02日 $1 \\1 15:04:05 MST", SECOND, NAMED, (FIRST, LAST)),
    ("Jan 2, 2006 3:04:05 PM", SECOND, NO_ZONE, (FIRST, LAST)),
    ("Mon Jan _2 15:04:05 MST 2006", SECOND, NAMED, (FIRST, LAST)),
    ("Monday, 2 January 2006 03:4:5.000pm", 1, NO_ZONE, (FIRST, LAST)),
    ("2006-002 15:04:05", SECOND, NO_ZONE, (FIRST, LAST)),
    ("__2 2006 15:04 -0700 MST", MINUTE, NAMED, (FIRST, LAST)),
    ("1/2/06 15:04:05", SECOND, NO_ZONE, TWO_DIGITS),
    ("06/01/02 15:04:05", SECOND, NO_ZONE, TWO_DIGITS),
    ("2006-01-02 15:04:05.999999 (.9", 100_000, NO_ZONE, (FIRST, LAST)),
    ("2006/01/02/2006-01-02T15:04:05.000", 1, NO_ZONE, (FIRST, LAST)),
]
"""A layout, the least that it tells apart in its unit, its zones, and its first and last second."""


@st.composite
def layouts_and_moments(draw, most=1):
    """A layout, and moments of one zone that it can write."""
    text, step, zones, (first, last) = draw(st.sampled_from(LAYOUTS))
    layout, zone = Layout.of(text), draw(zones)
    per_second = PER_SECOND[layout.unit]
    offset = offset_of(zone) if zone else 0
    # Where 64 bits hold the wall clock's nanoseconds, they may not hold the instant's.
    margin = abs(offset) if layout.unit == "ns" else 0
    walls = st.integers((first + margin) * per_second, (last + 1 - margin) * per_second - 1)
    return layout, [
        Moment(wall // step * step - offset * per_second, zone)
        for wall in draw(st.lists(walls, min_size=1, max_size=most))
    ]


@pytest.mark.parametrize(("layout", "text"), DOCUMENTED)
def test_every_pattern_of_the_documents_reads_its_example_and_writes_it_again(layout, text):
    layout = Layout.of(layout)
    moment = layout.parse(text)
    local = datetime(2024, 3, 15, 14, 30, tzinfo=UTC)
    assert moment.count // 1000 == local.timestamp() + (7 * 3600 if text.endswith("-07:00") else 0)
    assert layout.format(moment.count, moment.zone) == text
    parsed = parse_all(layout, pa.array([text]))
    assert format_all(layout, parsed.times, parsed.zone).to_pylist() == [text]


def test_a_layout_that_trims_its_fraction_and_the_one_that_does_not_write_all_times_of_javascript():
    trimmed, whole = Layout.of("Jan 2, 2006 15:04:05,999 MST").family
    assert whole.text == "Jan 2, 2006 15:04:05,000 MST"
    assert whole.family == (whole,)
    texts = [
        "Mar 15, 2024 14:30:00,123 UTC",
        "Mar 15, 2024 14:30:00,120 UTC",
        "Mar 15, 2024 14:30:00,000 UTC",
    ]
    assert layouts_of(texts[0], trimmed.family).layouts == {trimmed.text, whole.text}
    assert layouts_of(texts[1], trimmed.family).layouts == {whole.text}
    assert format_all(whole, parse_all(whole, pa.array(texts)).times, "UTC").to_pylist() == texts


@pytest.mark.parametrize(
    ("layout", "text", "zone"),
    [
        ("01/02 03:04:05PM '06 -0700", "02/04 09:00:57PM '09 -0800", "-08:00"),
        ("Mon Jan _2 15:04:05 2006", "Wed Feb  4 21:00:57 2009", None),
        ("Mon Jan _2 15:04:05 MST 2006", "Wed Feb  4 21:00:57 PST 2009", "PST"),
        ("Mon Jan 02 15:04:05 -0700 2006", "Wed Feb 04 21:00:57 -0800 2009", "-08:00"),
        ("02 Jan 06 15:04 MST", "04 Feb 09 21:00 PST", "PST"),
        ("02 Jan 06 15:04 -0700", "04 Feb 09 21:00 -0800", "-08:00"),
        ("Monday, 02-Jan-06 15:04:05 MST", "Wednesday, 04-Feb-09 21:00:57 PST", "PST"),
        ("Mon, 02 Jan 2006 15:04:05 MST", "Wed, 04 Feb 2009 21:00:57 PST", "PST"),
        ("Mon, 02 Jan 2006 15:04:05 -0700", "Wed, 04 Feb 2009 21:00:57 -0800", "-08:00"),
        ("2006-01-02T15:04:05Z07:00", "2009-02-04T21:00:57-08:00", "-08:00"),
        ("2006-01-02T15:04:05.999999999Z07:00", "2009-02-04T21:00:57.0123456-08:00", "-08:00"),
        ("2006-01-02 15:04:05", "2009-02-04 21:00:57", None),
        ("2006-01-02", "2009-02-04", None),
        ("2006-01-02 15:04:05.999999999 -0700 MST", "2009-02-04 21:00:57.0123456 -0800 PST", "PST"),
    ],
)
def test_the_layouts_that_go_predefines_are_read(layout, text, zone):
    layout = Layout.of(layout)
    moment = layout.parse(text)
    assert moment.zone == zone
    assert layout.zoned is (zone is not None)
    assert layout.format(*(moment.count, moment.zone)) == text


@pytest.mark.parametrize(
    ("token", "text"),
    [
        *(("2006", "2024"), ("06", "24"), ("01", "03"), ("1", "3"), ("Jan", "Mar"), ("January", "March")),
        *(("02", "05"), ("2", "5"), ("_2", " 5"), ("002", "065"), ("__2", " 65")),
        *(("Mon", "Tue"), ("Monday", "Tuesday"), ("15", "00"), ("PM", "AM"), ("pm", "am")),
        *(("03 PM", "12 AM"), ("3pm", "12am"), ("04", "07"), ("4", "7"), ("05", "09"), ("5", "9")),
        *((".000", ".010"), (",000", ",010"), (".999", ".01"), (",99", ",01"), (".0", ".0"), (".9", "")),
        *(("-0700", "-0330"), ("-07:00", "-03:30"), ("-07", "-03"), ("Z0700", "-0330"), ("Z07", "-03")),
        *(("-070000", "-033000"), ("-07:00:00", "-03:30:00"), ("Z070000", "-033000")),
        *(("Z07:00", "-03:30"), ("Z07:00:00", "-03:30:00")),
        *(("Month", "Month"), ("Janus", "Janus"), ("7.01", "7.03"), (".009", ".009"), ("_2006", "_2024")),
        *(("at", "at"), ("Zulu -08", "Zulu -08"), ("P.M.", "P.M."), ("00", "00"), ("99", "99")),
    ],
)
def test_every_token_writes_its_part_and_what_is_no_token_stays(token, text):
    moment = Layout.of("2006-01-02T15:04:05.00Z07:00").parse("2024-03-05T00:07:09.01-03:30")
    layout = Layout.of(f"2006-01-02T15:04:05.00Z07:00 {token}|")
    # Not format: of two offsets or fractions the later one is read, and it may say less.
    assert layout._write(moment) == f"2024-03-05T00:07:09.01-03:30 {text}|"


@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001  A wall clock.
def test_names_of_days_are_those_of_pythons_calendar(wall):
    layout = Layout.of("Mon Monday Jan January 002 2006-01-02 03:04:05.000000 PM")
    text = wall.strftime("%a %A %b %B %j %Y-%m-%d %I:%M:%S.%f %p")
    assert layout.parse(text) == Moment((wall - datetime(1970, 1, 1)) // timedelta(microseconds=1), None)  # noqa: DTZ001


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.integers(-1439, 1439))  # noqa: DTZ001
def test_iso_texts_say_the_instants_that_python_reads_in_them(wall, minutes):
    text = wall.replace(tzinfo=timezone(timedelta(minutes=minutes))).isoformat(timespec="microseconds")
    layout = Layout.of("2006-01-02T15:04:05.000000-07:00")
    count = (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert layout.parse(text) == Moment(count, zone_of(minutes * 60))
    assert parse_all(layout, pa.array([text])).times[0].value == count


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        ("15:04:05", "no year"),
        ("%Y-%m-%d", "no year"),
        ("", "no year"),
        ("01/02 15:04", "no year"),
        ("2006", "lacks the month"),
        ("2006-01", "lacks the month"),
        ("2006-02 15:04", "lacks the month"),
        ("2006-01-02 03:04:05", "ambiguous without PM"),
        ("2006-01-02 3:04", "ambiguous without PM"),
        ("2006102", "where 1 ends is ambiguous"),
        ("200601_215", "where _2 ends is ambiguous"),
        ("2006__215", "where __2 ends is ambiguous"),
        ("2006-01.999_2", "where .999 ends is ambiguous"),
        ("2006-01-02 15:04:05.999.7", "where .999 ends is ambiguous"),
        ("15:04:05 .999 02/01/2006", "where .999 ends is ambiguous"),
        ("15:04:05.02/01/2006", "where 05 ends is ambiguous"),
        ("15:04:05,78 02/01/2006", "where 05 ends is ambiguous"),
        ("2006-01-02 MST-0700", "where MST ends is ambiguous"),
        ("2006-01-02 MSTZ07:00", "where MST ends is ambiguous"),
        ("2006-01-02 15:04:05.0000000000", "more than nine digits"),
    ],
)
def test_a_layout_that_does_not_say_a_time_is_refused_with_the_reason(layout, reason):
    with pytest.raises(ValueError, match=reason) as refusal:
        Layout.of(layout)
    assert repr(layout) in str(refusal.value)
    assert "for example 2006-01-02 15:04:05" in str(refusal.value)


@pytest.mark.parametrize(
    ("layout", "unit"),
    [
        ("2006-01-02", "ms"),
        ("2006-01-02 15:04:05.9", "ms"),
        ("2006-01-02 15:04:05,000", "ms"),
        ("2006-01-02 15:04:05.0000", "us"),
        ("2006-01-02 15:04:05.999999", "us"),
        ("2006-01-02 15:04:05.9999999", "ns"),
        ("2006-01-02 15:04:05.000000000", "ns"),
    ],
)
def test_the_unit_holds_every_digit(layout, unit):
    assert Layout.of(layout).unit == unit
    assert parse_all(Layout.of(layout), pa.nulls(1, pa.string())).times.type == pa.timestamp(unit)


def test_a_layout_is_a_value():
    layout = Layout.of("2006-01-02")
    assert layout == Layout.of("2006-01-02")
    assert len({layout, Layout.of("2006-01-02"), Layout.of("2006/01/02")}) == 2
    with pytest.raises(FrozenInstanceError):
        layout.text = "2006"


NO_TIMES = [
    *(
        ("2006-01-02", text)
        for text in ("2023-02-29", "1900-02-29", "2024-04-31", "2024-13-01", "2024-00-01")
    ),
    *(("2006-01-02", text) for text in ("2024-01-00", "24-01-01", "12024-01-01", "-024-01-01", "2024-1-01")),
    *(("2006-01-02", text) for text in ("", " 2024-01-01", "2024-01-01 ", "2024-01-01\n", "\uff12024-01-01")),
    *(("2006-01-02 15:04:05", f"2024-01-01 {text}") for text in ("24:00:00", "00:60:00", "23:59:60")),
    *(
        ("2006-01-02 15:04:05", f"2024-01-01 {text}")
        for text in ("1:00:00", "01:00", "01:00:00.5", " 1:00:00")
    ),
    ("2006-01-02 15:04:05", "2024-01-01T00:00:00"),
    ("2006-01-02 15:04:05", "2024-01-01  00:00:00"),
    *(("2006-01-02T15:04:05Z07:00", f"2024-01-01T00:00:00{zone}") for zone in ("+00:00", "-00:00", "z", "")),
    *(("2006-01-02T15:04:05Z07:00", f"2024-01-01T00:00:00{zone}") for zone in ("+0200", "+25:00", "+02:60")),
    *(("2006-01-02T15:04:05-07:00", f"2024-01-01T00:00:00{zone}") for zone in ("Z", "-00:00", "02:00")),
    ("2006-01-02T15:04:05-07:00:00", "2024-01-01T00:00:00-00:00:30"),
    *(
        ("2006-01-02T15:04:05.999", f"2024-01-01T00:00:00{part}")
        for part in (".", ".0", ".120", ".1234", ",1")
    ),
    *(("2006-01-02T15:04:05.000", f"2024-01-01T00:00:00{part}") for part in ("", ".12", ".1234", ",123")),
    *(
        ("2006-01-02 15:04 MST", f"2024-01-01 00:00 {zone}")
        for zone in ("CEST", "utc", "GMT+3", "+02", "XYZ")
    ),
    ("2006-01-02 15:04 -0700 MST", "2024-01-01 00:00 -0700 EST"),
    *(
        ("Jan 2, 2006 3:04 PM", f"Mar {text} PM")
        for text in ("15, 2024 14:30", "15, 2024 0:30", "05, 2024 2:30")
    ),
    *(
        ("Jan 2, 2006 3:04 PM", f"{text} 2:30 PM")
        for text in ("mar 5, 2024", "March 5, 2024", "Feb 30, 2024")
    ),
    ("Jan 2, 2006 3:04 PM", "Mar 5, 2024 2:30 pm"),
    ("Mon 2006-01-02", "Mon 2024-03-15"),
    *(("2006-002", text) for text in ("2023-366", "2024-000", "0000-000", "9999-366", "2024-367")),
    *(("2006 __2", text) for text in ("2024    1", "2024 001", "2024 1 1", "2024 1")),
    ("2006-01-02 002", "2024-03-15 074"),
    ("2006-01-02 06", "1950-01-02 50"),
    *(("2006-01-02 15:04:05.000000000", f"{text}") for text in ("2262-04-11 23:47:16.854775808",)),
    *(("2006-01-02 15:04:05.000000000", f"{text}") for text in ("1677-09-21 00:12:43.999999999",)),
    ("2006-01-02 15:04:05.000000000-07", "2262-04-11 23:00:00.000000000-01"),
]


@pytest.mark.parametrize(("layout", "text"), NO_TIMES)
def test_a_text_that_would_not_be_written_so_is_no_time(layout, text):
    layout = Layout.of(layout)
    assert layout.parse(text) is None
    assert parse_all(layout, pa.array([text])) is None
    assert layouts_of(text, [layout]) is None
    assert layouts_of_all(pa.array([text, None]), [layout]) is None


@pytest.mark.parametrize(
    ("layout", "text", "seconds", "zone"),
    [
        ("2006-01-02T15:04:05Z07:00", "1970-01-01T00:00:00Z", 0, "UTC"),
        ("2006-01-02T15:04:05-07:00", "1970-01-01T00:00:00+00:00", 0, "UTC"),
        ("2006-01-02T15:04:05-07", "1970-01-01T00:00:00+02", -7200, "+02:00"),
        ("2006-01-02T15:04:05Z0700", "1970-01-01T00:00:00-0330", 12_600, "-03:30"),
        ("2006-01-02T15:04:05Z070000", "1970-01-01T00:00:00+020030", -7230, "+02:00:30"),
        ("2006-01-02T15:04:05-07:00:00", "1970-01-01T00:00:00-02:00:30", 7230, "-02:00:30"),
        ("2006-01-02T15:04:05-07:00:00", "1970-01-01T00:00:00+02:00:00", -7200, "+02:00"),
        ("2006-01-02T15:04:05-07:00", "1970-01-01T00:00:00+24:00", -86_400, "+24:00"),
        ("2006-01-02T15:04:05-07:00", "0000-01-01T00:00:00+02:00", FIRST - 7200, "+02:00"),
        ("2006-01-02T15:04:05-07:00", "9999-12-31T23:59:59-02:00", LAST + 7200, "-02:00"),
        *(
            ("2006-01-02T15:04:05 MST", f"1970-01-01T00:00:00 {name}", -3600 * hours, name)
            for name, hours in (
                *(("UTC", 0), ("GMT", 0), ("UT", 0), ("EST", -5), ("EDT", -4), ("CST", -6)),
                *(("CDT", -5), ("MST", -7), ("MDT", -6), ("PST", -8), ("PDT", -7)),
            )
        ),
    ],
)
def test_the_instant_is_in_utc_and_the_zone_is_told_beside_it(layout, text, seconds, zone):
    layout = Layout.of(layout)
    assert layout.parse(text) == Moment(seconds * 1000, zone)
    parsed = parse_all(layout, pa.array([text, None, text]))
    assert parsed.zone == zone
    assert parsed.times.type == pa.timestamp("ms", "UTC")
    assert [time and time.value for time in parsed.times] == [seconds * 1000, None, seconds * 1000]


@pytest.mark.parametrize(
    ("text", "year"), [("68-12-31", 2068), ("69-01-01", 1969), ("00-01-01", 2000), ("99-12-31", 1999)]
)
def test_two_digits_of_a_year_are_of_1969_to_2068(text, year):
    layout = Layout.of("06-01-02")
    assert (
        layout.parse(text).count
        == datetime(year, *map(int, text.split("-")[1:]), tzinfo=UTC).timestamp() * 1000
    )


@pytest.mark.parametrize("text", ["1677-09-21 00:12:44.000000000", "2262-04-11 23:47:16.854775807"])
def test_nanoseconds_reach_as_far_as_64_bits_and_arrow_do(text):
    layout = Layout.of("2006-01-02 15:04:05.000000000")
    assert format_all(layout, parse_all(layout, pa.array([text])).times, None).to_pylist() == [text]


@pytest.mark.parametrize(
    ("text", "hour"),
    [("12:00 AM", 0), ("1:00 AM", 1), ("11:00 AM", 11), ("12:00 PM", 12), ("1:00 PM", 13), ("11:00 PM", 23)],
)
def test_noon_and_midnight_are_twelve(text, hour):
    layout = Layout.of("2006-01-02 3:04 PM")
    assert layout.parse(f"1970-01-01 {text}") == Moment(hour * 3_600_000, None)


@pytest.mark.parametrize(
    ("layout", "count", "zone"),
    [
        ("2006-01-02 15:04:05", 500, None),
        ("2006-01-02 15:04", 1000, None),
        ("2006-01-02 15:04:05.00", 5, None),
        ("2006-01-02 15:04:05.99", 5, None),
        ("2006-01-02", (LAST + 1) * 1000, None),
        ("2006-01-02", (FIRST - 1) * 1000, None),
        ("06-01-02", -86_400_000 * 366, None),
        ("2006-01-02 15:04:05.000000000", 2**63, None),
        ("2006-01-02", 0, "UTC"),
        ("2006-01-02 Z07:00", 0, None),
        ("2006-01-02 15:04 Z07:00", 0, "EST"),
        ("2006-01-02 15:04 Z07:00", 0, "+00:00"),
        ("2006-01-02 15:04 Z07:00", 0, "+2:00"),
        ("2006-01-02 15:04 Z07", 0, "+02:30"),
        ("2006-01-02 15:04:05-07:00", 0, "+02:00:30"),
        ("2006-01-02 15:04 MST", 0, "+02:00"),
        ("2006-01-02 15:04 MST", 0, "CEST"),
        ("Jan 2, 2006 3:04 PM", 1000, None),
        ("Jan 2, 2006 3:04 PM MST", 0, "-05:00"),
    ],
)
def test_a_time_that_a_layout_cannot_say_is_not_written_as_another(layout, count, zone):
    layout = Layout.of(layout)
    with pytest.raises(ValueError, match="no text"):
        layout.format(count, zone)
    if count < 2**63:
        with pytest.raises(ValueError, match="no text"):
            format_all(layout, pa.array([count, None], pa.int64()), zone)
        with pytest.raises(ValueError, match="no text"):
            format_all(layout, pa.array([None, count], pa.timestamp(layout.unit)), zone)


def test_one_time_among_many_that_a_layout_cannot_say_is_noticed():
    for text in ("2006-01-02 15:04:05", "Jan 2, 2006 15:04:05"):
        with pytest.raises(ValueError, match="no text"):
            format_all(Layout.of(text), pa.array([0, 1000, None, 1], pa.int64()), None)


@given(layouts_and_moments())
def test_every_time_of_four_digit_years_is_written_and_read_again(drawn):
    layout, [moment] = drawn
    text = layout.format(moment.count, moment.zone)
    assert layout.parse(text) == moment


@given(layouts_and_moments(most=6), st.data())
def test_a_damaged_text_is_refused_or_written_again_as_it_is(drawn, data):
    """By the vectorised functions as one by one."""
    layout, moments = drawn
    texts = [layout.format(moment.count, moment.zone) for moment in moments]
    damaged = data.draw(st.sampled_from(texts))
    place = data.draw(st.integers(0, len(damaged)))
    new = data.draw(st.sampled_from(["", *"0123456789 :.,+-ZTAPMae", "\n"]))
    damaged = damaged[:place] + new + damaged[place + data.draw(st.integers(0, 1)) :]
    moment = layout.parse(damaged)
    assert moment is None or layout.format(moment.count, moment.zone) == damaged
    assert_equal_one_by_one(layout, [*texts, None, damaged])


@given(layouts_and_moments(most=6))
def test_arrays_are_read_and_written_as_their_texts_one_by_one(drawn):
    layout, moments = drawn
    texts = [None, *(layout.format(moment.count, moment.zone) for moment in moments), None]
    parsed = assert_equal_one_by_one(layout, texts)
    assert format_all(layout, parsed.times, parsed.zone).to_pylist() == texts
    assert format_all(layout, parsed.times.cast(pa.int64()), parsed.zone).to_pylist() == texts
    assert format_all(layout, parsed.times.slice(1), parsed.zone).to_pylist() == texts[1:]


def assert_equal_one_by_one(layout, texts):
    moments = [None if text is None else layout.parse(text) for text in texts]
    zones = {moment.zone for moment in moments if moment is not None}
    parsed = parse_all(layout, pa.array(texts, pa.string()))
    if len(zones) > 1 or any(
        moment is None for moment, text in zip(moments, texts, strict=True) if text is not None
    ):
        assert parsed is None
        return None
    type_ = pa.timestamp(layout.unit, "UTC" if layout.zoned else None)
    counts = pa.array([moment and moment.count for moment in moments], pa.int64())
    assert parsed == Parsed(counts.cast(type_), next(iter(zones)))
    return parsed


@pytest.mark.parametrize("text", ["2006-01-02T15:04:05Z07:00", "2006-01-02", "Jan 2, 2006 MST"])
def test_an_array_without_texts_is_one_of_times_without_a_zone(text):
    layout = Layout.of(text)
    for texts in ([], [None, None]):
        parsed = parse_all(layout, pa.array(texts, pa.string()))
        assert parsed.zone is None
        assert parsed.times.null_count == len(texts)
        assert parsed.times.type == pa.timestamp("ms", "UTC" if layout.zoned else None)
        assert format_all(layout, parsed.times, None).to_pylist() == texts


def test_times_of_another_unit_are_written_if_they_fit():
    layout = Layout.of("2006-01-02 15:04:05")
    assert format_all(layout, pa.array([10**9], pa.timestamp("ns")), None).to_pylist() == [
        "1970-01-01 00:00:01"
    ]
    with pytest.raises(ValueError, match="lose data"):
        format_all(layout, pa.array([1], pa.timestamp("ns")), None)


@pytest.mark.parametrize("layout", ["2006-01-02T15:04:05Z07:00", "Jan 2, 2006 15:04 -0700"])
def test_texts_of_two_zones_are_not_times_of_one(layout):
    layout = Layout.of(layout)
    texts = pa.array([layout.format(0, "+02:00"), layout.format(0, "+03:00")])
    assert parse_all(layout, texts) is None
    assert layouts_of_all(texts, [layout]) is None


DATE, FRACTIONS = "2006-01-02T15:04:05", ("", ".000", ".999", ".000000", ".999999")


@pytest.mark.parametrize(
    ("part", "fractions"),
    [
        ("", {"", ".999", ".999999"}),
        (".123", {".000", ".999", ".999999"}),
        (".120", {".000"}),
        (".12", {".999", ".999999"}),
        (".000", {".000"}),
        (".123456", {".000000", ".999999"}),
        (".123450", {".000000"}),
        (".1234", {".999999"}),
    ],
)
@pytest.mark.parametrize(
    ("zone", "name", "styles"),
    [
        ("", None, {""}),
        ("Z", "UTC", {"Z07:00"}),
        ("+00:00", "UTC", {"-07:00"}),
        ("+02:00", "+02:00", {"Z07:00", "-07:00"}),
    ],
)
def test_iso_texts_are_times_under_every_layout_that_writes_them_so(part, fractions, zone, name, styles):
    text = f"2024-03-15T14:30:00{part}{zone}"
    reading = Reading(
        name, frozenset(f"{DATE}{fraction}{style}" for fraction in fractions for style in styles)
    )
    assert layouts_of(text) == reading
    assert layouts_of_all(pa.array([text, None, text])) == reading


@pytest.mark.parametrize(
    "text", ["", "x", "2024-03-15", "2024-03-15 14:30:00", "2024-03-15T14:30:00.1234567Z"]
)
def test_other_texts_are_no_times_unless_somebody_says_so(text):
    assert layouts_of(text) is None
    assert layouts_of_all(pa.array([text])) is None


def test_the_default_family_is_iso_8601_without_and_with_zones():
    assert [layout.text for layout in ISO_8601] == [
        f"{DATE}{fraction}{zone}" for zone in ("", "Z07:00", "-07:00") for fraction in FRACTIONS
    ]


def test_texts_agree_on_the_layouts_that_all_of_them_keep():
    texts = ["2024-03-15T14:30:00Z", "2024-03-15T14:30:00.5Z", "2024-03-15T14:30:00.000001Z"]
    assert layouts_of_all(pa.array(texts)) == Reading("UTC", frozenset({f"{DATE}.999999Z07:00"}))
    assert layouts_of_all(pa.array([*texts, "2024-03-15T14:30:00.10Z"])) is None
    assert layouts_of_all(pa.array([*texts, "2024-03-15T14:30:00+00:00"])) is None


def test_no_texts_say_nothing_of_layouts():
    for texts in ([], [None]):
        with pytest.raises(ValueError, match="says nothing"):
            layouts_of_all(pa.array(texts, pa.string()))


def test_a_family_may_mix_layouts_of_numbers_and_of_names():
    family = [Layout.of(text) for text in ("2006-01-02", "2006-1-2", "Jan 2, 2006", "2006-01-2")]
    assert layouts_of_all(pa.array(["2024-10-15", "2024-11-16"]), family) == Reading(
        None, frozenset({"2006-01-02", "2006-1-2", "2006-01-2"})
    )
    assert layouts_of_all(pa.array(["2024-10-15", "2024-11-06"]), family).layouts == {"2006-01-02"}


def test_where_layouts_read_different_zones_the_first_decides():
    family = [Layout.of(f"2006-01-02 {zone}") for zone in ("Z07:00", "Z")]
    assert layouts_of("2024-03-15 Z", family) == Reading("UTC", frozenset({"2006-01-02 Z07:00"}))
    assert layouts_of("2024-03-15 Z", family[::-1]) == Reading(None, frozenset({"2006-01-02 Z"}))


ISO_TEXTS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(
        ["2024-03-15T14:30:00", "0000-01-01T00:00:00", "2023-02-29T00:00:00", "9999-12-31T23:59:59"]
    ),
    st.sampled_from(["", ".123", ".120", ".1", ".000001", ".100000", ".000"]),
    st.sampled_from(["", "Z", "+00:00", "-00:00", "+02:00", "-07:30", "+24:00", "+25:00"]),
    st.sampled_from(["", "", "", "\n", " "]),
)


@given(st.lists(ISO_TEXTS, min_size=1, max_size=4), st.sampled_from([1, 1, 4]))
def test_an_array_is_of_the_layouts_that_its_texts_share(texts, same):
    texts = texts[:1] * same if same > 1 else texts
    readings = [layouts_of(text) for text in texts]
    expected = None
    if None not in readings and len({reading.zone for reading in readings}) == 1:
        shared = frozenset.intersection(*(reading.layouts for reading in readings))
        expected = Reading(readings[0].zone, shared) if shared else None
    assert layouts_of_all(pa.array([None, *texts])) == expected


def test_iso_texts_need_no_code_per_row(monkeypatch):
    parsed = []
    parse = Layout.parse
    monkeypatch.setattr(Layout, "parse", lambda layout, text: parsed.append(text) or parse(layout, text))
    texts = pa.array([f"2024-03-15T14:30:{second:02d}.5+02:00" for second in range(60)])
    assert parse_all(Layout.of(f"{DATE}.9Z07:00"), texts) is not None
    assert layouts_of_all(texts) is not None
    assert set(parsed) == {texts[0].as_py()}
