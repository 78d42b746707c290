"""``HOST:PORT``, as options take it."""

from __future__ import annotations

import click

_LARGEST = 65535


class AddressType(click.ParamType[tuple[str, int]]):
    """Where to listen: ``HOST:PORT``, ``[IPv6]:PORT``, or ``:PORT`` on every interface; port 0 is any free one."""

    name = "HOST:PORT"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """The host, without brackets, and the port."""
        if isinstance(value, tuple):
            return value
        host, colon, port = value.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not colon or not port.isascii() or not port.isdigit() or (":" in host and not bracketed):
            self.fail(f"{value!r} is not HOST:PORT, such as 127.0.0.1:8090 or [::1]:8090", param, ctx)
        if int(port) > _LARGEST:
            self.fail(f"{value!r}: the port must be 0 to {_LARGEST}", param, ctx)
        return (host[1:-1] if bracketed else host) or "0.0.0.0", int(port)  # noqa: S104 - `:PORT` asks for it


ADDRESS = AddressType()
