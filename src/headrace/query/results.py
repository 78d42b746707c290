"""Answers that are kept for repeated statements, each as long as it is what the statement would answer now."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

import pyarrow as pa

from headrace.limits import Caching, Freshness, Origin, Tally
from headrace.query.catalog import Catalog
from headrace.query.engine import QueryEngine
from headrace.query.statement import Statement
from headrace.versions import Versions

LARGEST_SHARE: Final = 8
"""No answer takes more than this part of the space: one large download must not push all others out."""

ENTRY_BYTES: Final = 1024
"""What an answer takes beside its rows, about."""

Key = tuple[object, ...]
Stamps = tuple[int, ...]
_REMOTE: Final = -1
"""The stamp of a table that DynamoDB itself answers for: nobody tells when that changes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer, with the stamps that its tables had before it was begun."""

    tables: frozenset[str]
    stamps: Stamps
    made_at: float
    schema: pa.Schema
    batches: tuple[pa.RecordBatch, ...]
    size: int


class KeptAnswer:
    """An answer that was kept, as a Statement that has run."""

    origin = Origin.HIT

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    @property
    def tables(self) -> frozenset[str]:
        """The datasets that it was read from."""
        return self._entry.tables

    def limit(self, seconds: float) -> None:
        """It takes no time."""

    def run(self) -> pa.Schema:
        """The schema of the rows."""
        return self._entry.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows."""
        return iter(self._entry.batches)

    def reader(self) -> pa.RecordBatchReader:
        """The rows as an Arrow reader."""
        return pa.RecordBatchReader.from_batches(self._entry.schema, self._entry.batches)

    def cancel(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing is held."""


class Recording:
    """A statement whose answer is kept once it is read to its end. What it offers is as Statement has it."""

    origin = Origin.MISS

    def __init__(self, statement: Statement, results: Results, key: Key) -> None:
        self._statement = statement
        self._results = results
        self._key = key
        self._stamps: Stamps | None = None
        self._made_at = results.clock()
        self._schema: pa.Schema | None = None
        self.tables = statement.tables
        self.limit = statement.limit
        self.cancel = statement.cancel
        self.close = statement.close

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self) -> pa.Schema:
        """Start, and give the schema of the rows. Raises QueryError."""
        self._made_at = self._results.clock()
        before = self._results.stamps(self.tables)
        self._schema = self._statement.run()
        # Unless a table has changed meanwhile, or another answers for it.
        if self._results.stamps(self.tables) == before:
            self._stamps = before
        return self._schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows. Raises QueryError."""
        kept: list[pa.RecordBatch] = []
        size = ENTRY_BYTES + len(str(self._key))
        for batch in self._statement.batches():
            size += batch.get_total_buffer_size()
            if self._stamps is not None and size <= self._results.largest:
                kept.append(batch)
            else:
                self._stamps = None
                kept.clear()
            yield batch
        if self._stamps is not None:
            entry = Entry(self.tables, self._stamps, self._made_at, self._schema, tuple(kept), size)
            self._results.keep(self._key, entry)

    def reader(self) -> pa.RecordBatchReader:
        """``run``, and the rows as an Arrow reader."""
        return pa.RecordBatchReader.from_batches(self.run(), self.batches())


AnyAnswer = Statement | Recording | KeptAnswer
"""What offers all that a Statement does, wherever its rows come from."""


class Results:
    """Answers the statements of ``engine``, those that repeat from what was kept.

    An answer is kept with the versions that its tables had before it was begun: it holds all their commits, and perhaps
    more. It is given again only while no commit has begun on any of them since, so it is what the statement would answer
    now. ``catalog`` says which tables may be queried, ``remote`` which of them DynamoDB answers for; of these, answers are
    kept only where ``caching`` names an age. What depends on the clock or on chance is never kept.
    Any thread may call any method. ``clock`` gives seconds.
    """

    def __init__(
        self,
        engine: QueryEngine,
        caching: Caching | None,
        versions: Versions,
        catalog: Callable[[], Catalog],
        remote: Callable[[], Container[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._caching = caching
        self._versions = versions
        self._catalog = catalog
        self._remote = remote
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._size = 0
        self._asked = dict.fromkeys(Origin, 0)

    def query(
        self, sql: str, parameters: Sequence[pa.Scalar] = (), freshness: Freshness = Freshness.KEPT
    ) -> AnyAnswer:
        """An answer to ``sql``, as ``QueryEngine.query``. Raises QueryError."""
        key = _key(sql, parameters)
        found = self._found(key) if freshness is Freshness.KEPT else None
        if found is not None:
            self._count(Origin.HIT)
            return KeptAnswer(found)
        statement = self._engine.query(sql, parameters)
        keeps = (
            self._caching is not None
            and freshness is not Freshness.PRIVATE
            and statement.repeatable
            and self.stamps(statement.tables) is not None
        )
        if not keeps:
            self._count(Origin.BYPASS)
            return statement
        self._count(Origin.MISS)
        return Recording(statement, self, key)

    @property
    def largest(self) -> int:
        """Bytes of the largest answer that is kept."""
        return 0 if self._caching is None else self._caching.bytes_ // LARGEST_SHARE

    @property
    def clock(self) -> Callable[[], float]:
        """Gives seconds."""
        return self._clock

    @property
    def tally(self) -> Tally:
        """What has been asked of it until now."""
        with self._lock:
            hits, misses, bypasses = (self._asked[origin] for origin in Origin)
            return Tally(hits, misses, bypasses, len(self._entries), self._size)

    def _found(self, key: Key) -> Entry | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if self._is_current(entry):
                self._entries.move_to_end(key)
                return entry
            self._drop(key)
            return None

    def _is_current(self, entry: Entry) -> bool:
        ttl = self._caching.ttl if self._caching is not None else 0.0
        if ttl is not None and self._clock() - entry.made_at >= ttl:
            return False
        return self.stamps(entry.tables) == entry.stamps

    def stamps(self, tables: frozenset[str]) -> Stamps | None:
        """What tells of each table whether it is as it was; None where something cannot tell, or it may not be queried."""
        catalog, remote = self._catalog(), self._remote()
        lasting = self._caching is None or self._caching.ttl is None
        stamps = []
        for table in sorted(tables):
            facts = catalog.get(table)
            far = None if lasting else _REMOTE
            stamp = far if table in remote else self._versions.of(table)
            if facts is None or not facts.ready or stamp is None:
                return None
            stamps.append(stamp)
        return tuple(stamps)

    def keep(self, key: Key, entry: Entry) -> None:
        """Keep an answer that was read to its end, and let go of others where space is short."""
        assert self._caching is not None, "nothing is recorded where nothing is kept"
        with self._lock:
            self._drop(key)
            self._entries[key] = entry
            self._size += entry.size
            while self._size > self._caching.bytes_:
                self._drop(next(iter(self._entries)))

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= entry.size

    def _count(self, origin: Origin) -> None:
        with self._lock:
            self._asked[origin] += 1


def _key(sql: str, parameters: Sequence[pa.Scalar]) -> Key:
    """What makes two statements one: the text, and the parameters' types and values to the last bit."""
    return sql, *((str(one.type), *_bits(one)) for one in parameters)


def _bits(scalar: pa.Scalar) -> Iterator[bytes | None]:
    for buffer in pa.array([scalar], scalar.type).buffers():
        yield None if buffer is None else buffer.to_pybytes()
