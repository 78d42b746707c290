"""The kinds of values: how each is read from its text, described in words, and told to an editor."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from headrace.column_reference import parse_reference
from headrace.config.problem import BadValueError, not_one_of
from headrace.config.quantity import (
    DURATION_EXAMPLES,
    DURATION_PATTERN,
    SIZE_EXAMPLES,
    SIZE_PATTERN,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)
from headrace.cron import Cron
from headrace.dataset import Secret, TimeFormat
from headrace.time_layout import Layout

T_co = TypeVar("T_co", covariant=True)

REFERENCE_PATTERN = r"\$\{.+\}"
"""Where a reference to a secret may stand instead of a value."""

UNLIMITED = 2**63 - 1

_UPSERTS = ("upsert", "upsert_dedup", "upsert_dedup_by_row_id")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T_co]):
    """One kind of value.

    ``parse`` reads a text, and raises BadValueError with the choices and the cure. ``says`` are the
    choices in words. ``schema`` is the JSON Schema of the value as an editor's YAML reader sees it. Values
    of a ``secret`` kind must never be shown.
    """

    parse: Callable[[str], T_co]
    says: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    secret: bool = False


def text(wanted: str = "text", pattern: str | None = None) -> Kind[str]:
    """Text without line breaks; ``pattern`` must match all of it, ``wanted`` says so in words."""

    def parse(given: str) -> str:
        if not given.strip() or "\n" in given:
            raise BadValueError(f"expected {wanted}")
        if pattern is not None and not re.fullmatch(pattern, given):
            raise BadValueError(f"'{given}' is not {wanted}")
        return given

    return Kind(parse, wanted, {"type": ["string", "number", "boolean"]})


def prose() -> Kind[str]:
    """Text of any length, for people or for SQL."""
    return Kind(str, "text", {"type": "string"})


def layout() -> Kind[Layout]:
    """How times are written, in Go's way: as the reference time Mon Jan 2 15:04:05 MST 2006 would be."""

    def parse(given: str) -> Layout:
        try:
            return Layout.of(given)
        except ValueError as error:
            raise BadValueError(str(error)) from None

    # An editor reads 2006-01-02 as text too, but 20060102150405 as a number.
    return Kind(parse, "a Go time layout such as `2006-01-02 15:04:05`", {"type": ["string", "number"]})


def hidden() -> Kind[Secret]:
    """A secret: read, but never shown."""

    def parse(given: str) -> Secret:
        if not given.strip():
            raise BadValueError("is empty")
        return Secret(given)

    says = "text, best a reference such as `${secrets:name}`"
    return Kind(parse, says, {"type": ["string", "number"]}, secret=True)


def choice(*words: str) -> Kind[str]:
    """One of some words."""

    def parse(given: str) -> str:
        if given not in words:
            raise BadValueError(not_one_of(given, words))
        return given

    # YAML 1.1 editors read a bare on as true.
    booleans: list[object] = [True, False] if {"on", "off"} & set(words) else []
    return Kind(parse, ", ".join(f"`{word}`" for word in words), {"enum": [*words, *booleans]})


def flag() -> Kind[bool]:
    """True or false."""

    def parse(given: str) -> bool:
        if given.lower() not in ("true", "false"):
            raise BadValueError(f"'{given}' is not one of true, false")
        return given.lower() == "true"

    return Kind(parse, "`true`, `false`", {"type": "boolean"})


def integer(least: int = 0, most: int = UNLIMITED) -> Kind[int]:
    """A whole number from ``least`` to ``most``, in decimal digits without leading zeros."""
    says = f"a whole number from {least}" + (f" to {most}" if most < UNLIMITED else " up")

    def parse(given: str) -> int:
        if not re.fullmatch(r"0|[1-9][0-9]{0,18}", given) or not least <= int(given) <= most:
            raise BadValueError(f"'{given}' is not {says}")
        return int(given)

    maximum = {"maximum": most} if most < UNLIMITED else {}
    return Kind(parse, says, {"type": "integer", "minimum": least, **maximum})


