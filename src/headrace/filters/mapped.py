"""The filters of all mappings of a Spicepod."""

from __future__ import annotations

from collections.abc import Iterable

from headrace.errors import ConfigError
from headrace.event_source_mapping import EventSourceMapping
from headrace.filters.filters import Filters


def filters_of(mappings: Iterable[EventSourceMapping]) -> dict[str, Filters]:
    """By the mappings' names. Raises ConfigError with a line for each pattern of any mapping that is wrong."""
    found: dict[str, Filters] = {}
    problems: list[str] = []
    for mapping in mappings:
        try:
            found[mapping.name] = Filters.compiled(mapping.filters)
        except ConfigError as error:
            problems += [f"event_source_mappings: {mapping.name}: {line}" for line in str(error).splitlines()]
    if problems:
        raise ConfigError("\n".join(problems))
    return found
