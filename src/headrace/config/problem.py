"""What is wrong with a configuration, and where."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from headrace.errors import ConfigError

KeyPath = tuple[str | int, ...]
"""The way from the top of a document to a value: keys and list indexes."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line and a column, both counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to correct. ``key`` is as ``written`` gives it, empty for the document as a whole."""

    place: Place
    key: str
    message: str

    def line(self, file: str) -> str:
        """As ``file:line:column: key: message``, the form that editors can jump to."""
        key = f"{self.key}: " if self.key else ""
        return f"{file}:{self.place.line}:{self.place.column}: {key}{self.message}"


class BadValueError(ValueError):
    """A text is not of its kind. The message names the text, the choices and the cure, not the key."""


def refuse(file: str, problems: Iterable[Problem]) -> None:
    """Raise ConfigError with one line for each problem, in the document's order; nothing if there is none."""
    lines = [problem.line(file) for problem in sorted(set(problems))]
    if lines:
        raise ConfigError("\n".join(lines))


def written(path: KeyPath) -> str:
    """A path as people write it: ``datasets[0].acceleration.engine``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{shown(step)!r}]"
    return text


def shown(key: str) -> str:
    """A key as far as it may be repeated in a message.

    Where the space after a colon is forgotten, the value becomes part of the key, and may be a secret.
    """
    return re.sub(r":.+", ":...", key, flags=re.DOTALL)


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that was probably meant, or None."""
    by_lower = {choice.lower(): choice for choice in choices}
    lowered = word.lower().replace("-", "_")
    found = difflib.get_close_matches(lowered, by_lower, n=1, cutoff=0.7)
    return by_lower[found[0]] if found else None


def not_one_of(word: str, choices: Iterable[str]) -> str:
    """``'duckbd' is not one of duckdb, sqlite; did you mean 'duckdb'?``."""
    known = tuple(choices)
    message = f"'{word}' is not one of {', '.join(known)}"
    guess = nearest(word, known)
    return f"{message}; did you mean '{guess}'?" if guess else message


def unknown_key(key: str, known: Iterable[str]) -> str:
    """What to say of a key that nobody knows: the nearest known one, else all of them."""
    choices = tuple(known)
    guess = nearest(key, choices)
    if guess:
        return f"there is no such key; did you mean '{guess}'?"
    return f"there is no such key; known here: {', '.join(choices)}"
