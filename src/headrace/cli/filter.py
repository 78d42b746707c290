"""``headrace filter``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from headrace.filters import Filters


@click.group("filter")
def filter() -> None:  # noqa: A001 - the verb's own name
    """Try an event filter on records.

    Filters are those of event source mappings: `filter_criteria` in a Spicepod.
    """


@filter.command("test")
@click.argument("pattern")
@click.argument("events", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--extended", is_flag=True, help="The pattern is an extended_pattern, in Headrace's own grammar."
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How to print it.",
)
def test(pattern: str, events: Path, format_: str, *, extended: bool) -> None:
    """Say which records a PATTERN lets through, and why not the others.

    PATTERN is its JSON, or @FILE. EVENTS is a file of events, records, or failures from where on_failure puts them: one, a
    JSON list, or one a line; - is standard input. Records are as in Lambda's event, or as GetRecords gives them. Of a record
    that is left out, the first field of the pattern is told that does not match.

    Exit codes: 0 at least one record passes, 1 none does, 2 the pattern is wrong.
    """
    from headrace.cli.event_file import content, record_texts
    from headrace.cli.listing import as_json
    from headrace.cli.table import one_line

    filters = _filters(pattern, extended=extended)
    where, text = content(events)
    records = list(record_texts(text, where))
    reasons = [(place, filters.reasons(text)[0]) for place, text in records]
    warnings = (*filters.warnings, *_unmet(filters, [text for _, text in records]))
    passed = sum(reason is None for _, reason in reasons)
    if format_ == "json":
        listed = [{"record": place, "passes": reason is None, "reason": reason} for place, reason in reasons]
        click.echo(as_json({"records": listed, "passed": passed, "warnings": list(warnings)}))
    else:
        for place, reason in reasons:
            click.echo(one_line(f"{place}: {'passes' if reason is None else f'left out: {reason}'}"))
        for warning in warnings:
            click.echo(one_line(f"warning: {warning}"), err=True)
        click.echo(f"{passed:,} of {len(reasons):,} records pass")
    click.get_current_context().exit(0 if passed else 1)


def _filters(pattern: str, *, extended: bool) -> Filters:
    """The pattern compiled. Raises UsageError where it is wrong."""
    from headrace.errors import ConfigError
    from headrace.event_source_mapping import Pattern
    from headrace.filters import Filters

    text = pattern
    if pattern.startswith("@"):
        try:
            text = Path(pattern[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"the pattern cannot be read from {pattern[1:]}: {error}") from error
    try:
        return Filters.compiled([Pattern(text, extended)])
    except ConfigError as error:
        raise click.UsageError(f"the pattern is wrong: {error}") from error


def _unmet(filters: Filters, texts: list[bytes]) -> list[str]:
    """What the pattern asks for that streams of the view types of these records never have."""
    import json

    changes = (json.loads(text).get("dynamodb") for text in texts)
    views = {change.get("StreamViewType") for change in changes if isinstance(change, dict)}
    return [told for view in sorted(map(str, views - {None})) for told in filters.unmet(view)]
