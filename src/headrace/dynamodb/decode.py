"""Bodies of Scan and GetRecords -> ChangeBatch: compiled decoders, and the generic way where they do not fit.

A page that fits the schema is decoded in C by Structs generated from it. One that holds a new attribute
or a value of another type raises there, is decoded generically, widens the schema, and the next page
meets decoders compiled for that. So evolution costs nothing until it happens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec
import pyarrow as pa

from headrace.attribute import BrokenValue
from headrace.change import ChangeBatch, DeadLetter, Origins, RecordsPage, Redriven, ScanPage
from headrace.column_name import Path
from headrace.dynamodb.compile import Compiled, compile_schema
from headrace.dynamodb.declared import declared_schema, frozen_schema
from headrace.dynamodb.forms import Mismatch
from headrace.dynamodb.generic import Harvest, place_of, split
from headrace.dynamodb.letter import ITEMS, RECORDS, KeptPage, Provenance, not_whole
from headrace.dynamodb.raw import ABSENT
from headrace.dynamodb.reader import ItemReader
from headrace.mapping import Mapping
from headrace.position import SequenceNumber
from headrace.schema import REST, Origin, TableSchema

WIDEST_COMPILED = 512
"""Columns beyond which a generated item, mostly empty, costs more than the generic way saves."""


_Page = TypeVar("_Page", ScanPage, RecordsPage)

DEFAULT = Mapping()

PROBED = 64
"""Items of a page that are looked at before the whole page is decoded generically."""

PROBES = 3
"""Samples of one page, as long as each teaches something."""

_WORTH_PROBING = 2


class Decoder:
    """Decodes the pages of one table, from any number of threads.

    ``schema`` starts with at least the table's keys, to which the columns are added that ``mapping``
    declares. Rows of a batch have the columns of the widest schema met so far; beyond WIDEST_COMPILED columns,
    the key, fixed columns, and those of the page's own attributes. Where the mapping says ``freeze``, the columns
    that are known once ``freeze`` is called, or a stored copy is learned, are all there will be.
    """

    def __init__(self, schema: TableSchema, mapping: Mapping = DEFAULT) -> None:
        self._lock = threading.Lock()
        self._mapping = mapping
        self._reader = ItemReader(mapping)
        self._schema = declared_schema(schema, mapping)
        self._tags: dict[Path, frozenset[str]] = {}
        self._compiled: Compiled | None = None
        self._frozen = False
        self._stale = True

    @property
    def schema(self) -> TableSchema:
        """The widest schema met so far."""
        return self._schema

    def learn(self, schema: TableSchema) -> None:
        """Decode with at least ``schema`` from now on; its columns keep their names and places.

        A schema with other keys is another table's, and is left alone.
        """
        with self._lock:
            keys, others = _attributes(self._schema), _attributes(schema)
            if keys and others and keys != others:
                return
            joined = declared_schema(schema.join(self._schema), self._mapping)
            if self._mapping.freeze and (self._frozen or _sampled(schema)):
                joined = frozen_schema(joined)
                self._frozen = True
            self._stale = self._stale or joined != self._schema
            self._schema = joined

    @property
    def wants_sample(self) -> bool:
        """Whether the columns are to be those of a sample that was not seen yet."""
        return self._mapping.freeze and not self._frozen

    def freeze(self, bodies: Sequence[bytes]) -> None:
        """Take the columns of these answers of Scan for all there will be; of none, those of the key alone.

        Raises Unavailable where one is not a whole answer.
        """
        harvest = self._harvest()
        for body in bodies:
            for raw in _split(body, ITEMS, "LastEvaluatedKey")[0]:
                with suppress(BrokenValue):
                    harvest.add_item(raw)
        self._widen(harvest)
        with self._lock:
            if harvest.items:
                self._schema = frozen_schema(self._schema)
                self._frozen = True
                self._stale = True

    def scan_page(self, body: bytes, *, at: float, service_time: float | None = None) -> ScanPage:
        """An answer of Scan; ``at`` (epoch seconds) dates its dead letters.

        Raises Unavailable where the body is not a whole answer.
        """
        provenance = self._provenance(None, at)
        page = self._scan_fast(body, provenance, service_time)
        if page is not None:
            return page
        raws, cursor = _split(body, ITEMS, "LastEvaluatedKey")
        page = self._probed(raws, Harvest.add_item, lambda: self._scan_fast(body, provenance, service_time))
        if page is not None:
            return page
        harvest = self._harvest()
        taken, letters = _taken(raws, harvest.add_item, provenance)
        kept = KeptPage(body, provenance, taken)
        return ScanPage(self._generic(harvest, kept), letters, len(raws), _cursor(cursor), service_time)

    def records_page(
        self, body: bytes, *, shard: str, at: float, service_time: float | None = None
    ) -> RecordsPage:
        """An answer of GetRecords; ``at`` (epoch seconds) dates its dead letters.

        Raises Unavailable where the body is not a whole answer.
        """
        provenance = self._provenance(shard, at)
        page = self._records_fast(body, provenance, service_time)
        if page is not None:
            return page
        raws, following = _split(body, RECORDS, "NextShardIterator")
        page = self._probed(
            raws, Harvest.add_record, lambda: self._records_fast(body, provenance, service_time)
        )
        if page is not None:
            return page
        harvest = self._harvest()
        taken, letters = _taken(raws, harvest.add_record, provenance)
        places = [place_of(raw) for raw in raws]
        origins = _origins([places[row][0] for row in taken], [places[row][1] for row in taken])
        return _records_page(
            self._generic(harvest, KeptPage(body, provenance, taken), origins),
            letters,
            [number for number, _ in places if number is not None],
            [created for _, created in places if created is not None],
            len(raws),
            msgspec.json.decode(following, type=str | None) if following is not ABSENT else None,
            service_time,
        )

    def redecode(self, letter: DeadLetter) -> Redriven:
        """A dead letter's record decoded anew, by the schema as it is now, which it may widen."""
        body = letter.record.encode()
        harvest = self._harvest()
        sequence = None if letter.sequence is None else letter.sequence.text
        raw = msgspec.Raw(body)
        try:
            if letter.shard is None:
                harvest.add_item(raw)
            else:
                harvest.add_record(raw)
        except BrokenValue as error:
            return Redriven(letter.id, sequence, None, str(error))
        wrapped = b'{"%s":[%s]}' % ((ITEMS if letter.shard is None else RECORDS).encode(), body)
        kept = KeptPage(wrapped, self._provenance(letter.shard, letter.at))
        origins = None if letter.shard is None else _origins([sequence], [place_of(raw)[1]])
        return Redriven(letter.id, sequence, self._generic(harvest, kept, origins), shard=letter.shard)

    def _provenance(self, shard: str | None, at: float) -> Provenance:
        return Provenance(shard, tuple(_attributes(self._schema)), at)

    def _scan_fast(self, body: bytes, provenance: Provenance, service_time: float | None) -> ScanPage | None:
        """The page by the compiled decoder, None where it does not fit that."""
        compiled = self._ready()
        if compiled is None:
            return None
        try:
            answer = compiled.scan.decode(body)
            rows = compiled.rows(answer.rows)
        except (msgspec.DecodeError, Mismatch, ValueError):
            return None
        changes = _batch(compiled.schema, rows, None, KeptPage(body, provenance))
        return ScanPage(changes, (), len(answer.rows), _cursor(answer.next), service_time)

    def _records_fast(
        self, body: bytes, provenance: Provenance, service_time: float | None
    ) -> RecordsPage | None:
        """The page by the compiled decoder, None where it does not fit that."""
        compiled = self._ready()
        if compiled is None:
            return None
        try:
            return _records_fast(compiled, body, provenance, service_time)
        except (msgspec.DecodeError, Mismatch, ValueError):
            return None

    def _probed(
        self,
        raws: Sequence[msgspec.Raw],
        take: Callable[[Harvest, msgspec.Raw], None],
        fast: Callable[[], _Page | None],
    ) -> _Page | None:
        """The page by a decoder that samples of it widened; None where that does not do.

        A page that does not fit is mostly one of many of its kind, met early: samples spread over it teach
        what the generic way would, at a fraction of its cost.
        """
        step = len(raws) // PROBED
        if step < _WORTH_PROBING:
            return None
        for first in range(PROBES):
            harvest = self._harvest()
            for raw in raws[first % step :: step]:
                with suppress(BrokenValue):
                    take(harvest, raw)
            before = (self._schema, dict(self._tags))
            self._widen(harvest)
            if (self._schema, self._tags) == before:
                return None
            page = fast()
            if page is not None:
                return page
        return None

    def _ready(self) -> Compiled | None:
        if self._stale:
            with self._lock:
                if self._stale:
                    narrow = len(self._schema.columns) <= WIDEST_COMPILED
                    self._compiled = (
                        compile_schema(self._schema, self._tags, self._mapping, closed=self._frozen)
                        if narrow
                        else None
                    )
                    self._stale = False
        return self._compiled

    def _harvest(self) -> Harvest:
        return Harvest(tuple(_attributes(self._schema)), self._reader)

    def _generic(
        self, harvest: Harvest, kept: KeptPage, origins: Origins | None = None
    ) -> ChangeBatch | None:
        schema = self._widen(harvest)
        if len(schema.columns) > WIDEST_COMPILED:
            schema = TableSchema(
                tuple(c for c in schema.columns if c.key or c.fixed or c.path in harvest.types)
            )
        deleted = pa.array(harvest.deleted, pa.bool_()) if any(harvest.deleted) else None
        return _batch(schema, harvest.rows(schema), deleted, kept, origins)

    def _widen(self, harvest: Harvest) -> TableSchema:
        with self._lock:
            closed = self._frozen or self._mapping.json_column is not None
            wider = harvest.widened(self._schema, closed=closed)
            if wider is not self._schema:
                self._schema = wider
                self._stale = True
            for path, tags in harvest.tags.items():
                known = self._tags.get(path, frozenset())
                if not tags <= known:
                    self._tags[path] = known | tags
                    self._stale = True
            return wider


