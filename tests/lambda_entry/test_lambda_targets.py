"""Targets that ask services, inside a function: what Lambda is told, and where things are in the end."""

from __future__ import annotations

import pytest

from support.canned_http import Canned
from support.lambda_functions import FIRST, Package, change, event
from support.lambda_poller import Context
from support.outbox import receiving
from support.replication import Side
from support.search import Cluster, served_search

ITEMS = ("a", "b", "c")


def changes(count):
    """Changes of three items in turns."""
    made = [change(number, ITEMS[number % 3], {"n": {"N": str(number)}}) for number in range(count)]
    for one in made:
        one["dynamodb"]["OldImage"] = one["dynamodb"]["Keys"]
    return made


def mapping(**target):
    return {
        "name": "told",
        "from": "dynamodb:orders",
        "params": {"aws_region": "us-east-1"},
        "target": target,
    }


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


@pytest.fixture(scope="module")
def search_server():
    with served_search() as server:
        yield server


@pytest.fixture
def cluster(search_server):
    with search_server.clone() as clone:
        yield Cluster(clone.url)


@pytest.fixture
def searching(tmp_path, cluster):
    """A function whose package fills an index beside a simulated table."""
    package = Package(tmp_path, Side())
    package.spicepod(event_source_mappings=[mapping(search={"url": cluster.url, "index": "orders"})])
    yield package
    package.close()


def test_an_outbox_names_the_first_event_that_was_not_taken_and_lambda_goes_on_from_there(package, receiver):
    outbox = {"to": f"webhook:{receiver.url}", "timeout": "5s"}
    package.spicepod(event_source_mappings=[mapping(outbox=outbox)])
    function = package.function(HEADRACE_PARTIAL_RESPONSES="on")
    told = changes(60)
    receiver.meets(7, Canned(b"no such order", 404))
    # The first piece is twenty records; the other two items go on in both.
    assert function(event(*told), Context()) == {"batchItemFailures": [{"itemIdentifier": str(FIRST + 7)}]}
    of_the_item = {number for number in range(60) if number % 3 == 7 % 3}
    held = {number for number in of_the_item if number >= 7}
    assert {int(one["data"]["new"]["n"]) for one in receiver.taken} == set(range(60)) - held
    assert function(event(*told[7:]), Context()) == {"batchItemFailures": []}
    for item in range(3):
        numbers = [number for number in receiver.numbers if number % 3 == item]
        first_seen = list(dict.fromkeys(numbers))
        assert first_seen == sorted(first_seen) == list(range(item, 60, 3))


def test_an_index_is_equal_in_the_end_whatever_comes_again_to_whichever_environment(searching, cluster):
    one, other = searching.function(), searching.function()
    told = changes(60)
    assert one(event(*told[:40]), Context()) == {"batchItemFailures": []}
    assert {key: found["n"] for key, found in cluster.documents().items()} == {
        "a": "39",
        "b": "37",
        "c": "38",
    }
    # What was done comes again in another cut, to an environment that remembers nothing.
    assert other(event(*told[10:30]), Context()) == {"batchItemFailures": []}
    assert other(event(*told[30:]), Context()) == {"batchItemFailures": []}
    assert {key: found["n"] for key, found in cluster.documents().items()} == {
        "a": "57",
        "b": "58",
        "c": "59",
    }


def test_a_document_that_the_index_refuses_is_named(searching, cluster):
    told = changes(30)
    told[28]["dynamodb"]["NewImage"]["n"] = {"M": {"is": {"S": "odd"}}}
    function = searching.function(HEADRACE_PARTIAL_RESPONSES="on")
    assert function(event(*told), Context()) == {"batchItemFailures": [{"itemIdentifier": str(FIRST + 28)}]}
    told[28]["dynamodb"]["NewImage"]["n"] = {"N": "28"}
    assert function(event(*told[28:]), Context()) == {"batchItemFailures": []}
    assert {key: found["n"] for key, found in cluster.documents().items()} == {
        "a": "27",
        "b": "28",
        "c": "29",
    }
