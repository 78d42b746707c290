"""Says in plain lines what an event source mapping would do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from headrace.config.quantity import SECOND, format_duration
from headrace.config.targets import kind_of
from headrace.config.targets.block import credentials_of, region_of
from headrace.dataset import AwsAccess
from headrace.event_source_mapping import (
    Delivering,
    EventSourceMapping,
    FailureDestination,
    Function,
    OnPoison,
    StartingPosition,
)

_STARTS = {
    StartingPosition.TRIM_HORIZON: "the oldest records that the stream has",
    StartingPosition.LATEST: "records from now on",
}


def access_facts(table: str, access: AwsAccess) -> Iterator[tuple[str, str]]:
    """Where a table is, and who asks it; secrets are not shown."""
    yield "table", f"{table} in {region_of(access)}"
    yield (
        "endpoint",
        access.endpoint_url or "AWS, unless the AWS configuration names another (AWS_ENDPOINT_URL)",
    )
    yield "credentials", credentials_of(access)


def mapping_facts(mapping: EventSourceMapping) -> Iterator[tuple[str, str]]:
    """Labels, and what a mapping would do."""
    yield from access_facts(mapping.table, mapping.access)
    consumer = mapping.consumer
    if isinstance(consumer, Function):
        yield "function", _function(consumer)
    else:
        yield from kind_of(consumer).facts(consumer)
    yield from _delivered(mapping.delivering, windows=isinstance(consumer, Function))
    if mapping.read_units is not None:
        shared = "" if mapping.dataset is None else f", together with dataset {mapping.dataset}"
        yield "budget", f"{mapping.read_units:,} read units a second beside the stream{shared}"
    count = len(mapping.filters)
    yield "filters", f"{count}: records that one of them lets through" if count else "none: every record"
    yield from _failures(mapping.delivering, mapping.on_failure)
    yield "ledger", str(mapping.ledger)


def _function(function: Function) -> str:
    processes = f"{function.processes} process{'es' if function.processes > 1 else ''}"
    limits = f"{_span(function.timeout)} and {function.memory // 2**20} MB for a call"
    names = f"; with {', '.join(sorted(function.environment))}" if function.environment else ""
    return f"{function.reference} from {function.folder}: {processes}, {limits}{names}"


def _delivered(delivering: Delivering, *, windows: bool) -> Iterator[tuple[str, str]]:
    start = _STARTS.get(delivering.starting_position)
    if start is None and delivering.starting_timestamp is not None:
        time = datetime.fromtimestamp(delivering.starting_timestamp, UTC)
        start = f"records since {time.isoformat().replace('+00:00', 'Z')}"
    yield "begins", f"with {start}"
    gathered = delivering.maximum_batching_window
    wait = f", gathered for at most {_span(gathered)}" if gathered else ""
    lanes = delivering.parallelization_factor
    abreast = f"; {lanes} of a shard at once" if lanes > 1 else ""
    yield "batches", f"at most {delivering.batch_size:,} records{wait}{abreast}"
    if delivering.tumbling_window:
        yield "windows", f"of {_span(delivering.tumbling_window)}, with a state"
    if windows:
        says = (
            "which records failed"
            if delivering.reports_item_failures
            else "nothing: a batch is done or failed, whole"
        )
        yield "response", f"says {says}"


def _failures(delivering: Delivering, destination: FailureDestination | None) -> Iterator[tuple[str, str]]:
    tries, age = delivering.maximum_retry_attempts, delivering.maximum_record_age
    bounds = [] if tries is None else [f"at most {tries:,}"]
    bounds += [] if age is None else [f"up to an age of {_span(age)}"]
    until = ", ".join(bounds) or "up to an age of 23h: an hour later the stream forgets it"
    halves = ", each time in two parts" if delivering.bisects else ""
    yield "retries", f"{until}{halves}"
    if delivering.on_poison is OnPoison.PARK:
        yield "poison", "put aside with later records of its item; all others go on"
    else:
        yield "poison", "blocks its shard until it is given up"
    places = "kept in the ledger"
    if destination is not None:
        places += f", and sent to {destination.kind}: {destination.place}"
    if delivering.redrive_interval is not None:
        places += f"; tried again every {_span(delivering.redrive_interval)}"
    yield "failures", places


def _span(seconds: float) -> str:
    return format_duration(round(seconds * SECOND))
