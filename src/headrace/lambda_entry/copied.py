"""A dataset in PostgreSQL that is written by a function: each batch one transaction."""

from __future__ import annotations

import logging
from typing import Final

from headrace.accelerators.postgres.pushed import PushedCopy
from headrace.batch import Batch
from headrace.dataset import Dataset
from headrace.dynamodb import DynamoDBSource, place_of
from headrace.dynamodb.pushed import PushedRecords
from headrace.errors import ConfigError
from headrace.lambda_entry.pace import MARGIN
from headrace.ledger import Fault
from headrace.stream_record import StreamRecord
from headrace.target import NEW_IMAGES
from headrace.wire import Transport

LEAST: Final = 1.0
"""Seconds that a statement is given in any case."""

_LOG: Final = logging.getLogger("headrace")


class CopyPart:
    """The copy of ``dataset``; ``transport`` reaches its table."""

    views = NEW_IMAGES

    def __init__(self, dataset: Dataset, transport: Transport) -> None:
        acceleration = dataset.acceleration
        if acceleration is None or acceleration.postgres is None:
            raise ConfigError(f"dataset {dataset.name} is not in PostgreSQL")
        self.name = f"dataset {dataset.name}"
        self._dataset = dataset
        self._transport = transport
        self._copy = PushedCopy(dataset.name, acceleration.postgres, acceleration.indexes)
        self._records = PushedRecords(dataset.table, dataset.mapping, self._source)

    def hand_over(self, batch: Batch, seconds: float) -> tuple[StreamRecord, Fault] | None:
        """All of the batch, or nothing: a record that cannot be stored is kept as a dead letter. Raises AcceleratorError, SourceError."""
        rest = max(LEAST, seconds - MARGIN)
        outcome = self._copy.apply(batch, self._records, patience=rest / 2, rest=rest)
        if outcome.created:
            _LOG.warning(
                "%s: there was no copy, so one was begun, with the changes that come from now on alone; what the table holds already "
                "is not in it",
                self.name,
            )
        applied = outcome.applied
        if applied is not None and applied.letters.added:
            _LOG.warning(
                "%s: %d records could not be stored; they are in headrace_dead_letter, each with the reason",
                self.name,
                applied.letters.added,
            )
        _LOG.info(
            "%s: %d rows stored, %d deleted, %d records left out because the copy has newer ones",
            self.name,
            0 if applied is None else applied.upserted,
            0 if applied is None else applied.deleted,
            outcome.stale,
        )
        return None

    def close(self) -> None:
        """End the session."""
        self._copy.close()

    def _source(self) -> DynamoDBSource:
        place = place_of(self._dataset.access)
        return DynamoDBSource(
            self._transport,
            self._dataset.table,
            region=place.region,
            endpoint_url=place.endpoint_url,
            mapping=self._dataset.mapping,
        )
