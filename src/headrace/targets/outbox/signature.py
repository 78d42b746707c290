"""Signatures of webhooks. Source: Standard Webhooks 1.0.0, "Signature scheme" and "Webhook headers"."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence


def signature(keys: Sequence[bytes], id_: str, timestamp: int, body: bytes) -> str:
    """What the header webhook-signature holds: the signatures by all keys, of which a receiver needs to know one."""
    signed = f"{id_}.{timestamp}.".encode() + body
    digests = (hmac.digest(key, signed, "sha256") for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
