"""One parameter of a dataset or its acceleration, and how a ``params`` block is read by a table of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from headrace.config.document import Data, Document
from headrace.config.environment import Environment, Resolved, UnresolvedError
from headrace.config.kind import Kind
from headrace.config.problem import BadValueError, KeyPath, Problem, shown, unknown_key

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

PREFIX = "dynamodb_"
"""Spice's prefix of the connector's own parameters; here every parameter of a dataset may have it."""


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """What happens instead of what a key asks for; ``unless`` are the values for which nothing is missing."""

    instead: str
    unless: tuple[str, ...] = ()


def described(what: str, unbuilt: Unbuilt | None) -> str:
    """What a key does, and what this version does instead."""
    return what if unbuilt is None else f"{what} In this version: {unbuilt.instead}."


@dataclass(frozen=True, slots=True)
class Parameter(Generic[T_co]):
    """One key under ``params``: validation, JSON Schema, documentation and ``validate`` all read this.

    ``default`` is text as a user would write it, None where there is none. ``unbuilt`` is None where this
    version does what the key asks. An ``optional`` one is absent where its reference resolves to nothing.
    """

    name: str
    kind: Kind[T_co]
    what: str
    default: str | None = None
    aliases: tuple[str, ...] = ()
    unbuilt: Unbuilt | None = None
    optional: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All names without prefix, the documented one first."""
        return (self.name, *self.aliases)

    def default_value(self) -> T_co | None:
        """The default, parsed."""
        return None if self.default is None else self.kind.parse(self.default)


@dataclass(frozen=True, slots=True)
class Given:
    """A value as the Spicepod gives it: ``text`` is its source text, None where it is secret."""

    key: str
    text: str | None
    value: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of a ``params`` block, by parameter name."""

    given: Mapping[str, Given] = field(default_factory=dict)

    def get(self, parameter: Parameter[T]) -> T | None:
        """The value given, else the default, else None."""
        found = self.given.get(parameter.name)
        return parameter.default_value() if found is None else cast(T, found.value)

    def key(self, parameter: Parameter[T]) -> str:
        """The key under which the Spicepod gives it, else its documented name."""
        found = self.given.get(parameter.name)
        return found.key if found else parameter.name

    def unbuilt(self, table: Iterable[Parameter[object]], where: str) -> Iterator[str]:
        """A sentence for each key given that asks for what this version does not do."""
        for parameter in table:
            found = self.given.get(parameter.name)
            if found is not None and parameter.unbuilt and found.text not in parameter.unbuilt.unless:
                yield f"{where}.{found.key}: {parameter.unbuilt.instead}"


@dataclass(frozen=True, slots=True)
class ParameterReader:
    """Reads ``params`` blocks of one document.

    ``prefix`` may stand before each name of ``table``, "" for none. ``apart`` are keys that somebody else reads.
    """

    document: Document
    environment: Environment
    table: tuple[Parameter[object], ...]
    prefix: str
    apart: frozenset[str] = frozenset()

    def read(self, path: KeyPath) -> tuple[Settings, list[Problem]]:
        """The values of the block at ``path``, and everything that is wrong with it."""
        block = self.document.at(path)
        if block is None:
            return Settings(), []
        if not isinstance(block, dict):
            problem = self.document.at_value(path, "expected keys and values ('key: value'), one a line")
            return Settings(), [problem]
        by_key = {name: parameter for parameter in self.table for name in self.spellings(parameter)}
        given: dict[str, Given] = {}
        keys: dict[str, str] = {}
        problems: list[Problem] = []
        for key, value in block.items():
            if key in self.apart:
                continue
            here = (*path, key)
            parameter = by_key.get(key)
            if parameter is None:
                problems.append(self.document.at_key(here, unknown_key(shown(key), self._suggestions(key))))
            elif parameter.name in keys:
                first = keys[parameter.name]
                place = self.document.key_place((*path, first))
                message = f"'{key}' and '{first}' ({place}) are one parameter; keep one of them"
                problems.append(self.document.at_key(here, message))
            else:
                keys[parameter.name] = key
                read = self._value(parameter, key, value)
                if isinstance(read, str):
                    problems.append(self.document.at_value(here, read))
                elif read is not None:
                    given[parameter.name] = read
        return Settings(given), problems

    def spellings(self, parameter: Parameter[object]) -> tuple[str, ...]:
        """All keys that mean the parameter."""
        prefixed = tuple(self.prefix + name for name in parameter.names) if self.prefix else ()
        return (*parameter.names, *prefixed)

    def _suggestions(self, key: str) -> list[str]:
        names = [name for parameter in self.table for name in parameter.names]
        prefixed = bool(self.prefix) and key.lower().startswith(self.prefix)
        return [self.prefix + name for name in names] if prefixed else names

    def _value(self, parameter: Parameter[object], key: str, value: Data) -> Given | str | None:
        """The value, or what is wrong with it, or None where it is absent."""
        if value is None:
            return "has no value; give one, or remove the key"
        if not isinstance(value, str):
            return f"expected {parameter.kind.says}; found {'a list' if isinstance(value, list) else 'keys'}"
        try:
            resolved = self.environment.resolve(value)
        except UnresolvedError as error:
            return None if parameter.optional and error.missing else str(error)
        if parameter.optional and not resolved.text:
            return None
        return _parsed(parameter, key, value, resolved)


def _parsed(parameter: Parameter[object], key: str, source: str, resolved: Resolved) -> Given | str:
    try:
        parsed = parameter.kind.parse(resolved.text)
    except BadValueError as error:
        if resolved.replaced:
            # What a reference stands for may be secret, whatever the key.
            return f"what {source} stands for is not {parameter.kind.says}"
        return str(error)
    return Given(key, None if parameter.kind.secret else resolved.text, parsed)
