import io
import json
import logging
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.dataset import AwsAccess, Secret
from headrace.evolution import ColumnChange, Happened
from headrace.mapping_facts import (
    FunctionOutput,
    FunctionProcess,
    Invoked,
    MappingFact,
    MappingStatusChanged,
    RecordsGivenUp,
)
from headrace.metrics.log import Foreign, LogFormat, LogLevel, make_logger
from headrace.metrics.story import (
    CHANGES_TOLD,
    EVENTS,
    FAULT_EVERY,
    MAPPING_EVENTS,
    LogObserver,
    MappingLogObserver,
)
from headrace.observe import (
    BatchApplied,
    BootstrapStarted,
    ColumnsKnown,
    GapFound,
    Observation,
    SchemaEvolved,
    StatusChanged,
    TransientFault,
)
from headrace.status import State

NOON = 1_700_000_000.0
FAULT = TransientFault("orders", "GetRecords", "throttled", retry_in=0.2)
STATUS = StatusChanged("orders", State.READY, ready=True, live=True, fresh=True, lag=0.2, reason=None)


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Log:
    """A logger in JSON and the events that it has written."""

    def __init__(self, level=LogLevel.INFO, secrets=()):
        self.stream = io.StringIO()
        self.logger = make_logger(
            LogFormat.JSON, level, secrets=secrets, environ={}, stream=self.stream, clock=lambda: NOON
        )

    @property
    def events(self):
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


def human(stream, environ=None, **fields):
    logger = make_logger(environ=environ or {}, stream=stream, clock=lambda: NOON)
    logger.info("bootstrap_started", **fields)
    return stream.getvalue()


def test_a_fact_becomes_one_json_object_with_its_name_level_time_and_fields():
    log = Log()
    LogObserver(log.logger)(BootstrapStarted("orders", 4, 20_000, 5_000_000, rebuild=False))
    assert log.events == [
        {
            "timestamp": "2023-11-14T22:13:20.000Z",
            "level": "info",
            "event": "bootstrap_started",
            "dataset": "orders",
            "segments": 4,
            "items": 20_000,
            "size_bytes": 5_000_000,
            "rebuild": False,
        }
    ]


def test_every_fact_has_a_name_of_its_own_in_the_log():
    assert set(EVENTS) == set(Observation.__args__)
    assert len({name for name, _ in EVENTS.values()}) == len(EVENTS)


def test_every_fact_about_a_mapping_has_a_name_of_its_own_too():
    assert set(MAPPING_EVENTS) == set(MappingFact.__args__)
    assert len({name for name, _ in (*EVENTS.values(), *MAPPING_EVENTS.values())}) == len(EVENTS) + len(
        MAPPING_EVENTS
    )


def test_what_happens_all_the_time_is_only_written_at_debug():
    batch = BatchApplied("orders", 1, 0, 1, 0, 0.012345)
    quiet, chatty = Log(), Log(LogLevel.DEBUG)
    LogObserver(quiet.logger)(batch)
    LogObserver(chatty.logger)(batch)
    assert quiet.events == []
    assert [event["event"] for event in chatty.events] == ["batch_applied"]
    assert chatty.events[0]["seconds"] == 0.012


def added(name):
    return ColumnChange(Happened.ADDED, name, after="Int64")


def test_what_happened_to_columns_is_written_in_words():
    log = Log(LogLevel.DEBUG)
    observer = LogObserver(log.logger)
    observer(SchemaEvolved("orders", (added("price"), ColumnChange(Happened.RETYPED, "n", "Int64", "Utf8"))))
    observer(ColumnsKnown("orders", (("id", "Utf8"), ("price", "Int64"))))
    evolved, known = log.events
    assert (evolved["event"], evolved["level"]) == ("schema_evolved", "info")
    assert evolved["changes"] == ["added price (Int64)", "n: Int64 -> Utf8"]
    assert "more" not in evolved
    assert (known["event"], known["level"]) == ("columns_known", "debug")
    assert known["columns"] == [["id", "Utf8"], ["price", "Int64"]]


def test_of_many_changes_of_columns_the_first_are_written_and_the_others_counted():
    log = Log()
    LogObserver(log.logger)(SchemaEvolved("orders", tuple(added(f"c{n}") for n in range(CHANGES_TOLD + 7))))
    (event,) = log.events
    assert (len(event["changes"]), event["more"]) == (CHANGES_TOLD, 7)


