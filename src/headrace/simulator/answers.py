"""Answers in AWS's form: errors with their namespaces, dates, and numbers as a Java service prints them.

Shapes after the DynamoDB developer guide, "Error handling with DynamoDB", and the API reference's samples.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import msgspec

_DYNAMODB = "com.amazonaws.dynamodb.v20120810"
_NAMESPACES = {
    "ValidationException": "com.amazon.coral.validate",
    "ThrottlingException": "com.amazon.coral.availability",
    "SerializationException": "com.amazon.coral.service",
    "UnknownOperationException": "com.amazon.coral.service",
    "AccessDeniedException": "com.amazon.coral.service",
    "ExpiredTokenException": "com.amazon.coral.service",
    "InvalidSignatureException": "com.amazon.coral.service",
    "IncompleteSignatureException": "com.amazon.coral.service",
    "MissingAuthenticationTokenException": "com.amazon.coral.service",
    "ServiceUnavailableException": "com.amazon.coral.service",
    "UnrecognizedClientException": "com.amazon.coral.service",
}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_JAVA_PLAIN_BELOW = 10_000_000

encode = msgspec.json.Encoder().encode


class Refusal(Exception):
    """An error answer on its way out. It never leaves the simulator: the front makes a Response of it.

    ``extra`` are members of the answer beside its type and message.
    """

    def __init__(
        self, code: str, message: str, *, status: int = 400, extra: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.extra = extra or {}

    def body(self) -> bytes:
        """The JSON that AWS sends for it; SerializationException alone spells its message with a capital."""
        namespace = _NAMESPACES.get(self.code, _DYNAMODB)
        key = "Message" if self.code == "SerializationException" else "message"
        return encode({"__type": f"{namespace}#{self.code}", key: str(self), **self.extra})


class KeyRefusal(Refusal):
    """A key that does not fit the table's schema: in a transaction it is a reason to cancel."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message)


def invalid(message: str) -> Refusal:
    """The request breaks a rule."""
    return Refusal("ValidationException", message)


def invalid_values(detail: str) -> Refusal:
    """The request breaks a rule of attribute values; AWS opens these messages with one phrase."""
    return invalid(f"One or more parameter values were invalid: {detail}")


def unreadable(message: str) -> Refusal:
    """The request's JSON has the wrong shape."""
    return Refusal("SerializationException", message)


def not_found(message: str) -> Refusal:
    """There is no such table, stream or shard."""
    return Refusal("ResourceNotFoundException", message)


def in_use(message: str) -> Refusal:
    """The resource exists already, or is not in a state that allows the operation."""
    return Refusal("ResourceInUseException", message)


def http_date(now: float) -> str:
    """RFC 7231 IMF-fixdate, independent of the locale."""
    at = time.gmtime(now)
    return (
        f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year} "
        f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"
    )


def iso_milliseconds(now_ms: int) -> str:
    """A stream label: ``2015-05-20T20:51:10.252``, UTC."""
    at = time.gmtime(now_ms // 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', at)}.{now_ms % 1000:03}"


def epoch(seconds: float) -> bytes:
    """A time as AWS writes it in JSON: a Java double, so ``1.46480527E9`` from ten million on."""
    if abs(seconds) < _JAVA_PLAIN_BELOW:
        return repr(float(seconds)).encode()
    sign, digits, exponent = Decimal(repr(seconds)).normalize().as_tuple()
    if not isinstance(exponent, int):
        raise TypeError(f"the clock gave {seconds!r}, which is not a time")
    text = "".join(map(str, digits))
    power = exponent + len(text) - 1
    return f"{'-' * sign}{text[0]}.{text[1:] or '0'}E{power}".encode()


def timestamp(seconds: float) -> Any:
    """``epoch``, to be embedded in an answer that msgspec encodes."""
    return msgspec.Raw(epoch(seconds))
