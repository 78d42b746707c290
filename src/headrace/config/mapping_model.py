"""The keys of an event source mapping: their kinds and what they do.

Names are those of AWS Lambda's event source mapping in snake case, and so are defaults and bounds: AWS Lambda API
Reference, CreateEventSourceMapping, and developer guide, "Lambda parameters for Amazon DynamoDB event source mappings".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from headrace.config.entry import Entry, Key
from headrace.config.kind import Kind, choice, duration, flag, integer, prose, text
from headrace.config.naming import table_source
from headrace.config.problem import BadValueError
from headrace.config.quantity import SECOND
from headrace.config.targets.audit import AUDIT
from headrace.config.targets.custom import CUSTOM
from headrace.config.targets.outbox import OUTBOX
from headrace.config.targets.replicate import REPLICATE
from headrace.config.targets.search import SEARCH
from headrace.config.targets.view import VIEW
from headrace.event_source_mapping import Delivering, Function, OnPoison, StartingPosition

LONGEST_NAME: Final = 63
"""Characters of a mapping's name."""

REPORTS: Final = "ReportBatchItemFailures"

_MOST_ATTEMPTS: Final = 10_000
_LEAST_AGE: Final = 60 * SECOND
_MOST_AGE: Final = 604_800 * SECOND
_NAME: Final = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_-]{{0,{LONGEST_NAME - 1}}}")
_REFERENCE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_EPOCH: Final = re.compile(r"[0-9]{1,11}(\.[0-9]{1,9})?")


def mapping_name() -> Kind[str]:
    """A name that needs no quotes in commands, addresses and metrics."""
    says = "letters, digits, `_` and `-`"

    def parse(given: str) -> str:
        if not _NAME.fullmatch(given):
            raise BadValueError(
                f"'{given}' cannot name a mapping; use at most {LONGEST_NAME} letters, digits, '_' and '-', not '-' first"
            )
        return given

    return Kind(parse, says, {"type": "string", "pattern": f"^{_NAME.pattern}$"})


def function_reference() -> Kind[str]:
    """``module:function``."""
    says = "`MODULE:FUNCTION`"

    def parse(given: str) -> str:
        if _REFERENCE.fullmatch(given):
            return given
        file, _, function = given.rpartition(".")
        guess = f"{file.replace('/', '.')}:{function}"
        hint = f"; did you mean '{guess}'?" if ":" not in given and _REFERENCE.fullmatch(guess) else ""
        raise BadValueError(
            f"'{given}' is no function; write MODULE:FUNCTION, such as handlers:on_change{hint}"
        )

    return Kind(parse, says, {"type": "string", "pattern": f"^{_REFERENCE.pattern}$"})


def or_without_end(kind: Kind[int], unit: str) -> Kind[int | None]:
    """What ``kind`` takes, or -1 (None): without end. ``unit`` is what -1 is not."""

    def parse(given: str) -> int | None:
        if given == "-1":
            return None
        try:
            return kind.parse(given)
        except BadValueError as error:
            raise BadValueError(f"{error}; -1 {unit}") from None

    schema = {"anyOf": [{"const": -1}, dict(kind.schema)]}
    return Kind(parse, f"`-1`, or {kind.says}", schema)


def record_age() -> Kind[int | None]:
    """Nanoseconds, or -1 (None)."""
    span = duration(_LEAST_AGE, _MOST_AGE)
    return or_without_end(span, "gives up no record for its age")


def whole_seconds(most: int) -> Kind[int]:
    """Seconds, at most ``most`` of them."""
    span = duration(0, most * SECOND)

    def parse(given: str) -> int:
        seconds, rest = divmod(span.parse(given), SECOND)
        if rest:
            raise BadValueError(f"'{given}' is not a whole number of seconds")
        return seconds

    return Kind(parse, f"{span.says}, in whole seconds", span.schema)


def point_in_time() -> Kind[float]:
    """Epoch seconds; ISO 8601 is in UTC unless it names another offset."""
    says = "a time of ISO 8601 (`2026-01-31T08:00:00Z`), or epoch seconds"

    def parse(given: str) -> float:
        if _EPOCH.fullmatch(given):
            return float(given)
        try:
            time = datetime.fromisoformat(given)
        except ValueError:
            raise BadValueError(f"'{given}' is not {says.replace('`', '')}") from None
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()

    return Kind(parse, says, {"type": ["string", "number"]})


