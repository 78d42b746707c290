"""A refresh that somebody asks for, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class RefreshAsked:
    """How one refresh is to be, as it was asked for; what is None is the dataset's own.

    ``sql`` is a refresh_sql, ``mode`` full or append, ``jitter`` a duration within which it begins.
    """

    sql: str | None = None
    mode: str | None = None
    jitter: str | None = None


class RefreshState(StrEnum):
    """How far a refresh has come that was asked for."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RefreshOutcome:
    """What became of it: ``rows`` that it brought and ``seconds`` that it took, or the ``reason`` why it is not done."""

    state: RefreshState
    rows: int | None = None
    seconds: float | None = None
    reason: str | None = None
