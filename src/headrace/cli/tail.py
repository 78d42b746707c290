"""``headrace tail``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from headrace.config import Pod
    from headrace.stream_record import StreamRecord


@click.command("tail")
@click.argument("name")
@click.argument("pod", required=False, type=click.Path(path_type=Path))
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="PATTERN",
    help="Show only what this pattern lets through (AWS's grammar); several are alternatives.",
)
@click.option(
    "--extended-filter",
    "extended",
    multiple=True,
    metavar="PATTERN",
    help="The same in Headrace's grammar, which compares numbers, and old images with new ones.",
)
@click.option(
    "--from",
    "beginning",
    metavar="TIME",
    help="Begin with changes since this time (ISO 8601, or epoch seconds), or with all that the stream has: horizon.",
)
@click.option("--region", help="The AWS region of a table that is named without a Spicepod.")
@click.option("--endpoint-url", help="Where such a table is reached, for emulators.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How to print a change; json is its record as in Lambda's event, one a line.",
)
def tail(
    name: str,
    pod: Path | None,
    filters: tuple[str, ...],
    extended: tuple[str, ...],
    beginning: str | None,
    region: str | None,
    endpoint_url: str | None,
    format_: str,
) -> None:
    """Print the changes of a table as they happen.

    NAME is a dataset or a mapping of the Spicepod, or a table of one; or any table: TABLE where there is no Spicepod,
    dynamodb:TABLE anywhere. POD is the Spicepod or the folder that holds spicepod.yaml; by default, the working directory's,
    if it has one. A mapping's own filters hold unless others are given.

    A line tells which attributes changed, from what to what, and which items the service deleted by their time to live. Ctrl-C
    ends it: nothing is kept, and nobody's position moves. It reads each shard beside all others who do: the stream of a table lets two
    read at once without throttling, that of a global table one.
    """
    from headrace.cli.stopping import told_to_stop
    from headrace.cli.tailing import Followed, Tail, beginning_text
    from headrace.dataset import AwsAccess
    from headrace.event_source_mapping import Pattern

    followed = Followed.of(name, _pod(name, pod), AwsAccess(region, endpoint_url))
    if (region or endpoint_url) and not followed.what.startswith("table "):
        raise click.UsageError(
            f"--region and --endpoint-url are for tables; the Spicepod says where {name} is"
        )
    patterns = tuple(Pattern(text) for text in filters)
    patterns += tuple(Pattern(text, extended=True) for text in extended)
    since = _beginning(beginning)
    shown = Tail(followed, patterns, since, _printing(format_), lambda said: click.echo(said, err=True))
    for warning in shown.warnings:
        click.echo(warning, err=True)
    with told_to_stop() as told:
        try:
            shown.start()
            click.echo(
                f"{followed.what}: changes of {followed.table} in {followed.place} {beginning_text(since)}; Ctrl-C ends",
                err=True,
            )
            while not told.wait(0.1) and not shown.ended.is_set():
                pass
        finally:
            ended = shown.ended.is_set()
            shown.stop()
    if ended:
        # Whoever read it has gone: what is buffered for them has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _pod(name: str, path: Path | None) -> Pod | None:
    from headrace.config import load_pod

    if path is None and name.startswith("dynamodb:"):
        return None
    names = ("spicepod.yaml", "spicepod.yml")
    if path is None and not any((Path.cwd() / each).is_file() for each in names):
        return None
    return load_pod(path, os.environ, Path.cwd())


def _beginning(text: str | None) -> float | None:
    from headrace.config.mapping_model import point_in_time
    from headrace.config.problem import BadValueError

    if text is None:
        return None
    if text == "horizon":
        return 0.0
    try:
        return point_in_time().parse(text)
    except BadValueError as error:
        raise click.BadParameter(f"{error}, or horizon", param_hint="'--from'") from None


def _printing(format_: str) -> Callable[[StreamRecord], None]:
    """Prints one record to standard output. Raises OSError."""
    lines = _json_line if format_ == "json" else _drawn()

    def show(record: StreamRecord) -> None:
        sys.stdout.write(f"{lines(record)}\n")
        sys.stdout.flush()

    return show


def _json_line(record: StreamRecord) -> str:
    # Between JSON's tokens a line may end; within them it cannot.
    return record.text.decode().replace("\r", " ").replace("\n", " ")


def _drawn() -> Callable[[StreamRecord], str]:
    from rich.console import Console

    from headrace.cli.change_text import change_text
    from headrace.cli.item_change import ItemChange
    from headrace.cli.table import one_line

    console = Console(highlight=False, soft_wrap=True, emoji=False)

    def drawn(record: StreamRecord) -> str:
        try:
            change = ItemChange.of(record.text)
        except ValueError:
            return one_line(record.text.decode(errors="backslashreplace"))
        # Rich ends the process where nobody reads any more.
        with console.capture() as text:
            console.print(change_text(change, console.width if console.is_terminal else None), end="")
        return text.get()

    return drawn
