"""``replicate``: a table that is kept equal to another one, whatever comes again, out of order, or in parts."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from headrace.attribute import Image
from headrace.batch import Batch, Consumer
from headrace.dataset import AwsAccess
from headrace.errors import (
    ConfigError,
    ConsumerFailed,
    HeadraceError,
    RequestRejected,
    TableUnusable,
    Throttled,
    Unavailable,
)
from headrace.mapping_facts import ItemsFetched, MappingObserver, Replicated
from headrace.read_budget import ReadBudget
from headrace.refusal import Place
from headrace.stream_record import StreamRecord
from headrace.target import Replica
from headrace.targets.batch_writes import BatchWrites
from headrace.targets.change import Change
from headrace.targets.replication.batched import BatchWriter
from headrace.targets.replication.conditional import ConditionalWriter
from headrace.targets.replication.echo import is_echo
from headrace.targets.replication.remembered import Passed, Remembered
from headrace.targets.replication.sides import Sides, images_missing, looked_at
from headrace.targets.replication.write import Outcome, Verdict, Write, Writer
from headrace.targets.table import Patience, Table
from headrace.wire import Transport

WRITERS: Final = 16
"""Requests that are under way at once, over all lanes."""

PATIENCE: Final = 10.0
"""Seconds that one request waits between its tries before it is reported as failed."""

_PART: Final = 400
"""Items that are written, and perhaps fetched, together: they are all in memory, and an item may have 400 KB."""

_VIEW: Final = "NEW_AND_OLD_IMAGES"


class ReplicaTarget(Consumer):
    """Writes the changes of ``table``, reached over ``source``, to ``replica``, reached over ``transport``. Any thread may call.

    Of each item the last record of a batch decides. ``state`` is the file of what is remembered of deleted items, None in
    memory; it belongs to this mapping. ``access`` says where the source is, in messages. Both tables are described by the first batch.
    ``clock`` gives epoch seconds, ``pause`` waits so many. Items are fetched within ``budget``. Raises ConfigError for settings that
    exclude each other.
    """

    def __init__(
        self,
        mapping: str,
        replica: Replica,
        transport: Transport,
        state: Path | None,
        *,
        source: Transport,
        table: str,
        observe: MappingObserver,
        access: AwsAccess | None = None,
        writers: int = WRITERS,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] | None = None,
        budget: ReadBudget | None = None,
    ) -> None:
        if replica.two_way and not replica.conditional:
            raise ConfigError("two_way needs conditional: true, whose versions tell who wrote an item")
        self._mapping = mapping
        self._replica = replica
        self._observe = observe
        self._clock = clock
        self._closing = threading.Event()
        waiting = Patience(patience, mapping, pause or self._pause)
        self._source = Table(source, table, _place(access or AwsAccess()), waiting, budget)
        self._target = Table(transport, replica.table, _place(replica.access), waiting)
        self._remembered = Remembered(state, replica.tombstones)
        self._workers = ThreadPoolExecutor(writers, thread_name_prefix=f"headrace-replicate {mapping}")
        self._opening = threading.Lock()
        self._opened: tuple[Sides, Writer] | None = None
        self._told = False

    def consume(self, batch: Batch) -> object:
        """Carry out a batch: Lambda's response, the records of items that failed beside the reason.

        Raises ConsumerFailed for a batch of one record that the replica refuses; Throttled and Unavailable where nothing could be
        written; TableUnusable, AccessDenied, LedgerError as they come.
        """
        carried = _Carried()
        waiting = _by_item(batch.records)
        try:
            for keys in _parts(list(waiting)):
                self._carry({key: waiting[key] for key in keys}, batch, carried)
        except TableUnusable:
            # It is described anew, which tells best what is wrong with it.
            self._opened = None
            raise
        except (CancelledError, RuntimeError) as error:
            if self._closing.is_set():
                raise self._stopped() from error
            raise
        self._tell(batch, carried)
        return carried.response(len(batch.records))

    def close(self) -> None:
        """Give everything back."""
        self._closing.set()
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._remembered.close()

    def _carry(self, waiting: dict[str, list[StreamRecord]], batch: Batch, carried: _Carried) -> None:
        """Carry out what became of some items."""
        sides, writer = self._ready()
        while waiting:
            decided = self._decided(batch, waiting, sides, carried)
            outcomes = writer.write(decided) if decided else {}
            again: dict[str, list[StreamRecord]] = {}
            for write in decided:
                records = waiting[write.key]
                if carried.settles(write, outcomes[write.key], records) or len(records) == 1:
                    continue
                # What the replica refuses, it refuses for good: the item's state before that is the newest that it can have.
                again[write.key] = records[:-1]
            waiting = again

    def _ready(self) -> tuple[Sides, Writer]:
        if self._closing.is_set():
            raise self._stopped()
        with self._opening:
            if self._opened is None:
                sides = looked_at(self._source, self._target, self._replica)
                self._opened = sides, self._writer(sides)
            return self._opened

    def _writer(self, sides: Sides) -> Writer:
        if not self._replica.conditional:
            return BatchWriter(BatchWrites(self._target, self._workers))
        return ConditionalWriter(
            self._target,
            sides.origin,
            self._replica.version_attribute,
            self._remembered,
            self._workers,
            self._clock,
            two_way=self._replica.two_way,
        )

    def _decided(
        self, batch: Batch, waiting: Mapping[str, Sequence[StreamRecord]], sides: Sides, carried: _Carried
    ) -> list[Write]:
        """What becomes of each item by the last of its records."""
        changes: list[Change] = []
        echoes: dict[str, Passed] = {}
        for records in waiting.values():
            change = Change.read(records[-1])
            if self._replica.two_way and change.view not in (None, _VIEW):
                raise images_missing(self._source, change.view)
            if self._replica.two_way and is_echo(change, sides.origin):
                echoes[change.record.key] = Passed(batch.version(change.record), done=True)
            else:
                changes.append(change)
        # The other side has overwritten what came before an echo: it must not go there any more.
        self._remembered.remember(sides.origin, echoes, self._clock())
        carried.counts["echoes"] += len(echoes)
        partial = [change for change in changes if not change.is_whole]
        fetched = self._fetched(partial) if partial else {}
        carried.counts["fetched"] += len(partial)
        return [
            Write(
                change,
                (None if change.removed else change.new)
                if change.is_whole
                else fetched.get(change.record.key),
                batch.version(change.record),
            )
            for change in changes
        ]

    def _fetched(self, changes: Sequence[Change]) -> dict[str, Image]:
        """The items as they are now, which is as their records made them, or newer.

        Their version stays that of the record: what is read for a later record is never older, so of two writes the one with the
        smaller version may always be left. A REMOVE is looked up too, because an item that an earlier record has brought here from
        after the REMOVE must not be deleted.
        """
        if not self._told:
            self._told = True
            self._observe(ItemsFetched(self._mapping, self._source.name, changes[0].view or "unknown"))
        return self._source.items([change.key for change in changes])

    def _tell(self, batch: Batch, carried: _Carried) -> None:
        counts = carried.counts
        self._observe(
            Replicated(
                self._mapping,
                batch.shard,
                put=counts["put"],
                deleted=counts["deleted"],
                newer=counts["newer"],
                echoes=counts["echoes"],
                fetched=counts["fetched"],
            )
        )

    def _pause(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise self._stopped()

    def _stopped(self) -> Unavailable:
        return Unavailable(f"{self._mapping}: the replication is being stopped")


@dataclass(slots=True)
class _Carried:
    """How a batch went so far. ``failed`` has the reason by the record from which on an item must come again."""

    counts: Counter[str] = field(default_factory=Counter)
    failed: dict[StreamRecord, HeadraceError] = field(default_factory=dict)
    reached: bool = False

    def settles(self, write: Write, outcome: Outcome, records: Sequence[StreamRecord]) -> bool:
        """Take note; whether nothing more is to be written of the item. Raises what no other item would fare better with."""
        if isinstance(outcome, Verdict):
            kind = "deleted" if write.item is None else "put"
            self.counts["newer" if outcome is Verdict.NEWER else kind] += 1
            self.reached = True
            return True
        if isinstance(outcome, (RequestRejected, ConsumerFailed)):
            kind = outcome.type if isinstance(outcome, ConsumerFailed) else outcome.code
            self.failed[write.change.record] = ConsumerFailed(kind or "Rejected", f"{write}: {outcome}")
            self.reached = True
            return False
        if not isinstance(outcome, (Throttled, Unavailable)):
            raise outcome
        # Nothing of the item was written: all of it comes again.
        self.failed[records[0]] = outcome
        return True

    def response(self, records: int) -> object:
        """As Lambda reports item failures; ``error`` is ours beside. Raises where there is nothing to report but a failure."""
        failed = sorted(self.failed.items(), key=lambda pair: pair[0].sequence)
        for _, error in failed:
            if not self.reached or records == 1:
                raise error
        return {
            "batchItemFailures": [
                {"itemIdentifier": record.sequence.text, "error": str(error)} for record, error in failed
            ]
        }


def _by_item(records: Sequence[StreamRecord]) -> dict[str, list[StreamRecord]]:
    found: dict[str, list[StreamRecord]] = {}
    for record in records:
        found.setdefault(record.key, []).append(record)
    return found


def _parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(keys), _PART):
        yield keys[first : first + _PART]


def _place(access: AwsAccess) -> Place:
    return Place(access.region, access.endpoint_url)
