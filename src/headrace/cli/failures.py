"""``headrace failures``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.client import Place, http_option

if TYPE_CHECKING:
    from headrace.cli.client import Client

_COLUMNS = ("mapping", "id", "at", "condition", "batch_size", "invoked", "error", "sent", "redriven")
_ERROR_WIDTH = 60

_format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help="How to print it.",
)
_mapping_option = click.option("--mapping", metavar="NAME", help="Only failures of this mapping.")


@click.group("failures")
def failures() -> None:
    """List, show, redrive or discard records that a mapping gave up.

    Records that keep failing until maximum_retry_attempts or maximum_record_age are given up: they are kept whole as a
    failure, and the mapping goes on. A failure is kept until it is redriven with success, or discarded. With on_poison: park,
    records wait by item instead.
    """


@failures.command("list")
@click.argument("mapping", required=False)
@_format_option
@http_option
def list_failures(mapping: str | None, format_: str, place: Place) -> None:
    """List the failures of a MAPPING, or of all, oldest first, and what is parked.

    sent says whether the destination of on_failure has it, or there is none; redriven how often it was tried again in vain.
    """
    from headrace.cli.client import Client
    from headrace.cli.listing import as_json
    from headrace.cli.sql import terminal_width
    from headrace.cli.table import draw

    client = Client(place)
    names = _names(client, mapping)
    found = [failure for name in names for failure in client.failures(name)]
    found.sort(key=lambda failure: (failure["at"], failure["id"]))
    parked = [key for name in names for key in client.parked(name)]
    if format_ == "json":
        click.echo(as_json({"failures": found, "parked": parked}))
        return
    click.echo(draw(_COLUMNS, [_cells(failure) for failure in found], terminal_width())[0])
    for line in _parked_lines(parked):
        click.echo(line)


@failures.command("show")
@click.argument("id_", metavar="ID")
@_mapping_option
@_format_option
@http_option
def show(id_: str, mapping: str | None, format_: str, place: Place) -> None:
    """Print one failure whole: its records, and the error."""
    from headrace.cli.client import Client
    from headrace.cli.listing import as_json
    from headrace.errors import HeadraceError

    client = Client(place)
    found = _find(client, id_, _names(client, mapping))
    if found is None:
        raise HeadraceError(f"there is no failure {id_}: it is settled or discarded, or never was")
    if format_ == "json":
        click.echo(as_json(found))
        return
    for line in _whole(found):
        click.echo(line)


def _settling(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments that redrive and discard share."""
    for decorate in (
        http_option,
        _format_option,
        _mapping_option,
        click.option("--all", "every", is_flag=True, help="All, of every mapping or of --mapping."),
        click.argument("ids", metavar="[ID]...", nargs=-1),
    ):
        command = decorate(command)
    return command


@failures.command("redrive")
@_settling
def redrive(ids: tuple[str, ...], mapping: str | None, format_: str, place: Place, *, every: bool) -> None:
    """Try failures again: those with these IDs, or all, and parked records with them. The key of a parked item is an ID, too.

    Records of failures are handed over after whatever has been delivered since: a newer record of the same item may have
    come first. Those that fail again stay. Parked records come in their order, before all later ones of their item.
    Exit codes: 0 all done, 1 some failed again or are unknown, or no answer. Failures without records are left alone.
    """
    words = {
        "done": "settled",
        "failing": "failed again",
        "released": "parked records delivered",
        "left": "without records, left alone",
    }
    _settle("redrive", words, ids, mapping, format_, place, every=every)


@failures.command("discard")
@_settling
def discard(ids: tuple[str, ...], mapping: str | None, format_: str, place: Place, *, every: bool) -> None:
    """Forget failures: those with these IDs, or all, and parked records with them. Their records are lost to the mapping.

    Exit codes: 0 all done, 1 some are unknown, or no answer.
    """
    words = {"done": "discarded", "released": "parked records discarded"}
    _settle("discard", words, ids, mapping, format_, place, every=every)