def test_a_name_of_a_column_cannot_command_the_terminal():
    stream = io.StringIO()
    LogObserver(make_logger(environ={}, stream=stream))(SchemaEvolved("orders", (added("\x1b[2J"),)))
    assert "\x1b" not in stream.getvalue()


def test_a_fault_that_repeats_is_written_once_in_a_while_with_the_number_left_out():
    log, now = Log(), [0.0]
    observer = LogObserver(log.logger, clock=lambda: now[0])
    for _ in range(5):
        observer(FAULT)
    observer(replace(FAULT, dataset="users"))
    observer(replace(FAULT, what="DescribeStream"))
    now[0] = FAULT_EVERY
    observer(FAULT)
    told = [(event["dataset"], event["what"], event.get("repeated")) for event in log.events]
    assert told == [
        ("orders", "GetRecords", None),
        ("users", "GetRecords", None),
        ("orders", "DescribeStream", None),
        ("orders", "GetRecords", 4),
    ]
    assert {event["level"] for event in log.events} == {"warning"}


def test_a_status_that_differs_only_in_figures_is_not_written_again():
    log = Log()
    observer = LogObserver(log.logger)
    late = replace(STATUS, fresh=False, lag=4.0, reason="the lag of 4.0 s is over ready_lag (2 s)")
    observer(STATUS)
    observer(replace(STATUS, lag=0.3))
    observer(late)
    observer(replace(late, lag=5.5, reason="the lag of 5.5 s is over ready_lag (2 s)"))
    observer(STATUS)
    assert [(event["fresh"], event["lag"]) for event in log.events] == [
        (True, 0.2),
        (False, 4.0),
        (True, 0.2),
    ]
    assert log.events[1]["reason"] == "the lag of 4.0 s is over ready_lag (2 s)"


@pytest.mark.parametrize(
    ("fact", "level"),
    [
        (STATUS, "info"),
        (replace(STATUS, live=False, reason="no progress for 30 s"), "warning"),
        (replace(STATUS, status=State.ERROR, reason="access denied"), "error"),
        (GapFound("orders", None, "trimmed", "ready_after_load"), "warning"),
        (GapFound("orders", None, "trimmed", "error"), "error"),
    ],
)
def test_the_level_follows_what_the_fact_says(fact, level):
    log = Log()
    LogObserver(log.logger)(fact)
    assert log.events[0]["level"] == level


def test_people_read_one_line_an_event_without_colours_where_there_is_no_terminal():
    line = human(io.StringIO(), dataset="orders", segments=4)
    assert "\x1b" not in line
    assert line.count("\n") == 1
    assert "bootstrap_started" in line
    assert "dataset=orders segments=4" in line


def test_colours_are_for_terminals_that_did_not_refuse_them():
    assert "\x1b[" in human(Terminal(), dataset="orders")
    assert "\x1b" not in human(Terminal(), {"NO_COLOR": "1"}, dataset="orders")
    assert "\x1b" not in human(Terminal(), {"TERM": "dumb"}, dataset="orders")


def test_control_characters_of_a_tables_data_never_reach_the_terminal():
    line = human(io.StringIO(), key="\x1b[2J", error="one\ntwo\r\x07")
    assert line.count("\n") == 1
    assert not {"\x1b", "\r", "\x07"} & set(line)


@pytest.mark.parametrize("format_", list(LogFormat))
def test_a_secret_never_appears_however_it_gets_into_an_event(format_):
    stream = io.StringIO()
    text = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    secret = Secret(text)
    logger = make_logger(format_, secrets=[secret], environ={}, stream=stream)
    event = f"event {text}"
    logger.info(
        event,
        direct=secret,
        nested={"list": [secret, f"key={text}"], text: 1},
        record=AwsAccess(secret_access_key=secret),
        error=ValueError(f"bad key {text}"),
    )
    logger.error("failed", exc_info=RuntimeError(f"signing with {text} failed"))
    written = stream.getvalue()
    assert text not in written
    assert written.count("***") >= 6
    assert "RuntimeError: signing with *** failed" in written.replace("\\n", "\n")


