"""The secret that signs webhooks, as Standard Webhooks 1.0.0 writes it ("Signature scheme")."""

from __future__ import annotations

import base64
import binascii
from typing import Final

PREFIX: Final = "whsec_"
"""What a secret begins with that signs symmetrically."""

SHORTEST: Final = 24
LONGEST: Final = 64
"""Bytes of a secret."""


def key_of(secret: str) -> bytes:
    """The bytes that a secret stands for. Raises ValueError, which never says the secret."""
    if not secret.startswith(PREFIX):
        raise ValueError(f"a secret begins with {PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"what follows {PREFIX} is not base64") from None
    if not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(f"a secret has {SHORTEST} to {LONGEST} bytes, this one {len(key)}")
    return key
