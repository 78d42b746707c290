"""What has happened to the columns of a table, between one schema and the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from headrace.column_type import ColumnType, Kind
from headrace.schema import TableSchema
from headrace.type_name import type_name


class Happened(StrEnum):
    """What may happen to a column. A copy that is made anew may lack columns, or have narrower ones."""

    ADDED = "added"
    RETYPED = "retyped"
    RENAMED = "renamed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """One change of one column.

    ``name`` is the column's now; of a struct's member the way to it (``address.zip``), ``[]`` standing for the
    elements of a list or the values of a map. ``before`` and ``after`` are names: of types, where it was RENAMED of
    the column. ADDED has no ``before``, REMOVED no ``after``.
    """

    happened: Happened
    name: str
    before: str | None = None
    after: str | None = None

    @property
    def text(self) -> str:
        """For people: ``added price (Int64)``, ``price: Int64 -> Float64``."""
        match self.happened:
            case Happened.ADDED:
                return f"added {self.name} ({self.after})"
            case Happened.RETYPED:
                return f"{self.name}: {self.before} -> {self.after}"
            case Happened.RENAMED:
                return f"{self.before} is now called {self.after}"
            case Happened.REMOVED:
                return f"removed {self.name} ({self.before})"


def evolution(before: TableSchema, after: TableSchema) -> tuple[ColumnChange, ...]:
    """How ``before`` became ``after``, as far as it can be seen: what a type knows beside its name is left out."""
    if before is after:
        return ()
    return tuple(_changes(before, after))


def _changes(before: TableSchema, after: TableSchema) -> Iterator[ColumnChange]:
    for column in after.columns:
        known = before.column(column.path)
        if known is None:
            yield _added(column.name, column.type)
            continue
        if known.name != column.name:
            yield _renamed("", known.name, column.name)
        yield from _retyped(column.name, known.type, column.type)
    for column in before.columns:
        if after.column(column.path) is None:
            yield _removed(column.name, column.type)


def _retyped(name: str, before: ColumnType, after: ColumnType) -> Iterator[ColumnChange]:
    """A change of the type's name, else the changes within."""
    if before == after:
        return
    names = type_name(before), type_name(after)
    if names[0] != names[1]:
        yield ColumnChange(Happened.RETYPED, name, *names)
    elif before.kind is Kind.STRUCT:
        yield from _members(name, before, after)
    elif before.element is not None and after.element is not None:
        yield from _retyped(f"{name}[]", before.element, after.element)


def _members(name: str, before: ColumnType, after: ColumnType) -> Iterator[ColumnChange]:
    known = {member.attribute: (field, member.type) for field, member in before.named()}
    for field, member in after.named():
        old = known.pop(member.attribute, None)
        if old is None:
            yield _added(f"{name}.{field}", member.type)
            continue
        if old[0] != field:
            yield _renamed(f"{name}.", old[0], field)
        yield from _retyped(f"{name}.{field}", old[1], member.type)
    for field, type_ in known.values():
        yield _removed(f"{name}.{field}", type_)


def _added(name: str, type_: ColumnType) -> ColumnChange:
    return ColumnChange(Happened.ADDED, name, after=type_name(type_))


def _removed(name: str, type_: ColumnType) -> ColumnChange:
    return ColumnChange(Happened.REMOVED, name, before=type_name(type_))


def _renamed(where: str, before: str, after: str) -> ColumnChange:
    return ColumnChange(Happened.RENAMED, where + after, where + before, where + after)
