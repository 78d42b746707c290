"""Patterns -> one decoder of the fields that are asked for, and functions of what it gives.

A record's text is decoded into nested structs that have those fields alone, so that all others are passed over. A
struct's field is opaque, any JSON value, where a pattern's array of alternatives stands, and where an array is to be expected
(``L``). A record that is not of that shape is decoded whole, and asked by ``arrays.holds``: it is slower and says the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import UNSET

from headrace.decoding import json_decoder
from headrace.filters.arrays import Leaf, holds, value_holds
from headrace.filters.checks import Check, check_of
from headrace.filters.operators import Changed
from headrace.filters.pattern import IMAGES, Branch, Condition
from headrace.filters.plain import has_changed, plain

Record = Any
"""A decoded record: a struct of the fields that are asked for, or a JSON value."""

Path = tuple[str, ...]

Get = Callable[[Record], object]

Ask = Callable[[Record], bool]

# msgspec takes no other names for fields.
_NAMEABLE = re.compile(r'[^"\\\x00-\x1f]+')


@dataclass(slots=True)
class _Node:
    """A field that is asked for. ``opaque``: itself, not only fields beneath it."""

    fields: dict[str, _Node] = field(default_factory=dict)
    opaque: bool = False

    def add(self, path: Path) -> None:
        """``path`` is asked for, beneath this field."""
        if not path or self.opaque or not _NAMEABLE.fullmatch(path[0]):
            self.opaque = True
            return
        inner = self.fields.setdefault(path[0], _Node())
        inner.add(() if path[0] == "L" else path[1:])

    def struct(self) -> type[msgspec.Struct]:
        """A struct of the fields beneath this one; what a record lacks is UNSET at the end of every path."""
        fields: list[tuple[str, Any, Any]] = []
        for at, inner in enumerate(self.fields.values()):
            if inner.opaque:
                fields.append((f"f{at}", Any, UNSET))
            else:
                beneath = inner.struct()
                fields.append((f"f{at}", beneath, msgspec.field(default_factory=_always(beneath()))))
        names = {f"f{at}": name for at, name in enumerate(self.fields)}
        return msgspec.defstruct("Asked", fields, rename=names, gc=False)

    def found(self, path: Path) -> tuple[str, Path]:
        """Where in the struct the value for ``path`` is, and what of the path goes on within it."""
        steps, node = [], self
        for at, name in enumerate(path):
            steps.append(f"f{list(node.fields).index(name)}")
            node = node.fields[name]
            if node.opaque:
                return ".".join(steps), path[at + 1 :]
        raise AssertionError(f"{path} is not asked for")

    def getter(self, path: Path) -> Get:
        """What reads ``path`` of a struct."""
        where, rest = self.found(path)
        if not rest:
            return attrgetter(where)
        get, walk = attrgetter(where), _walk(rest)
        return lambda record: walk(get(record))


def _always(value: object) -> Callable[[], object]:
    return lambda: value


class Matcher:
    """Branches as functions; ``passes`` says whether one of them holds of a record's text."""

    def __init__(self, branches: Sequence[Branch]) -> None:
        shape = _Node()
        for condition in (one for branch in branches for one in branch):
            for path in _sources(condition):
                shape.add(path)
        if shape.opaque:
            self._decode: Callable[[bytes], Record] = msgspec.json.decode
            self._asks = [branch_asks(branch) for branch in branches]
        else:
            self._decode = json_decoder(shape.struct()).decode
            self._asks = [tuple(_struct_asks(branch, shape)) for branch in branches]
        self._whole = [branch_asks(branch) for branch in branches]

    def passes(self, text: bytes) -> bool:
        """Whether a branch holds of the record."""
        try:
            record = self._decode(text)
        except msgspec.ValidationError:
            return self._passes_whole(text)
        for asks in self._asks:
            for ask in asks:
                if not ask(record):
                    break
            else:
                return True
        return False

    def _passes_whole(self, text: bytes) -> bool:
        record = msgspec.json.decode(text)
        return any(all(ask(record) for ask in asks) for asks in self._whole)


