"""What a client fetches rows with: everything that it takes to run the statement, so that nothing is kept for it."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

import msgspec
import pyarrow as pa

from headrace.decoding import msgpack_decoder

ANY_SCHEMA: Final = b""
"""The digest where the client was told no schema."""

_SIGNATURE_BYTES: Final = 16


class StatementTicket(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A statement, the parameters that it is run with (as Arrow's IPC writes a batch of one row), and its number.

    ``number`` tells runs apart, for who cancels one. ``digest`` is that of the schema that the client was told.
    It is signed with the server's ``key``, so that only parameters that the server has written itself are read: Arrow's IPC may be
    compressed, and become thousands of times as large.
    """

    number: bytes
    sql: str
    digest: bytes = ANY_SCHEMA
    parameters: bytes | None = None

    def encoded(self, key: bytes) -> bytes:
        """The ticket as bytes."""
        content = msgspec.msgpack.encode(self)
        return _signature(content, key) + content


_TICKET: Final = msgpack_decoder(StatementTicket)


def decoded(data: bytes, key: bytes) -> StatementTicket | None:
    """The ticket in ``data``; None if it is none that was signed with ``key``."""
    signature, content = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(content, key)):
        return None
    return _TICKET.decode(content)


def _signature(content: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(content, key=key, digest_size=_SIGNATURE_BYTES).digest()


def digest(schema: pa.Schema) -> bytes:
    """What tells two schemas apart."""
    return hashlib.blake2b(schema.serialize().to_pybytes(), digest_size=8).digest()
