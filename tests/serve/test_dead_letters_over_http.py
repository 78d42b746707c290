"""The HTTP contract of retrying and discarding dead letters."""

import json

import pytest

from headrace.accelerator import Which
from headrace.errors import QueryError, QueryFault
from support.serving import SmallSystem, served

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def system():
    return SmallSystem()


@pytest.fixture
def call(system):
    with served(system) as caller:
        yield lambda action, body, headers=JSON, name="orders": caller(
            "POST", f"/v1/datasets/{name}/dead-letters/{action}", body, headers
        )


def test_a_retry_names_letters_or_all_and_says_what_became_of_them(system, call):
    reply = call("retry", '{"letters": ["a1", "100", "a1"]}', name="Orders")
    assert reply.status == 200
    assert reply.json() == {"retried": 3, "failing": 1, "superseded": 2, "unknown": ["no-such"]}
    call("retry", '{"all": true}')
    assert system.settled == [("retry", "orders", ("a1", "100"), None), ("retry", "orders", None, None)]


def test_letters_are_discarded_by_name_all_or_the_superseded(system, call):
    assert call("discard", '{"letters": ["a1"]}').json() == {"discarded": 4, "unknown": ["no-such"]}
    call("discard", '{"all": true}')
    call("discard", '{"superseded": true}')
    assert [asked[2:] for asked in system.settled] == [
        (("a1",), Which.ANY),
        (None, Which.ANY),
        (None, Which.SUPERSEDED),
    ]


WRONG = (
    *("", "{", "{}", "[]", '{"letters": []}', '{"letters": [1]}'),
    *('{"letters": ["a"], "all": true}', '{"all": false}', '{"every": true}'),
)


@pytest.mark.parametrize("action", ["retry", "discard"])
def test_what_does_not_say_which_letters_in_one_way_is_refused_with_the_choices(system, call, action):
    for body in WRONG:
        reply = call(action, body)
        assert (reply.status, reply.code) == (400, "invalid")
        assert '{"letters": ["ID", ...]}' in reply.message
    assert system.settled == []


def test_superseded_letters_cannot_be_retried(system, call):
    assert call("retry", '{"superseded": true}').status == 400
    assert system.settled == []


def test_only_json_is_taken_so_that_no_web_page_of_another_origin_can_ask(system, call):
    for headers in ({}, {"Content-Type": "text/plain"}):
        reply = call("discard", json.dumps({"all": True}), headers)
        assert (reply.status, reply.code) == (400, "invalid")
        assert "application/json" in reply.message
    assert system.settled == []


def test_a_dataset_that_there_is_none_of_is_not_found(system, call):
    reply = call("retry", '{"all": true}', name="users")
    assert (reply.status, reply.code) == (404, "unknown_name")
    assert "orders" in reply.message


def test_a_dataset_that_is_being_copied_is_not_ready_for_it(system, call):
    system.refusal = QueryError(QueryFault.NOT_READY, "orders: the table is being copied")
    reply = call("retry", '{"all": true}')
    assert (reply.status, reply.code) == (503, "not_ready")
    assert reply.headers["Retry-After"]
