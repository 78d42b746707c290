"""The last changes that became durable, within a bound of memory, so that the life of a key can be told.

A page's key columns, sequence numbers and creation times are kept as the Arrow arrays that they came in, so
that remembering a page costs nothing but the memory; a key is looked for only when somebody asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from headrace.change import ChangeBatch, DeadLetter, Origins
from headrace.explanation import Fate, ItemKey, KeyEvent, Kind
from headrace.position import SequenceNumber
from headrace.schema import Column

PAGE_OVERHEAD = 6000
"""Bytes that a page takes beyond its values, measured: Arrow's and Python's objects and the allocator's rounding."""

SPAN_OVERHEAD = 150
"""Bytes of one Span."""

JOINED = 64
"""Small pages that are joined to one, so that their overhead does not outweigh their rows."""

_SMALL = 64


@dataclass(frozen=True, slots=True)
class Span:
    """Rows of one shard that became durable together, at ``applied_at``."""

    shard_id: str
    rows: int
    applied_at: float


@dataclass(frozen=True, slots=True)
class JournalPage:
    """Changes in the order in which they were applied, as columns: the keys, whether deleted, and where from.

    Of those with an id in ``refused`` the engine would have none: they became dead letters.
    """

    columns: tuple[Column, ...]
    keys: tuple[pa.Array, ...]
    deleted: pa.BooleanArray
    origins: Origins
    spans: tuple[Span, ...]
    refused: frozenset[str] = frozenset()

    @classmethod
    def of(cls, shard_id: str, batch: ChangeBatch, origins: Origins, applied_at: float) -> JournalPage:
        """The changes of one page."""
        span = Span(shard_id, batch.count, applied_at)
        return cls(batch.schema.keys, _keys(batch), _deleted(batch), origins, (span,))

    @classmethod
    def joined(cls, pages: Sequence[JournalPage]) -> JournalPage:
        """Pages with the same key columns as one."""
        origins = Origins(
            pa.concat_arrays([page.origins.numbers for page in pages]),
            pa.concat_arrays([page.origins.created for page in pages]),
        )
        return cls(
            pages[0].columns,
            tuple(pa.concat_arrays(arrays) for arrays in zip(*(page.keys for page in pages), strict=True)),
            pa.concat_arrays([page.deleted for page in pages]),
            origins,
            tuple(span for page in pages for span in page.spans),
            frozenset().union(*(page.refused for page in pages)),
        )

    @property
    def count(self) -> int:
        """How many changes it holds."""
        return sum(span.rows for span in self.spans)

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        arrays = (*self.keys, self.deleted, self.origins.numbers, self.origins.created)
        values: int = sum(array.nbytes for array in arrays)
        return PAGE_OVERHEAD + SPAN_OVERHEAD * (len(self.spans) + len(self.refused)) + values

    def events(self, key: ItemKey) -> Iterator[KeyEvent]:
        """The changes of one key, newest first."""
        for row in reversed(rows_of(self.columns, self.keys, key)):
            span = self._span(row)
            number = self.origins.numbers[row].as_py()
            sequence = None if number is None else SequenceNumber(number)
            refused = bool(self.refused) and _letter_id(span.shard_id, sequence) in self.refused
            yield KeyEvent(
                Kind.DELETE if self.deleted[row].as_py() else Kind.UPSERT,
                Fate.REFUSED if refused else Fate.APPLIED,
                span.shard_id,
                sequence,
                self.origins.created[row].as_py(),
                None if refused else span.applied_at,
            )

    def _span(self, row: int) -> Span:
        for span in self.spans:
            row -= span.rows
            if row < 0:
                return span
        raise IndexError(row)


@dataclass(frozen=True, slots=True)
class Pending:
    """Changes that are read and not durable; ``shard_id`` None for items of the Scan."""

    shard_id: str | None
    batch: ChangeBatch
    fate: Fate

    def events(self, key: ItemKey) -> Iterator[KeyEvent]:
        """The changes of one key, newest first."""
        batch, origins, deleted = self.batch, self.batch.origins, _deleted(self.batch)
        for row in reversed(rows_of(batch.schema.keys, _keys(batch), key)):
            if self.shard_id is None or origins is None:
                yield KeyEvent(Kind.SCAN, self.fate)
                continue
            number = origins.numbers[row].as_py()
            yield KeyEvent(
                Kind.DELETE if deleted[row].as_py() else Kind.UPSERT,
                self.fate,
                self.shard_id,
                None if number is None else SequenceNumber(number),
                origins.created[row].as_py(),
            )


