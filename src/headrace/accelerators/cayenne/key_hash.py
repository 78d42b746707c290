"""The hash by which a key is found: the first 32 bits of the MD5 (RFC 1321) of its bytes.

The bytes of a key are those of its parts, one after the other, each but the last with its length before it (32 bits,
little-endian): a text in UTF-8, a number's digits as text without a fraction's zeros at its end, binary as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from hashlib import md5
from typing import Any, Final

import numpy as np
import pyarrow as pa

from headrace.accelerators.cayenne.key_index import Hashes
from headrace.accelerators.value_text import digits

_LENGTH: Final[Callable[[int], bytes]] = struct.Struct("<I").pack


def hash_keys(keys: pa.Table) -> Hashes:
    """The hashes of keys, a table of the key columns."""
    *first, last = (_bytes_of(column) for column in keys.columns)
    rows: Iterable[bytes] = last if not first else map(_joined, zip(*first, last, strict=True))
    hashed = b"".join([md5(row, usedforsecurity=False).digest()[:4] for row in rows])
    return np.frombuffer(hashed, ">u4").astype(np.uint32)


def _joined(parts: Sequence[bytes]) -> bytes:
    return b"".join([_LENGTH(len(part)) + part for part in parts[:-1]]) + parts[-1]


def _bytes_of(column: pa.ChunkedArray) -> list[Any]:
    texts = column
    if not (pa.types.is_string(column.type) or pa.types.is_binary(column.type)):
        texts = pa.chunked_array([digits(chunk) for chunk in column.chunks], pa.string())
    return texts.cast(pa.binary()).to_pylist()  # type: ignore[no-any-return]  # pyarrow is not typed.
