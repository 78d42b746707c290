"""The columns of one attribute of the items: its own, or where maps are flattened, those below it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Protocol

import msgspec
import pyarrow as pa

from headrace.column_name import Path
from headrace.dynamodb.form_choice import Tags, declarable, form_of, read_form
from headrace.dynamodb.forms import Contents, Form, Mismatch, Place
from headrace.dynamodb.nested_forms import struct_of_cells
from headrace.dynamodb.reader import ItemReader
from headrace.schema import Column

Arrays = Iterator[tuple[Path, pa.Array]]


class ItemColumns(Protocol):
    """The columns of an attribute, whose values stand in ``form``'s cells."""

    @property
    def form(self) -> Form:
        """How the attribute's values are decoded; its ``to_arrow`` is not of use."""
        ...

    def arrays(self, items: list[Any]) -> Arrays:
        """The columns of ``items``. Raises Mismatch, ValueError or msgspec.DecodeError."""
        ...


def item_columns(columns: Sequence[Column], name: str, tags: Tags, reader: ItemReader) -> ItemColumns:
    """How the columns below one attribute are made from its cells, which are ``name`` of the items."""
    (attribute,) = {column.attribute for column in columns}
    if len(columns) == 1 and len(columns[0].path) == 1:
        form = form_of(columns[0], tags, reader)
        return _Whole(columns[0], form, Place(form, name))
    tree = _tree((attribute,), columns, tags, reader)
    if tree is not None:
        return _Flattened(tree, attrgetter(f"{name}.content"))
    return _Walked(attribute, tuple(columns), reader, attrgetter(name))


@dataclass(frozen=True, slots=True)
class _Whole:
    """The attribute is one column."""

    column: Column
    form: Form
    place: Place

    def arrays(self, items: list[Any]) -> Arrays:
        array = self.place.array(items)
        if self.column.key and array.null_count:
            raise Mismatch
        yield self.column.path, array


@dataclass(frozen=True, slots=True)
class _Flattened:
    """The attribute is a map, and nothing else, whose members are columns."""

    tree: _Tree
    read: attrgetter[Any]

    @property
    def form(self) -> Form:
        return self.tree.form

    def arrays(self, items: list[Any]) -> Arrays:
        yield from self.tree.arrays(list(map(self.read, items)))


@dataclass(frozen=True, slots=True)
class _Walked:
    """The attribute is at times a map with members and at times something else; each value is taken apart."""

    attribute: str
    columns: tuple[Column, ...]
    reader: ItemReader
    read: attrgetter[Any]

    @property
    def form(self) -> Form:
        return read_form(self.columns[0], self.reader)

    def arrays(self, items: list[Any]) -> Arrays:
        values: dict[Path, Contents] = {column.path: [None] * len(items) for column in self.columns}
        for number, value in enumerate(map(self.read, items)):
            for path, leaf in () if value is None else self.reader.leaves({self.attribute: value}):
                if path not in values:
                    raise Mismatch
                values[path][number] = leaf
        for column in self.columns:
            yield column.path, read_form(column, self.reader).to_arrow(values[column.path])


@dataclass(frozen=True, slots=True)
class _Tree:
    """A map that is flattened: its members that are columns, and those that are maps in turn.

    Its cells do not take NULL, nor its columns a map without members: either is a value that has no column here.
    """

    form: Form
    empty: Any
    leaves: tuple[tuple[Path, str, Place], ...]
    below: tuple[tuple[str, _Tree], ...]
    absent: tuple[tuple[str, Any], ...] = field(repr=False)

    def arrays(self, maps: Contents) -> Arrays:
        """The columns of ``maps``, None where there is none."""
        missing = sum(one is None for one in maps)
        present = [self.empty if one is None else one for one in maps]
        full = False
        for path, _, place in self.leaves:
            array = place.array(present)
            full = full or array.null_count == missing
            yield path, array
        for name, tree in self.below:
            yield from tree.arrays([getattr(one, name).content for one in present])
        if not full and any(self._is_empty(one) for one in maps if one is not None):
            raise Mismatch

    def _is_empty(self, one: Any) -> bool:
        return all(getattr(one, name) is absent for name, absent in self.absent)


def _tree(path: Path, columns: Iterable[Column], tags: Tags, reader: ItemReader) -> _Tree | None:
    """The map at ``path``; None where that is a column itself, or a member has a name that msgspec does not take."""
    below: dict[str, list[Column]] = {}
    for column in columns:
        if column.path == path or not declarable(column.path[len(path)]):
            return None
        below.setdefault(column.path[len(path)], []).append(column)
    forms: list[tuple[str, Form]] = []
    leaves, trees = [], []
    for number, (member, own) in enumerate(below.items()):
        name = f"f{number}"
        if own[0].path == (*path, member) and len(own) == 1:
            form = form_of(own[0], tags, reader)
            leaves.append((own[0].path, name, Place(form, name)))
        else:
            tree = _tree((*path, member), own, tags, reader)
            if tree is None:
                return None
            form = tree.form
            trees.append((name, tree))
        forms.append((member, form))
    content = struct_of_cells("Map", forms)
    cell = msgspec.defstruct(
        "Cell",
        [("content", content)],
        rename={"content": "M"},
        gc=False,
        frozen=True,
        forbid_unknown_fields=True,
    )
    absent = tuple((f"f{number}", form.absent) for number, (_, form) in enumerate(forms))
    return _Tree(Form(cell, cell(None), list), content(), tuple(leaves), tuple(trees), absent)
