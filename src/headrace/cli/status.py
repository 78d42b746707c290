"""``headrace status``."""

from __future__ import annotations

import click

from headrace.cli.client import Place, http_option

NOT_READY = 3


@click.command("status")
@click.option(
    "--format",
    "format_",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help="How to print it.",
)
@http_option
@click.pass_context
def status(ctx: click.Context, format_: str, place: Place) -> None:
    """Say whether the running runtime is ready, and why not.

    Ready: the dataset may be queried. Live: its stream makes progress. Fresh: its lag is under ready_lag.
    Below them, what has happened to the columns of each since the runtime started, which indexes wait for columns, and
    how current its newest snapshot is. Then the event source mappings: iterator_age_ms is how old the oldest record is that
    is not delivered yet, and what was delivered, filtered, given up or failed is counted since the runtime started.
    Exit codes: 0 ready, 3 not ready, 1 no answer. Mappings do not count: queries are answered whatever becomes of them.
    """
    from headrace.cli.client import Client
    from headrace.cli.listing import (
        MAPPING_COLUMNS,
        STATUS_COLUMNS,
        as_json,
        as_table,
        index_lines,
        schema_lines,
        snapshot_lines,
    )

    client = Client(place)
    datasets, mappings = client.datasets(), client.mappings()
    why_not = client.not_ready()
    if format_ == "json":
        whole = {
            "ready": why_not is None,
            "reason": why_not,
            "datasets": datasets,
            "event_source_mappings": mappings,
        }
        click.echo(as_json(whole))
    else:
        if datasets or not mappings:
            click.echo(as_table(datasets, STATUS_COLUMNS))
        for line in (*schema_lines(datasets), *index_lines(datasets), *snapshot_lines(datasets)):
            click.echo(line)
        if mappings:
            click.echo(as_table(mappings, MAPPING_COLUMNS))
            still = ", ".join(mapping["name"] for mapping in mappings if not mapping["live"])
            if still:
                click.echo(f"Mappings that are not live: {still}")
            for mapping in mappings:
                if mapping["filling"]:
                    click.echo(f"{mapping['name']} is being filled: {mapping['filled']:,} items so far")
        click.echo("Ready" if why_not is None else f"Not ready: {why_not}")
    ctx.exit(0 if why_not is None else NOT_READY)
