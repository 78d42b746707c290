"""Writes docs/configuration.md: ``python -m headrace.config.document_parameters > docs/configuration.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from headrace.config.acceleration import ENGINES, EVERY_ENGINE
from headrace.config.acceleration_model import AccelerationEntry
from headrace.config.aws_access import OF_MAPPINGS
from headrace.config.column_types import TYPE_NAMES
from headrace.config.connector import CONNECTOR
from headrace.config.entry import Entry, Key
from headrace.config.kind import Kind
from headrace.config.mapping_model import (
    FilterCriteriaEntry,
    MappingEntry,
    OnFailureEntry,
    PatternEntry,
    TargetEntry,
)
from headrace.config.model import (
    ColumnEntry,
    DatasetEntry,
    MetricEntry,
    SnapshotsEntry,
    Spicepod,
    spellings,
    unbuilt_keys,
)
from headrace.config.parameter import Parameter, described
from headrace.config.runtime_model import (
    QUERY,
    RESULTS,
    TLS,
    ApiKeyEntry,
    AuthEntry,
    CachingEntry,
    RuntimeEntry,
)
from headrace.config.snapshots import PLACE
from headrace.config.starter import STARTER
from headrace.config.targets import KINDS
from headrace.config.views import ViewAccelerationEntry, ViewEntry
from headrace.dataset import Engine

_INTRODUCTION = """\
# Configuration

<!-- Written by `python -m headrace.config.document_parameters`; change the tables in the code instead. -->

Headrace reads a Spicepod: `spicepod.yaml` (or `spicepod.yml`) in the working directory, or the file or folder that
a command is given. `headrace init` writes this one:

```yaml
{starter}```

`headrace validate` checks a Spicepod and says what it would do. `headrace validate --schema` prints its JSON Schema
for editors.

## How it is read

- **Errors** name the file, the line, the column and the key, and all of them are shown at once. An unknown key is an
  error, and so is a key that is given twice.
- **Text stays text.** `2006-01-02 15:04:05` is not turned into a date, `0123` not into 83, `yes` not into true.
- **Durations** are written `100ms`, `1s`, `1m30s`, `2h` or `30d` (units ns, us, ms, s, m, h, d), or as a bare `0`.
- **Sizes** are written `64MiB` (powers of 1024), `1GB` (powers of 1000), or as a bare number of bytes.
- **Paths** that are relative start at the Spicepod's folder.
- **Columns** are written `id`, several `(id, version)`: an attribute's exact name, or a column's, in capitals or not. Names
  with commas, brackets or quotes stand in double quotes, a quote within them doubled.
- **References**: under each `params` and in `runtime`, `${{secrets:name}}` and `${{env:name}}` stand for the variable
  `NAME` (the name in upper case), else `SPICE_NAME`. Each is looked up in the process's environment, then in
  `.env.local`, then in `.env`, beside the Spicepod. What stands for nothing is an error, except for
  `aws_session_token`, which is then absent.
- **Secrets** are never shown: not in errors, not in logs, not by `headrace validate`.
- **Not built yet** means that this version takes the key and does not do what it asks. `headrace validate` and
  `headrace run` say so, and what happens instead.
"""

_COLUMNS = f"""\
A list; without it, the columns come from the items alone. Attributes that are not listed get columns as ever, unless one
column takes them all:

```yaml
datasets:
  - from: dynamodb:orders
    name: orders
    columns:
      - name: total
        type: Decimal128(38, 2)
      - name: placed_at
        type: Timestamp(Millisecond, UTC)
      - name: rest
        metadata:
          json_object: '*'
    acceleration: {{refresh_mode: changes}}
```

