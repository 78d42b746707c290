"""A certificate and its key, made ready for a server."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

from headrace.access import Tls
from headrace.errors import ConfigError


def server_context(tls: Tls) -> ssl.SSLContext:
    """What a server of TLS 1.2 and newer needs. Raises ConfigError for a certificate or key that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL is given files only. This one is its owner's alone, and gone at once.
    handle, name = tempfile.mkstemp(prefix="headrace-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{tls.certificate}\n{tls.key.reveal()}\n")
        # Without a password of ours, OpenSSL would ask the terminal for one.
        context.load_cert_chain(name, password="")
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(_cure(error)) from None
    finally:
        Path(name).unlink()
    return context


def _cure(error: ssl.SSLError | ValueError) -> str:
    reason = str(getattr(error, "reason", None) or error)
    if reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
        return "the key does not belong to the certificate; give the one that the certificate was made for"
    return f"the certificate and key cannot be used ({reason}); give both as PEM, the key without a password"
