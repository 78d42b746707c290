"""``headrace dead-letters`` against a runtime."""

import json

import pytest
from click.testing import CliRunner

from headrace.cli import main


@pytest.fixture
def run(server):
    server.database.execute(
        "CREATE OR REPLACE TABLE headrace_dead_letter AS SELECT * FROM (VALUES "
        "('orders', 'a1', '100', '{\"id\":{\"S\":\"x\"}}', 'no such type', TIMESTAMP '2024-01-02 03:04:05', "
        "NULL::TIMESTAMP, '{1}'), "
        "('orders', 'b2', '101', '{\"id\":{\"S\":\"y\"}}', 'too large', TIMESTAMP '2024-01-02 03:04:06', "
        "TIMESTAMP '2024-01-02 03:04:07', '{2}'), "
        "('users', 'c3', NULL, NULL, 'no key', TIMESTAMP '2024-01-02 03:04:04', NULL, '{3}')"
        ") t(dataset, id, sequence_number, key, reason, seen_at, superseded_at, record)"
    )

    def run(*arguments):
        return CliRunner().invoke(main, ["dead-letters", *arguments, "--http", server.url])

    return run


def ids(result):
    assert result.exit_code == 0, result.stderr
    return [line.split(",")[1] for line in result.stdout.splitlines()[1:]]


def test_letters_that_wait_are_listed_oldest_first_of_all_datasets_or_of_one(run):
    assert ids(run("list", "--format", "csv")) == ["c3", "a1"]
    assert ids(run("list", "ORDERS", "--format", "csv")) == ["a1"]
    assert ids(run("list", "orders", "--all", "--format", "csv")) == ["a1", "b2"]


def test_the_table_for_people_shows_reason_and_key_and_the_records_where_asked(run):
    result = run("list")
    assert "no such type" in result.stdout
    assert "2 rows" in result.stdout
    assert "{1}" not in result.stdout
    assert "{1}" in run("list", "--records").stdout


def test_a_dataset_that_does_not_exist_is_an_error_that_names_those_that_do(run):
    result = run("list", "orderz")
    assert result.exit_code == 1
    assert "there is no dataset 'orderz'; the datasets are: orders" in result.stderr
    assert run("retry", "orderz", "--all").exit_code == 1


def test_letters_are_retried_by_name_or_all(run, server):
    server.done = {"retried": 2, "failing": 0, "superseded": 0, "unknown": []}
    result = run("retry", "orders", "a1", "100")
    assert (result.exit_code, result.stdout) == (0, "2 applied\n")
    run("retry", "orders", "--all")
    assert server.settled == [
        ("orders", "retry", {"letters": ["a1", "100"]}),
        ("orders", "retry", {"all": True}),
    ]


@pytest.mark.parametrize(
    ("done", "says"),
    [
        ({"retried": 0, "failing": 3, "superseded": 0, "unknown": []}, "3 failed again"),
        ({"retried": 1, "failing": 0, "superseded": 1, "unknown": []}, "1 superseded, left alone"),
        ({"retried": 0, "failing": 0, "superseded": 0, "unknown": ["zz"]}, "no letter is called zz"),
    ],
)
def test_what_is_left_is_said_and_is_exit_code_1(run, server, done, says):
    server.done = done
    result = run("retry", "orders", "--all")
    assert result.exit_code == 1
    assert says in result.output
    as_json = run("retry", "orders", "--all", "--format", "json")
    assert (as_json.exit_code, json.loads(as_json.stdout)) == (1, done)


def test_letters_are_discarded_by_name_all_or_the_superseded(run, server):
    server.done = {"discarded": 1234, "unknown": []}
    result = run("discard", "orders", "b2")
    assert (result.exit_code, result.stdout) == (0, "1,234 discarded\n")
    run("discard", "orders", "--all")
    run("discard", "orders", "--superseded")
    assert [asked for _, _, asked in server.settled] == [
        {"letters": ["b2"]},
        {"all": True},
        {"superseded": True},
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("retry", "orders"),
        ("retry", "orders", "a1", "--all"),
        ("discard", "orders"),
        ("discard", "orders", "--all", "--superseded"),
    ],
)
def test_letters_must_be_named_in_exactly_one_way(run, server, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "say which letters, in one way: ids or sequence numbers, or --all" in result.stderr
    assert server.settled == []


def test_the_status_shows_how_many_wait(server):
    server.datasets[0]["dead_letters"] = 7
    result = CliRunner().invoke(main, ["status", "--http", server.url])
    assert "dead_letters" in result.stdout
    assert "7" in result.stdout
