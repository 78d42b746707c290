"""What is stored of a copy beside its rows."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.accelerator import StoredCopy
from headrace.accelerators.stored_schema import decode_schema
from headrace.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class CopyRow:
    """The row of ``headrace_checkpoint`` of one copy; ``checkpoint`` and ``schema`` are JSON texts.

    ``noted`` says that there is a table of notes; ``letters`` is the number of the copy's dead letters, ``waiting``
    of those that are not superseded.
    """

    checkpoint: str
    schema: str
    noted: bool
    letters: int
    waiting: int

    def decoded(self) -> StoredCopy:
        """As replication knows it. Raises AcceleratorError where it cannot be read."""
        return StoredCopy(
            Checkpoint.decode(self.checkpoint), decode_schema(self.schema), self.letters, self.waiting
        )
