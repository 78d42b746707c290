"""One run of a mapping's function by hand: what it is given, and what the mapping would do with its answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from headrace.batch import MOST_BYTES, Batch, Consumer, Window
from headrace.cli.event_file import EventFile, content, parts
from headrace.cli.table import one_line
from headrace.config.mapping_description import mapping_facts
from headrace.errors import ConfigError, ConsumerFailed
from headrace.event_source_mapping import EventSourceMapping
from headrace.filters import Filters
from headrace.ledger import Fault
from headrace.replicate.delivery.response import FAILURES, Verdict, judge


class Given:
    """Batches as ``mapping`` would hand them over. ``left_out`` counts what its filters have kept back, where ``filtered``."""

    def __init__(self, mapping: EventSourceMapping, *, filtered: bool) -> None:
        self._mapping = mapping
        self._passes = Filters.compiled(mapping.filters if filtered else ()).passes
        self.left_out = 0

    def of_file(self, path: Path) -> tuple[Batch, ...]:
        """What a file holds, ``-`` being standard input. Raises ConfigError."""
        mapping = self._mapping
        region = mapping.access.region or "us-east-1"
        arn = f"arn:aws:dynamodb:{region}:000000000000:table/{mapping.table}/stream/1970-01-01T00:00:00.000"
        where, text = content(path)
        found: list[Batch] = []
        for batch, stands in EventFile(where, mapping.name, arn).batches(text):
            chosen = self._chosen(batch)
            if not stands:
                found += self._parts(chosen)
            elif chosen.records or chosen.window is not None or not batch.records:
                found.append(_sized(chosen))
        return tuple(found)

    def of_stream(self, count: int) -> tuple[Batch, ...]:
        """The last records of the mapping's stream. Raises SourceError."""
        from headrace.cli.last_records import LastRecords
        from headrace.dynamodb import TableEvents, botocore_transport

        mapping = self._mapping
        source = TableEvents(botocore_transport(mapping.access), mapping.table, passes=self._passes)
        found = LastRecords(source).batches(mapping.name, count)
        return tuple(part for batch in found for part in self._parts(batch))

    def _chosen(self, batch: Batch) -> Batch:
        records = tuple(record for record in batch.records if self._passes(record.text))
        self.left_out += len(batch.records) - len(records)
        return replace(batch, records=records)

    def _parts(self, batch: Batch) -> Iterator[Batch]:
        for of_window in self._windows(batch):
            yield from parts(of_window, self._mapping.delivering.batch_size)

    def _windows(self, batch: Batch) -> Iterator[Batch]:
        """Where the mapping has windows, each with its own, as yet without a state."""
        length = self._mapping.delivering.tumbling_window
        if not length:
            yield batch
            return
        for start, records in groupby(batch.records, lambda record: record.created // length * length):
            yield replace(batch, records=tuple(records), window=Window(start, start + length))


def counted(number: int) -> str:
    """So many records, in words."""
    return f"{number:,} record{'' if number == 1 else 's'}"


def _sized(batch: Batch) -> Batch:
    size = len(batch.event())
    if size > MOST_BYTES:
        raise ConfigError(
            f"an event has {size:,} bytes; Lambda's have {MOST_BYTES:,} at most: give fewer records"
        )
    return batch


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one batch: a response, or an error, and the mapping's ``verdict`` on it."""

    mapping: EventSourceMapping
    batch: Batch
    seconds: float
    response: object
    error: ConsumerFailed | None
    verdict: Verdict

    @classmethod
    def of(cls, consumer: Consumer, mapping: EventSourceMapping, batch: Batch) -> Outcome:
        """Hand the batch over."""
        begin = time.perf_counter()
        response: object = None
        error = None
        try:
            response = consumer.consume(batch)
        except ConsumerFailed as failed:
            error = failed
        seconds = time.perf_counter() - begin
        if error is None:
            verdict = judge(batch, response, reports=mapping.delivering.reports_item_failures)
        else:
            verdict = Verdict(0, Fault(error.type, str(error), error.trace))
        return cls(mapping, batch, seconds, response, error, verdict)

    @property
    def is_done(self) -> bool:
        """Whether none of it would come again."""
        return self.verdict.fault is None

    def told(self) -> dict[str, Any]:
        """For programs; ``retried`` are the sequence numbers of what would come again."""
        batch, error, fault = self.batch, self.error, self.verdict.fault
        said: dict[str, Any] = {"response": self.response}
        if error is not None:
            said = {"error": {"errorType": error.type, "errorMessage": str(error), "stackTrace": error.trace}}
        return {
            "shard": batch.shard,
            "records": len(batch.records),
            "seconds": round(self.seconds, 6),
            **said,
            "done": self.verdict.done,
            "retried": [record.sequence.text for record in batch.records[self.verdict.done :]]
            if fault
            else [],
            "why": None if fault is None else f"{fault.type}: {fault.message}",
        }

    def story(self) -> Iterator[str]:
        """For people, line by line."""
        records = self.batch.records
        yield f"{counted(len(records))} of {self.batch.shard}, {self.seconds * 1000:,.1f} ms"
        if self.error is None:
            yield f"response: {json.dumps(self.response, indent=2, ensure_ascii=False)}"
        else:
            yield f"error: {self.error.type}: {one_line(str(self.error))}"
            yield from (line.rstrip() for entry in self.error.trace for line in entry.splitlines())
        yield from self._judged()

    def _judged(self) -> Iterator[str]:
        verdict, records = self.verdict, self.batch.records
        fault = verdict.fault
        if fault is None:
            yield f"the mapping: nothing would come again of {counted(len(records))}"
            if self._is_ignored():
                yield (
                    f"  {FAILURES} is not looked at: the mapping's function_response_types does not hold "
                    "ReportBatchItemFailures"
                )
            return
        again = records[verdict.done :]
        since = f", from sequence number {again[0].sequence.text} on" if again else ""
        yield f"the mapping: of {counted(len(records))}, {len(again):,} would come again{since}"
        if self.error is None:
            yield f"  {one_line(fault.message)}"
        facts = dict(mapping_facts(self.mapping))
        yield from (f"  {label}: {facts[label]}" for label in ("retries", "poison", "failures"))

    def _is_ignored(self) -> bool:
        if self.mapping.delivering.reports_item_failures or not isinstance(self.response, dict):
            return False
        return bool(self.response.get(FAILURES))