def branch_asks(branch: Branch) -> tuple[Ask, ...]:
    """Functions of a record that is decoded whole, which must all hold."""
    leaves = [Leaf(one.path, check_of(one)) for one in _in_order(branch) if not one.is_plain]
    asks: list[Ask] = [_of_leaves(_itself, leaves)] if leaves else []
    return (*asks, *_plain_asks(branch, _walk))


def _struct_asks(branch: Branch, shape: _Node) -> Iterator[Ask]:
    """Functions of a struct that must all hold; those of whole fields come first, as they are the fastest."""
    beneath: dict[str, list[Leaf]] = {}
    for condition in _in_order(branch):
        if condition.is_plain:
            continue
        where, rest = shape.found(condition.path)
        if rest:
            beneath.setdefault(where, []).append(Leaf(rest, check_of(condition)))
        else:
            yield _of_value(attrgetter(where), check_of(condition))
    for where, leaves in beneath.items():
        yield _of_leaves(attrgetter(where), leaves)
    yield from _plain_asks(branch, shape.getter)


def _plain_asks(branch: Branch, getter: Callable[[Path], Get]) -> Iterator[Ask]:
    """Functions for the paths without type tags; ``getter`` gives what reads a path of the record."""
    beneath: dict[Path, list[Leaf]] = {}
    for condition in _in_order(branch):
        if condition.is_plain and not _changes(condition):
            beneath.setdefault(condition.path[:2], []).append(Leaf(condition.path[2:], check_of(condition)))
    for path, leaves in beneath.items():
        yield _of_plain(_attribute(path, getter), leaves)
    for condition in branch:
        if _changes(condition):
            yield _of_change(condition, getter)


def _attribute(path: Path, getter: Callable[[Path], Get]) -> Get:
    """What reads the attribute that ``path``, of a root and a name, is of; of a root alone, the image as a map."""
    get = getter(_source(path))
    if len(path) > 1:
        return get

    def whole(record: Record) -> object:
        image = get(record)
        return {"M": image} if isinstance(image, dict) else UNSET

    return whole


def _source(path: Path) -> Path:
    return ("dynamodb", IMAGES[path[0]], *path[1:2])


def _sources(condition: Condition) -> Iterator[Path]:
    """The paths of the record that the condition looks at."""
    if not condition.is_plain:
        yield condition.path
    elif _changes(condition):
        yield from (_source((root, *condition.path[1:2])) for root in ("old", "new"))
    else:
        yield _source(condition.path)


def _of_change(condition: Condition, getter: Callable[[Path], Get]) -> Ask:
    """``changed``, or else one of the alternatives beside it."""
    root, *name = condition.path[:2]
    old, new = (_attribute((one, *name), getter) for one in ("old", "new"))
    own = old if root == "old" else new
    rest = condition.path[2:]
    ways = [one.how for one in condition.alternatives if isinstance(one, Changed)]
    leaves = [Leaf(rest, check_of(condition))]

    def ask(record: Record) -> bool:
        before, after = old(record), new(record)
        if any(has_changed(how, before, after, rest) for how in ways):
            return True
        return holds(plain(own(record)), leaves)

    return ask


def _of_value(get: Get, check: Check) -> Ask:
    scalar, absent = check.scalar, check.absent

    def ask(record: Record) -> bool:
        value = get(record)
        if value.__class__ is str:
            return scalar(value)
        if value is UNSET:
            return absent
        return value_holds(value, check)

    return ask


def _of_leaves(get: Get, leaves: Sequence[Leaf]) -> Ask:
    return lambda record: holds(get(record), leaves)


def _of_plain(get: Get, leaves: Sequence[Leaf]) -> Ask:
    return lambda record: holds(plain(get(record)), leaves)


def _itself(record: Record) -> object:
    return record


def _walk(path: Path) -> Get:
    """What reads a path of a record that is decoded whole."""

    def walk(record: Record) -> object:
        for name in path:
            record = record.get(name, UNSET) if isinstance(record, dict) else UNSET
        return record

    return walk


def _in_order(conditions: Iterable[Condition]) -> list[Condition]:
    """In the order in which aws/event-ruler steps through a rule's fields."""
    return sorted(conditions, key=lambda one: ".".join(one.path))


def _changes(condition: Condition) -> bool:
    return any(isinstance(one, Changed) for one in condition.alternatives)
