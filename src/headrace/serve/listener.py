"""A socket that listens, or the reason in words why it cannot."""

from __future__ import annotations

import errno
import socket

from headrace.errors import ConfigError


def listen(flag: str, host: str, port: int) -> socket.socket:
    """A socket that listens at this address; port 0 picks a free one.

    Raises ConfigError that names the cure; ``flag`` is the command's option for the address.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        raise ConfigError(_cannot_listen(flag, host, port, error)) from error
    # asyncio turns Nagle's delay off only for sockets that say they are TCP.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())


def _cannot_listen(flag: str, host: str, port: int, error: Exception) -> str:
    where = f"{flag} {host}:{port}"
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return (
            f"{where}: port {port} is taken by another process; stop that, or name another port with "
            f"{flag} {host}:PORT (0 picks a free one)"
        )
    if number == errno.EACCES:
        return f"{where}: not permitted to listen on port {port}; name one above 1023 with {flag} {host}:PORT"
    return f"{where}: cannot listen there: {error}; name an address of this machine with {flag} HOST:PORT"
