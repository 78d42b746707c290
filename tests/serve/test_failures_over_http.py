"""The HTTP contract of event source mappings, their failures and what is parked."""

import json

import pytest

from headrace.errors import LedgerError, QueryError, QueryFault
from headrace.status import MappingStatus, State
from headrace.verified import Difference, Part, RowDifference, Verified
from support.deliveries import ARN, failure, parked, record, work
from support.serving import SmallSystem, served

JSON = {"Content-Type": "application/json"}
ROOT = "/v1/event_source_mappings"


@pytest.fixture(scope="module")
def runtime():
    system = SmallSystem()
    with served(system) as caller:
        yield system, caller


@pytest.fixture
def system(runtime):
    system, _ = runtime
    system.forget()
    system.mappings.known = [
        MappingStatus("status", "dynamodb:orders", "handlers:on_change", State.READY, live=True),
        MappingStatus("copy", "dynamodb:orders", "replicate:replica", State.LOADING, live=False),
    ]
    return system


@pytest.fixture
def call(runtime, system):
    return runtime[1]


def test_mappings_are_listed_with_their_status(system, call):
    system.mappings.known = [
        MappingStatus(
            "status",
            "dynamodb:orders",
            "handlers:on_change",
            State.ERROR,
            live=False,
            iterator_age_ms=1500,
            shards={"s1": 1500, "s2": 0},
            lag_ms=1600,
            invocations=9,
            errors=2,
            retries=1,
            bisected=1,
            delivered=700,
            filtered=30,
            given_up=4,
            parked=3,
            failures=2,
            filling=True,
            filled=12,
            reason="handlers: no such module",
        )
    ]
    assert call("GET", ROOT).json() == [
        {
            "name": "status",
            "from": "dynamodb:orders",
            "consumer": "handlers:on_change",
            "status": "Error",
            "live": False,
            "iterator_age_ms": 1500,
            "lag_ms": 1600,
            "shards": {"s1": 1500, "s2": 0},
            "invocations": 9,
            "errors": 2,
            "retries": 1,
            "bisected": 1,
            "delivered": 700,
            "filtered": 30,
            "given_up": 4,
            "parked": 3,
            "failures": 2,
            "filling": True,
            "filled": 12,
            "reason": "handlers: no such module",
        }
    ]
    system.mappings.known = []
    assert call("GET", ROOT).json() == []


def test_failures_come_in_pages_without_their_records(system, call):
    known = sorted((failure(n) for n in range(5)), key=lambda each: each.id)
    ledger = system.mappings.ledgers.of("status")
    ledger.commit(work(failures=tuple(known), sent=(known[0].id,), again=(known[0].id,)))
    first = call("GET", f"{ROOT}/Status/failures?limit=2").json()
    assert [each["id"] for each in first["failures"]] == [each.id for each in known[:2]]
    assert first["failures"][0] == {
        "id": known[0].id,
        "mapping": "status",
        "consumer": "handlers:on_change",
        "condition": "RetryAttemptsExhausted",
        "at": "2023-11-14T22:16:40.125Z",
        "invoked": 4,
        "redriven": 1,
        "sent": True,
        "stream_arn": ARN,
        "shard": "s1",
        "start_sequence_number": known[0].records[0].sequence.text,
        "end_sequence_number": known[0].records[0].sequence.text,
        "batch_size": 1,
        "error_type": "KeyError",
        "error_message": "'price'",
    }
    rest = call("GET", f"{ROOT}/status/failures?after={first['next']}").json()
    assert [each["id"] for each in rest["failures"]] == [each.id for each in known[2:]]
    assert call("GET", f"{ROOT}/status/failures?after={rest['next']}").json() == {
        "failures": [],
        "next": None,
    }
    assert call("GET", f"{ROOT}/copy/failures").json() == {"failures": [], "next": None}


def test_one_failure_comes_whole(system, call):
    text = '{"a": 1.50, "s":"é"}'.encode()
    whole = failure(1, records=(record(1, text=text), record(2)))
    system.mappings.ledgers.of("status").commit(work(failures=(whole,)))
    reply = call("GET", f"{ROOT}/status/failures/{whole.id}")
    assert text in reply.body
    told = reply.json()
    assert told["records"] == [json.loads(each.text) for each in whole.records]
    assert (told["stack_trace"], told["batch_size"]) == (["line 1", "line 2"], 2)


def test_parked_items_come_in_pages(system, call):
    system.mappings.ledgers.of("status").commit(
        work(parked=(parked(1, key="a/b"), parked(2, key="a/b"), parked(3, key="c")))
    )
    first = call("GET", f"{ROOT}/status/parked?limit=1").json()
    assert first == {
        "parked": [{"mapping": "status", "key": "a/b", "records": 2, "oldest": "2023-11-14T22:15:00.000Z"}],
        "next": "a/b",
    }
    assert [key["key"] for key in call("GET", f"{ROOT}/status/parked?after=a%2Fb").json()["parked"]] == ["c"]


