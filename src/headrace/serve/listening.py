"""Where what holds data may be served."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from headrace.access import Access
from headrace.errors import ConfigError


def expect_guarded(flag: str, host: str, access: Access) -> None:
    """Raise ConfigError where other machines get to ``host``, and nobody who asks is asked who they are."""
    if access.authenticates or access.insecure or stays_on_this_machine(host):
        return
    raise ConfigError(
        f"{flag} {host}: other machines get to this address, and whoever does could read every row. Ask for keys "
        "(runtime.auth.api-key in the Spicepod), or listen on 127.0.0.1 behind a proxy that knows who asks, or say --insecure "
        "(HEADRACE_INSECURE=true) where the network keeps others out"
    )


def stays_on_this_machine(host: str) -> bool:
    """Whether only programs of this machine reach ``host``. A name that is not known here does not count as such."""
    try:
        return all(
            ip_address(str(found[4][0]).partition("%")[0]).is_loopback
            for found in socket.getaddrinfo(host, None)
        )
    except (OSError, UnicodeError):
        return False
