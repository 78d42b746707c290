"""References to columns as Spicepods write them: ``id``, ``(id, version)``, ``"a name, quoted"``.

The form is that of Spice (spiceai.org/docs, "Constraints", "Column References"): names between commas, in brackets
or not. A name may stand in double quotes, which are not part of it, and must where it has a comma, a bracket, a quote
or spaces at its ends. A quote within quotes is written twice, as in SQL.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from headrace.schema import Column, TableSchema

_BARE: Final = r'[^",()\s](?:[^",()]*[^",()\s])?'
_NAME: Final = re.compile(rf'\s*(?:"((?:[^"]|"")+)"|({_BARE}))\s*')
_EXAMPLES: Final = "write id, or (id, version)"


def parse_reference(text: str) -> tuple[str, ...]:
    """The names in order. Raises ValueError, with the cure, for what is no reference."""
    inner = text.strip()
    several = inner.startswith("(")
    if several != inner.endswith(")"):
        raise ValueError(
            f"'{text}' has an odd bracket; {_EXAMPLES}, in quotes where it stands between braces"
        )
    inner = inner[1:-1] if several else inner
    names: list[str] = []
    place = 0
    while True:
        found = _NAME.match(inner, place)
        if found is None:
            raise ValueError(f"'{text}' {_wrong(inner, place)}; {_EXAMPLES}")
        names.append(found[2] or found[1].replace('""', '"'))
        place = found.end()
        if place == len(inner):
            break
        if inner[place] != ",":
            raise ValueError(f"'{text}' needs double quotes around a name with '{inner[place]}'")
        place += 1
    if len(set(names)) < len(names):
        raise ValueError(f"'{text}' names a column twice")
    return tuple(names)


def format_reference(names: Sequence[str]) -> str:
    """The reference that ``parse_reference`` takes for ``names``, in brackets."""
    return f"({', '.join(map(_written, names))})"


def referenced(schema: TableSchema, name: str) -> Column | None:
    """The column that a reference means by ``name``, None if there is none.

    An attribute's exact name comes first, for attributes may differ in capitals alone; then a column's, in
    capitals or not, as in SQL.
    """
    lowered = name.lower()
    by_name = (column for column in schema.columns if column.name.lower() == lowered)
    return schema.column(name) or next(by_name, None)


def is_there(name: str, attributes: Collection[str], columns: Iterable[str]) -> bool:
    """Whether a reference means one of these columns by ``name``; ``attributes`` are those that have one."""
    return name in attributes or name.lower() in {column.lower() for column in columns}


def _wrong(inner: str, place: int) -> str:
    rest = inner[place:].lstrip()
    if rest.startswith('"'):
        return "has a quote that is not closed, or with nothing in it"
    return f"has '{rest[0]}' where a name is expected" if rest[:1] in tuple("()") else "lacks a name"


def _written(name: str) -> str:
    if re.fullmatch(_BARE, name):
        return name
    return '"' + name.replace('"', '""') + '"'
