"""What the outside is told of a dataset, and of an event source mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SILENCE = 30.0
"""Seconds after which a dataset or a mapping of which nothing is heard is not live: each of them speaks every second."""


class State(StrEnum):
    """One word for the condition of a dataset or a mapping; ready, live and fresh are told apart beside it."""

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


@dataclass(frozen=True, slots=True)
class MappingStatus:
    """One event source mapping at one moment. Counts are since the process started, unless they are of what is kept.

    ``source`` is as in the Spicepod (``dynamodb:orders``); ``consumer`` too: ``handlers:on_change`` for a function,
    ``replicate:orders-replica`` for a target. ``live``: it was heard of lately, and every open shard makes progress.
    ``shards`` are ages in milliseconds by the shard's id, as AWS Lambda's IteratorAge: how old the oldest record is that was
    not delivered yet, 0 where there is none. ``iterator_age_ms`` is the largest of them, None while there is no shard.
    ``lag_ms``: up to how long ago all is delivered, None while nothing proves any.

    ``invocations`` are batches that were handed over, ``errors`` those of them that failed as a whole, ``retries`` those
    that were not the first of their records, ``bisected`` batches that were cut in two. ``delivered`` and ``filtered`` count
    records, ``given_up`` those that became failures. ``parked`` are items that wait and ``failures`` those that
    are kept, of earlier processes too. ``filling``: the target is being given all items of the table; ``filled`` are those
    that it has been given by the last fill, or by the one that runs. ``reason`` says why the mapping is not ready or not live.
    """

    name: str
    source: str
    consumer: str
    status: State
    live: bool
    iterator_age_ms: int | None = None
    shards: Mapping[str, int] = field(default_factory=dict)
    lag_ms: int | None = None
    invocations: int = 0
    errors: int = 0
    retries: int = 0
    bisected: int = 0
    delivered: int = 0
    filtered: int = 0
    given_up: int = 0
    parked: int = 0
    failures: int = 0
    filling: bool = False
    filled: int = 0
    reason: str | None = None
