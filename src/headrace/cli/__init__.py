"""Verbs -> runtime.

Each verb is a module, imported when it is used: ``headrace --help`` must not wait for engines.
"""

from __future__ import annotations

import importlib

import click

from headrace import __version__
from headrace.errors import HeadraceError

VERBS = {
    "demo": "Watch SQL results change as a simulated table is written to.",
    "init": "Write a first Spicepod.",
    "validate": "Check a Spicepod and print what it would do.",
    "run": "Copy the tables of a Spicepod, follow their streams, answer SQL.",
    "sql": "Query the running runtime: one statement, or interactively.",
    "status": "Say whether the running runtime is ready, and why not.",
    "datasets": "List the datasets of the running runtime.",
    "refresh": "Copy a dataset anew, or add to its copy what is newer.",
    "explain": "Say why a dataset's stream, or one key, is where it is.",
    "tail": "Print the changes of a table as they happen.",
    "invoke": "Run the function of a mapping once, on a file of events or the last records.",
    "snapshots": "List, take, restore, verify or prune snapshots of datasets.",
    "dead-letters": "List, retry or discard changes that could not be applied.",
    "failures": "List, show, redrive or discard records that a mapping gave up.",
    "replicate": "Compare a replica with its source, and repair it.",
    "view": "Compare a view with its table, or make it anew.",
    "search": "Compare an index with its table, repair it, or fill it again.",
    "cayenne": "Look into a dataset's folder of engine cayenne.",
    "filter": "Try an event filter on records.",
    "local": "Serve a simulated DynamoDB with streams.",
}
"""Each verb, and the first line of its help. The module of the same name (``_`` for ``-``) holds the command."""


class _Verbs(click.Group):
    """A group that knows its commands' names, and imports one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in VERBS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"{__name__}.{name}"), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{__name__}.{cmd_name} does not hold a command of its own name")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, 1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb; what Headrace raises on purpose becomes a message and exit code 1."""
        try:
            return super().invoke(ctx)
        except HeadraceError as error:
            if ctx.params["debug"]:
                raise
            raise click.ClickException(str(error)) from error


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="headrace", message="%(prog)s %(version)s")
@click.option(
    "--debug", is_flag=True, envvar="HEADRACE_DEBUG", show_envvar=True, help="Show where an error arose."
)
def main(*, debug: bool) -> None:
    """DynamoDB tables, and the streams of their changes, live in SQL.

    Exit codes: 0 done, 1 failed (the message is on standard error), 2 wrong usage.
    """
    del debug  # Read from the context, where an error is caught.
