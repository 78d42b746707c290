"""What statements may use, and how much of their answers is kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
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


class Origin(StrEnum):
    """Where an answer comes from, as HTTP tells it: kept, made and to be kept, or neither asked for nor kept."""

    HIT = "Hit"
    MISS = "Miss"
    BYPASS = "Bypass"


class Freshness(StrEnum):
    """What a client takes: an answer that was kept too, a new one, or a new one that is not kept."""

    KEPT = "kept"
    NEW = "new"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Tally:
    """What has been asked of the kept answers, and what they hold now."""

    hits: int = 0
    misses: int = 0
    bypasses: int = 0
    entries: int = 0
    size_bytes: int = 0
