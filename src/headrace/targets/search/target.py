"""``search``: an index of OpenSearch that is kept equal to a table, whatever comes again, out of order, or in parts."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from headrace.attribute import BrokenValue, Image
from headrace.batch import Batch, Consumer
from headrace.errors import (
    ConfigError,
    ConsumerFailed,
    HeadraceError,
    TableUnusable,
    Unavailable,
)
from headrace.fill import Fillable, Watching
from headrace.mapping_facts import DocumentRefused, Indexed
from headrace.refusal import Place
from headrace.stream_record import StreamRecord
from headrace.table_shape import keys_of
from headrace.target import SearchIndex
from headrace.target_context import TargetContext
from headrace.targets.change import Change as RecordedChange
from headrace.targets.search.bulk import Bulk, Outcome, Verdict
from headrace.targets.search.documents import Documents, document_of
from headrace.targets.search.filling import Filling
from headrace.targets.search.index import Index, Opened
from headrace.targets.search.service import SearchService, Sign
from headrace.targets.search.under_way import UnderWay
from headrace.targets.search.versions import VersionBook
from headrace.targets.search.writer import Change, Writer
from headrace.targets.table import Patience, Table

T = TypeVar("T")

PATIENCE: Final = 10.0
"""Seconds that one request waits between its tries before what is left of it is reported as failed."""


LOOK_AGAIN: Final = 60.0
"""Seconds between two looks at whether the index is still the one that was filled."""


class SearchTarget(Consumer, Fillable, Watching):
    """Brings the changes of the table of ``context`` to the index of ``settings``. Any thread may call.

    Of each item the last record of a batch decides. Table and index are looked at by the first batch; the index is made where it is missing.
    ``patience`` as PATIENCE; ``pause`` waits so many seconds.
    """

    look_again = LOOK_AGAIN

    def __init__(
        self,
        settings: SearchIndex,
        context: TargetContext,
        *,
        patience: float = PATIENCE,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        self._mapping = context.mapping
        self._observe = context.observe
        self._closing = threading.Event()
        self._service = SearchService(settings, _signed(settings, context))
        self._index = Index(self._service, settings)
        waiting = Patience(patience, context.mapping, pause or self._pause)
        self._bulk = Bulk(self._service, settings.index, waiting)
        place = Place(context.access.region, context.access.endpoint_url)
        self._table = Table(context.source, context.table, place, waiting, context.budget)
        self._book = VersionBook(context.file("search"), settings.tombstones, context.clock)
        self._under_way = UnderWay()
        self._writer = Writer(self._index, self._bulk, self._book, self._under_way)
        self._opening = threading.Lock()
        self._opened: Opened | None = None
        self._filling: Filling | None = None
        self._has_looked = False

    def consume(self, batch: Batch) -> object:
        """Carry out a batch: Lambda's response, the records that failed beside the reason.

        Raises ConsumerFailed for a batch of one record that the index refuses; Throttled and Unavailable where nothing could be
        written; TableUnusable, AccessDenied, LedgerError, ConfigError, PackageMissing as they come.
        """
        documents = self._ready().documents
        carried = _Carried()
        changes = {}
        for records in _by_item(batch.records):
            try:
                id_, change = _decided(batch, records[-1], documents)
            except ConsumerFailed as error:
                carried.fails(records[-1], error)
                continue
            changes[id_] = change
            carried.waiting[id_] = records
        carried.settle(changes, self._looking_again(lambda: self._writer.write(changes)))
        self._tell(batch.shard, carried.counts)
        return carried.response(len(batch.records))

    def lacks(self) -> str | None:
        """See ``Watching``: the index, or the version book, is not the one that the last fill began with."""
        try:
            there = self._index.uuid()
        except HeadraceError:
            # Whether it can be reached, deliveries tell.
            if self._has_looked:
                return None
            raise
        filled = self._book.filled_index()
        self._has_looked = True
        if there is None:
            return f"there is no {self._index}"
        if filled is None:
            return f"the version book does not know of a fill of {self._index}"
        return (
            None
            if there == filled
            else f"{self._index} is another one than the last fill began with: it was made anew"
        )

    def begin_fill(self, at: float) -> None:
        """See ``Fillable``."""
        # It may have been made anew, with what another looks like.
        self._opened = None
        opened = self._ready()
        self._filling = Filling(
            at, self._index, opened, self._bulk, self._book, self._table, self._under_way, self._refused
        )

    def fill(self, items: Sequence[Image]) -> None:
        """See ``Fillable``. What the index refuses is told, and left."""
        filling = self._begun()
        self._looking_again(lambda: filling.bring(items))
        self._tell(None, filling.taken_counts())

    def end_fill(self) -> None:
        """See ``Fillable``."""
        filling = self._begun()
        self._looking_again(filling.end)
        self._tell(None, filling.taken_counts())

    def close(self) -> None:
        """Give everything back."""
        self._closing.set()
        self._under_way.pass_by()
        self._service.close()
        self._book.close()

    def _ready(self) -> Opened:
        if self._closing.is_set():
            raise self._stopped()
        with self._opening:
            if self._opened is None:
                described = self._table.describe()
                self._opened = self._index.opened(
                    str(described.get("TableArn")), keys_of(described), make=True
                )
            return self._opened

    def _looking_again(self, write: Callable[[], T]) -> T:
        try:
            return write()
        except TableUnusable:
            # To look at it anew tells best what is wrong with it, and makes it where it is gone.
            self._opened = None
            raise

    def _begun(self) -> Filling:
        if self._filling is None:
            raise Unavailable(f"{self._mapping}: no fill has begun")
        # The index may have gone meanwhile.
        self._ready()
        return self._filling

    def _refused(self, id_: str, error: ConsumerFailed) -> None:
        self._observe(DocumentRefused(self._mapping, id_, str(error)))

    def _tell(self, shard: str | None, counts: Mapping[str, int]) -> None:
        self._observe(
            Indexed(
                self._mapping,
                shard,
                indexed=counts["indexed"],
                deleted=counts["deleted"],
                newer=counts["newer"],
                refused=counts["refused"],
            )
        )

    def _pause(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise self._stopped()

    def _stopped(self) -> Unavailable:
        return Unavailable(f"{self._mapping}: the target is being stopped")


@dataclass(slots=True)
class _Carried:
    """How a batch went. ``waiting`` has the records of each document; ``failed`` the reason by the record from which on they must come again."""

    counts: Counter[str] = field(default_factory=Counter)
    waiting: dict[str, Sequence[StreamRecord]] = field(default_factory=dict)
    failed: dict[StreamRecord, HeadraceError] = field(default_factory=dict)
    reached: bool = False

    def fails(self, record: StreamRecord, error: ConsumerFailed) -> None:
        """Take note of a record that never can be written."""
        self.failed[record] = ConsumerFailed(
            error.type, f"item {record.key} (record {record.sequence.text}): {error}"
        )
        self.counts["refused"] += 1
        self.reached = True

    def settle(self, changes: Mapping[str, Change], outcomes: Mapping[str, Outcome]) -> None:
        """Take note of how the changes went."""
        for id_, outcome in outcomes.items():
            if isinstance(outcome, ConsumerFailed):
                self.fails(self.waiting[id_][-1], outcome)
            elif isinstance(outcome, HeadraceError):
                # Nothing of the item may be written: all of it comes again.
                self.failed[self.waiting[id_][0]] = outcome
            elif outcome is Verdict.CONFLICT:
                self.counts["newer"] += 1
            else:
                self.counts["deleted" if changes[id_].document is None else "indexed"] += 1
                self.reached = True

    def response(self, records: int) -> object:
        """As Lambda reports item failures; ``error`` is ours beside. Raises where nothing was written, or of one record."""
        failed = sorted(self.failed.items(), key=lambda pair: pair[0].sequence)
        for _, error in failed:
            if records == 1 or not self.reached:
                raise error
        return {
            "batchItemFailures": [
                {"itemIdentifier": record.sequence.text, "error": str(error)} for record, error in failed
            ]
        }


def _signed(settings: SearchIndex, context: TargetContext) -> Sign | None:
    if settings.service is None:
        return None
    if context.sign is None:
        raise ConfigError("target.search.aws_service: requests cannot be signed here")
    return context.sign(settings.service, settings.access)


def _decided(batch: Batch, record: StreamRecord, documents: Documents) -> tuple[str, Change]:
    """What becomes of a document by a record. Raises ConsumerFailed where it is none; TableUnusable for a stream without items."""
    change = RecordedChange.read(record)
    if not change.is_whole:
        raise TableUnusable(
            f"the stream is {change.view}; target search needs NEW_IMAGE or NEW_AND_OLD_IMAGES. A stream's view type cannot be "
            "changed: turn it off, then on with another one"
        )
    if change.new is None and not change.removed:
        raise ConsumerFailed("BrokenRecord", "it has no NewImage")
    try:
        document = None if change.new is None or change.removed else document_of(change.new)
        return documents.id_of(change.key), Change(batch.version(record), document)
    except BrokenValue as error:
        raise ConsumerFailed("BrokenRecord", f"it cannot be written as a document: {error}") from error


def _by_item(records: Sequence[StreamRecord]) -> list[Sequence[StreamRecord]]:
    found: dict[str, list[StreamRecord]] = {}
    for record in records:
        found.setdefault(record.key, []).append(record)
    return list(found.values())
