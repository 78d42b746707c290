"""A target that needs what its table held before its stream began, or what the stream has forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from headrace.attribute import Image


@runtime_checkable
class Fillable(Protocol):
    """Takes all items of a table, while it takes records as well. One thread at a time fills.

    A fill begins once the stream is followed: what changes from then on comes as a record too, before the item or after
    it. So what a record has written since the fill began stays: it is newer than the item, or later records make it so. A
    fill that was interrupted goes on with the same ``at``, of which a new process hears before any record. Every method raises
    HeadraceError, and is then called again.
    """

    def begin_fill(self, at: float) -> None:
        """A fill begins, or goes on; ``at`` (epoch seconds) tells one from another, and grows."""
        ...

    def fill(self, items: Sequence[Image]) -> None:
        """Take items, some perhaps once more; durable on return."""
        ...

    def end_fill(self) -> None:
        """All items have come: whatever neither the fill nor a record since its beginning has brought is no longer in the table."""
        ...


@runtime_checkable
class Lacking(Protocol):
    """A target that knows by itself whether it must be filled: its own file may be lost, or what it makes of items be another."""

    def lacks(self) -> str | None:
        """Why it must be filled anew, None where it need not. Asked once the stream is followed. Raises HeadraceError."""
        ...


@runtime_checkable
class Watching(Lacking, Protocol):
    """A target that may come to lack something at any time, by the hands of others."""

    look_again: float
    """Seconds after which ``lacks`` is asked again, while nothing is filled."""
