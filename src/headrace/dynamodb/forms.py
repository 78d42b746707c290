"""Fast forms: how the values of one place in the items are decoded in C and become an Arrow array.

A form is a generated msgspec type of one value, its cell, and a function from a page's cells to Arrow. What a form
does not hold exactly raises Mismatch, or msgspec.ValidationError while decoding; the page is then decoded by
``generic``. That a value has one tag is taken on trust: of several, which the service never sends, one may be taken
for the value. Which form a place has is told by ``form_choice``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

Contents = list[Any]
"""What the cells of a page hold, None where a value is NULL or missing."""

ToArrow = Callable[[Contents], pa.Array]


class Mismatch(Exception):
    """A page holds what its compiled decoder does not."""


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of value: the type that msgspec decodes it to, and the way from there to Arrow.

    ``absent`` stands where there is no value. ``content`` is the attribute of a cell that ``to_arrow`` takes; such
    a cell also tells by ``null`` whether it is NULL or missing. Where it is empty, ``to_arrow`` takes the cells
    themselves, and sees to their nulls.
    """

    cell: Any
    absent: Any
    to_arrow: ToArrow
    content: str = "content"


class Place:
    """Where the cells of a form are: an attribute of their owners, or the owners themselves."""

    __slots__ = ("_contents", "_form", "_name", "_nulls")

    def __init__(self, form: Form, name: str = "") -> None:
        self._form = form
        self._name = name
        self._contents = _reader(name, form.content)
        self._nulls: Callable[[Iterable[Any]], list[Any]] | None = None

    def array(self, owners: list[Any]) -> pa.Array:
        """The values of ``owners``. Raises Mismatch, ValueError or msgspec.DecodeError."""
        contents = self._contents(owners)
        array = self._form.to_arrow(contents)
        if array.null_count and self._form.content:
            self._check_nulls(owners, contents)
        return array

    def _check_nulls(self, owners: list[Any], contents: Contents) -> None:
        """Raise Mismatch unless exactly the values without content are NULL or missing."""
        if self._nulls is None:
            self._nulls = _reader(self._name, "null")
        if self._nulls(owners) != [content is None for content in contents]:
            raise Mismatch


def tagged(tag: str, content: Any, to_arrow: ToArrow) -> Form:
    """The form of values under one tag, whose contents msgspec decodes to ``content``."""
    cell, absent = _cell(tag, content)
    return Form(cell, absent, to_arrow)


def of_tags(forms: Sequence[tuple[str, Any, ToArrow]]) -> Form:
    """The form of values under any of several tags, all stored alike."""
    if len(forms) == 1:
        return tagged(*forms[0])
    names = [f"content{number}" for number in range(len(forms))]
    cell = msgspec.defstruct(
        "Cell",
        [*((name, content, None) for name, (_, content, _) in zip(names, forms, strict=True)), _NULL],
        rename={name: tag for name, (tag, _, _) in zip(names, forms, strict=True)} | {"null": "NULL"},
        gc=False,
        frozen=True,
        forbid_unknown_fields=True,
    )
    readers = [(_reader("", name), to_arrow) for name, (_, _, to_arrow) in zip(names, forms, strict=True)]
    nulls = _reader("", "null")

    def to_arrow(cells: Contents) -> pa.Array:
        arrays = [to_arrow(read(cells)) for read, to_arrow in readers]
        array = pc.coalesce(*arrays)
        values = sum(len(one) - one.null_count for one in arrays)
        if values != len(array) - array.null_count or not array.is_null().equals(
            pa.array(nulls(cells), pa.bool_())
        ):
            raise Mismatch
        return array

    return Form(cell, cell(null=True), to_arrow, content="")


def stored_as(type_: pa.DataType) -> ToArrow:
    """What Arrow makes of the contents by itself."""

    def to_arrow(contents: Contents) -> pa.Array:
        return pa.array(contents, type_)

    return to_arrow


def null_form(type_: pa.DataType) -> Form:
    """NULL and nothing else, where nothing is known of a value but how it is stored."""

    def to_arrow(cells: Contents) -> pa.Array:
        if not all(cell.null for cell in cells):
            raise Mismatch
        return pa.nulls(len(cells), type_)

    return Form(Null, Null(null=True), to_arrow, content="")


class Null(msgspec.Struct, gc=False, frozen=True, forbid_unknown_fields=True, rename={"null": "NULL"}):
    """A value that is NULL."""

    null: bool = False


_NULL: Final = ("null", bool, False)


@lru_cache(maxsize=64)
def _cell(tag: str, content: Any) -> tuple[Any, Any]:
    """A type of cells, and the one that is missing. Simple ones are shared, wide tables have many."""
    cell = msgspec.defstruct(
        "Cell",
        [("content", content, None), _NULL],
        rename={"content": tag, "null": "NULL"},
        gc=False,
        frozen=True,
        forbid_unknown_fields=True,
    )
    return cell, cell(null=True)


def _reader(*names: str) -> Callable[[Iterable[Any]], list[Any]]:
    """A function from objects to what stands in each at a dotted path; at none, the objects.

    Each path gets code of its own, which the interpreter specialises to its types: a third of what attrgetter takes.
    """
    path = ".".join(name for name in names if name)
    if not path:
        return list
    assert path.replace(".", "").isidentifier(), "only names made here are evaluated"
    read: Callable[[Iterable[Any]], list[Any]] = eval(f"lambda owners: [owner.{path} for owner in owners]")  # noqa: S307
    return read
