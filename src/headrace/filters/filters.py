"""The filters of one mapping."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.errors import ConfigError
from headrace.event_source_mapping import Pattern
from headrace.filters.compiled import Matcher
from headrace.filters.document import PatternError
from headrace.filters.lint import by_view, warnings
from headrace.filters.pattern import Parsed, parse
from headrace.filters.reason import why_not

USUAL = 5
MOST = 10
"""How many patterns AWS Lambda takes for a mapping, and how many where one asks for more ("Control which events Lambda
sends to your function"). Extended ones do not count: Lambda has none of them."""


class Filters:
    """Alternatives: a record passes that one of the patterns lets through, or every record if there is none.

    Any thread may ask.
    """

    def __init__(self, patterns: Sequence[Pattern], parsed: Sequence[Parsed]) -> None:
        self._parsed = tuple(parsed)
        self._matcher = Matcher([branch for one in parsed for branch in one.branches])
        told = [
            f"{_name(at)}: {warning}"
            for at, (pattern, one) in enumerate(zip(patterns, parsed, strict=True))
            for warning in (*one.notes, *warnings(one, extended=pattern.extended))
        ]
        plain = sum(not pattern.extended for pattern in patterns)
        if plain > USUAL:
            told.append(
                f"AWS Lambda takes more than {USUAL} filters only where the account's quota was raised"
            )
        self.warnings = tuple(told)

    @classmethod
    def compiled(cls, patterns: Sequence[Pattern]) -> Filters:
        """The filters of these patterns. Raises ConfigError with one line for each that is wrong, and the place in it."""
        problems: list[str] = []
        parsed: list[Parsed] = []
        for at, pattern in enumerate(patterns):
            try:
                parsed.append(parse(pattern))
            except PatternError as error:
                problems.append(f"{_name(at)}: {error}")
        if sum(not pattern.extended for pattern in patterns) > MOST:
            problems.append(
                f"a mapping has at most {MOST} filters by pattern; say more with $or, or as extended_pattern"
            )
        if problems:
            raise ConfigError("\n".join(problems))
        return cls(patterns, parsed)

    def passes(self, text: bytes) -> bool:
        """Whether a record goes on to the function; ``text`` is its JSON as in StreamRecord."""
        return not self._parsed or self._matcher.passes(text)

    def reasons(self, text: bytes) -> tuple[str | None, ...]:
        """For each pattern why it does not let the record through, the first field that fails; None where it does.

        Slower than ``passes``. Raises ValueError where ``text`` is not a JSON object.
        """
        return tuple(why_not(one.branches, text) for one in self._parsed)

    def unmet(self, view_type: str) -> tuple[str, ...]:
        """What the patterns ask for that the records of a stream of this view type never have."""
        return tuple(
            f"{_name(at)}: {told}" for at, one in enumerate(self._parsed) for told in by_view(one, view_type)
        )


def _name(at: int) -> str:
    return f"filters[{at}]"