def count(least: int, most: int) -> Kind[int | None]:
    """A whole number, or ``auto`` (None): Headrace chooses."""
    number = integer(least, most)

    def parse(given: str) -> int | None:
        if given == "auto":
            return None
        try:
            return number.parse(given)
        except BadValueError:
            raise BadValueError(f"'{given}' is neither 'auto' nor {number.says}") from None

    return Kind(parse, f"`auto`, or {number.says}", {"anyOf": [{"const": "auto"}, number.schema]})


def duration(least: int = 0, most: int = UNLIMITED) -> Kind[int]:
    """A span of time, in nanoseconds, from ``least`` to ``most``."""

    def parse(given: str) -> int:
        span = parse_duration(given)
        if span < least:
            raise BadValueError(f"'{given}' is too short; the least is {format_duration(least)}")
        if span > most:
            raise BadValueError(f"'{given}' is too long; the most is {format_duration(most)}")
        return span

    says = f"a duration ({DURATION_EXAMPLES})"
    says += f", at least {format_duration(least)}" if least else ""
    says += f", at most {format_duration(most)}" if most < UNLIMITED else ""
    spelled = {"type": "string", "pattern": DURATION_PATTERN}
    return Kind(parse, says, spelled if least else {"anyOf": [spelled, {"const": 0}]})


def size(least: int = 0) -> Kind[int]:
    """A number of bytes, at least ``least``."""

    def parse(given: str) -> int:
        number = parse_size(given)
        if number < least:
            raise BadValueError(f"'{given}' is too small; the least is {format_size(least)}")
        return number

    says = f"a size ({SIZE_EXAMPLES})" + (f", at least {format_size(least)}" if least else "")
    schema = {"anyOf": [{"type": "integer", "minimum": least}, {"type": "string", "pattern": SIZE_PATTERN}]}
    return Kind(parse, says, schema)


def threshold() -> Kind[str]:
    """How often a snapshot is taken: a number of batches, or a duration. Gives the text back."""
    says = f"a number of batches from 1 up, or a duration ({DURATION_EXAMPLES})"

    def parse(given: str) -> str:
        if re.fullmatch(r"[1-9][0-9]{0,9}", given):
            return given
        try:
            span = parse_duration(given)
        except BadValueError:
            span = 0
        if not span:
            raise BadValueError(f"'{given}' is not {says}")
        return given

    schema = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": DURATION_PATTERN}]}
    return Kind(parse, says, schema)


def url() -> Kind[str]:
    """An http or https address without user, password, query or fragment."""
    wanted = "expected an address such as http://127.0.0.1:8000"

    def parse(given: str) -> str:
        # The text is repeated in no message: it may hold a password.
        try:
            parts = urlsplit(given)
            hostname, _ = parts.hostname, parts.port
        except ValueError:
            raise BadValueError(wanted) from None
        if "@" in parts.netloc:
            raise BadValueError("must not hold a user or password; give credentials by their own keys")
        if parts.scheme not in ("http", "https") or not hostname or re.search(r"\s", given):
            raise BadValueError(wanted)
        if parts.query or parts.fragment:
            raise BadValueError(f"{wanted}, without '?' or '#'")
        return given

    return Kind(parse, "an http or https address", {"type": "string", "pattern": "^https?://"})


def file_path() -> Kind[str]:
    """A file or folder, as written; a relative one starts at the Spicepod's folder."""

    def parse(given: str) -> str:
        if not given.strip() or "\n" in given or "\0" in given:
            raise BadValueError("expected a path")
        if given.startswith("~"):
            raise BadValueError("'~' is not expanded; write the whole path, or ${env:HOME}/...")
        if "://" in given:
            raise BadValueError("an address is not taken; write the path of a place on this machine")
        return given

    says = "a path; a relative one starts at the Spicepod's folder"
    return Kind(parse, says, {"type": "string", "minLength": 1})


