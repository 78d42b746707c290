"""The parameters of an acceleration: what stands under ``acceleration.params``."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.config.kind import (
    UNLIMITED,
    certificate,
    choice,
    connection_string,
    count,
    duration,
    file_path,
    flag,
    hidden,
    integer,
    size,
    text,
    threshold,
)
from headrace.config.naming import schema_name
from headrace.config.parameter import Parameter, Unbuilt
from headrace.config.quantity import SECOND
from headrace.dataset import Compression, Engine, SnapshotMode

_NO_POOL = Unbuilt("no effect; connections are made as they are needed")
_DUCKDB_DECIDES = Unbuilt("not built yet; DuckDB's own default holds")
_NO_FILE_CACHE = Unbuilt("no effect; Headrace keeps no cache of files")
_MERGES_ITSELF = Unbuilt("not built yet; Headrace chooses which files are merged, and when")

DUCKDB_FILE = Parameter(
    "duckdb_file",
    file_path(),
    "The DuckDB file of `mode: file`. Without it, `.headrace/data/NAME.duckdb`.",
)
DUCKDB_MEMORY_LIMIT = Parameter(
    "duckdb_memory_limit",
    size(64 * 2**20),
    "The most memory that DuckDB uses for its buffers, all datasets together: the largest that any names. "
    "Without it, half of the memory there is.",
)
SQLITE_FILE = Parameter(
    "sqlite_file",
    file_path(),
    "The SQLite file of `mode: file`. Without it, `.headrace/data/NAME.sqlite`.",
)
BUSY_TIMEOUT = Parameter(
    "busy_timeout",
    duration(most=3600 * SECOND),
    "How long SQLite waits for a lock that another process holds.",
    default="5s",
    aliases=("sqlite_busy_timeout",),
)
PG_HOST = Parameter(
    "pg_host",
    text("a host name, an address, or the folder of a socket"),
    "The server. Without it, what `PGHOST` says, else this machine's socket.",
)
PG_PORT = Parameter(
    "pg_port",
    integer(1, 65535),
    "The server's port. Without it, what `PGPORT` says, else 5432.",
)
PG_DB = Parameter(
    "pg_db",
    text("a database's name"),
    "The database. Without it, what `PGDATABASE` says, else that of the user's name.",
)
PG_USER = Parameter(
    "pg_user",
    hidden(),
    "The user. Without it, what `PGUSER` says, else the one who runs Headrace.",
)
PG_PASS = Parameter(
    "pg_pass",
    hidden(),
    "The password. Without it, what `PGPASSWORD` or the password file says.",
)
PG_SSLMODE = Parameter(
    "pg_sslmode",
    choice("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "How the connection is encrypted, as libpq has it: from `verify-ca` up, the server must prove who it is. Without it, "
    "what `PGSSLMODE` says, else `prefer`.",
)
PG_SSLROOTCERT = Parameter(
    "pg_sslrootcert",
    certificate(),
    "The certificates of the authorities that are trusted; `system` takes the system's.",
)
PG_CONNECTION_STRING = Parameter(
    "pg_connection_string",
    connection_string(),
    "What libpq takes for a connection, as a URI or as keywords. What the other keys here say wins over it.",
)
PG_SCHEMA = Parameter(
    "pg_schema",
    schema_name(),
    "The schema in which the tables are; it must exist. Without it, the first of the user's search path, most often "
    "`public`.",
)
CAYENNE_FILE_PATH = Parameter(
    "cayenne_file_path",
    file_path(),
    "The folder of the files of rows, for this dataset alone. Without it, `.headrace/data/NAME.cayenne`.",
)
CAYENNE_METADATA_DIR = Parameter(
    "cayenne_metadata_dir",
    file_path(),
    "The folder of the metastore, `metastore.sqlite`, for this dataset alone. Without it, the folder of the files.",
)
CAYENNE_COMPRESSION_STRATEGY = Parameter(
    "cayenne_compression_strategy",
    choice(*Compression),
    "How files are packed: `btrblocks` by light encodings, for the fastest scans; `zstd` smaller, for slower scans. "
    "Files that are there stay as they are until they are merged.",
    default=Compression.BTRBLOCKS.value,
)
SNAPSHOTS = Parameter(
    "snapshots",
    choice(*SnapshotMode),
    "Whether the copy is stored as snapshots, and restored from one where it is missing: both (`enabled`), or one of the "
    "two. Without it, `enabled` where one of the next two keys is given, else `disabled`. [More](snapshots.md).",
)
SNAPSHOTS_TRIGGER = Parameter(
    "snapshots_trigger",
    choice("refresh_complete", "time_interval", "stream_batches"),
    "What a snapshot is taken after: each refresh (the default of `full` and `append`, and not for `changes`), a time (the "
    "default of `changes`), or so many transactions with changes of the stream (only for `changes`).",
)
SNAPSHOTS_TRIGGER_THRESHOLD = Parameter(
    "snapshots_trigger_threshold",
    threshold(),
    "How many batches, or how much time, lie between snapshots. Without it, `10m`. A number alone means `stream_batches`.",
)
SNAPSHOTS_COMPACTION = Parameter(
    "snapshots_compaction",
    choice("disabled", "enabled"),
    "Has no effect: a snapshot of `engine: duckdb` is always written compact, and the others' files are copied as they are.",
)
SNAPSHOTS_RESET_EXPIRY_ON_LOAD = Parameter(
    "snapshots_reset_expiry_on_load",
    choice("disabled", "enabled"),
    "Whether rows restored from a snapshot count as new.",
    unbuilt=Unbuilt("no effect; rows have no expiry", ("disabled",)),
)
SNAPSHOTS_CREATION_POLICY = Parameter(
    "snapshots_creation_policy",
    choice("on_change", "always"),
    "Whether a snapshot is due although nothing has changed since the last. With `on_change`, an unchanged copy is stored "
    "again after six hours, before the stream forgets what follows the last one.",
    default="on_change",
)

SNAPSHOT_PARAMETERS: tuple[Parameter[object], ...] = (
    SNAPSHOTS,
    SNAPSHOTS_TRIGGER,
    SNAPSHOTS_TRIGGER_THRESHOLD,
    SNAPSHOTS_COMPACTION,
    SNAPSHOTS_RESET_EXPIRY_ON_LOAD,
    SNAPSHOTS_CREATION_POLICY,
)
"""These may stand under ``acceleration`` too."""

_OF_DUCKDB: tuple[Parameter[object], ...] = (
    DUCKDB_FILE,
    Parameter(
        "duckdb_data_dir",
        file_path(),
        "The folder of DuckDB files.",
        unbuilt=Unbuilt("not built yet; duckdb_file names the file, or it lies in .headrace/data"),
    ),
    DUCKDB_MEMORY_LIMIT,
    Parameter(
        "duckdb_preserve_insertion_order",
        flag(),
        "Whether rows come back in the order of insertion.",
        unbuilt=_DUCKDB_DECIDES,
    ),
    Parameter(
        "duckdb_index_scan_percentage",
        text("a number from 0 to 1", r"0|1|0?\.[0-9]+|[01]\.0+"),
        "The share of rows up to which DuckDB uses an index.",
        unbuilt=_DUCKDB_DECIDES,
    ),
    Parameter(
        "duckdb_index_scan_max_count",
        integer(0),
        "The number of rows up to which DuckDB uses an index.",
        unbuilt=_DUCKDB_DECIDES,
    ),
)
_OF_SQLITE: tuple[Parameter[object], ...] = (SQLITE_FILE, BUSY_TIMEOUT)
_OF_POSTGRES: tuple[Parameter[object], ...] = (
    PG_HOST,
    PG_PORT,
    PG_DB,
    PG_USER,
    PG_PASS,
    PG_SSLMODE,
    PG_SSLROOTCERT,
    PG_CONNECTION_STRING,
    PG_SCHEMA,
    Parameter(
        "pg_connection_pool_min",
        integer(0),
        "How many connections are kept open at least.",
        unbuilt=_NO_POOL,
    ),
)
_OF_CAYENNE: tuple[Parameter[object], ...] = (
    CAYENNE_FILE_PATH,
    CAYENNE_METADATA_DIR,
    CAYENNE_COMPRESSION_STRATEGY,
    Parameter(
        "cayenne_target_file_size_mb",
        count(1, UNLIMITED),
        "How large files become, in MB.",
        unbuilt=Unbuilt("not built yet; Headrace chooses how large files become", ("auto",)),
    ),
    Parameter(
        "sort_columns",
        text("columns to sort by"),
        "The columns by which the rows of a file are sorted.",
        aliases=("cayenne_sort_columns",),
        unbuilt=Unbuilt("not built yet; the rows of a file are sorted by the table's key"),
    ),
    Parameter(
        "cayenne_metastore",
        choice("sqlite", "turso"),
        "What holds the metastore.",
        unbuilt=Unbuilt("only sqlite is built; it holds the metastore", ("sqlite",)),
    ),
    Parameter(
        "cayenne_deletion_mode",
        choice("auto", "key", "position"),
        "Whether deleted rows are known by their keys or by their positions.",
        unbuilt=Unbuilt(
            "only position is built; deleted rows are known by their positions", ("auto", "position")
        ),
    ),
    Parameter(
        "cayenne_cdc_durability",
        choice("memory", "file"),
        "Whether a commit may be in memory alone.",
        unbuilt=Unbuilt("only file is built; a commit is on disk before the next begins", ("file",)),
    ),
    Parameter(
        "cayenne_compaction_trigger_files",
        integer(1),
        "How many small files are merged.",
        unbuilt=_MERGES_ITSELF,
    ),
    Parameter(
        "cayenne_compaction_background_interval_ms",
        integer(0),
        "How often files to be merged are looked for, in milliseconds.",
        unbuilt=_MERGES_ITSELF,
    ),
    Parameter(
        "cayenne_footer_cache_mb",
        integer(0),
        "How much memory holds the ends of files, in MB.",
        unbuilt=_NO_FILE_CACHE,
    ),
    Parameter(
        "cayenne_segment_cache_mb",
        integer(0),
        "How much memory holds parts of files, in MB.",
        unbuilt=_NO_FILE_CACHE,
    ),
    Parameter(
        "cayenne_unsupported_type_action",
        choice("error", "warn", "ignore", "string"),
        "What to do with a type that has no column type.",
        unbuilt=Unbuilt("no effect; every type of DynamoDB has a column type"),
    ),
)

ENGINES: Mapping[Engine, tuple[Parameter[object], ...]] = {
    Engine.DUCKDB: _OF_DUCKDB,
    Engine.SQLITE: _OF_SQLITE,
    Engine.POSTGRES: _OF_POSTGRES,
    Engine.CAYENNE: _OF_CAYENNE,
}
"""The parameters that belong to one engine."""

EVERY_ENGINE: tuple[Parameter[object], ...] = (
    Parameter(
        "connection_pool_size",
        integer(1),
        "How many connections to the engine are kept.",
        unbuilt=_NO_POOL,
    ),
    Parameter(
        "on_refresh_sort_columns",
        text("columns to sort by"),
        "Columns by which rows are sorted on a refresh.",
        unbuilt=Unbuilt("sorting is not built yet; rows keep the order in which they arrive"),
    ),
    *SNAPSHOT_PARAMETERS,
)
"""The parameters that every engine takes."""

ACCELERATION: tuple[Parameter[object], ...] = (
    *(parameter for table in ENGINES.values() for parameter in table),
    *EVERY_ENGINE,
)
"""Every parameter of an acceleration, in the order of documentation."""

FILES: Mapping[Engine, Parameter[str]] = {Engine.DUCKDB: DUCKDB_FILE, Engine.SQLITE: SQLITE_FILE}
"""Which parameter names the file of an engine that keeps its copy in one."""