def _sampled(schema: TableSchema) -> bool:
    """Whether a stored copy had items: declared columns are there without."""
    return any(column.path == REST or column.origin is Origin.ITEMS for column in schema.columns)


def _attributes(schema: TableSchema) -> list[str]:
    return [column.attribute for column in schema.keys]


def _records_fast(
    compiled: Compiled, body: bytes, provenance: Provenance, service_time: float | None
) -> RecordsPage:
    answer = compiled.records.decode(body)
    if not answer.rows:
        # Most polls bring nothing: no columns are made for that.
        return _records_page(None, (), (), (), 0, answer.next, service_time)
    changes = [record.change for record in answer.rows]
    removed = [record.event == "REMOVE" for record in answer.rows]
    items = [
        compiled.from_keys(change.keys) if is_removed else change.image
        for change, is_removed in zip(changes, removed, strict=True)
    ]
    if None in items:
        raise Mismatch
    numbers = [change.number for change in changes]
    created = [change.created for change in changes]
    return _records_page(
        _batch(
            compiled.schema,
            compiled.rows(items),
            pa.array(removed, pa.bool_()) if True in removed else None,
            KeptPage(body, provenance),
            _origins(numbers, created),
        ),
        (),
        numbers,
        created,
        len(changes),
        answer.next,
        service_time,
    )