def pattern_text() -> Kind[str]:
    """JSON text; whoever compiles it says whether it is a pattern."""
    says = """JSON in quotes, such as `'{"eventName": ["INSERT"]}'`"""

    def parse(given: str) -> str:
        if not given.strip():
            raise BadValueError(f"expected {says.replace('`', '')}")
        return given

    return Kind(parse, says, {"type": "string", "minLength": 1})


_DEFAULTS: Final = Delivering()
_FUNCTION: Final = Function("", Path())


class PatternEntry(Entry):
    """One filter."""

    foreign: ClassVar[Mapping[str, str]] = {"Pattern": "pattern"}

    pattern: Annotated[
        str | None,
        Key(pattern_text(), "What a record must look like, in AWS's grammar."),
    ] = None
    extended_pattern: Annotated[
        str | None,
        Key(
            pattern_text(),
            "The same in Headrace's grammar, which compares numbers, and old images with new ones.",
        ),
    ] = None


class FilterCriteriaEntry(Entry):
    """Which records are delivered."""

    foreign: ClassVar[Mapping[str, str]] = {"Filters": "filters"}

    filters: Annotated[
        list[PatternEntry] | None,
        Field(
            description="Records that any of them lets through are delivered. An empty list lets all through."
        ),
    ] = None


class OnFailureEntry(Entry):
    """What becomes of records that are given up."""

    foreign: ClassVar[Mapping[str, str]] = {"Destination": "destination"}

    destination: Annotated[
        str | None,
        Key(
            text("`file:PATH`, `sqlite:PATH`, `sqs:URL`, `sns:ARN` or `s3:BUCKET/PREFIX`"),
            "Where they are sent: a file of JSON lines, a SQLite file, a queue (its URL or ARN), a topic (its ARN) or a "
            "bucket. Without it, they are only kept in the ledger.",
        ),
    ] = None
    redrive_interval: Annotated[
        int | None,
        Key(
            duration(SECOND),
            "How often they, and parked records, are tried again. Without it, when somebody asks (`headrace failures "
            "redrive`).",
        ),
    ] = None
    params: Annotated[Any, Key(None, "How the queue, topic or bucket is reached.")] = None


class TargetEntry(Entry):
    """A target that is built in, or one of the user's own; exactly one."""

    replicate: Annotated[Any, Key(None, REPLICATE.what)] = None
    search: Annotated[Any, Key(None, SEARCH.what)] = None
    audit: Annotated[Any, Key(None, AUDIT.what)] = None
    outbox: Annotated[Any, Key(None, OUTBOX.what)] = None
    view: Annotated[Any, Key(None, VIEW.what)] = None
    custom: Annotated[Any, Key(None, CUSTOM.what)] = None


