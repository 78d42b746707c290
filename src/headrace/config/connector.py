"""The parameters of a dataset: what stands under its ``params``.

Names and defaults are those of Spice's DynamoDB connector, the older names and the newer ones
(``replication_...``), and Headrace's own.
"""

from __future__ import annotations

from headrace.config.kind import choice, count, duration, flag, hidden, integer, layout, size, text, url
from headrace.config.parameter import Parameter, Unbuilt
from headrace.config.quantity import SECOND
from headrace.mapping import ListType, NumberType

MOST_SEGMENTS = 1_000_000
"""The largest TotalSegments of Scan (Amazon DynamoDB API Reference, Scan)."""

AWS_REGION = Parameter(
    "aws_region",
    text("an AWS region such as us-east-1", r"[a-z]+(-[a-z0-9]+)*[0-9]*"),
    "The AWS region of the table. Without it, the region of the AWS configuration.",
)
AWS_ACCESS_KEY_ID = Parameter(
    "aws_access_key_id",
    hidden(),
    "The AWS access key id. Without it, the AWS credential chain is used.",
)
AWS_SECRET_ACCESS_KEY = Parameter(
    "aws_secret_access_key", hidden(), "The AWS secret access key that goes with `aws_access_key_id`."
)
AWS_SESSION_TOKEN = Parameter(
    "aws_session_token",
    hidden(),
    "The AWS session token of temporary credentials. Absent where its reference stands for nothing.",
    optional=True,
)
AWS_AUTH = Parameter(
    "aws_auth",
    choice("iam_role", "key"),
    "Where credentials come from: `key` takes the keys above, `iam_role` the AWS credential chain. Without it, "
    "the keys where they are given, else the chain.",
)
AWS_IAM_ROLE_SOURCE = Parameter(
    "aws_iam_role_source",
    choice("auto", "metadata", "env"),
    "Which part of the AWS credential chain to use.",
    default="auto",
    unbuilt=Unbuilt("choosing a part of the credential chain is not built yet; all of it is used", ("auto",)),
)
ENDPOINT_URL = Parameter(
    "endpoint_url",
    url(),
    "Where DynamoDB and its streams are reached, for emulators. Without it, the AWS configuration decides "
    "(`AWS_ENDPOINT_URL`), else AWS.",
)
SCAN_SEGMENTS = Parameter(
    "scan_segments",
    count(1, MOST_SEGMENTS),
    "How many segments the bootstrap's parallel Scan has; `auto` chooses by the table's item count and size.",
    default="auto",
)
SCAN_INTERVAL = Parameter(
    "scan_interval",
    duration(most=3600 * SECOND),
    "The least time between two polls of a shard of the stream.",
    default="0s",
)
READY_LAG = Parameter(
    "ready_lag",
    duration(least=1),
    "The dataset is ready once its lag behind the stream is under this, and fresh while it is.",
    default="2s",
    aliases=("replication_ready_lag",),
)
GAP_BEHAVIOR = Parameter(
    "lag_exceeds_shard_retention_behavior",
    choice("error", "ready_before_load", "ready_after_load", "restart"),
    "What to do when the stream has forgotten changes that were not read: stop and say so; copy the table "
    "anew while the old copy answers (`ready_before_load`); or answer again only once the new copy is complete "
    "(`ready_after_load`, which newer Spicepods call `restart`).",
    default="error",
    aliases=("replication_invalid_checkpoint_behavior",),
)
CONSISTENT_READ = Parameter(
    "consistent_read",
    flag(),
    "Whether reads are consistent, at twice the read units. Without it, the Scan that makes a copy is; a statement that "
    "DynamoDB answers itself is not. With `true`, such a statement uses no global secondary index: those cannot be read "
    "consistently.",
    default="true",
)
BUFFER_SIZE = Parameter(
    "buffer_size",
    size(least=4 * 2**20),
    "The most bytes of pages that are fetched but not yet applied. It bounds memory.",
    default="32MiB",
)
HISTORY_SIZE = Parameter(
    "history_size",
    size(),
    "The most bytes of memory for what was applied last, from which `headrace explain key` tells; 0 remembers nothing.",
    default="8MiB",
)
TIME_FORMAT = Parameter(
    "time_format",
    layout(),
    "The layout of strings that are times, as Go writes it: how they would write `Mon Jan 2 15:04:05 MST 2006`. Without "
    "it, the layouts of ISO 8601. An attribute becomes a timestamp if each of its strings is a time that, written "
    "again, gives the same text; else the column is text. A key is always text.",
)
UNNEST_DEPTH = Parameter(
    "unnest_depth",
    integer(0),
    "How many levels of maps are flattened into columns of their own, named `a.b`; what is deeper is JSON text, and "
    "with `0` each map is. Without it, maps are structs, and maps with too many names for one are dictionaries.",
)
SCHEMA_INFER_MAX_RECORDS = Parameter(
    "schema_infer_max_records",
    integer(1),
    "With `schema_evolution: freeze`, how many items of the first Scan decide the columns. Otherwise every item does, "
    "and this has no effect.",
    default="10",
)
INITIAL_SNAPSHOT = Parameter(
    "replication_initial_snapshot",
    choice("auto", "always", "disabled"),
    "Whether the table is scanned before its stream is followed: `auto` scans where there is no copy to resume.",
    default="auto",
    unbuilt=Unbuilt(
        "only auto is built; the table is scanned where there is no copy to resume, and only then", ("auto",)
    ),
)
WRITE_PARALLELISM = Parameter(
    "write_parallelism",
    integer(1),
    "How many writes to DynamoDB run at once.",
    unbuilt=Unbuilt("no effect; Headrace does not write to DynamoDB"),
)
MAX_READ_CAPACITY_UNITS = Parameter(
    "max_read_capacity_units",
    integer(1),
    "The most read units a second that reading the table may consume: Scans that make a copy, and statements that "
    "DynamoDB answers itself, and fills and comparisons of targets, together. It holds on average: what a request consumes is known once it is answered, and then "
    "the next one waits. Without it, DynamoDB is read as fast as it answers.",
)
LIST_TYPE = Parameter(
    "list_type",
    choice(*ListType),
    "What lists hold: `text`, each element as its text; or, `typed`, the narrowest type that holds all elements. Lists "
    "of maps are lists of structs, and sets are typed, either way.",
    default="text",
)
NUMBER_TYPE = Parameter(
    "number_type",
    choice(*NumberType),
    "What numbers become that are not all 64-bit integers: `auto`, doubles if these give each back exactly, else "
    "decimals of 38 digits, else text; `decimal`, the same without doubles; `float`, doubles always. `float` is the "
    "one setting that rounds.",
    default="auto",
)
SCHEMA_EVOLUTION = Parameter(
    "schema_evolution",
    choice("on", "freeze"),
    "`on`: new attributes become columns, and a column widens for a value that does not fit. `freeze`: the columns stay "
    "those of a sample of items (`schema_infer_max_records`); attributes and values that have no place in them go, as "
    "JSON, to the column `_unmapped`.",
    default="on",
)

CONNECTOR: tuple[Parameter[object], ...] = (
    AWS_REGION,
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN,
    AWS_AUTH,
    AWS_IAM_ROLE_SOURCE,
    ENDPOINT_URL,
    SCAN_SEGMENTS,
    SCAN_INTERVAL,
    READY_LAG,
    GAP_BEHAVIOR,
    CONSISTENT_READ,
    BUFFER_SIZE,
    HISTORY_SIZE,
    TIME_FORMAT,
    UNNEST_DEPTH,
    SCHEMA_INFER_MAX_RECORDS,
    INITIAL_SNAPSHOT,
    WRITE_PARALLELISM,
    MAX_READ_CAPACITY_UNITS,
    LIST_TYPE,
    NUMBER_TYPE,
    SCHEMA_EVOLUTION,
)
"""Every parameter of a dataset, in the order of documentation."""
