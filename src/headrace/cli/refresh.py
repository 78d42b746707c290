"""``headrace refresh``."""

from __future__ import annotations

import click

from headrace.cli.client import http_option


@click.command("refresh")
@click.argument("name")
@http_option
def refresh(name: str, url: str) -> None:
    """Copy the dataset NAME anew; queries see the old copy until the new one is ready."""
    from headrace.cli.client import Client

    click.echo(Client(url).refresh(name))
