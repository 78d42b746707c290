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


class TimeFormat(StrEnum):
    """How the column of time tells a moment. AUTO follows the column's type: times as they are, numbers as seconds."""

    AUTO = "auto"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    ISO_8601 = "iso8601"
    UNIX_SECONDS = "unix_seconds"
    UNIX_MILLIS = "unix_millis"
    DATE = "date"


class OnStartup(StrEnum):
    """AUTO: a start goes on with the copy that there is. ALWAYS: it refreshes it first."""

    AUTO = "auto"
    ALWAYS = "always"


class ReadyState(StrEnum):
    """ON_LOAD: queries wait for the copy. ON_REGISTRATION: until there is one, DynamoDB answers them."""

    ON_LOAD = "on_load"
    ON_REGISTRATION = "on_registration"


class SnapshotMode(StrEnum):
    """Whether snapshots are restored where there is no copy, written, both, or neither."""

    ENABLED = "enabled"
    BOOTSTRAP_ONLY = "bootstrap_only"
    CREATE_ONLY = "create_only"
    DISABLED = "disabled"

    @property
    def restores(self) -> bool:
        """Whether a dataset without a copy begins with one."""
        return self in (SnapshotMode.ENABLED, SnapshotMode.BOOTSTRAP_ONLY)

    @property
    def writes(self) -> bool:
        """Whether the copy is stored now and then."""
        return self in (SnapshotMode.ENABLED, SnapshotMode.CREATE_ONLY)


class RestoreFailure(StrEnum):
    """What to do while the place of snapshots does not answer, or no snapshot will do.

    WARN says so and copies the table. FALLBACK tries the older snapshots first. RETRY asks again until one is restored,
    unless there is none at all.
    """

    WARN = "warn"
    FALLBACK = "fallback"
    RETRY = "retry"


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

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What must never be shown."""
        given = (self.access_key_id, self.secret_access_key, self.session_token)
        return tuple(secret for secret in given if secret is not None)


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
class TimeColumn:
    """The column by which rows are new or old; ``name`` is as in ``column_reference``."""

    name: str
    format: TimeFormat = TimeFormat.AUTO


@dataclass(frozen=True, slots=True)
class Retention:
    """Which rows go, and how often they are looked for (seconds).

    Those whose time is more than ``period`` (seconds) ago, and those that ``sql`` (``DELETE FROM dataset WHERE ...``)
    names; at least one of the two is given.
    """

    interval: float
    period: float | None = None
    sql: str | None = None


@dataclass(frozen=True, slots=True)
class Refresh:
    """When and how the copy of a dataset that follows no stream is made anew. Times are seconds.

    ``interval`` and ``cron`` (at most one) say when, beside whoever asks for it. ``sql`` and ``window`` say of which
    rows and columns; ``overlap`` is how far an append looks back behind the newest row. ``max_attempts`` None: a
    refresh that fails is tried until it is done. ``jitter`` is how far from its time a refresh may begin.
    """

    interval: float | None = None
    cron: str | None = None
    sql: str | None = None
    window: float | None = None
    overlap: float = 0.0
    on_startup: OnStartup = OnStartup.AUTO
    retry: bool = True
    max_attempts: int | None = None
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class SnapshotPlace:
    """Where snapshots are kept: a folder, absolute, or a bucket with what stands before each name in it.

    The keys and the endpoint are those of the bucket; None leaves them to the AWS configuration.
    """

    folder: Path | None = None
    bucket: str | None = None
    prefix: str = ""
    access: AwsAccess = field(default_factory=AwsAccess)


@dataclass(frozen=True, slots=True)
class Snapshots:
    """How a dataset's copy is stored elsewhere, and restored where it is missing.

    One is written when ``batches`` transactions with changes have been applied since the last, or ``interval`` seconds
    have passed (one of the two; both None: after each refresh). ``always``: although nothing has changed.
    ``keep`` are how many stay.
    """

    place: SnapshotPlace
    mode: SnapshotMode = SnapshotMode.ENABLED
    batches: int | None = None
    interval: float | None = 600.0
    always: bool = False
    on_failure: RestoreFailure = RestoreFailure.WARN
    keep: int = 3


@dataclass(frozen=True, slots=True)
class Acceleration:
    """The local copy.

    ``path`` is the engine's file, absolute; None in memory, and where the engine keeps no single file: the copy of a
    server and that in ``cayenne``'s folders outlive the process, so their mode is FILE. ``on_conflict`` and ``primary_key`` are what the Spicepod takes for the table's key,
    None where it says nothing. ``indexes`` name columns as ``column_reference`` does. ``memory_limit`` is what the
    engine may use (bytes), None its default. ``busy_timeout`` is how long SQLite waits for a lock (seconds). ``postgres``
    and ``cayenne`` are each there for that engine alone. ``refresh`` and ``retention`` are not for CHANGES. ``snapshots`` None: none are
    written or restored.
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
    refresh: Refresh = field(default_factory=Refresh)
    retention: Retention | None = None
    snapshots: Snapshots | None = None

    @property
    def key_claims(self) -> KeyClaims:
        """What the Spicepod takes for the table's key."""
        claims = {"on_conflict": self.on_conflict, "primary_key": self.primary_key}
        return {where: names for where, names in claims.items() if names is not None}

    @property
    def sql(self) -> abc.Mapping[str, str]:
        """The SQL in the Spicepod, by the key under which it stands there."""
        retention = None if self.retention is None else self.retention.sql
        given = {"refresh_sql": self.refresh.sql, "retention_sql": retention}
        return {key: sql for key, sql in given.items() if sql is not None}


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
class Reads:
    """How DynamoDB is read.

    ``consistent_queries``: statements that it answers itself read consistently, at twice the read units.
    ``units_per_second`` are the read units that Scans and statements together may consume; None is no bound.
    """

    consistent_queries: bool = False
    units_per_second: int | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """One table under one name.

    ``acceleration`` is None where SQL is to be answered from DynamoDB itself. ``mapping`` says how items become
    columns. ``metrics`` names the metrics to publish, None all. ``time_column`` is by which rows are new or old. ``fed_by`` is the event
    source mapping whose target writes the rows: then there is no table. ``unbuilt`` are sentences, one for each part of the configuration that
    this version does not carry out.
    """

    name: str
    table: str
    access: AwsAccess = field(default_factory=AwsAccess)
    acceleration: Acceleration | None = None
    replication: Replication = field(default_factory=Replication)
    reads: Reads = field(default_factory=Reads)
    mapping: Mapping = field(default_factory=Mapping)
    metrics: frozenset[str] | None = None
    time_column: TimeColumn | None = None
    ready_state: ReadyState = ReadyState.ON_LOAD
    fed_by: str | None = None
    unbuilt: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Where its rows are from, in the words of the Spicepod."""
        return f"dynamodb:{self.table}" if self.fed_by is None else f"target:{self.fed_by}"

    @property
    def follows(self) -> bool:
        """Whether there is a copy that follows the table's stream."""
        return self.acceleration is not None and self.acceleration.refresh_mode is RefreshMode.CHANGES
