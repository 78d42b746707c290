"""Where the keys of a data file are: from a key's hash to the few positions at which it may stand.

A file of keys (``part-N.keys``) holds, all numbers little-endian:

- the 8 bytes ``HRKEYS01``, ``rows`` as 32 bits, ``bits`` as 32 bits;
- ``2**bits + 1`` numbers of 32 bits: where each bucket begins, and after the last one ``rows``;
- for each row, ordered by hash and then position, 8 bits: its fingerprint;
- for each row in that order the lower 16 bits of its position, then for each row the next 8 bits.

The bucket of a hash is its uppermost ``bits``, the fingerprint the 8 bits after them. So a key that is not in the file
is thought to be there once in 16 times (a bucket holds 16 rows at most on the average): the key at the position tells.
Four bytes a row, read through the system's page cache: a table of a hundred million rows needs no memory for its keys.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from headrace.errors import AcceleratorError

MOST_ROWS: Final = 2**24
"""Rows of one file: positions have 24 bits."""

Hashes = npt.NDArray[np.uint32]
Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_MAGIC: Final = b"HRKEYS01"
_HEAD: Final = struct.Struct("<8sII")
_ROWS_OF_BUCKET: Final = 16


class KeyIndex:
    """The file of keys of one data file."""

    def __init__(self, data: memoryview | bytes) -> None:
        """``data`` is the whole file. Raises AcceleratorError where it is none, or cut off."""
        if len(data) < _HEAD.size or bytes(data[:8]) != _MAGIC:
            raise AcceleratorError("it is no file of keys")
        _, self.rows, self._bits = _HEAD.unpack_from(data)
        buckets = 2**self._bits + 1
        if len(data) != _HEAD.size + 4 * buckets + 4 * self.rows:
            raise AcceleratorError("it has the wrong size")
        place = _HEAD.size
        self._starts = np.frombuffer(data, "<u4", buckets, place)
        place += 4 * buckets
        self._fingerprints = np.frombuffer(data, "<u1", self.rows, place)
        place += self.rows
        self._low = np.frombuffer(data, "<u2", self.rows, place)
        self._high = np.frombuffer(data, "<u1", self.rows, place + 2 * self.rows)

    @classmethod
    def open(cls, path: Path) -> Self:
        """A file of keys, mapped into memory. Raises OSError, AcceleratorError."""
        try:
            return cls(np.memmap(path, np.uint8, "r").data)
        except ValueError as error:
            raise AcceleratorError(f"{path} is no file of keys: {error}") from error
        except AcceleratorError as error:
            raise AcceleratorError(f"{path}: {error}") from error

    def candidates(self, hashes: Hashes) -> tuple[Positions, Positions]:
        """Pairs of an index into ``hashes`` and a position at which its key may stand; all others are not in the file."""
        buckets = _uppermost(hashes, self._bits)
        first = self._starts[buckets].astype(np.int64)
        counts = self._starts[buckets + 1].astype(np.int64) - first
        owners = np.repeat(np.arange(len(hashes)), counts)
        within = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
        entries = np.repeat(first, counts) + within
        same = self._fingerprints[entries] == _fingerprints(hashes, self._bits)[owners]
        entries = entries[same]
        return owners[same], self._low[entries].astype(np.int64) | self._high[entries].astype(np.int64) << 16


def encoded(hashes: Hashes) -> bytes:
    """The file of keys for rows of these hashes, in the order of their positions. There are MOST_ROWS at most."""
    rows = len(hashes)
    bits = max(0, (rows // _ROWS_OF_BUCKET).bit_length())
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    buckets = _uppermost(ordered, bits)
    starts = np.searchsorted(buckets, np.arange(2**bits + 1)).astype("<u4")
    return b"".join(
        (
            _HEAD.pack(_MAGIC, rows, bits),
            starts.tobytes(),
            _fingerprints(ordered, bits).tobytes(),
            (order & 0xFFFF).astype("<u2").tobytes(),
            (order >> 16).astype("<u1").tobytes(),
        )
    )


def _uppermost(hashes: Hashes, bits: int) -> npt.NDArray[np.int64]:
    return hashes.astype(np.int64) >> (32 - bits)


def _fingerprints(hashes: Hashes, bits: int) -> npt.NDArray[np.uint8]:
    return (hashes.astype(np.int64) >> (24 - bits) & 0xFF).astype(np.uint8)
