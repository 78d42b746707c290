"""What an engine gives to carry out one transaction: steps that know nothing of each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

from headrace.accelerator import Target
from headrace.accelerators.letters import LetterStore
from headrace.accelerators.relational.copy_row import CopyRow
from headrace.schema import TableSchema


class CopyTables(Protocol):
    """The tables of one copy inside an open transaction: its rows, its notes, its letters, and its CopyRow.

    The table of rows has the columns of the copy's schema and a primary key of its key columns. The table of notes
    has the key columns alone, and holds no key twice. ``schema`` is always the one that the tables have now.

    Methods raise what the engine's door makes of its exceptions: RowRefused where a row is at fault (a value that
    cannot be stored, a unique index), AcceleratorError or another kind of it otherwise. After one has raised, the
    transaction is only rolled back.
    """

    @property
    def letters(self) -> LetterStore:
        """The copy's dead letters."""
        ...

    def stored(self) -> CopyRow | None:
        """What is stored of the copy, None where there is none.

        Raises AcceleratorError where a newer or an earlier Headrace wrote it.
        """
        ...

    def store(self, row: CopyRow) -> None:
        """Store this in place of what is stored of the copy."""
        ...

    def create(self, schema: TableSchema) -> None:
        """Make an empty table of rows; there is none."""
        ...

    def drop(self, row: CopyRow) -> None:
        """Remove the stored copy: its rows, its notes and letters where ``row`` says there are any, and ``row``."""
        ...

    def evolve(self, old: TableSchema, new: TableSchema, *, noted: bool) -> None:
        """Give the tables the columns of ``new``, a join of ``old`` that differs from it.

        Columns are the same if their paths are: they may get other names. Every value takes the form that
        ``accelerators.widen`` gives it. ``noted`` says that there is a table of notes, whose columns follow too.
        """
        ...

    def create_notes(self, schema: TableSchema) -> None:
        """Make an empty table of notes; there is none."""
        ...

    def drop_notes(self) -> None:
        """Remove the table of notes."""
        ...

    def replace_rows(self, schema: TableSchema, written: pa.Table, removed: pa.Table) -> None:
        """Store the rows of ``written`` in place of those of their keys, and remove those of the keys of ``removed``.

        Both have the columns of ``schema``, of ``removed`` only the key columns count. No key is there twice, so
        the order does not matter; nor may it for a unique index.
        """
        ...

    def replace_unnoted(self, schema: TableSchema, rows: pa.Table) -> int:
        """As ``replace_rows``, but leave out rows whose key is noted; how many were stored. There are notes."""
        ...

    def note(self, schema: TableSchema, keys: pa.Table) -> None:
        """Note keys, given by tables of the key columns, some of which may be noted already."""
        ...

    def noted(self, schema: TableSchema, keys: pa.Table) -> Sequence[int]:
        """Which rows of ``keys``, a table of the key columns, are noted. There are notes."""
        ...


class RowTransaction(Protocol):
    """An open transaction on the tables of one dataset."""

    def copy(self, target: Target) -> CopyTables:
        """The tables of a copy."""
        ...

    def swap(self, *, noted: bool) -> None:
        """Make the building copy the live one, of which there is none any more, with its letters and notes.

        ``noted`` says that it has notes. What is stored of the building copy is removed: that of the live one
        is stored thereafter.
        """
        ...
