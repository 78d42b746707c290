"""Who may ask the runtime, and with what it proves that it is the one that was asked."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum

from headrace.dataset import Secret


class Scope(StrEnum):
    """What a key opens: ``read`` asks, ``operate`` also refreshes, takes snapshots and settles dead letters."""

    READ = "read"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key, and what it opens."""

    secret: Secret
    scope: Scope = Scope.OPERATE


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate, with those between it and its authority after it, and its private key: both PEM."""

    certificate: str
    key: Secret


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask. Without ``keys`` everybody may; without ``tls`` what is said is not encrypted.

    ``insecure`` is the word of whoever starts the runtime that everybody may, from other machines too.
    """

    keys: tuple[ApiKey, ...] = ()
    tls: Tls | None = None
    insecure: bool = False

    @property
    def authenticates(self) -> bool:
        """Whether who asks needs a key."""
        return bool(self.keys)

    def admits(self, given: str | None, scope: Scope = Scope.READ) -> bool:
        """Whether whoever has ``given``, None for no key, may ask for what needs ``scope``.

        How long it takes tells nothing of the keys: each is compared whole, by its hash.
        """
        if not self.keys:
            return True
        hashed = _hash(given or "")
        admitted = False
        for key in self.keys:
            same = hmac.compare_digest(hashed, _hash(key.secret.reveal()))
            admitted |= same and (scope is Scope.READ or key.scope is Scope.OPERATE)
        return admitted and given is not None


def bearer(authorization: str | None) -> str | None:
    """The key in a header ``Authorization: Bearer KEY`` (RFC 6750, section 2.1), None of any other."""
    scheme, _, given = (authorization or "").strip().partition(" ")
    return given.strip() or None if scheme.lower() == "bearer" else None


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
