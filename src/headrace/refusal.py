"""The one door through which the service's error answers become ours, each with its cure.

Codes and their meanings: DynamoDB Developer Guide, "Error handling with DynamoDB", the API references'
"Errors" of each operation, and their "Common errors".
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import msgspec

from headrace.errors import (
    AccessDenied,
    IteratorExpired,
    PositionTrimmed,
    RequestRejected,
    ShardGone,
    SourceError,
    TableUnusable,
    Throttled,
    Unavailable,
)
from headrace.wire import Response

STREAM_OPERATIONS = frozenset({"DescribeStream", "GetShardIterator", "GetRecords", "ListStreams"})
"""The operations of DynamoDB Streams; all others are DynamoDB's."""

THROTTLING = frozenset(
    {
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)

CONFLICTING = frozenset({"ReplicatedWriteConflictException", "TransactionConflictException"})
"""Other writes of the same item are under way: PutItem, UpdateItem and DeleteItem, API reference, "Errors"."""

FAILING = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})

UNKNOWN_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)

CLOCK_WRONG = frozenset({"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"})

NOT_PERMITTED = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized", "OptInRequired"})

_CONSEQUENCES: tuple[tuple[frozenset[str], Container[int], type[SourceError], str], ...] = (
    (THROTTLING, (429,), Throttled, "throttled; the next try waits"),
    (CONFLICTING, (), Throttled, "another write of the item is under way; it is tried again"),
    (FAILING, range(500, 600), Unavailable, "the service failed; it is asked again"),
    (
        frozenset({"ExpiredIteratorException"}),
        (),
        IteratorExpired,
        "the shard iterator is older than 15 minutes; it is opened again",
    ),
    (
        frozenset({"TrimmedDataAccessException"}),
        (),
        PositionTrimmed,
        "the stream keeps records for 24 hours and has forgotten those at this position",
    ),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests go, for messages: a region, and an endpoint where it is not the region's own."""

    region: str | None = None
    endpoint_url: str | None = None

    def __str__(self) -> str:
        region = f"region {self.region}" if self.region else "an unnamed region"
        return f"{region} at {self.endpoint_url}" if self.endpoint_url else region

    def options(self) -> str:
        """The options that make the ``aws`` command go there too."""
        region = f" --region {self.region}" if self.region else ""
        return f"{region} --endpoint-url {self.endpoint_url}" if self.endpoint_url else region


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, for messages. ``shard`` is None where no single shard was asked for."""

    operation: str
    table: str
    place: Place
    shard: str | None = None

    def __str__(self) -> str:
        shard = f" of shard {self.shard}" if self.shard else ""
        return f"{self.operation} on table {self.table}{shard} ({self.place})"

    @property
    def permission(self) -> str:
        """The IAM action and the resource that it must be allowed on."""
        stream = "/stream/*" if self.operation in STREAM_OPERATIONS else ""
        return f"dynamodb:{self.operation} on table/{self.table}{stream}"


def refusal(response: Response, request: Request) -> SourceError:
    """The exception for an error answer. The service's own words are kept where they cannot hold secrets."""
    code, said = code_and_words(response)
    if code in EXPIRED | UNKNOWN_CREDENTIALS | CLOCK_WRONG | NOT_PERMITTED:
        return _denied(code, said, request)
    if code == "ResourceNotFoundException":
        return _not_found(request)
    for codes, statuses, kind, consequence in _CONSEQUENCES:
        if code in codes or response.status in statuses:
            return kind(f"{request}: {consequence} ({code or response.status})")
    if not code:
        return _unspoken(response, request)
    return RequestRejected(f"{request}: {code}: {said}", code)


def spoils_credentials(response: Response) -> bool:
    """Whether the answer says that the credentials are expired or wrong, so that others must be found."""
    if response.status < 400:  # noqa: PLR2004 - no error
        return False
    return code_and_words(response)[0] in EXPIRED | UNKNOWN_CREDENTIALS


def _not_found(request: Request) -> SourceError:
    if request.operation in STREAM_OPERATIONS:
        return ShardGone(f"{request}: the service does not know this stream or shard (any more)")
    return TableUnusable(
        f"table {request.table} does not exist in {request.place}; check the table's name after `dynamodb:` "
        "and dynamodb_aws_region (tables belong to one region)"
    )


def _denied(code: str, said: str, request: Request) -> AccessDenied:
    # Answers about signatures repeat the signed headers, the session token among them: not passed on.
    if code in EXPIRED:
        cure = (
            "the credentials have expired; renew them (`aws sso login` for SSO profiles), or replace the "
            "temporary keys together with dynamodb_aws_session_token"
        )
    elif code in CLOCK_WRONG:
        cure = "the request's time is off; set this machine's clock"
    elif code in UNKNOWN_CREDENTIALS:
        cure = (
            "the service does not accept the credentials; check the access key id, the secret access key, "
            "that temporary keys come with their session token, and that the keys belong to this region's partition"
        )
    else:
        cure = f"not permitted; allow {request.permission} in the identity's IAM policy ({said})"
    return AccessDenied(f"{request}: {code}: {cure}")


def _unspoken(response: Response, request: Request) -> SourceError:
    """An answer without a DynamoDB error, as proxies and other servers give."""
    if response.status == 403:  # noqa: PLR2004 - Forbidden
        return AccessDenied(
            f"{request}: answered 403 without a DynamoDB error; a proxy or firewall may stand in between"
        )
    return Unavailable(
        f"{request}: answered {response.status} without a DynamoDB error; check that endpoint_url and the "
        "proxy lead to DynamoDB"
    )


def code_and_words(response: Response) -> tuple[str, str]:
    """An error answer's code without its namespace, empty if it has none, and the service's own words."""
    try:
        body: dict[str, Any] = msgspec.json.decode(response.body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = {}
    kind = str(body.get("__type") or response.headers.get("x-amzn-errortype", "").partition(":")[0])
    words = body.get("message") or body.get("Message") or "no message"
    return kind.rpartition("#")[2], str(words)
