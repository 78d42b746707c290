"""docs/filters.md: every pattern on it, and what it says of it."""

import json
import re
from pathlib import Path

import pytest

from headrace.errors import ConfigError
from headrace.event_source_mapping import Pattern
from headrace.filters import Filters

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text(encoding="utf-8")
RECORDS = [block.encode() for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


def rows(heading):
    """(whether extended, pattern, second cell) of all tables of two columns with this second heading."""
    found, within, extended = [], False, False
    for line in PAGE.splitlines():
        extended = extended or line == "## Extended patterns"
        if line == f"| Pattern | {heading} |":
            within = True
        elif not line.startswith("|"):
            within = False
        elif within and (cells := re.fullmatch(r"\| `(\{.*\})` \| (.*) \|", line)):
            found.append((extended, cells[1], cells[2]))
    assert found
    return found


@pytest.mark.parametrize(("extended", "pattern", "passing"), rows("Lets through"))
def test_a_pattern_lets_those_records_through_that_the_page_says(extended, pattern, passing):
    filters = Filters.compiled([Pattern(pattern, extended)])
    passed = [str(number) for number, record in enumerate(RECORDS, 1) if filters.passes(record)]
    assert (", ".join(passed) or "none") == passing


@pytest.mark.parametrize(("extended", "pattern", "message"), rows("Refused"))
def test_a_pattern_is_refused_as_the_page_says(extended, pattern, message):
    with pytest.raises(ConfigError) as raised:
        Filters.compiled([Pattern(pattern, extended)])
    assert message in str(raised.value)


@pytest.mark.parametrize(("extended", "pattern", "message"), rows("Warning"))
def test_a_pattern_is_warned_of_as_the_page_says(extended, pattern, message):
    (warning,) = Filters.compiled([Pattern(pattern, extended)]).warnings
    assert message in warning


def test_patterns_of_aws_that_are_no_warning_on_the_page_have_none():
    warned = {pattern for _, pattern, _ in rows("Warning")}
    for extended, pattern, passing in rows("Lets through"):
        if passing != "none" and pattern not in warned:
            assert Filters.compiled([Pattern(pattern, extended)]).warnings == (), pattern


def test_the_command_says_what_the_page_shows(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from headrace.cli import main

    monkeypatch.chdir(tmp_path)
    Path("events.json").write_text(json.dumps([json.loads(record) for record in RECORDS]))
    command, said = re.search(r"\$ headrace (.*)\n((?:.+\n)+)```", PAGE).groups()
    verb, sub, pattern, file = re.fullmatch(r"(\S+) (\S+) '(.*)' (\S+)", command).groups()
    assert CliRunner().invoke(main, [verb, sub, pattern, file]).stdout == said
