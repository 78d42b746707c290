"""``headrace failures`` against the interface of a runtime."""

import json

import pytest
from click.testing import CliRunner

from headrace.cli import client, main
from headrace.ledger import FailureOutcome, Fault
from headrace.status import MappingStatus, State
from support.deliveries import failure, parked, record, work
from support.serving import SmallSystem, served


@pytest.fixture(scope="module")
def runtime():
    system = SmallSystem()
    with served(system) as caller:
        yield system, "http://{}:{}".format(*caller.address)


@pytest.fixture
def system(runtime):
    system, _ = runtime
    system.forget()
    system.mappings.known = [
        MappingStatus(name, "dynamodb:orders", "handlers:on_change", State.READY, live=True)
        for name in ("status", "copy")
    ]
    system.mappings.outcome = FailureOutcome(1)
    return system


@pytest.fixture
def run(runtime, system):
    return lambda *arguments: CliRunner().invoke(main, ["failures", *arguments, "--http", runtime[1]])


OLD = failure(
    1, mapping="copy", at=1_600_000_000.0, fault=Fault("Conflict", "a\nb" + "x" * 100, ("one\ntwo",))
)
NEW = failure(2, 3)


@pytest.fixture
def filled(system):
    system.mappings.ledgers.of("status").commit(
        work(failures=(NEW,), parked=(parked(4, key="b"), parked(5, key="b"), parked(6, key="c")))
    )
    system.mappings.ledgers.of("copy").commit(work(failures=(OLD,), sent=(OLD.id,), again=(OLD.id,)))


def listed(result):
    assert result.exit_code == 0, result.output
    return [each["id"] for each in json.loads(result.stdout)["failures"]]


def test_failures_are_listed_oldest_first_of_all_mappings_or_of_one(run, filled):
    assert listed(run("list", "--format", "json")) == [OLD.id, NEW.id]
    assert listed(run("list", "COPY", "--format", "json")) == [OLD.id]


def test_the_table_for_people_has_the_error_and_what_is_parked(run, filled):
    told = run("list").stdout
    first, second = (line for line in told.splitlines() if OLD.id in line or NEW.id in line)
    assert "Conflict: a\\nbxxx" in first
    assert "…" in first
    assert first.split("|")[-3:-1] == [" yes  ", " 1        "]
    assert "KeyError: 'price'" in second
    assert (
        "status: 2 items are parked with 3 records; the oldest is of 2023-11-14T22:15:00.000Z, of the item b"
        in told
    )


def test_nothing_failed_is_an_empty_list(run):
    result = run("list")
    assert (result.exit_code, "parked" in result.stdout) == (0, False)
    assert listed(run("list", "--format", "json")) == []


def test_all_pages_are_listed(run, system, monkeypatch):
    monkeypatch.setattr(client, "_PAGE", 3)
    many = tuple(failure(number, at=float(number)) for number in range(10))
    waiting = tuple(parked(number, key=f"k{number}") for number in range(7))
    system.mappings.ledgers.of("status").commit(work(failures=many, parked=waiting))
    result = run("list", "--format", "json")
    assert listed(result) == [each.id for each in many]
    assert len(json.loads(result.stdout)["parked"]) == 7


def test_a_failure_is_shown_whole(run, filled):
    told = json.loads(run("show", NEW.id, "--format", "json").stdout)
    assert told["records"] == [json.loads(record(number).text) for number in (2, 3)]
    assert told["stack_trace"] == ["line 1", "line 2"]
    people = run("show", OLD.id, "--mapping", "copy").stdout
    for part in ("mapping: copy", "error type: Conflict", "  one\n  two\n", '"SequenceNumber": "1"'):
        assert part in people


def test_a_failure_that_there_is_none_of_is_an_error(run, filled):
    for arguments in (("show", "0123"), ("show", NEW.id, "--mapping", "copy")):
        result = run(*arguments)
        assert (result.exit_code, "there is no failure" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [("list", "none"), ("show", "1", "--mapping", "none"), ("redrive", "--all", "--mapping", "none")],
)
def test_a_mapping_that_there_is_none_of_is_named_with_those_there_are(run, system, arguments):
    result = run(*arguments)
    assert result.exit_code == 1
    assert "there is no event source mapping 'none'; the mappings are: status, copy" in result.stderr
    assert system.settled == []


def test_failures_are_redriven_by_id_whatever_their_mapping(run, system, filled):
    result = run("redrive", NEW.id, OLD.id, NEW.id)
    assert (result.exit_code, result.stdout) == (0, "status: 1 settled\ncopy: 1 settled\n")
    assert system.settled == [("redrive", "status", (NEW.id,)), ("redrive", "copy", (OLD.id,))]


def test_all_failures_are_redriven_of_all_mappings_or_of_one(run, system, filled):
    run("redrive", "--all")
    run("redrive", "--all", "--mapping", "Copy")
    assert [asked[1:] for asked in system.settled] == [("status", None), ("copy", None), ("copy", None)]


def test_what_failed_again_and_what_was_left_alone_is_said_and_is_exit_code_1(run, system, filled):
    system.mappings.outcome = FailureOutcome(1200, failing=3, released=5, left=7)
    result = run("redrive", "--all", "--mapping", "status")
    assert result.exit_code == 1
    assert (
        result.stdout
        == "status: 1,200 settled, 3 failed again, 5 parked records delivered, 7 without records, left alone\n"
    )
    as_json = run("redrive", "--all", "--mapping", "status", "--format", "json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["mappings"]["status"]["failing"] == 3


def test_ids_of_no_failure_are_said_and_are_exit_code_1_though_others_are_redriven(run, system, filled):
    result = run("redrive", NEW.id, "0123")
    assert (result.exit_code, result.stderr) == (1, "there is no failure 0123\n")
    assert system.settled == [("redrive", "status", (NEW.id,))]
    system.mappings.outcome = FailureOutcome(0, unknown=("0123",))
    assert run("discard", "0123", "--mapping", "copy").stderr == "there is no failure 0123\n"


def test_parked_items_are_named_by_their_keys_and_belong_to_every_mapping_that_parked_them(
    run, system, filled
):
    system.mappings.ledgers.of("copy").commit(work(parked=(parked(1, key="b"),)))
    assert run("redrive", "b", "c").exit_code == 0
    assert system.settled == [("redrive", "status", ("b", "c")), ("redrive", "copy", ("b",))]
    system.mappings.outcome = FailureOutcome(0, released=4)
    result = run("discard", "b", "--mapping", "copy")
    assert result.stdout == "copy: 0 discarded, 4 parked records discarded\n"


def test_failures_are_discarded_by_id_or_all(run, system, filled):
    result = run("discard", OLD.id)
    assert (result.exit_code, result.stdout) == (0, "copy: 1 discarded\n")
    run("discard", "--all", "--mapping", "status")
    assert system.settled == [("discard", "copy", (OLD.id,)), ("discard", "status", None)]


@pytest.mark.parametrize("verb", ["redrive", "discard"])
@pytest.mark.parametrize("arguments", [(), (NEW.id, "--all")])
def test_failures_must_be_named_in_exactly_one_way(run, system, verb, arguments):
    result = run(verb, *arguments)
    assert (result.exit_code, system.settled) == (2, [])
    assert "say which failures, in one way: ids, or --all" in result.stderr
