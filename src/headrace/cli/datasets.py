"""``headrace datasets``."""

from __future__ import annotations

import click

from headrace.cli.client import Place, http_option


@click.command("datasets")
@click.option(
    "--format",
    "format_",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help="How to print them.",
)
@http_option
def datasets(format_: str, place: Place) -> None:
    """List the datasets of the running runtime."""
    from headrace.cli.client import Client
    from headrace.cli.listing import DATASET_COLUMNS, as_json, as_table

    found = Client(place).datasets()
    click.echo(as_json(found) if format_ == "json" else as_table(found, DATASET_COLUMNS))
