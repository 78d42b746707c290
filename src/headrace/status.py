"""What the outside is told of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SILENCE = 30.0
"""Seconds after which a dataset of which nothing is heard is not live: its replication speaks every second."""


class State(StrEnum):
    """One word for a dataset's condition; ready, live and fresh are told apart beside it."""

    LOADING = "Loading"
    READY = "Ready"
    REFRESHING = "Refreshing"
    ERROR = "Error"


@dataclass(frozen=True, slots=True)
class LastChange:
    """The last thing that happened to a dataset's columns, in words, and when (epoch seconds)."""

    text: str
    at: float


@dataclass(frozen=True, slots=True)
class LastSnapshot:
    """The newest snapshot that this process has written or restored, and why the next has failed.

    It has all changes up to ``current_to`` (epoch seconds). ``id`` None: there is none. ``failure`` None: the last try did not fail.
    """

    id: str | None = None
    current_to: float | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetStatus:
    """One dataset at one moment.

    ``source`` is as in the Spicepod (``dynamodb:orders``). ``ready``: the table may be queried.
    ``remote``: until there is a complete copy, DynamoDB itself answers. ``live``: every open shard made progress lately. ``fresh``: lag is under ``ready_lag``. ``lag_ms`` and
    ``rows`` are None while they are not known. ``reason`` says why it is not ready, live or fresh.
    ``dead_letters`` are those that wait: changes that its rows lack. ``columns`` is None until a copy is
    known; ``schema_changes`` counts what has happened to columns since the process started, those that its first
    Scan found included. ``waiting_indexes`` are references to columns of which some are not there yet, so that the
    index over them is not either. ``snapshot`` is None where nothing is known of any.
    """

    name: str
    source: str
    engine: str | None
    status: State
    ready: bool
    live: bool
    fresh: bool
    lag_ms: int | None
    rows: int | None
    reason: str | None
    dead_letters: int = 0
    columns: int | None = None
    schema_changes: int = 0
    last_schema_change: LastChange | None = None
    waiting_indexes: tuple[str, ...] = ()
    remote: bool = False
    snapshot: LastSnapshot | None = None
