"""How the two ends of a pipe take turns: a head (small JSON) and a body, with their lengths before them."""

from __future__ import annotations

import struct

_LENGTHS = struct.Struct(">II")


def frame(head: bytes, body: bytes = b"") -> bytes:
    """Both as they go through the pipe."""
    return b"".join((_LENGTHS.pack(len(head), len(body)), head, body))


class FrameReader:
    """Takes what comes out of a pipe, until a frame is whole. Raises ValueError where more than ``most`` bytes are announced."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = bytearray()

    def feed(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Head and body of the first frame; None while it is not whole."""
        held = self._held
        held += data
        if len(held) < _LENGTHS.size:
            return None
        head, body = _LENGTHS.unpack_from(held)
        if head + body > self._most:
            raise ValueError(f"a frame of {head + body} bytes")
        begin, end = _LENGTHS.size + head, _LENGTHS.size + head + body
        if len(held) < end:
            return None
        found = bytes(held[_LENGTHS.size : begin]), bytes(held[begin:end])
        del held[:end]
        return found
