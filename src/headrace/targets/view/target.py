"""``view``: the rows of one SELECT over a table, kept by its changes, whatever comes again, out of order, or in parts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Final

from headrace.attribute import Image
from headrace.batch import Batch, Consumer
from headrace.errors import ConfigError, ConsumerFailed, TableUnusable, Unavailable
from headrace.fill import Fillable, Lacking
from headrace.mapping_facts import ViewFaults, ViewUpdated
from headrace.refusal import Place
from headrace.row_table import RowKey, RowTable
from headrace.stream_record import StreamRecord
from headrace.table_shape import keys_of
from headrace.target import MaterializedView, OutputTable
from headrace.target_context import TargetContext
from headrace.targets.change import Change
from headrace.targets.comparison import SETTLE
from headrace.targets.table import Patience, Table
from headrace.targets.table_rows import TableRows
from headrace.targets.view.contribution import Part, parts_of
from headrace.targets.view.definition import Definition, define
from headrace.targets.view.items import Arrival, Arrived
from headrace.targets.view.publication import Publication
from headrace.targets.view.recomputation import wrong_groups
from headrace.targets.view.rows import DatasetRows, ItemRows, KeyedGroupRows, Rows, expect_keys, item_key
from headrace.targets.view.state import ViewState
from headrace.targets.view.value import Unevaluable
from headrace.targets.view.verification import Verification
from headrace.verified import Verifiable, Verified

PATIENCE: Final = 10.0
"""Seconds that one request waits between its tries."""

_AT_ONCE: Final = 500

Opened = tuple[Callable[[str, Image], Part | None], RowKey, Publication]


class ViewTarget(Consumer, Fillable, Lacking, Verifiable):
    """Keeps the rows of ``view``. Any thread may call.

    Its table, and the one that it writes to, are described with the first batch or fill. ``settle`` are the seconds between two looks
    of a comparison; ``pause`` waits so many seconds.
    Raises ConfigError where the SQL is not taken, or nothing takes the rows.
    """

    def __init__(
        self,
        view: MaterializedView,
        context: TargetContext,
        *,
        settle: float = SETTLE,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        self._definition = defined(view, context.mapping)
        self._dataset = None if view.table is not None else _dataset(self._definition, context)
        self._state = ViewState(context.file("view"), self._definition, view.tombstones)
        self._view = view
        self._context = context
        self._settle = settle
        self._pause = pause or self._wait
        self._closing = threading.Event()
        self._opening = threading.Lock()
        self._opened: Opened | None = None
        self._may_be_another = False
        place = Place(context.access.region, context.access.endpoint_url)
        patience = Patience(PATIENCE, context.mapping, self._pause)
        self._source = Table(context.source, context.table, place, patience, context.budget)

    # Records

    def consume(self, batch: Batch) -> object:
        """See ``Consumer``. Each item is what the last of its records says.

        Raises ConsumerFailed where a batch of one record cannot be done; LedgerError, and what the output raises, where nothing can.
        """
        part_of, _, publication = self._open()
        records = {record.key: record for record in batch.records}
        arrivals = [self._arrival(batch, record, part_of) for record in records.values()]
        outcomes = self._state.take(arrivals, self._context.clock())
        again = {outcome.row for outcome in outcomes if publication.refusal(outcome.row)}
        if again:
            self._state.mark(row for row in again if row is not None)
        rows = self._flush(publication)
        newer = sum(outcome.newer for outcome in outcomes)
        self._context.observe(
            ViewUpdated(self._context.mapping, batch.shard, len(arrivals) - newer, rows, newer)
        )
        return _response(batch, _failed(records.values(), outcomes, publication))

    def _arrival(
        self, batch: Batch, record: StreamRecord, part_of: Callable[[str, Image], Part | None]
    ) -> Arrival:
        version = batch.version(record)
        try:
            change = Change.read(record)
            if change.removed:
                return Arrival(record.key, version, None)
            if change.new is None:
                error = "its record has no NewImage; the stream must be of NEW_IMAGE or NEW_AND_OLD_IMAGES"
                return Arrival(record.key, version, None, error)
            return Arrival(record.key, version, part_of(record.key, change.new))
        except (Unevaluable, ConsumerFailed) as error:
            return Arrival(record.key, version, None, str(error))

    # Fills

    def lacks(self) -> str | None:
        """See ``Lacking``: the view is new, or its SQL is, or its file was lost."""
        self._state.open(self._context.clock())
        return self._state.lacks

    def begin_fill(self, at: float) -> None:
        """See ``Fillable``."""
        self._open()
        self._state.begin_fill(at)

    def fill(self, items: Sequence[Image]) -> None:
        """See ``Fillable``. Items that cannot be evaluated are told, and left out of the view."""
        _, _, publication = self._open()
        arrivals = list(self._arrivals(items))
        self._state.take(arrivals, self._context.clock())
        self._flush(publication)
        broken = [arrival for arrival in arrivals if arrival.error is not None]
        if broken:
            first = f"{broken[0].key}: {broken[0].error}"
            self._context.observe(ViewFaults(self._context.mapping, len(broken), 0, first))

    def end_fill(self) -> None:
        """See ``Fillable``. Then groups are proven to be what items make, and all rows of the output are compared and mended."""
        _, _, publication = self._open()
        after: str | None = ""
        while after is not None:
            after = self._state.drop_unseen(after, self._context.clock())
            self._flush(publication)
        if self._definition.is_grouped and self._is_miscounted():
            self._state.recount()
        self._mend(publication)
        self._state.end_fill()
        refused = publication.refusals
        if refused:
            row, error = next(iter(refused.items()))
            self._context.observe(ViewFaults(self._context.mapping, 0, len(refused), f"{row}: {error}"))

    def _arrivals(self, items: Sequence[Image]) -> Iterator[Arrival]:
        """What items of the table bring, without a version."""
        part_of, keys, _ = self._open()
        for item in items:
            try:
                key = item_key(item, keys)
            except Unevaluable as error:
                raise TableUnusable(
                    f"{self._source}: {error}; if the table was made anew with another key, restart Headrace: the view is opened anew"
                ) from error
            try:
                yield Arrival(key, None, part_of(key, item))
            except Unevaluable as error:
                yield Arrival(key, None, None, str(error))

    def _is_miscounted(self) -> bool:
        with self._state.snapshot() as connection:
            return any(True for _ in wrong_groups(connection, self._definition, {}, self._go_on))

    def _mend(self, publication: Publication) -> None:
        """Write what the output does not have, or has otherwise; delete what is none of the view's rows."""
        seen = set()
        for page in publication.table.rows():
            found = {name: item for item in page if (name := publication.rows.name_of(item)) is not None}
            made = publication.rows.made(self._state, list(found))
            seen |= {_digest(name) for name in found}
            self._mark([name for name, item in found.items() if not publication.is_right(made[name], item)])
        self._mark([name for name in self._state.names() if _digest(name) not in seen])
        self._flush(publication)

    def _flush(self, publication: Publication) -> int:
        try:
            return publication.flush()
        except TableUnusable:
            # It may come back as another one, without the rows that were written.
            self._may_be_another = True
            raise

    def _mark(self, names: Sequence[str]) -> None:
        for first in range(0, len(names), _AT_ONCE):
            self._state.mark(names[first : first + _AT_ONCE])

    # Comparing

    def verify(self) -> Verified:
        """See ``Verifiable``."""
        _, _, publication = self._open()
        return Verification(
            self._definition,
            self._source,
            self._state,
            publication,
            self._arrivals,
            self._settle,
            self._pause,
        ).run()

    # Opening and closing

    def _open(self) -> Opened:
        """What the view computes with, and where its rows go. Raises HeadraceError while that cannot be told."""
        if self._closing.is_set():
            raise self._stopped()
        with self._opening:
            if self._opened is None:
                self._state.open(self._context.clock())
                keys = keys_of(self._source.describe())
                expect_keys(self._definition, keys)
                rows, table = self._output(keys)
                self._expect_output(table)
                self._opened = parts_of(self._definition, keys), keys, Publication(self._state, rows, table)
            elif self._may_be_another:
                self._expect_output(self._opened[2].table)
            self._may_be_another = False
            return self._opened

    def _expect_output(self, table: RowTable) -> None:
        self._state.expect_output(f"{self._view.table or 'dataset'} {table.identity()}")

    def _output(self, keys: RowKey) -> tuple[Rows, RowTable]:
        output = self._view.table
        if output is None:
            assert self._dataset is not None, "the constructor has seen to it"
            return self._dataset
        its_key = self._key_of(output)
        rows: Rows
        if self._definition.is_grouped:
            rows = KeyedGroupRows(self._definition, output.name, its_key)
        else:
            rows = ItemRows(keys, output.name, its_key)
        return rows, TableRows.of(self._context, output, rows.key)

    def _key_of(self, output: OutputTable) -> RowKey:
        place = Place(output.access.region, output.access.endpoint_url)
        transport = self._context.reach(output.access, output.name)
        return keys_of(
            Table(
                transport, output.name, place, Patience(PATIENCE, self._context.mapping, self._pause)
            ).describe()
        )

    def close(self) -> None:
        """See ``Consumer``."""
        self._closing.set()
        with self._opening:
            if self._opened is not None:
                self._opened[2].table.close()
        self._state.close()

    def _go_on(self) -> None:
        if self._closing.is_set():
            raise self._stopped()

    def _wait(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise self._stopped()

    def _stopped(self) -> Unavailable:
        return Unavailable(f"{self._context.mapping}: the view is being stopped")


def defined(view: MaterializedView, mapping: str) -> Definition:
    """The definition of a mapping's view. Raises ConfigError, naming the mapping."""
    try:
        definition = define(view.sql)
        if view.table is None:
            DatasetRows(definition)
    except ConfigError as error:
        raise ConfigError(f"event_source_mappings: {mapping}: target.view.sql: {error}") from None
    return definition


def _dataset(definition: Definition, context: TargetContext) -> tuple[Rows, RowTable]:
    where = f"event_source_mappings: {context.mapping}: target.view"
    if context.dataset is None:
        raise ConfigError(
            f"{where}: nothing takes its rows; name a table, or read a dataset from target:{context.mapping}"
        )
    rows = DatasetRows(definition)
    return rows, context.dataset(rows.key)


def _digest(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=16).digest()


def _failed(
    records: Iterable[StreamRecord], outcomes: Sequence[Arrived], publication: Publication
) -> dict[StreamRecord, str]:
    failed: dict[StreamRecord, str] = {}
    for record, outcome in zip(records, outcomes, strict=True):
        error = outcome.error or publication.refusal(outcome.row)
        if error is not None and not outcome.newer:
            failed[record] = f"{record.key}: {error}"
    return failed


def _response(batch: Batch, failed: dict[StreamRecord, str]) -> object:
    """As Lambda reports item failures; ``error`` is ours beside."""
    if failed and len(batch.records) == 1:
        raise ConsumerFailed("NotInView", next(iter(failed.values())))
    ordered = sorted(failed.items(), key=lambda pair: pair[0].sequence)
    return {
        "batchItemFailures": [
            {"itemIdentifier": record.sequence.text, "error": error} for record, error in ordered
        ]
    }
