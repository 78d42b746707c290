"""Sends changes to an index under the numbers of the version book.

Steps, and what a crash after each leaves, to be done again when the batch comes again:

1. The book has the version and the number of each change, durably. A crash: older changes of these documents are done without being sent,
   which is right, as this one comes again, and gets the same number.
2. The changes are sent. A crash: some are done; sent again, they conflict with themselves, which is success.
3. What the index refused is noted. A crash: a fill that ends before they come again takes them for done; it has told of its own
   refusals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from headrace.errors import ConsumerFailed
from headrace.targets.search.bulk import Bulk, Outcome, Verdict, Write
from headrace.targets.search.index import Index
from headrace.targets.search.under_way import UnderWay
from headrace.targets.search.versions import STEP, VersionBook, Wanted

_ROUNDS: Final = 3
"""How often a change is given a greater number before it is reported as failed."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a document is to become, None for gone, by a change of this version (see Batch)."""

    version: str
    document: bytes | None

    @property
    def wanted(self) -> Wanted:
        """As the book knows it."""
        return Wanted(self.version, self.document is None)


class Writer:
    """Writes to ``index`` by ``bulk``. Any thread may call, no two at once for one document."""

    def __init__(self, index: Index, bulk: Bulk, book: VersionBook, under_way: UnderWay) -> None:
        self._index = index
        self._bulk = bulk
        self._book = book
        self._under_way = under_way

    def write(self, changes: Mapping[str, Change]) -> dict[str, Outcome]:
        """How the changes went, by the ids of their documents; CONFLICT where something newer was there or had been sent.

        Raises as ``Bulk.send`` and ``Index.versions`` do, and LedgerError.
        """
        outcomes: dict[str, Outcome] = dict.fromkeys(changes, Verdict.CONFLICT)
        with self._under_way.inside():
            numbers = self._book.give({id_: change.wanted for id_, change in changes.items()})
            for _ in range(_ROUNDS):
                outcomes |= self._sent(changes, numbers)
                numbers = self._contested(changes, numbers, outcomes)
                if not numbers:
                    return outcomes
        return outcomes | {id_: _taken(id_) for id_ in numbers}

    def _sent(self, changes: Mapping[str, Change], numbers: Mapping[str, int]) -> dict[str, Outcome]:
        writes = [Write.numbered(id_, changes[id_].document, number) for id_, number in numbers.items()]
        outcomes = dict(zip(numbers, self._bulk.send(writes), strict=True))
        refused = [id_ for id_, outcome in outcomes.items() if isinstance(outcome, ConsumerFailed)]
        self._book.refuse({id_: numbers[id_] for id_ in refused})
        return outcomes

    def _contested(
        self, changes: Mapping[str, Change], numbers: Mapping[str, int], outcomes: Mapping[str, Outcome]
    ) -> dict[str, int]:
        """New numbers of those changes that conflict with what the book cannot have given a number."""
        conflicts = [id_ for id_ in numbers if outcomes[id_] is Verdict.CONFLICT]
        if not conflicts:
            return {}
        there = self._index.versions(conflicts)
        # Read after the versions: what has one is in it.
        last = self._book.last()
        foreign = [
            id_
            for id_ in conflicts
            if (there[id_] >= last + STEP if id_ in there else changes[id_].document is not None)
        ]
        if not foreign:
            return {}
        above = max((there[id_] for id_ in foreign if id_ in there), default=0)
        return self._book.renew({id_: changes[id_].wanted for id_ in foreign}, above)


def _taken(id_: str) -> ConsumerFailed:
    return ConsumerFailed(
        "VersionTaken",
        f"document {id_!r} gets greater versions from somebody else, or was deleted under one within `index.gc_deletes`; one "
        "mapping alone writes to an index",
    )