@dataclass(frozen=True, slots=True)
class Trail:
    """What was remembered at one moment, and what was under way; never changes.

    ``pages`` are oldest first, ``pending`` in the order in which they would be applied. ``since`` and
    ``whole`` are as in KeyExplanation.
    """

    pages: tuple[JournalPage, ...]
    pending: tuple[Pending, ...]
    remembered: int
    since: float | None
    whole: bool

    def events(self, key: ItemKey, most: int) -> tuple[KeyEvent, ...]:
        """The newest changes of a key, at most ``most``, newest first."""
        parts: tuple[JournalPage | Pending, ...] = (*self.pages, *self.pending)
        found = (event for part in reversed(parts) for event in part.events(key))
        return tuple(islice(found, most))


class Journal:
    """Remembers what became durable, the oldest forgotten first, within ``limit`` bytes (0: nothing).

    ``since`` is the time from which everything is remembered, None before anything was begun; ``whole``
    says that nothing of the copy came by its stream before.
    """

    def __init__(self, limit: int) -> None:
        self.since: float | None = None
        self.whole = False
        self.size = 0
        self.remembered = 0
        self._limit = limit
        self._pages: deque[JournalPage] = deque()
        self._small = 0

    def begin(self, now: float, *, whole: bool) -> None:
        """Forget everything: a copy begins (``whole``), or an earlier process's goes on."""
        self.since, self.whole = now, whole
        self.size = self.remembered = self._small = 0
        self._pages.clear()

    def add(
        self,
        shard_id: str,
        batch: ChangeBatch,
        applied_at: float,
        refused: frozenset[str] = frozenset(),
    ) -> None:
        """Remember a page that became durable, all but the changes whose dead letters have an id in ``refused``."""
        if not self._limit or batch.origins is None:
            self.since, self.whole = applied_at, False
            return
        page = replace(JournalPage.of(shard_id, batch, batch.origins, applied_at), refused=refused)
        self._append(page)
        self._small = self._small + 1 if page.count < _SMALL else 0
        if self._small == JOINED:
            self._join()
        while self.size > self._limit:
            forgotten = self._pages.popleft()
            self.size -= forgotten.size
            self.remembered -= forgotten.count
            self.since, self.whole = forgotten.spans[-1].applied_at, False
        self._small = min(self._small, len(self._pages))

    def pages(self) -> tuple[JournalPage, ...]:
        """What is remembered, oldest first."""
        return tuple(self._pages)

    def _append(self, page: JournalPage) -> None:
        self._pages.append(page)
        self.size += page.size
        self.remembered += page.count

    def _join(self) -> None:
        pages = [self._pages.pop() for _ in range(self._small)][::-1]
        self.size -= sum(page.size for page in pages)
        self.remembered -= sum(page.count for page in pages)
        self._small = 0
        # A key column that widened meanwhile parts them.
        run: list[JournalPage] = []
        for page in pages:
            if run and run[0].columns != page.columns:
                self._append(JournalPage.joined(run))
                run = []
            run.append(page)
        self._append(JournalPage.joined(run))


def rows_of(columns: Sequence[Column], keys: Sequence[pa.Array], key: ItemKey) -> list[int]:
    """The rows of a key, ascending."""
    mask = None
    for column, values in zip(columns, keys, strict=True):
        value = key.value_in(column)
        if value is None:
            return []
        same = pc.equal(values, pa.scalar(value, values.type))
        mask = same if mask is None else pc.and_(mask, same)
    return [] if mask is None else list(pc.indices_nonzero(mask).to_pylist())


def _letter_id(shard_id: str, sequence: SequenceNumber | None) -> str:
    return DeadLetter(shard_id, sequence, None, "", "", 0.0).id


def _keys(batch: ChangeBatch) -> tuple[pa.Array, ...]:
    places = [place for place, column in enumerate(batch.schema.columns) if column.key]
    return tuple(batch.rows.column(place) for place in places)


def _deleted(batch: ChangeBatch) -> pa.BooleanArray:
    return pa.repeat(pa.scalar(value=False), batch.count) if batch.deleted is None else batch.deleted
