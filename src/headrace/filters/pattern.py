"""A pattern's text -> branches: alternatives of conditions that must all hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from headrace.event_source_mapping import Pattern
from headrace.filters.document import Field, PatternError, Place, Value, read, told
from headrace.filters.operators import Alternative, Changed, Scope, alternative

LONGEST = 4096
"""Characters of a pattern (AWS Lambda API reference, "Filter")."""

LONGEST_EXTENDED = 65_536

MOST_BRANCHES = 1000
"""Into how many combinations the ``$or`` of one pattern may unfold (EventBridge user guide, "Or")."""

IMAGES = {"new": "NewImage", "old": "OldImage", "keys": "Keys"}
"""The roots of paths without type tags, in extended patterns, and what of the record's ``dynamodb`` each is."""

# What aws/event-ruler keeps for itself in objects of $or (Constants, RESERVED_FIELD_NAMES_IN_OR_RELATIONSHIP).
_RESERVED = frozenset(
    [
        "exactly",
        "equals-ignore-case",
        "prefix",
        "suffix",
        "anything-but",
        "exists",
        "wildcard",
        "numeric",
        "cidr",
        "html",
        "=",
        "<",
        "<=",
        ">",
        ">=",
        "regex",
        "not-wildcard",
        "not-equals-ignore-case",
        "date-after",
        "date-on-or-after",
        "date-before",
        "date-on-or-before",
        "in-date-range",
        "ip-address-in-range",
        "ip-address-not-in-range",
    ]
)


@dataclass(frozen=True, slots=True)
class Condition:
    """One field and its alternatives. ``path`` are the names from the top, ``place`` that of the last."""

    path: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    place: Place
    extended: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the path has no type tags: it begins with new, old or keys."""
        return self.extended and self.path[0] in IMAGES


Branch = tuple[Condition, ...]
"""Conditions that must all hold, in the order in which they are written."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """One pattern. A record passes if one of the ``branches`` holds; ``notes`` tell what is probably not meant."""

    branches: tuple[Branch, ...]
    notes: tuple[str, ...]


def parse(pattern: Pattern) -> Parsed:
    """Read a pattern. Raises PatternError with the place of what is wrong."""
    longest = LONGEST_EXTENDED if pattern.extended else LONGEST
    if len(pattern.text) > longest:
        raise PatternError(
            Place(1, 1), (), f"a pattern has at most {longest:,} characters, this has {len(pattern.text):,}"
        )
    value = read(pattern.text)
    if not isinstance(value.content, tuple):
        raise PatternError(
            value.place,
            (),
            'a pattern is a JSON object, like {"eventName": ["INSERT"]}, not a single value or array',
        )
    reading = _Reading(extended=pattern.extended)
    branches = reading.object([{}], value.place, value.content, ())
    return Parsed(tuple(tuple(branch.values()) for branch in branches), tuple(reading.notes))


_Open = dict[tuple[str, ...], Condition]
"""A branch as far as it is read. As in aws/event-ruler, a field that comes again replaces what was there."""


class _Reading:
    """One pattern's reading. ``within_or``: names of operators may not be those of fields."""

    def __init__(self, *, extended: bool) -> None:
        self._extended = extended
        self.notes: list[str] = []

    def object(
        self,
        branches: list[_Open],
        place: Place,
        fields: tuple[Field, ...],
        path: tuple[str, ...],
        *,
        within_or: bool = False,
    ) -> list[_Open]:
        if not fields:
            raise PatternError(place, path, "an object of a pattern names at least one field")
        for field in self._last_ones(fields, path):
            if field.name == "$or":
                branches = self._either(branches, field, path)
                continue
            if within_or and field.name in _RESERVED and not self._extended:
                raise PatternError(
                    field.place,
                    path,
                    f"AWS reserves {field.name!r} within $or: no field there may be called so",
                )
            here = (*path, field.name)
            match field.value.content:
                case tuple() as inner:
                    branches = self.object(branches, field.value.place, inner, here, within_or=within_or)
                case list() as listed:
                    self._leaf(branches, field, listed, here)
                case _:
                    raise PatternError(
                        field.value.place,
                        here,
                        "a field takes an array of alternatives, or an object: put it in [ ]",
                    )
        return branches

    def _last_ones(self, fields: tuple[Field, ...], path: tuple[str, ...]) -> Iterator[Field]:
        last = {field.name: field for field in fields}
        for field in fields:
            if last[field.name] is field:
                yield field
            else:
                again = f"it stands again at {last[field.name].place}, and only the last counts"
                self.notes.append(told(field.place, (*path, field.name), again))

    def _leaf(self, branches: list[_Open], field: Field, listed: list[Value], path: tuple[str, ...]) -> None:
        if not listed:
            raise PatternError(field.value.place, path, "an array of alternatives has at least one")
        scope = Scope(path, self._extended)
        alternatives = tuple(alternative(one, scope) for one in listed)
        for one in alternatives:
            if isinstance(one, Changed) and path[0] not in ("new", "old"):
                raise PatternError(
                    one.place, path, "changed stands beneath new or old, whose paths have no type tags"
                )
        condition = Condition(path, alternatives, field.place, self._extended)
        if any(path in branch for branch in branches):
            self.notes.append(
                told(
                    field.place,
                    path,
                    "it stands beside $or and within: what comes later replaces what came before",
                )
            )
        for branch in branches:
            branch[path] = condition

    def _either(self, branches: list[_Open], field: Field, path: tuple[str, ...]) -> list[_Open]:
        listed = field.value.content
        if not isinstance(listed, list) or len(listed) < 2:  # noqa: PLR2004 - else there is no choice
            raise PatternError(field.place, path, "$or takes an array of at least two objects")
        unfolded: list[_Open] = []
        for one in listed:
            if not isinstance(one.content, tuple):
                raise PatternError(one.place, path, "$or takes objects only")
            copies = [dict(branch) for branch in branches]
            unfolded += self.object(copies, one.place, one.content, path, within_or=True)
            if len(unfolded) > MOST_BRANCHES:
                raise PatternError(
                    field.place,
                    path,
                    f"the $or of this pattern unfold into more than {MOST_BRANCHES:,} combinations",
                )
        return unfolded
