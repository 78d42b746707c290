"""Who may ask: the Authorization header, checked as AWS checks it.

Rules: AWS General Reference, "Create a signed AWS API request" (Signature Version 4).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from headrace.simulator.answers import Refusal

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,\s]+)/(?P<scope>[0-9]{8}/[^/,\s]+/[^/,\s]+/aws4_request),\s*"
    r"SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]+)"
)


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Checks requests against ``credentials``, access key ids to secret keys; None lets any id pass."""

    credentials: Mapping[str, str] | None = None

    def check(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> None:
        """Raise the refusal that AWS gives for a missing, unknown or wrong signature."""
        given = headers.get("authorization")
        if not given:
            raise Refusal("MissingAuthenticationTokenException", "Request is missing Authentication Token")
        match = _AUTHORIZATION.fullmatch(given)
        if match is None:
            raise Refusal(
                "IncompleteSignatureException",
                "Authorization header requires existence of 'Credential', 'SignedHeaders' and 'Signature'",
            )
        if self.credentials is None:
            return
        secret = self.credentials.get(match["key"])
        if secret is None:
            raise Refusal(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        request = _canonical_request(method, path, query, headers, match["headers"], body)
        expected = _signature(secret, match["scope"], headers.get("x-amz-date", ""), request)
        if not hmac.compare_digest(expected, match["signature"]):
            raise Refusal(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. "
                "Check your AWS Secret Access Key and signing method. "
                "Consult the service documentation for details.",
            )


def _canonical_request(
    method: str, path: str, query: str, headers: Mapping[str, str], signed: str, body: bytes
) -> str:
    names = signed.split(";")
    lines = [f"{name}:{' '.join(headers.get(name, '').split())}" for name in names]
    payload = headers.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest()
    return "\n".join([method, path, query, *lines, "", signed, payload])


def _signature(secret: str, scope: str, moment: str, request: str) -> str:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    return hmac.digest(key, text.encode(), "sha256").hex()