def _records_page(
    changes: ChangeBatch | None,
    dead: tuple[DeadLetter, ...],
    numbers: Sequence[str],
    created: Sequence[float],
    count: int,
    following: str | None,
    service_time: float | None,
) -> RecordsPage:
    return RecordsPage(
        changes=changes,
        dead=dead,
        count=count,
        last=SequenceNumber(numbers[-1]) if numbers else None,
        oldest_at=min(created, default=None),
        newest_at=max(created, default=None),
        next_iterator=following,
        service_time=service_time,
    )


def _origins(numbers: Sequence[str | None], created: Sequence[float | None]) -> Origins:
    return Origins(pa.array(numbers, pa.string()), pa.array(created, pa.float64()))


def _batch(
    schema: TableSchema,
    rows: pa.RecordBatch,
    deleted: pa.BooleanArray | None,
    kept: KeptPage,
    origins: Origins | None = None,
) -> ChangeBatch | None:
    return ChangeBatch(schema, rows, deleted, kept.size, origins, kept) if rows.num_rows else None


def _taken(
    raws: Sequence[msgspec.Raw],
    take: Callable[[msgspec.Raw], None],
    provenance: Provenance,
) -> tuple[list[int], tuple[DeadLetter, ...]]:
    """The indexes of those that could be taken, and the others as dead letters."""
    taken: list[int] = []
    letters: list[DeadLetter] = []
    for index, raw in enumerate(raws):
        try:
            take(raw)
        except BrokenValue as error:
            letters.append(provenance.letter(raw, str(error), len(taken)))
        else:
            taken.append(index)
    return taken, tuple(letters)


def _split(body: bytes, rows: str, following: str) -> tuple[list[msgspec.Raw], msgspec.Raw]:
    try:
        return split(body, rows, following)
    except (msgspec.DecodeError, RecursionError) as error:
        raise not_whole(body, error) from error


def _cursor(raw: msgspec.Raw) -> str | None:
    text = _text(raw)
    return None if text in ("", "null") else text


def _text(raw: msgspec.Raw) -> str:
    return bytes(raw).decode(errors="backslashreplace")
