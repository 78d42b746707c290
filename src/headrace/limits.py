"""What statements may use, and how much of their answers is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What statements may use.

    ``timeout`` is the seconds that the engine may work on one, ``places`` how many run at once. ``memory`` is the
    bytes that DuckDB may use in all, None for half of what there is; what does not fit is written to ``spill``, None
    for a folder beside the first copy.
    """

    timeout: float = 60.0
    places: int = 8
    memory: int | None = None
    spill: Path | None = None


@dataclass(frozen=True, slots=True)
class Caching:
    """Which answers are kept: ``bytes_`` of them in all, each until a table that it read changes.

    With ``ttl`` (seconds) none is kept longer than that, and those that DynamoDB itself gave are kept too.
    """

    bytes_: int = 128 * 2**20
    ttl: float | None = None
