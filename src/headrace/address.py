"""``HOST:PORT``, as people write where to listen."""

from __future__ import annotations

from typing import Final

Address = tuple[str, int]
"""Host, without brackets, and port; port 0 picks a free one."""

_LARGEST: Final = 65535


def parse_address(text: str) -> Address:
    """``HOST:PORT``, ``[IPv6]:PORT``, or ``:PORT`` on every interface. Raises ValueError, which says what is wrong."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isascii() or not port.isdigit() or (":" in host and not bracketed):
        raise ValueError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:8090 or [::1]:8090")
    if int(port) > _LARGEST:
        raise ValueError(f"{text!r}: the port must be 0 to {_LARGEST}")
    return (host[1:-1] if bracketed else host) or "0.0.0.0", int(port)  # noqa: S104 - `:PORT` asks for it
