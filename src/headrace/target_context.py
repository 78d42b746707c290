"""What a target is given of its surroundings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.dataset import AwsAccess
from headrace.mapping_facts import MappingObserver
from headrace.read_budget import ReadBudget
from headrace.row_table import RowKey, RowTable
from headrace.wire import Transport


@dataclass(frozen=True, slots=True)
class TargetContext:
    """Of a mapping's target: the mapping's name, the table whose records come, and who tells what happens.

    ``source`` asks the table itself, ``reach`` gives a transport to any other; ``connect`` makes a client of botocore for a service
    of AWS, ``sign`` what signs requests to one: of a method, a whole address and a body it gives the headers. ``ledger`` is the file beside which a target keeps its own, None where
    nothing outlives the process. ``dataset`` opens the dataset that is read from this mapping, with rows of that key; None where there is
    none. ``clock`` gives epoch seconds. ``budget`` is what reading the table may consume, None for no bound.
    """

    mapping: str
    table: str
    access: AwsAccess
    source: Transport
    reach: Callable[[AwsAccess, str], Transport]
    connect: Callable[[str, AwsAccess], Any]
    observe: MappingObserver
    ledger: Path | None = None
    dataset: Callable[[RowKey], RowTable] | None = None
    clock: Callable[[], float] = time.time
    sign: Callable[[str, AwsAccess], Callable[[str, str, bytes | None], dict[str, str]]] | None = None
    budget: ReadBudget | None = None

    def file(self, kind: str) -> Path | None:
        """The file in which the target keeps what ``kind`` says; None: in memory."""
        return None if self.ledger is None else self.ledger.with_name(f"{self.mapping}.{kind}.sqlite")
