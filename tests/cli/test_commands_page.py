from pathlib import Path

import click
import pytest

from headrace.cli import VERBS, main
from headrace.cli.reference import commands_page

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_page_about_commands_is_the_one_that_they_make():
    assert PAGE.read_text(encoding="utf-8") == commands_page()


@pytest.mark.parametrize("verb", VERBS)
def test_every_flag_of_a_verb_has_help_and_stands_on_the_page(verb):
    command = main.get_command(click.Context(main), verb)
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## headrace {verb}\n")[2].partition("\n## ")[0]
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, param.name
            assert param.help.endswith("."), param.name
            assert all(f"`{name}`" in section for name in param.opts)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verbs_help_begins_with_the_line_in_the_list(verb):
    command = main.get_command(click.Context(main), verb)
    assert command.name == verb
    assert command.help.splitlines()[0] == VERBS[verb]