def _settle(
    action: str,
    words: dict[str, str],
    ids: tuple[str, ...],
    mapping: str | None,
    format_: str,
    place: Place,
    *,
    every: bool,
) -> None:
    from headrace.cli.client import Client
    from headrace.cli.listing import as_json

    if bool(ids) == every:
        raise click.UsageError("say which failures, in one way: ids, or --all")
    client = Client(place)
    names = _names(client, mapping)
    unknown: list[str] = []
    asked: dict[str, dict[str, Any]] = {name: {"all": True} for name in names}
    if ids:
        asked, unknown = _by_mapping(client, ids, names)
    done = {name: client.settle_failures(name, action, body) for name, body in asked.items()}
    unknown += [id_ for outcome in done.values() for id_ in outcome.get("unknown", [])]
    if format_ == "json":
        click.echo(as_json({"mappings": done, "unknown": unknown}))
    else:
        for line in _outcome_lines(done, words):
            click.echo(line)
        for id_ in unknown:
            click.echo(f"there is no failure {id_}", err=True)
    if unknown or any(outcome.get("failing") for outcome in done.values()):
        click.get_current_context().exit(1)


def _outcome_lines(done: dict[str, dict[str, Any]], words: dict[str, str]) -> Iterator[str]:
    from headrace.cli.table import one_line

    for name, outcome in done.items():
        told = [
            f"{outcome.get(field, 0):,} {word}"
            for field, word in words.items()
            if outcome.get(field) or field == "done"
        ]
        yield one_line(f"{name}: {', '.join(told)}")


def _names(client: Client, mapping: str | None) -> list[str]:
    """The mapping that is meant, or all. Raises HeadraceError where there is no such one."""
    from headrace.errors import HeadraceError

    names = [str(each["name"]) for each in client.mappings()]
    if mapping is None:
        return names
    meant = [name for name in names if name.casefold() == mapping.casefold()]
    if not meant:
        raise HeadraceError(
            f"there is no event source mapping {mapping!r}; the mappings are: {', '.join(names) or 'none'}"
        )
    return meant


def _find(client: Client, id_: str, names: list[str]) -> dict[str, Any] | None:
    return next((found for name in names if (found := client.failure(name, id_)) is not None), None)


def _by_mapping(
    client: Client, ids: tuple[str, ...], names: list[str]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What each mapping is asked for, and the ids that none has."""
    if len(names) == 1:
        return {names[0]: {"failures": list(ids)}}, []
    asked: dict[str, dict[str, Any]] = {}
    unknown = []
    for id_ in dict.fromkeys(ids):
        found = _find(client, id_, names)
        owners = [found["mapping"]] if found is not None else _parking(client, id_, names)
        if not owners:
            unknown.append(id_)
        for name in owners:
            asked.setdefault(name, {"failures": []})["failures"].append(id_)
    return asked, unknown


def _parking(client: Client, key: str, names: list[str]) -> list[str]:
    """The mappings that have parked the item of that key."""
    return [name for name in names if any(parked["key"] == key for parked in client.parked(name))]


def _cells(failure: dict[str, Any]) -> list[str]:
    from headrace.cli.listing import as_text
    from headrace.cli.table import CUT

    error = ": ".join(filter(None, (failure["error_type"], failure["error_message"])))
    cut = error if len(error) <= _ERROR_WIDTH else error[: _ERROR_WIDTH - 1] + CUT
    return [as_text({**failure, "error": cut}[column]) for column in _COLUMNS]


def _parked_lines(parked: list[dict[str, Any]]) -> Iterator[str]:
    """For each mapping that has parked any, how many items wait and which for the longest."""
    from headrace.cli.table import one_line

    for name in dict.fromkeys(key["mapping"] for key in parked):
        keys = [key for key in parked if key["mapping"] == name]
        oldest = min(keys, key=lambda key: str(key["oldest"]))
        items = "1 item is" if len(keys) == 1 else f"{len(keys):,} items are"
        records = sum(key["records"] for key in keys)
        yield one_line(
            f"{name}: {items} parked with {records:,} records; the oldest is of {oldest['oldest']}, of the item {oldest['key']}"
        )


def _whole(failure: dict[str, Any]) -> Iterator[str]:
    from headrace.cli.listing import as_json, as_text
    from headrace.cli.table import one_line

    trace = failure["stack_trace"]
    for field, value in failure.items():
        if field not in ("stack_trace", "records") and value is not None:
            yield f"{field.replace('_', ' ')}: {as_text(value)}"
    if trace:
        yield "stack trace:"
        yield from (one_line(f"  {line}") for text in trace for line in text.splitlines())
    for record in failure["records"]:
        yield as_json(record)