Types are called as Arrow or as SQL calls them, in capitals or not: `{"`, `".join(TYPE_NAMES)}`. The table's key needs no
declaration, and keeps its own type whatever is declared: text, exact numbers or binary. [What each type
holds](types.md#declared-columns)."""


_OF_ENGINE = {
    Engine.POSTGRES: "What is left out is up to libpq: its environment variables, then its defaults. Which server is meant is "
    "told by keys, or by `pg_connection_string`, or by both: then the keys win, each over its part of the string.",
    Engine.CAYENNE: "It needs the extra `headrace[cayenne]`, and a local disk. Two datasets with one folder are an error, and so is "
    "one's folder inside another's.",
}

_OF_TLS = "It holds for all that the runtime serves. The files are read at the start."

_OF_RESULTS = "Or under `results_cache` of the runtime, its old name. [What is kept and when](http.md#repeated-statements)."


_OF_MAPPINGS = """\
Under `event_source_mappings`, one item for each ([more](events.md)). Names, defaults and bounds are those of AWS Lambda's
event source mapping, in snake case and with durations: `MaximumBatchingWindowInSeconds: 5` is `maximum_batching_window: 5s`.

```yaml
event_source_mappings:
  - name: order-status
    from: dynamodb:orders
    params: {aws_region: us-east-1}
    function: handlers:on_change
    filter_criteria:
      filters:
        - pattern: '{"eventName": ["INSERT", "MODIFY"]}'
    function_response_types: [ReportBatchItemFailures]
    maximum_retry_attempts: 3
    on_failure: {destination: 'file:failures.jsonl'}
  - name: copy
    from: dynamodb:orders
    params: {aws_region: us-east-1}
    target: {replicate: {table: orders-replica, region: eu-west-1}}
```

What is durable of deliveries is kept in `.headrace/data/events.sqlite`."""

_OF_FAILURES = "The `params` are those of a mapping, for a queue, a topic or a bucket."


def configuration_page() -> str:
    """The whole page."""
    sections = [
        _INTRODUCTION.format(starter=STARTER),
        _section("The Spicepod", "", _keys(Spicepod)),
        _section("A dataset", "Under `datasets`, one item for each table.", _keys(DatasetEntry)),
        _section(
            "`params` of a dataset",
            "Each key may also be written with the prefix `dynamodb_`. A key and another of its spellings at once is "
            "an error.",
            _parameters(CONNECTOR),
        ),
        _section("`columns` of a dataset", _COLUMNS, _keys(ColumnEntry)),
        _section(
            "`acceleration` of a dataset",
            "A dataset needs `acceleration`: SQL straight from DynamoDB is not built yet.",
            _keys(AccelerationEntry),
        ),
        _section(
            "`params` of an acceleration",
            "Each key of the tables below belongs to one engine, and is an error beside another. These do not. The snapshot "
            "keys may stand here or directly under `acceleration`.",
            _parameters(EVERY_ENGINE),
        ),
        *(
            _section(f"`params` of `engine: {engine}`", _OF_ENGINE.get(engine, ""), _parameters(table))
            for engine, table in ENGINES.items()
        ),
        _section(
            "A view",
            "Under `views`, one item for each ([more](views.md)).",
            _keys(ViewEntry),
        ),
        _section("`acceleration` of a view", "", _keys(ViewAccelerationEntry)),
        _section("An event source mapping", _OF_MAPPINGS, _keys(MappingEntry)),
        _section(
            "`params` of a mapping", "As of a dataset, with or without `dynamodb_`.", _parameters(OF_MAPPINGS)
        ),
        _section("`filter_criteria` of a mapping", "", _keys(FilterCriteriaEntry)),
        _section(
            "`filter_criteria.filters` of a mapping",
            "A list; each item is one of the two ([more](events.md)).",
            _keys(PatternEntry),
        ),
        _section("`on_failure` of a mapping", _OF_FAILURES, _keys(OnFailureEntry)),
        _section("`target` of a mapping", "One of these ([more](targets.md)).", _keys(TargetEntry)),
        *(
            _section(f"`target.{kind.name}` of a mapping", kind.note, _parameters(kind.parameters))
            for kind in KINDS
        ),
        _section(
            "`snapshots`",
            "Beside `datasets`: where the snapshots of all of them are kept ([more](snapshots.md)).",
            _keys(SnapshotsEntry),
        ),
        _section(
            "`params` of `snapshots`",
            "For a location `s3://BUCKET/PREFIX`.",
            _parameters(PLACE),
        ),
        _section(
            "`runtime`",
            "Beside `datasets`: settings of the process ([security](security.md)).",
            _keys(RuntimeEntry),
        ),
        _section("`auth` of the runtime", "", _keys(AuthEntry)),
        _section("`auth.api-key` of the runtime", "", _keys(ApiKeyEntry)),
        _section("`tls` of the runtime", _OF_TLS, _parameters(TLS)),
        _section("`query` of the runtime", "", _parameters(QUERY)),
        _section("`caching` of the runtime", "", _keys(CachingEntry)),
        _section("`caching.sql_results` of the runtime", _OF_RESULTS, _parameters(RESULTS)),
        _section(
            "`metrics` of a dataset", "A list; without it, every metric is published.", _keys(MetricEntry)
        ),
    ]
    return "\n".join(sections)


def _section(title: str, text: str, rows: Iterable[tuple[str, ...]]) -> str:
    head = ("Key", "Value", "Default", "What it does")
    table = "\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in (head, *rows))
    lines = table.split("\n")
    lines.insert(1, "| --- | --- | --- | --- |")
    return "\n".join([f"## {title}", "", *([text, ""] if text else []), *lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _keys(model: type[Entry]) -> Iterable[tuple[str, ...]]:
    unbuilt = unbuilt_keys(model)
    for key, name in spellings(model).items():
        field = model.model_fields[name]
        mark = next((mark for mark in field.metadata if isinstance(mark, Key)), None)
        what = mark.what if mark else field.description or ""
        if field.is_required():
            default = "required"
        else:
            default = "" if field.default in (None, []) else f"`{_plain(field.default)}`"
        yield f"`{key}`", _value(mark.kind if mark else None), default, described(what, unbuilt.get(key))


def _plain(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _parameters(table: Iterable[Parameter[object]]) -> Iterable[tuple[str, ...]]:
    for parameter in table:
        names = "`" + "` or `".join(parameter.names) + "`"
        default = f"`{parameter.default}`" if parameter.default is not None else ""
        yield names, parameter.kind.says, default, described(parameter.what, parameter.unbuilt)


def _value(kind: Kind[object] | None) -> str:
    return kind.says if kind else ""


if __name__ == "__main__":
    sys.stdout.write(configuration_page())
