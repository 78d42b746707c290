"""What a dataset, a column and a schema may be called, and what a dataset may be read from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from headrace.column_name import RESERVED_PREFIX
from headrace.config.keywords import RESERVED
from headrace.config.kind import Kind
from headrace.config.problem import BadValueError, nearest

LONGEST_NAME = 63
"""PostgreSQL cuts longer names (https://www.postgresql.org/docs/current/limits.html)."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_SCHEME = "dynamodb"
_FED = "target"
_MAPPING = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """What a dataset's rows are from: a DynamoDB table, or else the target of an event source mapping."""

    table: str = ""
    mapping: str | None = None


def dataset_name() -> Kind[str]:
    """A name that SQL takes without quotes."""
    says = "letters, digits and `_`; not a reserved word of SQL"
    schema = {"type": "string", "pattern": f"^{_NAME.pattern}$", "maxLength": LONGEST_NAME}
    return Kind(_parse_name, says, schema)


def column_name() -> Kind[str]:
    """The name of an attribute that has a column of that name."""
    return Kind(_parse_column, "an attribute's name", {"type": ["string", "number", "boolean"]})


def table_source() -> Kind[str]:
    """``dynamodb:TABLE``; gives the table.

    A table's name has 3 to 255 letters, digits, '_', '-' and '.' (Amazon DynamoDB Developer Guide,
    "Naming rules").
    """
    schema = {"type": "string", "pattern": f"^{_SCHEME}:{_TABLE.pattern}$"}
    return Kind(_parse_source, f"`{_SCHEME}:TABLE`", schema)


def dataset_source() -> Kind[DatasetSource]:
    """``dynamodb:TABLE``, or ``target:MAPPING``."""
    pattern = f"^({_SCHEME}:{_TABLE.pattern}|{_FED}:{_MAPPING.pattern})$"
    return Kind(
        _parse_dataset_source,
        f"`{_SCHEME}:TABLE`, or `{_FED}:MAPPING`",
        {"type": "string", "pattern": pattern},
    )


def table_name() -> Kind[str]:
    """A DynamoDB table's name, by the same rules."""
    says = "a table's name"
    return Kind(_parse_table, says, {"type": "string", "pattern": f"^{_TABLE.pattern}$"})


def schema_name() -> Kind[str]:
    """A schema of PostgreSQL, exactly as it is called, without quotes.

    Names that begin with ``pg_`` are the server's own
    (https://www.postgresql.org/docs/current/sql-createschema.html).
    """
    return Kind(_parse_schema, "a schema's name, without quotes", {"type": "string", "minLength": 1})


def _parse_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        cure = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_")
        hint = f", such as '{cure}'" if _NAME.fullmatch(cure) else ""
        raise BadValueError(
            f"'{text}' cannot name a table; use letters, digits and '_', not a digit first{hint}"
        )
    if len(text) > LONGEST_NAME:
        raise BadValueError(f"'{text}' is longer than {LONGEST_NAME} characters; shorten it")
    if text.lower() in RESERVED:
        raise BadValueError(f"'{text}' is a reserved word of SQL; use another name, such as '{text}_table'")
    if text.lower().startswith(RESERVED_PREFIX):
        raise BadValueError(f"'{text}' begins with '{RESERVED_PREFIX}', which names Headrace's own tables")
    return text


def _parse_column(text: str) -> str:
    if not text or "\0" in text:
        raise BadValueError("expected the name of an attribute")
    if text.lower().startswith(RESERVED_PREFIX):
        raise BadValueError(f"'{text}' begins with '{RESERVED_PREFIX}', which names Headrace's own columns")
    return text


def _parse_schema(text: str) -> str:
    if not text.strip() or "\0" in text or len(text.encode()) > LONGEST_NAME:
        raise BadValueError(f"expected the name of a schema, of at most {LONGEST_NAME} bytes")
    if text.startswith("pg_") or text == "information_schema":
        raise BadValueError(f"'{text}' is a schema of PostgreSQL's own; name one of yours")
    return text


def _parse_dataset_source(text: str) -> DatasetSource:
    scheme, _, mapping = text.partition(":")
    if scheme != _FED:
        return DatasetSource(_parse_source(text))
    if not _MAPPING.fullmatch(mapping):
        raise BadValueError(f"'{text}' names no event source mapping; write {_FED}:MAPPING, with its name")
    return DatasetSource(mapping=mapping)


def _parse_source(text: str) -> str:
    if "${" in text:
        raise BadValueError("references are replaced under params only; write the table's name")
    scheme, colon, table = text.partition(":")
    if scheme != _SCHEME:
        source = re.split(r"[/.]", scheme)[0]
        guess = f"; did you mean '{_SCHEME}:...'?" if nearest(source, [_SCHEME]) else ""
        found = f"'{source}' is not a source" if colon or guess else f"'{text}' names no source"
        raise BadValueError(f"{found} that Headrace reads; it reads DynamoDB only ({_SCHEME}:TABLE){guess}")
    return _parse_table(table)


def _parse_table(table: str) -> str:
    if table.startswith("arn:"):
        raise BadValueError("an ARN is not taken; write the table's name, and its region as aws_region")
    if not _TABLE.fullmatch(table):
        raise BadValueError(
            f"'{table}' cannot be a DynamoDB table; names have 3 to 255 letters, digits, '_', '-' and '.'"
        )
    return table
