"""What a client fetches rows with: everything that it takes to run the statement, so that nothing is kept for it."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
import pyarrow as pa

ANY_SCHEMA: Final = b""
"""The digest where the client was told no schema."""


class StatementTicket(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A statement, the parameters that it is run with (as Arrow's IPC writes a batch of one row), and its number.

    ``number`` tells runs apart, for who cancels one. ``digest`` is that of the schema that the client was told.
    Whoever has a ticket may ask as much by a statement of their own, which is checked alike.
    """

    number: bytes
    sql: str
    digest: bytes = ANY_SCHEMA
    parameters: bytes | None = None

    def encoded(self) -> bytes:
        """The ticket as bytes."""
        return msgspec.msgpack.encode(self)


def decoded(data: bytes) -> StatementTicket | None:
    """The ticket in ``data``; None if it is none."""
    try:
        return msgspec.msgpack.decode(data, type=StatementTicket)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def digest(schema: pa.Schema) -> bytes:
    """What tells two schemas apart."""
    return hashlib.blake2b(schema.serialize().to_pybytes(), digest_size=8).digest()
