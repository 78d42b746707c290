"""Says in plain lines what a Spicepod would do."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.access import Access, Scope
from headrace.column_reference import format_reference
from headrace.config.mapping_description import access_facts, mapping_facts
from headrace.config.pod import Pod
from headrace.config.quantity import SECOND, format_duration, format_size
from headrace.dataset import (
    Acceleration,
    CayenneFiles,
    Dataset,
    GapBehavior,
    Mode,
    OnStartup,
    PostgresAccess,
    ReadyState,
    Refresh,
    RefreshMode,
    Replication,
    Snapshots,
)
from headrace.mapping import ListType, Mapping, NumberType
from headrace.type_name import type_name
from headrace.view import View

_GAPS = {
    GapBehavior.ERROR: "stop and say so",
    GapBehavior.READY_BEFORE_LOAD: "copy the table anew, while the old copy answers",
    GapBehavior.READY_AFTER_LOAD: "copy the table anew, and answer once that is complete",
}

_NUMBERS = {
    NumberType.AUTO: "integers, doubles where they are exact, else decimals",
    NumberType.DECIMAL: "integers, else decimals",
    NumberType.FLOAT: "integers, else doubles, which round",
}


def describe(pod: Pod) -> str:
    """The text that ``headrace validate`` prints: each dataset, view and mapping, then warnings, then what is not built.

    Secrets are not shown.
    """
    lines = [f"{pod.path} is valid: {_counted(pod)}"]
    for dataset in pod.datasets:
        lines += ["", dataset.name]
        lines += [f"  {label:<12}{text}" for label, text in _facts(dataset)]
    for dataset in pod.fed:
        lines += ["", dataset.name, *(f"  {label:<12}{text}" for label, text in _fed_facts(dataset))]
    for view in pod.views:
        lines += ["", view.name, *(f"  {label:<12}{text}" for label, text in _view_facts(view))]
    for mapping in pod.mappings:
        lines += ["", mapping.name, *(f"  {label:<12}{text}" for label, text in mapping_facts(mapping))]
    lines += _guard(pod.access)
    if pod.warnings:
        lines += ["", "Warnings", *(f"  {warning}" for warning in pod.warnings)]
    unbuilt = [*pod.unbuilt]
    for dataset in pod.datasets:
        unbuilt += [f"{dataset.name}: {sentence}" for sentence in dataset.unbuilt]
    if unbuilt:
        lines += ["", "Not carried out by this version", *(f"  {sentence}" for sentence in unbuilt)]
    return "\n".join(lines)


def _counted(pod: Pod) -> str:
    parts = [(len(pod.datasets) + len(pod.fed), "dataset"), (len(pod.mappings), "event source mapping")]
    return ", ".join(f"{count} {what}{'s' if count > 1 else ''}" for count, what in parts if count)


def _guard(access: Access) -> list[str]:
    """Who may ask, where the Spicepod says it."""
    facts = []
    if access.authenticates:
        reading = sum(key.scope is Scope.READ for key in access.keys)
        only = f", {reading} of them only to ask" if reading else ""
        facts.append(("keys", f"{len(access.keys)}{only}"))
    if access.tls is not None:
        facts.append(("encryption", "TLS, with the certificate of the Spicepod"))
    return ["", "runtime", *(f"  {label:<12}{text}" for label, text in facts)] if facts else []


def _facts(dataset: Dataset) -> Iterator[tuple[str, str]]:
    yield from access_facts(dataset.table, dataset.access)
    if dataset.acceleration is None:
        yield "copy", "none: DynamoDB itself answers"
        yield "queries", f"{_reads(consistent=dataset.reads.consistent_queries)}, of what the items are now"
    else:
        yield from _copied(dataset, dataset.acceleration)
    if dataset.reads.units_per_second is not None:
        yield (
            "budget",
            f"{dataset.reads.units_per_second:,} read units a second, for Scans and statements together",
        )
    yield from _columns(dataset.mapping)
    yield "metrics", "all" if dataset.metrics is None else ", ".join(sorted(dataset.metrics)) or "none"


def _fed_facts(dataset: Dataset) -> Iterator[tuple[str, str]]:
    yield "rows", f"those that the target of {dataset.fed_by} writes"
    if dataset.acceleration is not None:
        yield "engine", _place(dataset.acceleration)
        if dataset.acceleration.indexes:
            yield "indexes", _indexes(dataset.acceleration)


def _view_facts(view: View) -> Iterator[tuple[str, str]]:
    yield "view", view.place
    if view.refresh is None:
        yield "rows", "of what it reads, whenever it is read"
    else:
        yield "rows", f"stored in memory; {_when(view.refresh)}"


def _copied(dataset: Dataset, acceleration: Acceleration) -> Iterator[tuple[str, str]]:
    yield "copy", _copy(acceleration)
    yield "refresh", _refresh(acceleration)
    yield from _selection(dataset, acceleration)
    yield "key", _key(acceleration)
    if acceleration.indexes:
        yield "indexes", _indexes(acceleration)
    if acceleration.snapshots is not None:
        yield "snapshots", _snapshots(acceleration.snapshots)
    if acceleration.refresh_mode is RefreshMode.CHANGES:
        yield from _following(dataset.replication)
    else:
        yield from _scanning(dataset.replication)
        yield "retries", _retries(acceleration.refresh)
        yield "buffer", _buffer(dataset.replication)


def _copy(acceleration: Acceleration) -> str:
    then = "scans the table again" if acceleration.mode is Mode.MEMORY else "resumes from it"
    return f"{_place(acceleration)}; a restart {then}"


def _place(acceleration: Acceleration) -> str:
    if acceleration.postgres is not None:
        return f"postgres, {_server(acceleration.postgres)}"
    if acceleration.cayenne is not None:
        return f"cayenne in {_files(acceleration.cayenne)}"
    if acceleration.mode is Mode.MEMORY:
        return f"{acceleration.engine} in memory"
    return f"{acceleration.engine} in {acceleration.path}"


def _server(access: PostgresAccess) -> str:
    """Which server, as far as no secret tells it."""
    string = (
        "pg_connection_string" if access.connection_string is not None else "PGHOST, else of this machine"
    )
    host = access.host or f"the server of {string}"
    port = f", port {access.port}" if access.port else ""
    database = f", database {access.database}" if access.database else ""
    schema = f", schema {access.schema}" if access.schema else ""
    return f"{host}{port}{database}{schema}"


def _files(files: CayenneFiles) -> str:
    apart = "" if files.metadata == files.folder else f", metastore in {files.metadata}"
    return f"{files.folder} ({files.compression}){apart}"


def _key(acceleration: Acceleration) -> str:
    claims = list(acceleration.key_claims.values())
    if not claims:
        return "the table's"
    return f"{', '.join(claims[0])} (checked against the table's)"


def _indexes(acceleration: Acceleration) -> str:
    named = (
        format_reference(index.columns) + (" unique" if index.unique else "")
        for index in acceleration.indexes
    )
    return f"{', '.join(named)}; each as soon as its columns are there"


def _refresh(acceleration: Acceleration) -> str:
    if acceleration.refresh_mode is RefreshMode.CHANGES:
        return "changes: one Scan, and the table's stream beside it and from then on"
    append = acceleration.refresh_mode is RefreshMode.APPEND
    does = (
        "append: one Scan, then others that add what is newer" if append else "full: Scans, each a copy anew"
    )
    return f"{does}; {_when(acceleration.refresh)}"


def _when(refresh: Refresh) -> str:
    if refresh.interval is not None:
        when = f"{_span(refresh.interval)} after the last"
    elif refresh.cron is not None:
        when = f"at {refresh.cron} (UTC)"
    else:
        when = "once, and when somebody asks"
    around = f", or up to {_span(refresh.jitter)} off" if refresh.jitter else ""
    start = ", and at each start" if refresh.on_startup is OnStartup.ALWAYS else ""
    return f"{when}{around}{start}"


def _selection(dataset: Dataset, acceleration: Acceleration) -> Iterator[tuple[str, str]]:
    refresh, retention, time = acceleration.refresh, acceleration.retention, dataset.time_column
    if time is not None:
        yield "time", f"{format_reference((time.name,))[1:-1]}, read as {time.format}"
    if refresh.sql is not None:
        yield "rows", " ".join(refresh.sql.split())
    if refresh.window is not None:
        yield "window", f"rows of the last {_span(refresh.window)}"
    if retention is not None:
        old = [] if retention.period is None else [f"rows older than {_span(retention.period)}"]
        old += [] if retention.sql is None else [" ".join(retention.sql.split())]
        yield "retention", f"every {_span(retention.interval)}: {'; '.join(old)}"
    if dataset.ready_state is ReadyState.ON_REGISTRATION:
        yield "queries", "answered at once, from DynamoDB until the copy is complete"


def _span(seconds: float) -> str:
    return format_duration(round(seconds * SECOND))


def _snapshots(snapshots: Snapshots) -> str:
    place = snapshots.place
    where = str(place.folder) if place.folder is not None else f"s3://{place.bucket}/{place.prefix}"
    restored = "restored where there is no copy" if snapshots.mode.restores else "never restored"
    if not snapshots.mode.writes:
        return f"in {where}: {restored}, never written"
    if snapshots.batches is not None:
        when = f"every {snapshots.batches:,} batches of changes"
    elif snapshots.interval is not None:
        when = f"every {_span(snapshots.interval)}"
    else:
        when = "after each refresh"
    return f"in {where}: written {when}, {snapshots.keep} kept, {restored}"


def _scanning(replication: Replication) -> Iterator[tuple[str, str]]:
    segments = replication.scan_segments or "automatic"
    yield "scan", f"{segments} segments, {_reads(consistent=replication.consistent_read)}"


def _reads(*, consistent: bool) -> str:
    return "consistent reads" if consistent else "eventually consistent reads"


def _retries(refresh: Refresh) -> str:
    if refresh.retry and refresh.max_attempts is None:
        return "until a refresh is done"
    times = refresh.max_attempts if refresh.retry else 0
    return f"{times or 'none'}; then the old copy stays, until the next refresh"


def _buffer(replication: Replication) -> str:
    return f"at most {format_size(replication.buffer_bytes)} fetched and not yet applied"


def _following(replication: Replication) -> Iterator[tuple[str, str]]:
    yield from _scanning(replication)
    interval = _span(replication.scan_interval)
    pace = f"at most every {interval}" if replication.scan_interval else "often while there are changes"
    yield "polls", f"each shard {pace}, less often while it is idle"
    yield "ready", f"once the lag is under {_span(replication.ready_lag)}"
    yield "gap", _GAPS[replication.gap_behavior]
    yield "buffer", _buffer(replication)


def _columns(mapping: Mapping) -> Iterator[tuple[str, str]]:
    yield "columns", _growth(mapping)
    if mapping.declared:
        named = (
            column.name if column.type is None else f"{column.name} {type_name(column.type)}"
            for column in mapping.declared
        )
        yield "declared", ", ".join(named)
    layouts = [layout.text for layout in mapping.layouts]
    yield "times", f"strings like {layouts[0]}" if len(layouts) == 1 else "strings of ISO 8601"
    yield "numbers", _NUMBERS[mapping.number_type]
    yield "maps", _maps(mapping.unnest_depth)
    yield "lists", "of text" if mapping.list_type is ListType.TEXT else "of what their elements are"


def _growth(mapping: Mapping) -> str:
    if mapping.json_column is not None:
        return f"the key and the declared ones; all else as JSON in {mapping.json_column}"
    if mapping.freeze:
        return f"those of the first {mapping.sample} items, for good; all else as JSON in _unmapped"
    return "from the items; new ones are added, and they widen"


def _maps(depth: int | None) -> str:
    if depth is None:
        return "structs"
    return f"flattened, {depth} level{'' if depth == 1 else 's'} deep; JSON below" if depth else "JSON"
