"""What a refresh lets through, and the name of a copy's making."""

from __future__ import annotations

from dataclasses import dataclass, replace

from headrace.change import Redriven, ScanPage
from headrace.dataset import RefreshMode
from headrace.selection import Selection


@dataclass(frozen=True, slots=True)
class Sieve:
    """A selection at one time: its window counts from ``at``, and rows before ``since`` are left out (epoch seconds)."""

    selection: Selection
    at: float
    since: float | None = None

    def page(self, page: ScanPage) -> ScanPage:
        """The page with the rows that pass; dead letters do, for nobody knows what is in them."""
        if page.changes is None:
            return replace(page, count=len(page.dead))
        kept = self.selection.keep(page.changes, self.at, self.since)
        rows = 0 if kept is None else kept.count
        dead = tuple(replace(letter, place=min(letter.place, rows)) for letter in page.dead)
        return replace(page, changes=kept, dead=dead, count=rows + len(dead))

    def redriven(self, one: Redriven) -> Redriven:
        """A letter's row, if it passes."""
        if one.changes is None:
            return one
        kept = self.selection.keep(one.changes, self.at, self.since)
        reason = (
            None if kept is not None else "refresh_sql or refresh_data_window leaves its row out; discard it"
        )
        return replace(one, changes=kept, reason=reason)


def reading_of(mode: RefreshMode, selection: Selection, mapping: str) -> str:
    """What a copy's checkpoint has as ``reading``: only a copy of the same is gone on with.

    ``mapping`` is the fingerprint by which items become columns. That of a copy that follows its stream stands alone.
    """
    return f"{mode}/{selection.fingerprint}/{mapping}"


def mapping_of(reading: str) -> str | None:
    """The mapping of a copy, None where its columns may be only some of those that the mapping makes."""
    _, of_refresh, rest = reading.partition("/")
    selected, _, mapping = rest.rpartition("/")
    if not of_refresh:
        return reading
    return None if selected else mapping
