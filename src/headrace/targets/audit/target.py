"""``audit``: exactly one row for each record, whatever comes again, in parts, or late."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from headrace.attribute import BrokenValue, Image
from headrace.batch import Batch, Consumer
from headrace.errors import ConfigError, ConsumerFailed, HeadraceError, RequestRejected
from headrace.mapping_facts import Audited
from headrace.row_table import Row, RowTable
from headrace.stream_record import StreamRecord
from headrace.target import AuditTrail
from headrace.target_context import TargetContext
from headrace.targets.audit.event import AuditEvent
from headrace.targets.audit.row import KEY, dataset_rows, key_of, table_rows
from headrace.targets.table_rows import TableRows

_UNREADABLE: Final = (BrokenValue, msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class AuditTarget(Consumer):
    """Writes a row for each record: to a table, or to the dataset that is read from the mapping. Any thread may call.

    A row is found by its record's id and says nothing but what the record says, so to write it again changes nothing. No row is
    ever deleted. ``pause`` waits so many seconds. Raises ConfigError where there is neither a table nor a dataset.
    """

    def __init__(
        self,
        target: AuditTrail,
        context: TargetContext,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        self._target = target
        self._context = context
        self._rows = _opened(target, context, pause)

    def consume(self, batch: Batch) -> object:
        """Have the rows of a batch: Lambda's response, the reason beside each record that failed.

        Raises ConsumerFailed for a batch of one record that has failed; what RowTable.write raises as it comes.
        """
        written = _Written()
        waiting = [entry for record in batch.records if (entry := self._read(record, written)) is not None]
        while waiting:
            waiting = written.take(self._rows, waiting)
        context = self._context
        context.observe(Audited(context.mapping, batch.shard, rows=written.rows, packed=written.packed))
        return written.response(batch.records)

    def close(self) -> None:
        """Give everything back."""
        self._rows.close()

    def _read(self, record: StreamRecord, written: _Written) -> _Entry | None:
        try:
            event = AuditEvent.read(record)
        except ConsumerFailed as error:
            written.failed[record.sequence.text] = error
            return None
        forms = dataset_rows(event) if self._target.table is None else table_rows(event, self._target.keep)
        return _Entry(event, forms)


def _opened(target: AuditTrail, context: TargetContext, pause: Callable[[float], None] | None) -> RowTable:
    if target.table is not None:
        return TableRows.of(context, target.table, KEY, once=target.conditional, pause=pause)
    if context.dataset is None:
        raise ConfigError(
            f"{context.mapping}: audit has nowhere to write to; name a table, or let a dataset read from the mapping"
        )
    return context.dataset(KEY)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A record whose row is not written yet, and the ``forms`` that are left for it, the best first."""

    event: AuditEvent
    forms: Iterator[Image]


class _Written:
    """How a batch went so far. ``failed`` has the reasons by sequence numbers."""

    def __init__(self) -> None:
        self.rows = 0
        self.packed = 0
        self.failed: dict[str, HeadraceError] = {}

    def take(self, table: RowTable, entries: Sequence[_Entry]) -> list[_Entry]:
        """Write each in the next of its forms: those that are to be tried in another one."""
        tried = [(entry, row) for entry in entries if (row := self._next(entry)) is not None]
        outcomes = table.write([row for _, row in tried])
        refused = []
        for (entry, row), error in zip(tried, outcomes, strict=True):
            number = entry.event.record.sequence.text
            if error is None:
                self.failed.pop(number, None)
                self.rows += 1
                self.packed += row.item is not None and "encoding" in row.item
            else:
                self.failed[number] = error
                refused.append(entry)
        return refused

    def _next(self, entry: _Entry) -> Row | None:
        """The row in its next form; None where there is none, and what refused the last one stays the reason."""
        event = entry.event
        try:
            item = next(entry.forms, None)
        except _UNREADABLE as error:
            self.failed[event.record.sequence.text] = ConsumerFailed("BrokenRecord", str(error))
            return None
        return None if item is None else Row(key_of(event), item)

    def response(self, records: Sequence[StreamRecord]) -> object:
        """As Lambda reports item failures; ``error`` is ours beside. Raises ConsumerFailed where there is one record alone."""
        failures = [
            (record, _reason(record, self.failed[record.sequence.text]))
            for record in records
            if record.sequence.text in self.failed
        ]
        if failures and len(records) == 1:
            raise failures[0][1]
        return {
            "batchItemFailures": [
                {"itemIdentifier": record.sequence.text, "error": str(error)} for record, error in failures
            ]
        }


def _reason(record: StreamRecord, error: HeadraceError) -> ConsumerFailed:
    kind = error.code if isinstance(error, RequestRejected) else ""
    kind = error.type if isinstance(error, ConsumerFailed) else kind
    said = f"record {record.sequence.text} of item {record.key} cannot be audited: {error}"
    return ConsumerFailed(kind or type(error).__name__, said)
