"""``headrace invoke``."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from headrace.event_source_mapping import EventSourceMapping, Function


@click.command("invoke")
@click.argument("name")
@click.argument("pod", required=False, type=click.Path(path_type=Path))
@click.option(
    "--events",
    type=click.Path(path_type=Path, allow_dash=True),
    help="A file of events or records, as JSON or JSON lines; - is standard input.",
)
@click.option("--last", type=click.IntRange(1, 10_000), help="So many records from the end of its stream.")
@click.option("--no-filter", is_flag=True, help="Hand over what the mapping's filters leave out, too.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How to print it; json is one object for each invocation.",
)
def invoke(
    name: str, pod: Path | None, events: Path | None, last: int | None, format_: str, *, no_filter: bool
) -> None:
    """Run the function of a mapping once, on a file of events or the last records.

    NAME is the mapping's. POD is a Spicepod or the folder that holds spicepod.yaml; by default, the working directory.
    No position moves, nothing is retried, and nothing goes where failures go: what the function returned or raised is
    printed, with what the mapping would do about it. The function itself does what it does.

    The file holds events, records, or failures from where on_failure puts them: one, a JSON list, or one a line. Records
    are as in Lambda's event, or as GetRecords gives them. An event is handed over as it stands, records as the mapping
    would: at most batch_size at once, those of one shard, and the filters' choice.

    Exit codes: 0 every batch is done, 1 one failed, or a record of it, or there was none.
    """
    from headrace.cli.invocation import Given, Outcome, counted
    from headrace.cli.table import one_line
    from headrace.dynamodb import place_of
    from headrace.functions import FunctionConsumer
    from headrace.mapping_facts import FunctionOutput

    if (events is None) == (last is None):
        raise click.UsageError("say what to run it on, in one way: --events FILE, or --last N")
    mapping, function = _mapping(name, pod)
    given = Given(mapping, filtered=not no_filter)
    batches = given.of_file(events) if events is not None else given.of_stream(last or 1)
    lines: list[dict[str, str]] = []

    def observe(fact: object) -> None:
        if isinstance(fact, FunctionOutput):
            lines.append({"stream": fact.stream, "line": fact.line})
            if format_ == "text":
                click.echo(f"{fact.stream} | {one_line(fact.line)}", err=True)

    region = place_of(mapping.access).region
    consumer = FunctionConsumer(mapping.name, replace(function, processes=1), observe, region=region)
    undone = 0
    try:
        for batch in batches:
            outcome = Outcome.of(consumer, mapping, batch)
            undone += not outcome.is_done
            if format_ == "text":
                click.echo("\n".join(outcome.story()))
            else:
                click.echo(json.dumps({**outcome.told(), "output": lines}, ensure_ascii=False))
            lines.clear()
    finally:
        consumer.close()
    if given.left_out:
        click.echo(f"the mapping's filters left out {counted(given.left_out)}", err=True)
    if not batches:
        click.echo("there is nothing to run it on", err=True)
    if undone or not batches:
        click.get_current_context().exit(1)


def _mapping(name: str, pod: Path | None) -> tuple[EventSourceMapping, Function]:
    """The mapping of that name, and its function. Raises HeadraceError where there is none."""
    from headrace.config import load_pod
    from headrace.errors import HeadraceError
    from headrace.event_source_mapping import Function

    mappings = load_pod(pod, os.environ, Path.cwd()).mappings
    found = next((mapping for mapping in mappings if mapping.name == name), None)
    if found is None:
        names = ", ".join(mapping.name for mapping in mappings) or "none"
        raise HeadraceError(f"there is no mapping {name!r}; the mappings are: {names}")
    if not isinstance(found.consumer, Function):
        raise HeadraceError(f"mapping {name} has no function: it has a target, {found.consumer_name}")
    return found, found.consumer
