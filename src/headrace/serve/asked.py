"""What a request for rows asks: the statement, its parameters, how long it may take, whether a kept answer will do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pyarrow as pa

from headrace.decoding import decoded
from headrace.errors import QueryError, QueryFault
from headrace.limits import Freshness
from headrace.serve.media import is_json

TIMEOUT_HEADER: Final = "x-headrace-timeout"
"""Seconds that the engine may work on the statement; it never gets more than the runtime allows."""

_MOST_DIGITS: Final = 38
_FORM: Final = '{"sql": "SELECT ...", "parameters": [...]}'


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement, with the values of its parameters in order."""

    sql: str
    parameters: tuple[pa.Scalar, ...] = ()


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    """The body in JSON."""

    sql: str
    parameters: list[Any] = []


def read_asked(body: bytes, content_type: str) -> Asked:
    """What a body asks: its text, or JSON with ``sql`` and ``parameters``. Raises QueryError INVALID."""
    if not is_json(content_type):
        try:
            return Asked(body.decode())
        except UnicodeDecodeError:
            raise QueryError(QueryFault.INVALID, "the statement is not UTF-8 text") from None
    try:
        read = decoded(body, _Body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise QueryError(QueryFault.INVALID, f"the body is not JSON of the form {_FORM}: {error}") from None
    return Asked(read.sql, tuple(_scalar(n, value) for n, value in enumerate(read.parameters, start=1)))


def read_timeout(header: str | None) -> float | None:
    """The seconds in a header. Raises QueryError INVALID."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise QueryError(
            QueryFault.INVALID, f"{TIMEOUT_HEADER}: expected a number of seconds above 0, such as 2.5"
        )
    return seconds


def read_freshness(cache_control: str) -> Freshness:
    """What a request's header Cache-Control takes (RFC 9111, section 5.2.1)."""
    directives = {directive.strip().lower() for directive in cache_control.split(",")}
    if "no-store" in directives:
        return Freshness.PRIVATE
    return Freshness.NEW if directives & {"no-cache", "max-age=0"} else Freshness.KEPT


def _scalar(number: int, value: object) -> pa.Scalar:
    """An integer is a BIGINT, or a decimal where it is too large; any other number a DOUBLE. Raises QueryError INVALID."""
    match value:
        case None | bool() | float() | str():
            return pa.scalar(value)
        case int() if -(2**63) <= value < 2**63:
            return pa.scalar(value, pa.int64())
        case int() if len(str(abs(value))) <= _MOST_DIGITS:
            return pa.scalar(value, pa.decimal128(_MOST_DIGITS, 0))
        case int():
            why = f"has more than {_MOST_DIGITS} digits"
        case _:
            why = "is an array or an object"
    raise QueryError(
        QueryFault.INVALID,
        f"the value of ${number} {why}; give a string, and write CAST(${number} AS TYPE) in the statement",
    )
