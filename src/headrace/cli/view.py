"""``headrace view``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import click

from headrace.cli.client import Place, http_option

FAILED: Final = 2
"""The exit code where nothing can be said of the view."""


@click.group("view")
def view() -> None:
    """Compare a view with its table, or make it anew.

    Views are those of event source mappings that a runtime has at work: `target: {view: ...}` in a Spicepod.
    """


@view.command("verify")
@click.argument("mapping")
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How to print it.",
)
@http_option
def verify(mapping: str, format_: str, place: Place) -> None:
    """Say whether the view of a MAPPING is what its query says of the table.

    The runtime reads the whole table with consistent reads, computes the view anew, and compares both what it remembers and the rows that it
    has written. Deliveries go on: what differs is looked at again after a moment, and is told if the table has not changed since. Changes
    that the mapping has not delivered yet are differences too. Up to 1,000 are listed.

    Exit codes: 0 equal, 1 there are differences, 2 it cannot be told.
    """
    from headrace.cli.client import Client
    from headrace.cli.listing import as_json
    from headrace.cli.table import one_line
    from headrace.errors import HeadraceError

    try:
        found = Client(place).verify(mapping)
    except HeadraceError as error:
        if click.get_current_context().find_root().params.get("debug"):
            raise
        click.echo(f"Error: {error}", err=True)
        click.get_current_context().exit(FAILED)
    if format_ == "json":
        click.echo(as_json(found))
    else:
        for line in _lines(found):
            click.echo(one_line(line))
    if not found["equal"]:
        click.get_current_context().exit(1)


@view.command("rebuild")
@click.argument("mapping")
@http_option
def rebuild(mapping: str, place: Place) -> None:
    """Have the running runtime make the view of a MAPPING anew from the whole table.

    It begins as soon as the stream is followed, and goes on in the background: `headrace status` shows how far it is. Rows stay, and are
    mended; those that the view does not have are deleted at the end.
    """
    from headrace.cli.client import Client

    Client(place).fill(mapping)
    click.echo(f"{mapping}: it will be made anew; `headrace status` shows how far it is")


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for each in found["differences"]:
        yield f"{each['kind']:<9} {each['part']:<6} {each['row']}"
        yield f"          expected {each['expected'] or 'nothing'}"
        yield f"          found    {each['found'] or 'nothing'}"
    listed = len(found["differences"])
    if listed < found["differing"]:
        yield f"and {found['differing'] - listed:,} more"
    told = "equal" if found["equal"] else f"{found['differing']:,} differences"
    told = f"{found['items']:,} items count in the view, {found['rows']:,} rows: {told}"
    if found["moving"]:
        told += f"; {found['moving']:,} kept changing, and can only be told of later"
    if found["broken"]:
        told += f"; {found['broken']:,} items have no value and are in no row"
    yield told
