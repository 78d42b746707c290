"""``headrace explain``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from headrace.cli.client import Place, http_option

_NEGATIVE = re.compile(r"-\.?[0-9]")


def _format_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--format",
        "format_",
        type=click.Choice(("tree", "json")),
        default="tree",
        show_default=True,
        help="How to print it.",
    )(command)


class _TakesNegativeNumbers(click.Command):
    """A command whose arguments may be negative numbers, which other commands take for options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        plain = [argument for argument in args if not _NEGATIVE.match(argument)]
        if len(plain) < len(args) and "--" not in args:
            ctx.ignore_unknown_options = True
        return super().parse_args(ctx, args)


@click.group("explain")
def explain() -> None:
    """Say why a dataset's stream, or one key, is where it is.

    Both commands ask the running runtime. Exit codes: 0 explained, 1 not (the message says why).
    """


@explain.command("shard")
@click.argument("name")
@click.argument("shard_id", required=False)
@_format_option
@http_option
def shard(name: str, shard_id: str | None, format_: str, place: Place) -> None:
    """Draw the lineage of a dataset's shards.

    For each shard of dataset NAME: whether it waits, is read or is finished, for what it waits and why, where
    reading goes on after a crash, what has become durable and when, and what fails. With SHARD_ID, that shard with
    those that it descends from and those that descend from it.
    """
    from headrace.cli.client import Client
    from headrace.cli.lineage import lineage_text
    from headrace.cli.listing import as_json

    found = Client(place).shards(name, shard_id)
    click.echo(as_json(found) if format_ == "json" else lineage_text(found))


@explain.command("key", cls=_TakesNegativeNumbers)
@click.argument("name")
@click.argument("key")
@click.argument("sort_key", required=False)
@_format_option
@http_option
def key(name: str, key: str, sort_key: str | None, format_: str, place: Place) -> None:
    """Tell the life of one key.

    The row of dataset NAME now, the last changes applied, those under way, dead letters, and whether
    DynamoDB's item is the same (which asks for the permission dynamodb:GetItem). A string KEY is written as it is,
    a number in digits, binary in base64; SORT_KEY where the table has one. A string that begins with a dash
    follows `--`.
    """
    from headrace.cli.client import Client
    from headrace.cli.lineage import key_text
    from headrace.cli.listing import as_json

    found = Client(place).key(name, key, sort_key)
    click.echo(as_json(found) if format_ == "json" else key_text(found))
