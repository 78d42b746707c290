"""The keys of a Spicepod's ``runtime``: their kinds, what they do, and what is not built.

Names and defaults are Spice's (https://spiceai.org/docs/reference/spicepod/runtime), but for the cache's: here
an answer is kept until it is out of date.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from headrace.config.acceleration_model import NO_EFFECT
from headrace.config.entry import Entry, Key
from headrace.config.kind import choice, duration, file_path, flag, integer, pem, size
from headrace.config.parameter import Parameter, Unbuilt
from headrace.config.quantity import SECOND
from headrace.limits import Caching, QueryLimits

_ELSEWHERE = Unbuilt("no effect; the command's options say it")

TLS_ENABLED = Parameter("enabled", flag(), "Whether everything that is served is encrypted.", default="true")
TLS_CERTIFICATE_FILE = Parameter(
    "certificate_file",
    file_path(),
    "The file of the certificate (PEM), and after it of those between it and its authority.",
)
TLS_KEY_FILE = Parameter("key_file", file_path(), "The file of its private key (PEM), without a password.")
TLS_CERTIFICATE = Parameter(
    "certificate",
    pem("CERTIFICATE"),
    "The certificate itself, in place of `certificate_file`.",
)
TLS_KEY = Parameter(
    "key",
    pem("PRIVATE KEY"),
    "The key itself, in place of `key_file`: best a reference.",
)
TLS: Final[tuple[Parameter[object], ...]] = (
    TLS_ENABLED,
    TLS_CERTIFICATE_FILE,
    TLS_KEY_FILE,
    TLS_CERTIFICATE,
    TLS_KEY,
    Parameter(
        "client_auth_mode",
        choice("none"),
        "Whether clients show certificates. Others of Spice's modes are not built, and therefore refused.",
        default="none",
    ),
)
"""What stands under ``runtime.tls``."""

TIMEOUT = Parameter(
    "timeout",
    duration(SECOND // 100, 86_400 * SECOND),
    "How long the engine may work on one statement. A request may ask for less.",
    default=f"{QueryLimits().timeout:g}s",
)
PLACES = Parameter(
    "max_concurrent_queries",
    integer(1, 64),
    "How many statements run at once. Another waits 5 s for a place, and is then told to come again.",
    default=str(QueryLimits().places),
)
MEMORY = Parameter(
    "memory_limit",
    size(16 * 2**20),
    "What the engine may use in all, for statements and for copies that it holds. Without it, the largest "
    "`duckdb_memory_limit` of a dataset, else half of the memory that there is.",
)
SPILL = Parameter(
    "temp_directory",
    file_path(),
    "The folder for what does not fit into memory. Without it, one beside the first copy in a file, else in the "
    "system's folder for temporary files.",
)
QUERY: Final[tuple[Parameter[object], ...]] = (
    TIMEOUT,
    PLACES,
    MEMORY,
    SPILL,
    Parameter(
        "spill_compression",
        choice("zstd", "lz4_frame", "uncompressed"),
        "How that is packed.",
        unbuilt=Unbuilt("no effect; DuckDB decides"),
    ),
    Parameter(
        "target_partitions",
        integer(1),
        "How many parts of a statement run at once.",
        unbuilt=Unbuilt("no effect; DuckDB takes every core"),
    ),
)
"""What stands under ``runtime.query``."""

CACHE_ENABLED = Parameter(
    "enabled", flag(), "Whether answers are kept for repeated statements.", default="true"
)
CACHE_SIZE = Parameter(
    "max_size",
    size(),
    "How much of them is kept in all; those that were not asked for longest go first.",
    default=f"{Caching().bytes_ // 2**20}MiB",
    aliases=("cache_max_size",),
)
CACHE_TTL = Parameter(
    "item_ttl",
    duration(),
    "How long an answer is kept at most. Without it, until a table that it read changes, and answers that come from "
    "DynamoDB itself are not kept.",
)
RESULTS: Final[tuple[Parameter[object], ...]] = (
    CACHE_ENABLED,
    CACHE_SIZE,
    CACHE_TTL,
    Parameter(
        "eviction_policy",
        choice("lru", "tiny_lfu"),
        "Which go first.",
        "lru",
        unbuilt=Unbuilt("only lru is built", ("lru",)),
    ),
    Parameter(
        "cache_key_type",
        choice("plan", "sql"),
        "What makes two statements one.",
        unbuilt=Unbuilt(
            "always the text and the parameters; what depends on the clock or on chance is not kept", ("sql",)
        ),
    ),
    Parameter(
        "hashing_algorithm",
        choice("siphash", "ahash", "xxh3", "xxh32", "xxh64", "xxh128", "blake3"),
        "How keys are hashed.",
        unbuilt=Unbuilt("no effect; they are compared whole"),
    ),
    Parameter(
        "encoding",
        choice("none", "zstd"),
        "How answers are packed.",
        unbuilt=Unbuilt("they are kept as they are", ("none",)),
    ),
    Parameter(
        "stale_while_revalidate_ttl",
        duration(),
        "How long an answer that is out of date may be given.",
        unbuilt=Unbuilt("no answer is given that is out of date", ("0", "0s")),
    ),
)
"""What stands under ``runtime.caching.sql_results``, and under its old name ``runtime.results_cache``."""


class ApiKeyEntry(Entry):
    """The keys that open the runtime."""

    enabled: Annotated[bool, Key(flag(), "Whether who asks needs a key.")] = True
    keys: Annotated[
        Any,
        Key(
            None,
            "A list of keys, best references such as `${secrets:api_key}`. One that ends in `:ro` only asks; one that ends "
            "in `:rw`, or in neither, also refreshes, takes snapshots and settles dead letters.",
        ),
    ] = None


class AuthEntry(Entry):
    """How who asks is known."""

    api_key: Annotated[
        ApiKeyEntry | None, Field(alias="api-key", description="The keys that open the runtime.")
    ] = None


class CachingEntry(Entry):
    """What is kept of answers."""

    sql_results: Annotated[Any, Key(None, "The answers to statements.")] = None
    search_results: Annotated[Any, Key(None, "Those to searches.", Unbuilt(NO_EFFECT))] = None
    embeddings: Annotated[Any, Key(None, "Embeddings.", Unbuilt(NO_EFFECT))] = None


class RuntimeEntry(Entry):
    """Settings of the runtime."""

    auth: Annotated[
        AuthEntry | None, Field(description="Who may ask. Without it, everybody who reaches the runtime.")
    ] = None
    tls: Annotated[Any, Key(None, "How what is served is encrypted. Without it, it is not.")] = None
    query: Annotated[Any, Key(None, "What statements may use.")] = None
    caching: Annotated[CachingEntry | None, Field(description="What is kept of answers.")] = None
    results_cache: Annotated[Any, Key(None, "The old name of `caching.sql_results`.")] = None
    cors: Annotated[
        Any, Key(None, "What browsers may ask from other sites.", Unbuilt("not built; they may ask nothing"))
    ] = None
    task_history: Annotated[
        Any, Key(None, "A table of what was asked.", Unbuilt("not built yet; there is none"))
    ] = None
    flight: Annotated[
        Any, Key(None, "Spice's limits of Flight.", Unbuilt("no effect; Headrace has limits of its own"))
    ] = None
    ready_state: Annotated[
        str | None,
        Key(
            choice("on_load", "on_registration"),
            "When `/v1/ready` says so.",
            Unbuilt(
                "no effect; it is ready once every dataset is, by the `ready_state` of each", ("on_load",)
            ),
        ),
    ] = None
    dataset_load_parallelism: Annotated[
        Any, Key(None, "How many datasets load at once.", Unbuilt("no effect; all do"))
    ] = None
    shutdown_timeout: Annotated[
        Any,
        Key(
            None, "How long a stop takes.", Unbuilt("no effect; answers get 3 s, transactions what they need")
        ),
    ] = None
    output_level: Annotated[Any, Key(None, "What is logged.", _ELSEWHERE)] = None
    metrics: Annotated[
        Any,
        Key(
            None, "Which of Spice's metrics are published.", Unbuilt("no effect; each dataset has `metrics`")
        ),
    ] = None
    memory_limit: Annotated[
        Any, Key(None, "The old name of `query.memory_limit`.", Unbuilt("no effect; write it under query"))
    ] = None
    temp_directory: Annotated[
        Any, Key(None, "The old name of `query.temp_directory`.", Unbuilt("no effect; write it under query"))
    ] = None
    telemetry: Annotated[
        Any, Key(None, "Where metrics are sent.", Unbuilt("not built; nothing is sent to anybody"))
    ] = None
    cpu: Annotated[Any, Key(None, "How many cores are used.", Unbuilt("no effect; all are"))] = None
    params: Annotated[Any, Key(None, "Parameters of Spice's parts.", Unbuilt(NO_EFFECT))] = None
    scheduler: Annotated[Any, Key(None, "Spice's cluster.", Unbuilt(NO_EFFECT))] = None
    mcp: Annotated[Any, Key(None, "Spice's MCP server.", Unbuilt(NO_EFFECT))] = None
    functions: Annotated[Any, Key(None, "Spice's functions.", Unbuilt(NO_EFFECT))] = None
    source_rate_control: Annotated[Any, Key(None, "Spice's limits of requests.", Unbuilt(NO_EFFECT))] = None
