"""``headrace refresh``."""

from __future__ import annotations

import time
from typing import Any

import click

from headrace.cli.client import Place, http_option

_EVERY = 0.25
"""Seconds between two looks at a refresh that is waited for."""


@click.command("refresh")
@click.argument("name")
@click.option("--wait", is_flag=True, help="Wait until it is done, and fail if it is not.")
@click.option("--refresh-sql", help="The refresh_sql of this one refresh.")
@click.option(
    "--refresh-mode",
    type=click.Choice(("full", "append")),
    help="Whether this one copies the table anew or adds what is newer.",
)
@click.option(
    "--refresh-jitter-max", metavar="DURATION", help="Begin at a random moment within so long, such as 10s."
)
@http_option
def refresh(name: str, place: Place, *, wait: bool, **asked: str | None) -> None:
    """Copy a dataset anew, or add to its copy what is newer.

    A refresh of dataset NAME that is under way begins anew. One that follows its stream (refresh_mode: changes) is always
    current: the runtime says so, and exit code 1 tells that nothing was done. With --wait, exit code 1 also tells that the
    refresh failed, or that another took its place.
    """
    from headrace.cli.client import Client
    from headrace.errors import HeadraceError

    client = Client(place)
    triggered = client.refresh(name, {key: value for key, value in asked.items() if value is not None})
    click.echo(triggered["message"])
    if not wait:
        return
    outcome: dict[str, Any] = client.refreshed(name, triggered["refresh"])
    while outcome["state"] == "running":
        time.sleep(_EVERY)
        outcome = client.refreshed(name, triggered["refresh"])
    if outcome["state"] == "failed":
        raise HeadraceError(f"the refresh of {name} is not done: {outcome['reason']}")
    click.echo(f"{outcome['rows']:,} rows in {outcome['seconds']:.1f} s")
