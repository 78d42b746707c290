"""``headrace sql``."""

from __future__ import annotations

import shutil
import sys

import click

from headrace.cli.client import Place, format_option, http_option


@click.command("sql")
@click.option(
    "-c", "--command", "text", metavar="SQL", help="Run this (one statement, or several) and leave."
)
@format_option
@http_option
def sql(text: str | None, format_: str, place: Place) -> None:
    """Query the running runtime: one statement, or interactively.

    Without -c, statements are read from standard input; on a terminal, a prompt with history opens. A
    statement may span lines and ends with a semicolon (the last one of -c or of a pipe need not). On a
    terminal, tables are cut to its width and show at most 1,000 rows; in a pipe, nothing is cut.
    """
    from headrace.cli.client import Client
    from headrace.cli.session import Format, Session

    session = Session(Client(place), Format(format_), echo, terminal_width)
    if text is None and sys.stdin.isatty():
        from headrace.cli.repl import Repl, history_file

        Repl(session, history_file(), echo).run()
        return
    statements = _statements(sys.stdin.read() if text is None else text)
    if not statements:
        raise click.UsageError("there is no statement: give one with -c SQL, or on standard input")
    for statement in statements:
        session.execute(statement)


def _statements(text: str) -> list[str]:
    from headrace.cli.statement import split

    whole, rest = split(text)
    return [*whole, rest] if rest else whole


def echo(text: bytes | str) -> None:
    """Print to standard output, as it is."""
    click.echo(text, nl=False)


def terminal_width() -> int | None:
    """The width of the terminal that standard output is, None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
