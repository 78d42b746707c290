"""What a statement may name: the datasets, and whether each may be queried now."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headrace.leaf import Leaf
from headrace.query.parser import Parsed, Tree


@dataclass(frozen=True, slots=True)
class Reference:
    """A place where a query reads a table: the node in its tree, and the catalogue's name of the table."""

    table: str
    node: Tree


@dataclass(frozen=True, slots=True, eq=False)
class ViewQuery:
    """A query under a name: ``sql`` as it was written, the query that was checked, and where that reads tables."""

    sql: str
    parsed: Parsed
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One table of the catalogue. ``reason`` says why it is not ready, None where it is.

    ``view``: it is one. ``stored``: the view's rows are in a table of its name, and its query is not evaluated anew.
    """

    ready: bool
    reason: str | None = None
    view: ViewQuery | None = None
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Beside:
    """A table of which DuckDB holds a part, ``own`` as SQL writes it in full, and leaves hold the others."""

    own: str
    leaves: tuple[Leaf, ...]


Catalog = Mapping[str, TableFacts]
"""The tables that a statement may read, by name. Names are case-insensitive, as everywhere in SQL."""


def known_as(name: str, catalog: Iterable[str]) -> str | None:
    """The catalogue's spelling of ``name``, None if it holds no such table."""
    folded = name.casefold()
    return next((table for table in catalog if table.casefold() == folded), None)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` was most likely meant to be."""
    by_fold = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.5)
    return by_fold[close[0]] if close else None
