"""Why a dataset is where it is: its stream shard by shard, and the life of one key.

Times are epoch seconds. Those of records and watermarks are the service's, all others this process's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import pyarrow as pa

from headrace.accelerator import StoredLetter
from headrace.checkpoint import Stage
from headrace.position import Position, SequenceNumber
from headrace.schema import Column, TableSchema


class ItemKey(Protocol):
    """One item's key, whatever form it takes."""

    @property
    def text(self) -> str:
        """As DynamoDB JSON."""
        ...

    def value_in(self, column: Column) -> object | None:
        """The key's value as its key column holds it; None where the column's type holds no such value."""
        ...


@dataclass(frozen=True, slots=True)
class ShardExplanation:
    """One shard.

    ``waits_for`` is the shard whose end it waits for. ``position`` is where reading goes on after a crash,
    None for a finished shard. ``records`` counts those that became durable since this process follows the
    shard; ``progressed_at`` is when the last page did, ``answered_at`` when the service last answered.
    ``watermark``: every change of the shard up to then is applied. ``read_ahead`` are pages that are read
    and not durable, ``held`` the late records among them. ``failures`` counts those in a row, ``error`` is
    the last of them, ``retry_at`` the time of the next try.
    """

    id: str
    parent_id: str | None
    stage: Stage
    reason: str
    waits_for: str | None = None
    position: Position | None = None
    records: int = 0
    progressed_at: float | None = None
    answered_at: float | None = None
    watermark: float | None = None
    read_ahead: int = 0
    held: int = 0
    failures: int = 0
    error: str | None = None
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class StreamExplanation:
    """One dataset's stream at the time ``now``, which is ``service_now`` on the service's clock.

    ``phase`` is opening, listing, creating, running, halted or idle; ``reason`` the status's. ``keys`` are pairs of
    attribute and type (S, N or B), empty until the table is described. ``rebuilding``: what is applied goes
    into a copy that is built beside the served one. ``buffered`` of ``buffer_limit`` bytes are read and not
    applied. ``refreshed_at`` is when the Scan began by which a copy is complete that follows no stream. ``shards`` come in the order in which they were first seen.
    """

    dataset: str
    now: float
    service_now: float
    buffer_limit: int
    phase: str = ""
    reason: str | None = None
    keys: tuple[tuple[str, str], ...] = ()
    stream_arn: str | None = None
    rebuilding: bool = False
    watermark: float | None = None
    buffered: int = 0
    refreshed_at: float | None = None
    shards: tuple[ShardExplanation, ...] = ()


class Kind(StrEnum):
    """What a change does to its key's row."""

    UPSERT = "upsert"
    DELETE = "delete"
    SCAN = "scan"


class Fate(StrEnum):
    """How far a change has come."""

    APPLIED = "applied"
    APPLYING = "being applied"
    BUFFERED = "read, not applied yet"
    REFUSED = "set aside as a dead letter"
    HELD = "held until its shard is at its tip"


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """One change of a key. An item of the Scan has no shard, number or creation time.

    ``created_at`` is the record's ApproximateCreationDateTime, floored by the service to the second.
    """

    kind: Kind
    fate: Fate
    shard_id: str | None = None
    sequence: SequenceNumber | None = None
    created_at: float | None = None
    applied_at: float | None = None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What the accelerator holds of one key.

    ``schema`` is that of the copy that queries see, None if there is none. ``row`` is the key's row in it
    (one, with every column), None if there is none. ``noted``: the stream touched the key while the Scan
    runs, so the Scan's item will not be taken. ``dead`` are the key's dead letters, newest first.
    """

    schema: TableSchema | None = None
    row: pa.RecordBatch | None = None
    noted: bool = False
    dead: tuple[StoredLetter, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """An attribute in which the row is not what the table's item says.

    ``row`` is its value in the row as plain text, ``item`` that of the item as DynamoDB JSON; None where
    there is none.
    """

    attribute: str
    row: str | None
    item: str | None


@dataclass(frozen=True, slots=True)
class TableItem:
    """The table's own item, read consistently at ``read_at``, beside the row.

    ``found``: there is an item. ``error`` says why the table could not be asked; nothing else holds then.
    """

    read_at: float
    found: bool = False
    differences: tuple[Difference, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class KeyExplanation:
    """The life of one key. ``key`` is DynamoDB JSON.

    ``events`` are the newest changes first, of those remembered: ``remembered`` changes that became durable
    since ``since``. ``whole``: nothing came into this copy by its stream before that.
    """

    stream: StreamExplanation
    key: str
    stored: StoredKey
    events: tuple[KeyEvent, ...]
    remembered: int
    since: float | None
    whole: bool
    table: TableItem | None