def test_a_short_secret_is_masked_as_a_word_and_leaves_longer_names_alone():
    log = Log(secrets=[Secret("test"), Secret("")])
    log.logger.info("opened", table="test_orders", error="the key test was refused")
    assert log.events[0]["table"] == "test_orders"
    assert log.events[0]["error"] == "the key *** was refused"


@given(secret=st.text(min_size=8, max_size=40), before=st.text(), after=st.text())
def test_no_text_around_a_secret_lets_it_through(secret, before, after):
    log = Log(secrets=[Secret(secret)])
    log.logger.info("event", value=before + secret + after)
    # What remains around the mask may spell it only if the mask itself takes part.
    assert all(secret not in part for part in log.events[0]["value"].split("***"))


def test_what_libraries_warn_of_comes_through_the_same_door():
    log = Log()
    library = logging.getLogger("some.library")
    handler = Foreign(log.logger)
    library.addHandler(handler)
    try:
        library.info("starting")
        library.warning("pool %s is full", "dynamodb")
    finally:
        library.removeHandler(handler)
    assert [(event["event"], event["name"], event["message"]) for event in log.events] == [
        ("library", "some.library", "pool dynamodb is full")
    ]


def test_a_closed_stream_does_not_stop_the_work():
    log = Log()
    log.stream.close()
    LogObserver(log.logger)(FAULT)


def invoked(error=None, shard="shard-1"):
    return Invoked("orders", shard, 10, 0 if error else 10, 1, 0.02, 3.0, error)


def test_an_invocation_is_written_where_it_fails_and_one_error_once_in_a_while():
    log, now = Log(), [0.0]
    observer = MappingLogObserver(log.logger, clock=lambda: now[0])
    for fact in (invoked(), invoked("ValueError: 5"), invoked("ValueError: 5"), invoked("KeyError: x")):
        observer(fact)
    observer(invoked("ValueError: 5", "shard-2"))
    now[0] = FAULT_EVERY
    observer(invoked("ValueError: 5"))
    assert [(event["level"], event["error"], event.get("repeated")) for event in log.events] == [
        ("warning", "ValueError: 5", None),
        ("warning", "KeyError: x", None),
        ("warning", "ValueError: 5", None),
        ("warning", "ValueError: 5", 1),
    ]


def test_a_line_that_a_function_wrote_is_a_line_of_the_log():
    log = Log()
    MappingLogObserver(log.logger)(FunctionOutput("orders", "stdout", "hello", "request-1"))
    (event,) = log.events
    assert event == {
        "timestamp": "2023-11-14T22:13:20.000Z",
        "level": "info",
        "event": "function_output",
        "mapping": "orders",
        "stream": "stdout",
        "line": "hello",
        "request": "request-1",
    }


def test_what_is_told_of_a_mapping_in_the_words_of_datasets_names_the_mapping():
    log = Log()
    MappingLogObserver(log.logger)(FAULT)
    (event,) = log.events
    assert (event["event"], event["mapping"]) == ("transient_fault", "orders")
    assert "dataset" not in event


def test_a_status_of_a_mapping_is_written_when_it_is_news():
    log = Log()
    observer = MappingLogObserver(log.logger)
    status = MappingStatusChanged("orders", State.READY, live=True, lag=0.5, ages={"s1": 1.0, "s2": 2.0})
    for fact in (
        status,
        replace(status, lag=0.7, ages={}, parked=1, failures=2),
        replace(status, live=False, reason="no answer for 12 s"),
        replace(status, live=False, reason="no answer for 13 s"),
        replace(status, status=State.ERROR, live=False, reason="access denied"),
    ):
        observer(fact)
    assert [(event["level"], event.get("reason")) for event in log.events] == [
        ("info", None),
        ("warning", "no answer for 12 s"),
        ("error", "access denied"),
    ]
    assert log.events[0]["ages"] == 2.0


def test_what_costs_records_or_processes_is_no_plain_news():
    log = Log()
    observer = MappingLogObserver(log.logger)
    observer(RecordsGivenUp("orders", "s", 2, "RetryAttemptsExhausted", "01", "ValueError: 5"))
    for event in ("started", "exited", "timed_out", "out_of_memory", "import_failed"):
        observer(FunctionProcess("orders", 1, event))
    assert [event["level"] for event in log.events] == [
        "error",
        "info",
        "info",
        "warning",
        "warning",
        "warning",
    ]
