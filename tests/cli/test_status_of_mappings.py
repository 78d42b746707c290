import json
from dataclasses import replace

from click.testing import CliRunner

from headrace.cli import main
from headrace.serve.mappings import status_json
from headrace.status import MappingStatus, State

ORDERS = MappingStatus(
    "order-status",
    "dynamodb:orders",
    "handlers:on_change",
    State.READY,
    live=True,
    iterator_age_ms=4200,
    shards={"shard-1": 4200},
    delivered=12_345,
    filtered=7,
    errors=3,
    parked=1,
)


def status(server, *arguments):
    return CliRunner().invoke(main, ["status", "--http", server.url, *arguments])


def as_json(mapping):
    return json.loads(json.dumps(status_json(mapping)))


def test_mappings_stand_beneath_the_datasets(server):
    server.mappings = [as_json(ORDERS)]
    result = status(server)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert [line.split("|")[1].strip() for line in lines if line.startswith("|")] == [
        "name",
        "orders",
        "name",
        "order-status",
    ]
    cells = [cell.strip() for cell in next(line for line in lines if "order-status" in line).split("|")[1:-1]]
    assert cells == [
        "order-status",
        "handlers:on_change",
        "Ready",
        "yes",
        "4,200",
        "12,345",
        "7",
        "3",
        "0",
        "1",
        "0",
        "",
    ]
    assert lines[-1] == "Ready"


def test_mappings_that_are_not_live_are_named_beside_queries_that_are_answered(server):
    server.mappings = [as_json(replace(ORDERS, live=False, name=name)) for name in ("one", "two")]
    server.mappings.append(as_json(ORDERS))
    result = status(server)
    assert result.stdout.splitlines()[-2:] == ["Mappings that are not live: one, two", "Ready"]
    assert result.exit_code == 0


def test_a_target_that_is_being_filled_is_told_with_how_far_it_is(server):
    server.mappings = [as_json(replace(ORDERS, filling=True, filled=12_000)), as_json(ORDERS)]
    told = status(server).stdout.splitlines()
    assert told[-2:] == [f"{ORDERS.name} is being filled: 12,000 items so far", "Ready"]


def test_programs_get_all_that_is_known_of_mappings(server):
    server.mappings = [as_json(ORDERS)]
    told = json.loads(status(server, "--format", "json").stdout)
    assert told["event_source_mappings"] == server.mappings
    assert told["event_source_mappings"][0]["shards"] == {"shard-1": 4200}
    assert told["ready"] is True


def test_without_mappings_nothing_is_said_of_any_and_without_datasets_of_those(server):
    assert "consumer" not in status(server).stdout
    server.datasets, server.mappings = [], [as_json(ORDERS)]
    assert "dead_letters" not in status(server).stdout
