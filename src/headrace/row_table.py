"""Rows that a target writes elsewhere: to a DynamoDB table, or to a dataset of its own in any accelerator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.attribute import Image
from headrace.errors import HeadraceError

RowKey = tuple[tuple[str, str], ...]
"""The attributes by which a row is found, partition key first, each with its type: S, N or B."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a row is to be. ``key`` are its key attributes alone; ``item`` is the whole row, None for none."""

    key: Image
    item: Image | None


class RowTable(Protocol):
    """Takes rows by their keys; a row that is there is replaced. Any thread may call."""

    def write(self, rows: Sequence[Row]) -> Sequence[HeadraceError | None]:
        """Have these rows, no two of one key: for each None once it is durable, or why it can never be written.

        Raises HeadraceError where nothing more can be written now: then some may be, and all are to be written again.
        """
        ...

    def identity(self) -> str:
        """A text that is another one once the table was made anew: then none of the rows are there any more. Raises HeadraceError."""
        ...

    def rows(self) -> Iterator[Sequence[Image]]:
        """All rows that there are, in no order, as items. Numbers are equal to those that were written, not spelt alike. Raises HeadraceError."""
        ...

    def close(self) -> None:
        """Let go of it. Safe to call twice."""
        ...
