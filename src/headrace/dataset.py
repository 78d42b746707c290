"""A dataset: one table, one key, one engine. The unit of configuration, replication, metrics and SQL."""

from __future__ import annotations

from collections import abc
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from headrace.mapping import Mapping


class Engine(StrEnum):
    """Which engine holds the local copy."""

    DUCKDB = "duckdb"
    SQLITE = "sqlite"
    POSTGRES = "postgres"
    CAYENNE = "cayenne"


class Mode(StrEnum):
    """Whether the copy outlives the process."""

    MEMORY = "memory"
    FILE = "file"


class Compression(StrEnum):
    """How a column file is packed: BTRBLOCKS by light encodings, ZSTD with compressed blocks."""

    BTRBLOCKS = "btrblocks"
    ZSTD = "zstd"


class RefreshMode(StrEnum):
    """How the copy is kept current."""

    FULL = "full"
    APPEND = "append"
    CHANGES = "changes"


class GapBehavior(StrEnum):
    """What to do when the stream has forgotten changes that were not read.

    ERROR stops and says so. READY_BEFORE_LOAD serves the old copy while a new one is built beside it,
    READY_AFTER_LOAD (``restart`` in newer Spicepods) serves nothing until the new one is complete.
    """

    ERROR = "error"
    READY_BEFORE_LOAD = "ready_before_load"
    READY_AFTER_LOAD = "ready_after_load"


class Secret:
    """A text that never shows itself: ``repr`` and ``str`` hide it, ``reveal`` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """How to reach a table. None leaves the choice to the AWS configuration and its credential chain."""

    region: str | None = None
    endpoint_url: str | None = None
    access_key_id: Secret | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """An index of the copy over columns in this order."""

    columns: tuple[str, ...]
    unique: bool = False


KeyClaims = abc.Mapping[str, tuple[str, ...]]
"""What a Spicepod takes for the table's key, by where it says so: references to columns, in any order."""


@dataclass(frozen=True, slots=True)
class PostgresAccess:
    """How to reach a PostgreSQL server. None leaves the choice to libpq: its environment, then its defaults.

    ``connection_string`` is libpq's, a URI or keywords; what stands beside it here wins. ``sslrootcert`` is a file,
    absolute, or the path ``system``: the certificates of the system, as libpq calls them. ``schema`` is the one
    in which the tables are, None the first of the user's search path.
    """

    host: str | None = None
    port: int | None = None
    database: str | None = None
    user: Secret | None = None
    password: Secret | None = None
    sslmode: str | None = None
    sslrootcert: Path | None = None
    connection_string: Secret | None = None
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class CayenneFiles:
    """Where engine Cayenne keeps a dataset. Both folders are absolute, and no other dataset's.

    ``folder`` holds the files of rows, ``metadata`` the metastore; most often they are one. ``compression`` is that of
    files to come: those that are there stay as they are until they are merged.
    """

    folder: Path
    metadata: Path
    compression: Compression = Compression.BTRBLOCKS


@dataclass(frozen=True, slots=True)
class Acceleration:
    """The local copy.

    ``path`` is the engine's file, absolute; None in memory, and where the engine keeps no single file: the copy of a
    server and that in ``cayenne``'s folders outlive the process, so their mode is FILE. ``on_conflict`` and ``primary_key`` are what the Spicepod takes for the table's key,
    None where it says nothing. ``indexes`` name columns as ``column_reference`` does. ``memory_limit`` is what the
    engine may use (bytes), None its default. ``busy_timeout`` is how long SQLite waits for a lock (seconds). ``postgres``
    and ``cayenne`` are each there for that engine alone.
    """

    engine: Engine = Engine.DUCKDB
    mode: Mode = Mode.MEMORY
    refresh_mode: RefreshMode = RefreshMode.FULL
    path: Path | None = None
    on_conflict: tuple[str, ...] | None = None
    primary_key: tuple[str, ...] | None = None
    memory_limit: int | None = None
    indexes: tuple[Index, ...] = ()
    busy_timeout: float = 5.0
    postgres: PostgresAccess | None = None
    cayenne: CayenneFiles | None = None

    @property
    def key_claims(self) -> KeyClaims:
        """What the Spicepod takes for the table's key."""
        claims = {"on_conflict": self.on_conflict, "primary_key": self.primary_key}
        return {where: names for where, names in claims.items() if names is not None}


@dataclass(frozen=True, slots=True)
class Replication:
    """How a stream is followed. Times are seconds, sizes bytes.

    ``scan_segments`` None chooses by the table's item count and size. ``scan_interval`` is the least
    time between two polls of a shard; an idle shard is polled less often, within what ``ready_lag``
    allows. ``buffer_bytes`` bounds the pages that are fetched but not yet applied, ``history_bytes`` what is
    remembered of applied changes to explain keys. What makes no progress for ``liveness`` seconds (a shard,
    the discovery, a transaction) is not live.
    """

    scan_segments: int | None = None
    scan_interval: float = 0.0
    ready_lag: float = 2.0
    gap_behavior: GapBehavior = GapBehavior.ERROR
    consistent_read: bool = True
    buffer_bytes: int = 32 * 2**20
    liveness: float = 30.0
    history_bytes: int = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Dataset:
    """One table under one name.

    ``acceleration`` is None where SQL is to be answered from DynamoDB itself. ``mapping`` says how items become
    columns. ``metrics`` names the metrics to publish, None all. ``unbuilt`` are sentences, one for each part of the configuration that
    this version does not carry out; ``blocked`` says whether one of them keeps the dataset from working.
    """

    name: str
    table: str
    access: AwsAccess = field(default_factory=AwsAccess)
    acceleration: Acceleration | None = None
    replication: Replication = field(default_factory=Replication)
    mapping: Mapping = field(default_factory=Mapping)
    metrics: frozenset[str] | None = None
    unbuilt: tuple[str, ...] = ()
    blocked: bool = False
