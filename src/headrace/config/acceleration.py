"""The parameters of an acceleration: what stands under ``acceleration.params``."""

from __future__ import annotations

from headrace.config.kind import choice, file_path, flag, hidden, integer, size, text, threshold
from headrace.config.parameter import Parameter, Unbuilt

_NO_SNAPSHOTS = Unbuilt("snapshots are not built yet; none is written or restored")
_NO_POSTGRES = Unbuilt("engine postgres is not built yet")
_DUCKDB_DECIDES = Unbuilt("not built yet; DuckDB's own default holds")

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
SNAPSHOTS = Parameter(
    "snapshots",
    choice("disabled", "enabled", "bootstrap_only", "create_only"),
    "Whether snapshots are written and restored.",
    default="disabled",
    unbuilt=Unbuilt(_NO_SNAPSHOTS.instead, ("disabled",)),
)
SNAPSHOTS_TRIGGER = Parameter(
    "snapshots_trigger",
    choice("refresh_complete", "time_interval", "stream_batches"),
    "What a snapshot is taken after: a refresh, a time, or batches of changes.",
    unbuilt=_NO_SNAPSHOTS,
)
SNAPSHOTS_TRIGGER_THRESHOLD = Parameter(
    "snapshots_trigger_threshold",
    threshold(),
    "How many batches, or how much time, lie between snapshots.",
    unbuilt=_NO_SNAPSHOTS,
)
SNAPSHOTS_COMPACTION = Parameter(
    "snapshots_compaction",
    choice("disabled", "enabled"),
    "Whether a snapshot is compacted before it is stored.",
    default="disabled",
    unbuilt=Unbuilt(_NO_SNAPSHOTS.instead, ("disabled",)),
)
SNAPSHOTS_RESET_EXPIRY_ON_LOAD = Parameter(
    "snapshots_reset_expiry_on_load",
    choice("disabled", "enabled"),
    "Whether rows restored from a snapshot count as new.",
    default="disabled",
    unbuilt=Unbuilt(_NO_SNAPSHOTS.instead, ("disabled",)),
)
SNAPSHOTS_CREATION_POLICY = Parameter(
    "snapshots_creation_policy",
    choice("on_change", "always"),
    "Whether a snapshot is written although nothing has changed.",
    unbuilt=_NO_SNAPSHOTS,
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

ACCELERATION: tuple[Parameter[object], ...] = (
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
    Parameter(
        "connection_pool_size",
        integer(1),
        "How many connections to the engine are kept.",
        unbuilt=Unbuilt("no effect; every thread has a cursor of its own"),
    ),
    Parameter(
        "on_refresh_sort_columns",
        text("columns to sort by"),
        "Columns by which rows are sorted on a refresh.",
        unbuilt=Unbuilt("sorting is not built yet; rows keep the order in which they arrive"),
    ),
    Parameter(
        "sqlite_file",
        file_path(),
        "The SQLite file of `mode: file`.",
        unbuilt=Unbuilt("engine sqlite is not built yet"),
    ),
    Parameter(
        "busy_timeout",
        text("a duration"),
        "How long SQLite waits for a lock.",
        unbuilt=Unbuilt("engine sqlite is not built yet"),
    ),
    Parameter(
        "cayenne_file_path",
        file_path(),
        "The folder of Cayenne's files.",
        unbuilt=Unbuilt("engine cayenne is not built yet"),
    ),
    Parameter(
        "cayenne_metadata_dir",
        file_path(),
        "The folder of Cayenne's metastore.",
        unbuilt=Unbuilt("engine cayenne is not built yet"),
    ),
    Parameter("pg_host", text("a host name"), "PostgreSQL's host.", unbuilt=_NO_POSTGRES),
    Parameter("pg_port", integer(1, 65535), "PostgreSQL's port.", unbuilt=_NO_POSTGRES),
    Parameter("pg_db", text("a database name"), "PostgreSQL's database.", unbuilt=_NO_POSTGRES),
    Parameter("pg_user", hidden(), "PostgreSQL's user.", unbuilt=_NO_POSTGRES),
    Parameter("pg_pass", hidden(), "PostgreSQL's password.", unbuilt=_NO_POSTGRES),
    Parameter(
        "pg_sslmode",
        choice("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
        "How PostgreSQL's connection is encrypted.",
        unbuilt=_NO_POSTGRES,
    ),
    Parameter("pg_sslrootcert", file_path(), "PostgreSQL's certificate authority.", unbuilt=_NO_POSTGRES),
    Parameter(
        "pg_connection_string",
        hidden(),
        "PostgreSQL's connection string, instead of the keys above.",
        unbuilt=_NO_POSTGRES,
    ),
    *SNAPSHOT_PARAMETERS,
)
"""Every parameter of an acceleration, in the order of documentation."""