class MappingEntry(Entry):
    """A table's stream, and what is called with its records."""

    foreign: ClassVar[Mapping[str, str]] = {
        "EventSourceArn": "from",
        "FunctionName": "function",
        "BatchSize": "batch_size",
        "MaximumBatchingWindowInSeconds": "maximum_batching_window",
        "ParallelizationFactor": "parallelization_factor",
        "StartingPosition": "starting_position",
        "StartingPositionTimestamp": "starting_position_timestamp",
        "FilterCriteria": "filter_criteria",
        "FunctionResponseTypes": "function_response_types",
        "BisectBatchOnFunctionError": "bisect_batch_on_function_error",
        "MaximumRetryAttempts": "maximum_retry_attempts",
        "MaximumRecordAgeInSeconds": "maximum_record_age",
        "TumblingWindowInSeconds": "tumbling_window",
        "DestinationConfig": "on_failure",
        "OnFailure": "on_failure",
        "Timeout": "timeout",
        "MemorySize": "memory_size",
        "Environment": "environment",
    }

    name: Annotated[str, Key(mapping_name(), "The mapping's name, for commands, metrics and logs.")]
    from_: Annotated[
        str | None, Key(table_source(), "The DynamoDB table; or `dataset`."), Field(alias="from")
    ] = None
    dataset: Annotated[
        str | None, Key(text("a dataset's name"), "The dataset whose table and `params` it has; or `from`.")
    ] = None
    params: Annotated[Any, Key(None, "How the table of `from` is reached.")] = None
    description: Annotated[str | None, Key(prose(), "A note for people.")] = None
    metadata: Annotated[Any, Key(None, "Notes for people and programs.")] = None
    function: Annotated[
        str | None,
        Key(
            function_reference(),
            "The Python function that is called, as Lambda would. The pod's folder is the first place in which its module is "
            "looked for. Or `target`.",
        ),
    ] = None
    timeout: Annotated[
        int | None,
        Key(duration(SECOND, 900 * SECOND), f"How long a call may take. Without it, {_FUNCTION.timeout:g}s."),
    ] = None
    memory_size: Annotated[
        int | None,
        Key(
            integer(128, 10_240),
            f"The megabytes that a process of it may use. Without it, {_FUNCTION.memory // 2**20}.",
        ),
    ] = None
    processes: Annotated[
        int | None,
        Key(
            integer(1, 256),
            "How many calls run at once, over all shards. Without it, the `parallelization_factor`.",
        ),
    ] = None
    environment: Annotated[
        Any, Key(None, "Variables of its environment: names and values, which may be references.")
    ] = None
    target: Annotated[
        TargetEntry | None,
        Field(description="Where the records go, in place of `function` ([more](targets.md))."),
    ] = None
    starting_position: Annotated[
        str,
        Key(
            choice(*StartingPosition),
            "Where a mapping begins that has never run: with the oldest records that the stream has, with those from now on, "
            "or with those since `starting_position_timestamp`.",
        ),
    ] = StartingPosition.TRIM_HORIZON.value
    starting_position_timestamp: Annotated[
        float | None, Key(point_in_time(), "That time. ISO 8601 without an offset is UTC.")
    ] = None
    batch_size: Annotated[
        int, Key(integer(1, 10_000), "The most records of one event, which is never larger than 6 MB.")
    ] = _DEFAULTS.batch_size
    maximum_batching_window: Annotated[
        int, Key(duration(0, 300 * SECOND), "How long records are gathered until there are as many.")
    ] = 0
    parallelization_factor: Annotated[
        int,
        Key(
            integer(1, 10),
            "How many batches of one shard are under way at once. Changes of one item stay in order.",
        ),
    ] = _DEFAULTS.parallelization_factor
    tumbling_window: Annotated[
        int,
        Key(
            whole_seconds(900),
            "The length of windows by the records' time, over which the function carries a state; 0: none.",
        ),
    ] = 0
    filter_criteria: Annotated[
        FilterCriteriaEntry | None, Field(description="Which records are delivered. Without it, all.")
    ] = None
    function_response_types: Annotated[
        list[Annotated[str, Key(choice(REPORTS), "What the function returns.")]] | None,
        Field(
            description=f"With `[{REPORTS}]`, the function says which records failed, and those before the first of them "
            "are done. A target always does."
        ),
    ] = None
    bisect_batch_on_function_error: Annotated[
        bool, Key(flag(), "Whether a batch that failed is tried again in two parts.")
    ] = False
    maximum_retry_attempts: Annotated[
        int | None,
        Key(
            or_without_end(integer(0, _MOST_ATTEMPTS), "tries without end"),
            "How often a batch that failed is tried again until it is given up. `-1`, as without the key: without end, "
            "until `maximum_record_age`.",
        ),
    ] = None
    maximum_record_age: Annotated[
        int | None,
        Key(
            record_age(),
            "How old records get until they are given up. `-1`, as without the key: 23h where retries have no end either, an hour before the stream forgets them.",
        ),
    ] = None
    on_poison: Annotated[
        str,
        Key(
            choice(*OnPoison),
            "What a record does that keeps failing: its shard waits until it is given up (`block`, as in Lambda), or it is put "
            "aside, later records of its item wait behind it, and all others go on (`park`).",
        ),
    ] = OnPoison.BLOCK.value
    on_failure: Annotated[
        OnFailureEntry | None, Field(description="What becomes of records that are given up.")
    ] = None
