"""``headrace refresh``."""

from __future__ import annotations

import click

from headrace.cli.client import http_option


@click.command("refresh")
@click.argument("name")
@http_option
def refresh(name: str, url: str) -> None:
    """Copy a dataset anew.

    Queries see the old copy of the dataset NAME until the new one is ready.
    """
    from headrace.cli.client import Client

    click.echo(Client(url).refresh(name))