def column_names() -> Kind[tuple[str, ...]]:
    """One column or several: ``id``, or ``(id, version)``. Gives the names in order."""

    def parse(given: str) -> tuple[str, ...]:
        try:
            return parse_reference(given)
        except ValueError as error:
            raise BadValueError(str(error)) from None

    says = "`id`, or `(id, version)`; names with commas, brackets or quotes stand in double quotes"
    return Kind(parse, says, {"type": "string", "minLength": 1})


def column_reference() -> Kind[str]:
    """One column, as ``column_names`` has them. Gives its name."""
    names = column_names()

    def parse(given: str) -> str:
        name, *others = names.parse(given)
        if others:
            raise BadValueError(f"'{given}' names {1 + len(others)} columns; name one")
        return name

    return Kind(parse, "a column; names with commas, brackets or quotes stand in double quotes", names.schema)


def cron_schedule() -> Kind[str]:
    """A schedule in the five fields of crontab. Gives the text back."""

    def parse(given: str) -> str:
        try:
            return Cron.parse(given).text
        except ValueError as error:
            raise BadValueError(str(error)) from None

    return Kind(parse, "five fields, such as `0 12 * * 1-5`", {"type": "string", "minLength": 9})


def format_of_times() -> Kind[TimeFormat]:
    """How a column tells a time. Spice writes ``ISO8601`` in capitals."""
    words = tuple("ISO8601" if word is TimeFormat.ISO_8601 else str(word) for word in TimeFormat)
    word = choice(*words)

    def parse(given: str) -> TimeFormat:
        return TimeFormat(word.parse("ISO8601" if given.upper() == "ISO8601" else given).lower())

    return Kind(parse, word.says, word.schema)


def conflict_rule() -> Kind[str]:
    """What a change of a known key does: ``upsert``, which Spice writes in three ways."""

    def parse(given: str) -> str:
        if given == "drop":
            raise BadValueError(
                "'drop' would keep the first version of each item for ever, and the copy would not be the table; "
                "write upsert"
            )
        if given not in _UPSERTS:
            raise BadValueError(not_one_of(given, _UPSERTS))
        return given

    return Kind(parse, ", ".join(f"`{word}`" for word in _UPSERTS), {"enum": [*_UPSERTS]})


def connection_string() -> Kind[Secret]:
    """What libpq takes for a connection: a URI or keywords. It is a secret, whole."""
    says = "a URI (`postgresql://...`) or keywords (`host=... dbname=...`)"

    def parse(given: str) -> Secret:
        if "\0" in given or not re.match(r"\s*(postgres(ql)?://|[a-z_]+\s*=)", given):
            # Never the text itself: it may hold a password.
            raise BadValueError("is neither a URI (postgresql://...) nor keywords (host=... dbname=...)")
        return Secret(given)

    return Kind(parse, says, {"type": "string"}, secret=True)


def certificate() -> Kind[str]:
    """A file of certificates, or ``system``."""
    file = file_path()

    def parse(given: str) -> str:
        if given.lstrip().startswith("-----BEGIN"):
            raise BadValueError(
                "a certificate itself is not taken; save it in a file, and write the file's path"
            )
        return file.parse(given)

    return Kind(parse, f"`system`, or {file.says}", file.schema)


def pem(label: str) -> Kind[Secret]:
    """A text of PEM (RFC 7468) with ``label``. It is a secret, whole."""
    says = f"a text of PEM (`-----BEGIN {label}-----`)"

    def parse(given: str) -> Secret:
        # Older keys say of which algorithm they are: BEGIN RSA PRIVATE KEY.
        if not re.search(rf"-----BEGIN ([A-Z0-9]+ )*{label}-----", given):
            raise BadValueError(f"is not {says}")
        return Secret(given)

    return Kind(parse, says, {"type": "string"}, secret=True)


def or_reference(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema that also takes a reference in place of the value."""
    reference = {"type": "string", "pattern": REFERENCE_PATTERN}
    return {"anyOf": [*schema.get("anyOf", [dict(schema)]), reference]}
