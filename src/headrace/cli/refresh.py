"""``headrace refresh``."""

from __future__ import annotations

import click

from headrace.cli.client import http_option


@click.command("refresh")
@click.argument("name")
@http_option
def refresh(name: str, url: str) -> None:
    """Copy a dataset anew.

    A dataset NAME that follows its stream (refresh_mode: changes) is always current: the runtime says so, and
    exit code 1 tells that nothing was done.
    """
    from headrace.cli.client import Client

    click.echo(Client(url).refresh(name))
