"""Brings what a table holds into its index, beside the changes that come meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from headrace.attribute import BrokenValue, Image
from headrace.errors import ConsumerFailed, HeadraceError
from headrace.targets.search.bulk import Bulk, Outcome, Verdict, Write
from headrace.targets.search.documents import document_of
from headrace.targets.search.index import Found, Index, Opened
from headrace.targets.search.under_way import UnderWay
from headrace.targets.search.versions import STEP, VersionBook
from headrace.targets.table import MOST_GETS, Table, key_of

_ROUNDS: Final = 3


class Filling:
    """One fill, which began ``at``, of ``opened``. ``tell`` is told of what the index refuses: a document's id, and why.

    ``counts`` are documents by what became of them: indexed, deleted, newer, refused. Every method raises as ``Bulk.send`` does, and the
    SourceErrors and LedgerError; it is called again then.
    """

    def __init__(
        self,
        at: float,
        index: Index,
        opened: Opened,
        bulk: Bulk,
        book: VersionBook,
        table: Table,
        under_way: UnderWay,
        tell: Callable[[str, ConsumerFailed], None],
    ) -> None:
        self._at = at
        self._index = index
        self._opened = opened
        self._bulk = bulk
        self._book = book
        self._table = table
        self._under_way = under_way
        self._tell = tell
        self._fill = book.begin_fill(at, opened.uuid)
        self.counts: Counter[str] = Counter()

    def bring(self, items: Sequence[Image]) -> None:
        """Have these items in the index, unless they have changed since."""
        documents = self._documents(items)
        left = list(documents)
        for _ in range(_ROUNDS):
            since = {id_ for id_, one in self._book.entries(left).items() if one.is_since(self._fill)}
            self.counts["newer"] += len(since)
            due = [id_ for id_ in left if id_ not in since]
            left = self._contested(
                self._sent([Write.numbered(id_, documents[id_], self._fill.number) for id_ in due])
            )
            if not left:
                break
        for id_ in left:
            self._refused(
                id_, ConsumerFailed("VersionTaken", "the document gets greater versions from somebody else")
            )
        # A write of an older state may have come after a deletion that OpenSearch has forgotten.
        there = self._book.entries(list(documents))
        self._delete_again(
            {id_: one.number for id_, one in there.items() if one.gone and one.is_since(self._fill)}
        )

    def end(self) -> None:
        """Have nothing in the index that is not in the table."""
        self._book.settle(self._fill)
        self._under_way.pass_by()
        if self._opened.ours and self._index.is_readable:
            self._index.refresh()
            for page in self._index.scroll(self._members()):
                self._bury([found for found in page if found.version < self._fill.number])
        for gone in self._book.gone_since(self._fill):
            self._delete_again(gone)

    def taken_counts(self) -> Counter[str]:
        """The counts since this was asked last."""
        taken, self.counts = self.counts, Counter()
        return taken

    def _documents(self, items: Sequence[Image]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for item in items:
            try:
                found[self._opened.documents.id_of(item)] = document_of(item)
            except BrokenValue as error:
                self._refused(repr(sorted(item)), ConsumerFailed("BrokenItem", str(error)))
        return found

    def _bury(self, older: Sequence[Found]) -> None:
        """Delete those of these documents whose items are not in the table."""
        keys = {found.id: self._opened.documents.key_for(found.id, found.source or b"") for found in older}
        asked = [key for key in keys.values() if key is not None]
        there: set[str] = set()
        for first in range(0, len(asked), MOST_GETS):
            there |= self._table.items(asked[first : first + MOST_GETS]).keys()
        gone = [id_ for id_, key in keys.items() if key is None or key_of(key, key) not in there]
        buried = self._book.bury(gone, self._fill)
        self._sent([Write.numbered(id_, None, self._fill.number) for id_ in buried])

    def _delete_again(self, numbers: Mapping[str, int]) -> None:
        self._sent([Write.numbered(id_, None, number) for id_, number in numbers.items()])

    def _sent(self, writes: Sequence[Write]) -> dict[str, Outcome]:
        """How these went; what is refused for good is told, whatever else fails is raised."""
        outcomes = dict(zip([write.id for write in writes], self._bulk.send(writes), strict=True))
        for write in writes:
            outcome = outcomes[write.id]
            if isinstance(outcome, ConsumerFailed):
                self._refused(write.id, outcome)
            elif isinstance(outcome, HeadraceError):
                raise outcome
            elif outcome is Verdict.CONFLICT:
                self.counts["newer"] += 1
            else:
                self.counts["deleted" if write.document is None else "indexed"] += 1
        return outcomes

    def _refused(self, id_: str, error: ConsumerFailed) -> None:
        self.counts["refused"] += 1
        self._tell(id_, error)

    def _contested(self, outcomes: Mapping[str, Outcome]) -> list[str]:
        """Those that conflict with what the book cannot have given a number; the fill has a greater one then."""
        conflicts = [id_ for id_, outcome in outcomes.items() if outcome is Verdict.CONFLICT]
        if not conflicts:
            return []
        there = self._index.versions(conflicts)
        last = self._book.last()
        foreign = {id_: there[id_] for id_ in conflicts if there.get(id_, 0) >= last + STEP}
        if foreign:
            self._fill = self._book.raise_fill(self._at, max(foreign.values()))
        return list(foreign)

    def _members(self) -> list[str] | None:
        """The members of documents that hold keys, None for all where a pattern could not name them."""
        names = [name for name, _ in self._opened.documents.keys]
        return None if any("." in name or "*" in name for name in names) else names
