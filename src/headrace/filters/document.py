"""JSON text -> values that know where they stand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

DEEPEST = 100
"""Levels of objects and arrays in a pattern; a record has fewer, as an item nests to 32."""

_TOKEN = re.compile(r'[ \t\r\n]*(?:([{}\[\],:])|("(?:[^"\\]|\\.)*")|([^\s{}\[\],:"]+))')
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line and a column of a JSON text, both counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


class PatternError(ValueError):
    """A pattern breaks a rule, at ``place`` of its text and at ``path``, its fields from the top."""

    def __init__(self, place: Place, path: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.place = place
        self.path = path

    def __str__(self) -> str:
        return told(self.place, self.path, super().__str__())


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number as it is written."""

    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object; ``place`` is that of its name."""

    name: str
    place: Place
    value: Value


@dataclass(frozen=True, slots=True)
class Value:
    """A JSON value: an object is a tuple of its fields, repeated ones included, and an array a list."""

    place: Place
    content: tuple[Field, ...] | list[Value] | str | Number | bool | None


def read(text: str) -> Value:
    """The value of a JSON text. Raises PatternError."""
    try:
        json.loads(text, parse_constant=_refuse_constant, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        raise PatternError(Place(error.lineno, error.colno), (), f"this is not JSON: {error.msg}") from error
    except ValueError as error:
        raise PatternError(Place(1, 1), (), f"this is not JSON: {error}") from error
    except RecursionError as error:
        raise _too_deep(Place(1, 1)) from error
    return _value(_Tokens(text), 0)


def told(place: Place, path: tuple[str, ...], message: str) -> str:
    """A message with the place that it is about: ``line 1, column 3: dynamodb.NewImage: ...``."""
    return f"{place}: {written(path)}: {message}" if path else f"{place}: {message}"


def written(path: tuple[str, ...]) -> str:
    """Names of fields as people write them: ``dynamodb.NewImage['a b'].S``."""
    text = ""
    for name in path:
        if _PLAIN_KEY.fullmatch(name):
            text += f".{name}" if text else name
        else:
            text += f"[{name!r}]"
    return text


class _Tokens:
    """The tokens of a text that is known to be JSON, and where each stands."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._matches = _TOKEN.finditer(text)
        self._line = 1
        self._line_starts = 0
        self._seen = 0

    def next(self) -> tuple[str, Place]:
        match = next(self._matches)
        start = match.start(match.lastindex or 0)
        breaks = self._text.count("\n", self._seen, start)
        if breaks:
            self._line += breaks
            self._line_starts = self._text.rindex("\n", self._seen, start) + 1
        self._seen = start
        return match[match.lastindex or 0], Place(self._line, start - self._line_starts + 1)


def _value(tokens: _Tokens, depth: int) -> Value:
    word, place = tokens.next()
    return _begun(tokens, word, place, depth)


def _begun(tokens: _Tokens, word: str, place: Place, depth: int) -> Value:
    if word in "{[" and depth >= DEEPEST:
        raise _too_deep(place)
    if word == "{":
        return Value(place, tuple(_fields(tokens, depth)))
    if word == "[":
        return Value(place, list(_elements(tokens, depth)))
    if word[0] in "-0123456789":
        return Value(place, Number(word))
    content = json.loads(word)
    if isinstance(content, str):
        content = _sound(content, place)
    return Value(place, content)


def _fields(tokens: _Tokens, depth: int) -> Iterator[Field]:
    word, place = tokens.next()
    while word != "}":
        if word == ",":
            word, place = tokens.next()
        tokens.next()  # The colon.
        yield Field(_sound(json.loads(word), place), place, _value(tokens, depth + 1))
        word, place = tokens.next()


def _elements(tokens: _Tokens, depth: int) -> Iterator[Value]:
    word, place = tokens.next()
    while word != "]":
        if word == ",":
            word, place = tokens.next()
        yield _begun(tokens, word, place, depth + 1)
        word, place = tokens.next()


def _sound(text: str, place: Place) -> str:
    if _SURROGATE.search(text):
        raise PatternError(place, (), "this text has half of a surrogate pair, which no record has")
    return text


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON value")


def _too_deep(place: Place) -> PatternError:
    return PatternError(place, (), f"this is nested deeper than {DEEPEST} levels, as no record is")
