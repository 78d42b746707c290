"""The one seam to AWS: a request body goes in, an answer as it came over the wire goes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer: header names in lower case, the body whole and unparsed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Sends one operation of DynamoDB or DynamoDB Streams (``Scan``, ``GetRecords``, ...).

    ``body`` is the request's JSON. Error answers (status 400 and above) are returned, not raised. Raises
    Unavailable when no whole answer came, AccessDenied when there are no credentials to sign with.
    The simulator is a Transport; so is botocore's client with its parser and its retries set aside.
    """

    def __call__(self, operation: str, body: bytes) -> Response:
        """Send and wait for the answer."""
        ...
