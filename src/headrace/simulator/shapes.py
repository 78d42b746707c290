"""Kinds of request parameters: each checks a JSON value, and notes what breaks its bounds.

A parameter that AWS knows and the simulator does not is refused by name, as one that nobody knows is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.simulator.answers import invalid, unreadable

# Developer guide, "Legacy DynamoDB conditional parameters": AWS still takes these, and says what replaces them.
LEGACY = {
    "AttributesToGet": "ProjectionExpression",
    "AttributeUpdates": "UpdateExpression",
    "ConditionalOperator": "AND or OR in an expression",
    "Expected": "ConditionExpression",
    "KeyConditions": "KeyConditionExpression",
    "QueryFilter": "FilterExpression",
    "ScanFilter": "FilterExpression",
}


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    minimum: int = 0
    maximum: int | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()

    def check(self, value: Any, path: str, faults: list[str]) -> None:
        """Note each bound that ``value`` breaks; raise if it is no string at all."""
        if type(value) is not str:
            raise unreadable(f"{_lower(path)}: expected a string")
        if self.choices and value not in self.choices:
            faults.append(
                _fault(value, path, f"Member must satisfy enum value set: [{', '.join(self.choices)}]")
            )
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            faults.append(
                _fault(value, path, f"Member must satisfy regular expression pattern: {self.pattern}")
            )
        _check_length(value, self.minimum, self.maximum, path, faults)


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer."""

    minimum: int | None = None
    maximum: int | None = None

    def check(self, value: Any, path: str, faults: list[str]) -> None:
        """Note each bound that ``value`` breaks; raise if it is no integer at all."""
        if type(value) is not int:
            raise unreadable(f"{_lower(path)}: expected an integer")
        if self.minimum is not None and value < self.minimum:
            faults.append(
                _fault(value, path, f"Member must have value greater than or equal to {self.minimum}")
            )
        if self.maximum is not None and value > self.maximum:
            faults.append(_fault(value, path, f"Member must have value less than or equal to {self.maximum}"))


@dataclass(frozen=True, slots=True)
class Time:
    """Epoch seconds, whole or not."""

    def check(self, value: Any, path: str, _: list[str]) -> None:
        """Raise if ``value`` is no number."""
        if type(value) is not int and type(value) is not float:
            raise unreadable(f"{_lower(path)}: expected a timestamp in epoch seconds")


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean."""

    def check(self, value: Any, path: str, _: list[str]) -> None:
        """Raise if ``value`` is no boolean."""
        if type(value) is not bool:
            raise unreadable(f"{_lower(path)}: expected a boolean")


@dataclass(frozen=True, slots=True)
class Many:
    """A list."""

    of: Kind
    minimum: int = 0
    maximum: int | None = None

    def check(self, value: Any, path: str, faults: list[str]) -> None:
        """Check the list and each of its members."""
        if type(value) is not list:
            raise unreadable(f"{_lower(path)}: expected a list")
        _check_length(value, self.minimum, self.maximum, path, faults)
        for place, member in enumerate(value, 1):
            self.of.check(member, f"{path}.{place}.member", faults)


@dataclass(frozen=True, slots=True)
class Named:
    """A map of names to values of one kind."""

    of: Kind
    minimum: int = 0
    maximum: int | None = None

    def check(self, value: Any, path: str, faults: list[str]) -> None:
        """Check the map and each of its values."""
        if type(value) is not dict:
            raise unreadable(f"{_lower(path)}: expected a map")
        _check_length(value, self.minimum, self.maximum, path, faults)
        for name, member in value.items():
            self.of.check(member, f"{path}.{name}.member", faults)


@dataclass(frozen=True, slots=True)
class Attributes:
    """A map of attribute values; whoever stores or compares them checks the values."""

    def check(self, value: Any, path: str, _: list[str]) -> None:
        """Raise if ``value`` is no map."""
        if type(value) is not dict:
            raise unreadable(f"{_lower(path)}: expected a map of attribute values")


@dataclass(frozen=True, slots=True)
class Structure:
    """An object with known members."""

    members: Mapping[str, Kind]
    required: tuple[str, ...] = ()

    def check(self, value: Any, path: str, faults: list[str]) -> None:
        """Check every member; drop those that are null, as AWS does."""
        if type(value) is not dict:
            raise unreadable(f"{_lower(path)}: expected a structure")
        for name in [name for name, member in value.items() if member is None]:
            del value[name]
        for name, member in value.items():
            kind = self.members.get(name)
            inner = f"{path}.{name}" if path else name
            if kind is None:
                raise invalid(_unsupported(name, inner))
            kind.check(member, inner, faults)
        for name in self.required:
            if name not in value:
                inner = f"{path}.{name}" if path else name
                faults.append(_fault(None, inner, "Member must not be null"))


Kind = Text | Whole | Time | Flag | Many | Named | Attributes | Structure


def _unsupported(name: str, path: str) -> str:
    successor = LEGACY.get(name)
    if successor is None:
        return f"The simulator does not support the parameter {path}"
    return f"The simulator does not support the legacy parameter {path}; use {successor}, which does the same"


def _fault(value: object, path: str, rule: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{_lower(path)}' failed to satisfy constraint: {rule}"


def _lower(path: str) -> str:
    return ".".join(part[:1].lower() + part[1:] for part in path.split("."))


def _check_length(
    value: str | list[Any] | dict[str, Any], minimum: int, maximum: int | None, path: str, faults: list[str]
) -> None:
    if len(value) < minimum:
        faults.append(_fault(value, path, f"Member must have length greater than or equal to {minimum}"))
    if maximum is not None and len(value) > maximum:
        faults.append(_fault(value, path, f"Member must have length less than or equal to {maximum}"))
