"""Which rows and columns of a table a refresh copies, and what it asks of the copy that there is."""

from __future__ import annotations

from typing import Protocol

from headrace.change import ChangeBatch
from headrace.schema import TableSchema


class Selection(Protocol):
    """The rows and columns that a refresh keeps. Times are epoch seconds. Any thread may ask."""

    @property
    def fingerprint(self) -> str:
        """The same for selections that keep the same columns and, at one time, the same rows; "" for one that keeps all."""
        ...

    def columns(self, schema: TableSchema) -> TableSchema:
        """The columns of ``schema`` that are kept. Raises SelectionUnusable where one that is named is missing in it for good."""
        ...

    def keep(self, changes: ChangeBatch, now: float, since: float | None) -> ChangeBatch | None:
        """The rows of a page that are kept, with their columns; None where there are none.

        ``now`` is the service's time, from which the window is counted. Rows whose time is before ``since`` are not
        kept; those whose time is missing or no time are, only where neither window nor ``since`` asks for one.
        Raises SelectionUnusable where the condition cannot be evaluated over the columns.
        """
        ...


class Kept(Protocol):
    """The live copy, as a refresh asks it. Any thread may ask.

    Methods raise AcceleratorError or QueryError where the copy does not answer, SelectionUnusable where its columns do not
    suit what the Spicepod asks of them.
    """

    def newest(self) -> float | None:
        """The greatest time in the column of time (epoch seconds), None where there is none."""
        ...

    def expired(self, now: float, limit: int) -> ChangeBatch | None:
        """Deletions of at most ``limit`` rows that retention removes at ``now`` (epoch seconds); None where there are none."""
        ...
