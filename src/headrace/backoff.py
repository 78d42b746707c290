"""How long to wait after a failure."""

from __future__ import annotations

import zlib

from headrace.errors import (
    AcceleratorError,
    AccessDenied,
    ConfigError,
    HeadraceError,
    InternalError,
    RequestRejected,
    SnapshotError,
    TableUnusable,
    Throttled,
)

CEILING = 20.0
"""Seconds: a healed service is noticed within this time."""

_SLOW_CEILING = 30.0


def delay(error: HeadraceError, attempt: int, salt: str) -> float:
    """Seconds to wait before try ``attempt`` + 1 (``attempt`` counts failures so far, from 1).

    Doubles per failure with jitter between half and the whole. The jitter is a checksum of ``salt`` and
    the attempt: spread over shards and processes, yet the same whenever the same run is replayed.
    Failures that only a person can heal, and requests that cost much, are tried slowly from the start.
    """
    if isinstance(
        error, (AccessDenied, ConfigError, TableUnusable, RequestRejected, SnapshotError, InternalError)
    ):
        base, ceiling = 2.0, _SLOW_CEILING
    elif isinstance(error, (AcceleratorError, Throttled)):
        base, ceiling = 0.2, CEILING
    else:
        base, ceiling = 0.05, CEILING
    whole = min(ceiling, base * 2.0 ** min(attempt - 1, 16))
    fraction = zlib.crc32(f"{salt}/{attempt}".encode()) / 2**32
    return whole * (0.5 + fraction / 2)
