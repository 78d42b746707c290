"""The page that documents the commands, made from themselves: ``python -m headrace.cli.reference``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import click

from headrace.cli import VERBS, main

_HEAD = """\
# Commands

Every command prints its own help with `--help`. Messages go to standard error, answers to standard output.
"""

_FOOT = """
This page is generated: `python -m headrace.cli.reference > docs/commands.md`.
"""


def commands_page() -> str:
    """The whole page as Markdown."""
    with click.Context(main, info_name="headrace", **main.context_settings) as context:
        sections = [_section(main, context)]
        for verb in VERBS:
            command = main.get_command(context, verb)
            if command is not None:
                with click.Context(command, info_name=verb, parent=context) as own:
                    sections += _sections(command, own)
    return _HEAD + "".join(sections) + _FOOT


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    """A command's section, then those of its own commands."""
    yield _section(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            one = command.get_command(context, name)
            if one is not None:
                with click.Context(one, info_name=name, parent=context) as own:
                    yield from _sections(one, own)


def _section(command: click.Command, context: click.Context) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    # In a help text, a form feed ends what people see and \b keeps a paragraph's lines apart.
    help_text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    lines = [f"\n## {context.command_path}\n", f"```\n{usage}\n```\n", f"{help_text}\n"]
    options = [param for param in command.get_params(context) if isinstance(param, click.Option)]
    lines += ["| Option | Default | Meaning |", "|---|---|---|"]
    lines += [_option(option, context) for option in options]
    return "\n".join(lines) + "\n"


def _option(option: click.Option, context: click.Context) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    if not option.is_flag:
        names += f" {_cell(option.make_metavar(context))}"
    details = option.get_help_extra(context)
    default = details.get("default", "")
    help_text = option.help or ""
    if "envvars" in details:
        help_text += " Environment: " + ", ".join(f"`{name}`" for name in details["envvars"]) + "."
    return f"| {names} | {f'`{default}`' if default else ''} | {_cell(help_text)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(commands_page())
