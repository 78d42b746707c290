"""Durations and sizes, exactly: integers of nanoseconds and of bytes, never floats."""

from __future__ import annotations

import re
from decimal import Decimal

from headrace.config.problem import BadValueError

SECOND = 1_000_000_000
"""Nanoseconds in a second."""

_NANOSECONDS = {
    "d": 86_400 * SECOND,
    "h": 3_600 * SECOND,
    "m": 60 * SECOND,
    "s": SECOND,
    "ms": 1_000_000,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, micro sign
    "μs": 1_000,
    "ns": 1,
}
_BYTES = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_LARGEST = 2**63 - 1

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_UNIT = "ns|us|µs|μs|ms|s|m|h|d"
_PART = re.compile(rf"({_NUMBER})({_UNIT})")
DURATION_PATTERN = rf"^(0|({_NUMBER}({_UNIT}))( ?{_NUMBER}({_UNIT}))*)$"
SIZE_PATTERN = rf"^{_NUMBER} ?([KMGT]i?)?[Bb]?$"
_DURATION = re.compile(DURATION_PATTERN)
_SIZE = re.compile(rf"({_NUMBER}) ?([a-z]*)")

DURATION_EXAMPLES = "100ms, 1s, 1m30s, 2h"
SIZE_EXAMPLES = "64MiB, 1GB"


def parse_duration(text: str) -> int:
    """Nanoseconds of ``100ms``, ``1.5s``, ``1m30s``, ``2h``, ``30d`` or a bare ``0``.

    The forms are those of Go's ``time.ParseDuration`` (https://pkg.go.dev/time#ParseDuration) without
    a sign, and days of 24 hours. Raises BadValueError, also for parts of a nanosecond.
    """
    if not _DURATION.fullmatch(text):
        if re.fullmatch(_NUMBER, text):
            raise BadValueError(f"'{text}' has no unit; write a duration such as {DURATION_EXAMPLES}")
        raise BadValueError(f"'{text}' is not a duration; write one such as {DURATION_EXAMPLES}")
    if text == "0":
        return 0
    total = sum(Decimal(number) * _NANOSECONDS[unit] for number, unit in _PART.findall(text))
    return _whole(total, text, "nanoseconds")


def format_duration(nanoseconds: int) -> str:
    """The shortest text that ``parse_duration`` takes back to the same number, in whole units."""
    if nanoseconds == 0:
        return "0s"
    parts = []
    for unit in ("h", "m", "s", "ms", "us", "ns"):
        count, nanoseconds = divmod(nanoseconds, _NANOSECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_size(text: str) -> int:
    """Bytes of ``64MiB`` (powers of 1024), ``1GB`` (powers of 1000) or a bare number of bytes.

    Raises BadValueError, also for parts of a byte.
    """
    match = _SIZE.fullmatch(text.lower())
    unit = _BYTES.get(match[2]) if match else None
    if match is None or unit is None:
        raise BadValueError(f"'{text}' is not a size; write one such as {SIZE_EXAMPLES}")
    return _whole(Decimal(match[1]) * unit, text, "bytes")


def format_size(count: int) -> str:
    """The text with the largest unit of powers of 1024 that divides ``count``."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if count and count % _BYTES[unit.lower()] == 0:
            return f"{count // _BYTES[unit.lower()]}{unit}"
    return f"{count}B"


def _whole(amount: Decimal | int, text: str, unit: str) -> int:
    if amount != int(amount):
        raise BadValueError(f"'{text}' is not a whole number of {unit}")
    if amount > _LARGEST:
        raise BadValueError(f"'{text}' is too large")
    return int(amount)