@pytest.mark.parametrize(
    "path", ["none/failures", "none/parked", "none/failures/1", "status/failures/0123456789abcdef"]
)
def test_what_there_is_none_of_is_not_found_and_what_there_is_is_named(call, path):
    reply = call("GET", f"{ROOT}/{path}")
    assert (reply.status, reply.code) == (404, "unknown_name")
    assert "status" in reply.message


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "limit=", "limit=1e2", "limit=" + "9" * 5000, "sort=at"]
)
def test_a_page_that_makes_no_sense_is_refused(call, query):
    reply = call("GET", f"{ROOT}/status/failures?{query}")
    assert (reply.status, reply.code) == (400, "invalid")


def test_a_redrive_names_failures_or_all_and_says_what_became_of_them(system, call):
    reply = call("POST", f"{ROOT}/STATUS/failures/redrive", '{"failures": ["a1", "b2", "a1"]}', JSON)
    assert reply.json() == {"done": 3, "failing": 1, "released": 2, "left": 4, "unknown": ["no-such"]}
    call("POST", f"{ROOT}/copy/failures/redrive", '{"all": true}', JSON)
    assert system.settled == [("redrive", "status", ("a1", "b2")), ("redrive", "copy", None)]


def test_failures_are_discarded_by_name_or_all(system, call):
    reply = call("POST", f"{ROOT}/status/failures/discard", '{"failures": ["a1"]}', JSON)
    assert reply.json() == {"done": 3, "released": 2, "unknown": ["no-such"]}
    call("POST", f"{ROOT}/status/failures/discard", '{"all": true}', JSON)
    assert system.settled == [("discard", "status", ("a1",)), ("discard", "status", None)]


WRONG = (
    *("", "{", "{}", "[]", '{"failures": []}', '{"failures": [1]}'),
    *('{"failures": ["a"], "all": true}', '{"all": false}', '{"every": true}'),
)


@pytest.mark.parametrize("action", ["redrive", "discard"])
def test_what_does_not_say_which_failures_in_one_way_is_refused_with_the_choices(system, call, action):
    for body, headers in (*((body, JSON) for body in WRONG), ('{"all": true}', {})):
        reply = call("POST", f"{ROOT}/status/failures/{action}", body, headers)
        assert (reply.status, reply.code) == (400, "invalid")
        assert '{"failures": ["ID", ...]}' in reply.message
    assert call("POST", f"{ROOT}/none/failures/{action}", '{"all": true}', JSON).status == 404
    assert system.settled == []


def test_a_mapping_that_does_not_run_is_not_ready_for_it(system, call):
    system.refusal = QueryError(QueryFault.NOT_READY, "status does not run")
    reply = call("POST", f"{ROOT}/status/failures/redrive", '{"all": true}', JSON)
    assert (reply.status, reply.code) == (503, "not_ready")


def test_a_ledger_that_cannot_be_read_says_why(system, call, monkeypatch):
    def refuse(*asked):
        raise LedgerError("events.sqlite: the file is damaged")

    monkeypatch.setattr(system.mappings, "failures", refuse)
    reply = call("GET", f"{ROOT}/status/failures")
    assert (reply.status, reply.code) == (503, "not_ready")
    assert "damaged" in reply.message


def test_a_target_is_filled_again_at_once_and_nothing_else_is_said(system, call):
    answer = call("POST", f"{ROOT}/Copy/fill")
    assert (answer.status, answer.json()) == (202, {"name": "copy", "fill": "asked for"})
    assert system.mappings.fills == ["copy"]
    assert call("POST", f"{ROOT}/copy/fill", '{"all": true}', JSON).status == 400
    assert call("POST", f"{ROOT}/nothing/fill").status == 404
    refused = call("POST", f"{ROOT}/status/fill")
    assert refused.status == 400
    assert "is not filled" in refused.message


def test_a_view_is_compared_with_its_table_and_its_differences_are_told(system, call):
    told = RowDifference(Part.OUTPUT, Difference.MISSING, '["books"]', '{"n":{"N":"1"}}', None)
    system.mappings.verified = Verified(3, 2, 1, (told,), moving=4, broken=5)
    answer = call("POST", f"{ROOT}/Copy/verify")
    assert answer.status == 200
    assert answer.json() == {
        "name": "copy",
        "equal": False,
        "items": 3,
        "rows": 2,
        "differing": 1,
        "moving": 4,
        "broken": 5,
        "differences": [
            {
                "part": "output",
                "kind": "missing",
                "row": '["books"]',
                "expected": '{"n":{"N":"1"}}',
                "found": None,
            }
        ],
    }
    assert call("POST", f"{ROOT}/copy/verify", '{"all": true}', JSON).status == 400
    assert call("POST", f"{ROOT}/nothing/verify").status == 404
    assert call("POST", f"{ROOT}/status/verify").status == 400
