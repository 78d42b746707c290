"""A dataset's copies as the last known commit left them, and what a refresh makes of them."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.accelerator import Applied, LetterTally, Stored, StoredCopy, Target, Work
from headrace.schema import TableSchema


class Copies:
    """The live copy and the one being built; both None where nothing is known, or there is none."""

    def __init__(self) -> None:
        self.live: StoredCopy | None = None
        self.building: StoredCopy | None = None

    @property
    def served(self) -> StoredCopy | None:
        """The live copy, if it has once been complete."""
        return self.live if self.live is not None and self.live.checkpoint.was_ready else None

    def of(self, target: Target) -> StoredCopy | None:
        """The copy that a Work on ``target`` is about."""
        return self.live if target is Target.LIVE else self.building

    def take(self, stored: Stored) -> None:
        """This is what there is."""
        self.live, self.building = stored.live, stored.building

    def forget(self) -> None:
        """Nothing is known any more."""
        self.live = self.building = None

    def lacks(self, stored: Stored) -> bool:
        """Whether ``stored`` is not what was known: an engine in memory loses it with its process."""
        pairs = ((self.live, stored.live), (self.building, stored.building))
        return any(
            known is not None and (found is None or found.checkpoint != known.checkpoint)
            for known, found in pairs
        )

    def commit(self, work: Work, applied: Applied | None) -> None:
        """``work`` is durable; what it did as far as it is known."""
        before = self.of(work.target)
        tally = applied.letters if applied is not None else LetterTally()
        schema = applied.schema if applied is not None else work.create or _schema(before)
        copy = StoredCopy(work.checkpoint, schema, tally.stored, tally.waiting)
        if work.target is Target.LIVE or work.swap:
            self.live = copy
        if work.target is Target.BUILDING:
            self.building = None if work.swap else copy


def _schema(copy: StoredCopy | None) -> TableSchema:
    assert copy is not None, "a copy that is written to was created"
    return copy.schema


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with the copy, which an interrupted Scan has left."""

    copy: StoredCopy
    target: Target


@dataclass(frozen=True, slots=True)
class Add:
    """Add to the live copy. ``again``: an append is under way, and is begun anew with the newest time that it had."""

    live: StoredCopy
    again: bool


@dataclass(frozen=True, slots=True)
class CopyAnew:
    """Copy the whole table; aside where ``served`` is, a copy that has been complete."""

    served: StoredCopy | None


def route(
    copies: Copies, reading: str, table_id: str, *, appends: bool, resumes: bool
) -> Resume | Add | CopyAnew:
    """How a refresh is done whose copy is to have this ``reading``, of the table as it is.

    Only copies of the same table and reading are gone on with. A copy aside that was begun before the live one was last
    added to would take that back, and is not.
    """

    def fits(copy: StoredCopy | None) -> bool:
        return (
            copy is not None and copy.checkpoint.reading == reading and copy.checkpoint.table_id == table_id
        )

    served, building = copies.served, copies.building
    if served is None:
        if resumes and copies.live is not None and fits(copies.live):
            return Resume(copies.live, Target.LIVE)
        return CopyAnew(None)
    newer = building is not None and building.checkpoint.started_at >= served.checkpoint.started_at
    if resumes and building is not None and newer and fits(building):
        return Resume(building, Target.BUILDING)
    if appends and fits(served):
        under_way = not served.checkpoint.scanned
        return Resume(served, Target.LIVE) if under_way and resumes else Add(served, under_way)
    return CopyAnew(served)
