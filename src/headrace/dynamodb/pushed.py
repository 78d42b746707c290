"""Records that were given, not read: decoded as pages of a stream are."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from headrace.change import RecordsPage
from headrace.dynamodb.decode import Decoder
from headrace.dynamodb.source import DynamoDBSource
from headrace.errors import ConfigError
from headrace.mapping import Mapping as ColumnMapping
from headrace.schema import TableSchema
from headrace.source import SourceTable
from headrace.stream_record import StreamRecord

SHARD: Final = "pushed"
"""Stands in dead letters for the shard, which nobody tells."""


class PushedRecords:
    """Makes rows of the records of ``table``, as ``mapping`` says; ``source`` describes the table. ``clock`` (epoch seconds) dates dead letters."""

    def __init__(
        self,
        table: str,
        mapping: ColumnMapping,
        source: Callable[[], DynamoDBSource],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        self._mapping = mapping
        self._source = source
        self._clock = clock
        self._decoder = Decoder(TableSchema(()), mapping)
        self._learned: TableSchema | None = None

    @property
    def reading(self) -> str:
        """The fingerprint of the settings by which items become columns."""
        return self._mapping.fingerprint

    def describe(self) -> SourceTable:
        """DescribeTable. Raises SourceError, and ConfigError where the columns are to be those of a sample."""
        if self._mapping.freeze:
            raise ConfigError(
                f"schema_evolution: freeze takes the columns of {self._table} from a Scan, which is not made here; have "
                "`headrace run` on the same Spicepod copy the table, until it is Ready, or leave schema_evolution out"
            )
        return self._source().describe()

    def page(self, records: Sequence[StreamRecord], schema: TableSchema) -> RecordsPage:
        """The records decoded, by at least ``schema``, which may be widened."""
        if schema != self._learned:
            if [column.attribute for column in schema.keys] != [
                column.attribute for column in self._decoder.schema.keys
            ]:
                # Another table's: nothing of what was learned of this one's items holds.
                self._decoder = Decoder(TableSchema(()), self._mapping)
            self._decoder.learn(schema)
            self._learned = schema
        body = b'{"Records":[' + b",".join(record.text for record in records) + b"]}"
        return self._decoder.records_page(body, shard=SHARD, at=self._clock())
