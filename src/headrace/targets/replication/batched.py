"""Writes without conditions: the replica's items are exactly the source's.

An item has no version, so a batch that comes again shows it as it was before, until the later batches have come again too.
"""

from __future__ import annotations

from headrace.row_table import Row
from headrace.targets.batch_writes import BatchWrites
from headrace.targets.replication.write import Outcome, Verdict, Write, Writer


class BatchWriter(Writer):
    """Writes through ``batches``."""

    def __init__(self, batches: BatchWrites) -> None:
        self._batches = batches

    def write(self, writes: list[Write]) -> dict[str, Outcome]:
        """How each went."""
        errors = self._batches.write([Row(write.change.key, write.item) for write in writes])
        return {
            write.key: Verdict.WRITTEN if error is None else error
            for write, error in zip(writes, errors, strict=True)
        }
