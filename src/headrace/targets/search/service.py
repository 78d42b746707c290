"""The door to OpenSearch: requests, and its errors as ours, each with its cure.

Statuses and types of errors: OpenSearch documentation, "Bulk API", and what the server's exceptions say of themselves.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from headrace.decoding import decoded
from headrace.errors import (
    AccessDenied,
    ConfigError,
    HeadraceError,
    PackageMissing,
    RequestRejected,
    SourceError,
    Throttled,
    Unavailable,
)
from headrace.target import SearchIndex

T = TypeVar("T")

Sign = Callable[[str, str, bytes | None], dict[str, str]]
"""The headers that sign a request for AWS: of a method, a whole address, and a body."""

TOO_LARGE: Final = "413"
"""The code of RequestRejected where a request is larger than the server takes."""

MISSING: Final = "index_not_found_exception"
BLOCKED: Final = "cluster_block_exception"

JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"

_BUSY: Final = ("es_rejected_execution_exception", "rejected_execution_exception")
_TOO_MANY: Final = 429
_CONTENT_TOO_LARGE: Final = 413
_REFUSALS: Final = range(400, 500)
_OF_OTHERS: Final = (404, 405)
"""What OpenSearch itself never answers without the type of the error."""

_STATUSES: Final[Mapping[int, tuple[type[SourceError], str]]] = {
    _TOO_MANY: (Throttled, "too many requests at once; the next try waits"),
    401: (
        AccessDenied,
        "the credentials are missing or not accepted; set username and password, or for AWS aws_service and keys, in target.search",
    ),
    403: (
        AccessDenied,
        "not permitted; allow it to the user or role, as the page on target search says under Rights",
    ),
}

_SECONDS: Final = 30.0
"""For which one answer is waited."""

_CONNECTIONS: Final = 64
"""As many as batches of a mapping are handed over at once."""

_PORTS: Final = {"https": 443, "http": 80}


class ErrorCause(msgspec.Struct):
    """What OpenSearch says of an error."""

    type: str = ""
    reason: str | None = None
    caused_by: ErrorCause | None = None

    def __str__(self) -> str:
        deeper = self.caused_by
        while deeper is not None and deeper.caused_by is not None:
            deeper = deeper.caused_by
        why = (
            f" ({deeper.reason})"
            if deeper is not None and deeper.reason and deeper.reason != self.reason
            else ""
        )
        return f"{self.type or 'error'}: {self.reason or 'no reason'}{why}"


class _ErrorAnswer(msgspec.Struct):
    error: ErrorCause | str | None = None
    message: str | None = None
    Message: str | None = None


class SearchService:
    """The server of ``settings``. Any thread may ask. ``sign`` signs requests for AWS, None where that is not asked.

    Nothing is asked before the first request. ``seconds`` is for how long one answer is waited.
    """

    def __init__(self, settings: SearchIndex, sign: Sign | None = None, seconds: float = _SECONDS) -> None:
        self._settings = settings
        self._sign = sign
        self._seconds = seconds
        self._opening = threading.Lock()
        self._client: Any = None

    def __str__(self) -> str:
        return f"OpenSearch at {self._settings.url}"

    def ask(
        self,
        method: str,
        path: str,
        type_: type[T],
        body: bytes | None = None,
        *,
        params: Mapping[str, str] | None = None,
        kind: str = JSON,
    ) -> T:
        """Ask once; the answer as a ``type_``. ``path`` is quoted already.

        Raises Throttled, Unavailable, AccessDenied; RequestRejected for what is refused for good, with the type of the error as its
        code, or ``TOO_LARGE``; ConfigError and PackageMissing where no client can be made.
        """
        text = self._asked(method, path, body, params, kind)
        try:
            return decoded(text, type_)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Unavailable(
                f"{self}: the answer to {method} {path} is not whole ({error}); it is asked again"
            ) from error

    def close(self) -> None:
        """Let go of the connections. Safe to call twice."""
        with self._opening:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _asked(
        self, method: str, path: str, body: bytes | None, params: Mapping[str, str] | None, kind: str
    ) -> str:
        client = self._opened()
        from opensearchpy.exceptions import OpenSearchException, TransportError

        try:
            answer: str = client.transport.perform_request(
                method, path, params=dict(params or {}), body=body, headers={"content-type": kind}
            )
        except TransportError as error:
            raise self._translated(error, f"{method} {path}") from error
        except (OpenSearchException, AttributeError) as error:
            raise Unavailable(f"{self}: {method} {path}: the answer cannot be read ({error})") from error
        return answer or ""

    def _translated(self, error: Any, asked: str) -> HeadraceError:
        status, info = error.status_code, error.info
        if isinstance(info, HeadraceError):
            # A request could not be signed.
            return info
        where = f"{self}: {asked}"
        if not isinstance(status, int):
            if type(error).__name__ == "SSLError":
                return Unavailable(
                    f"{where}: the server's certificate is not trusted ({info}); name its authority's file in `certificates`"
                )
            if type(error).__name__ == "ConnectionTimeout":
                return Unavailable(f"{where}: no answer within {self._seconds:g} s")
            return Unavailable(f"{where}: it cannot be reached, or has hung up ({info})")
        return refusal(status, _cause(info, error.error), where)

    def _opened(self) -> Any:
        with self._opening:
            if self._client is None:
                self._client = self._made()
            return self._client

    def _made(self) -> Any:
        try:
            from opensearchpy import OpenSearch
            from opensearchpy.serializer import JSONSerializer
        except ImportError as error:
            # A module of the user's may have the name of one that it needs, `events` for example.
            raise PackageMissing(
                f"opensearch-py, which target search needs, cannot be imported ({error}); pip install 'headrace[search]'"
            ) from error
        # It warns of every failure, with a trace; what is to be told is told by us.
        logging.getLogger("opensearch").setLevel(logging.CRITICAL)

        class Text(JSONSerializer):
            """Leaves answers as they are: decoded, numbers would lose digits."""

            def loads(self, s: str) -> str:
                return s

        settings = self._settings
        parts = urlsplit(settings.url)
        trusted: dict[str, Any] = {}
        if parts.scheme == "https" and settings.certificates is not None:
            if not settings.certificates.is_file():
                raise ConfigError(f"target.search.certificates: there is no file {settings.certificates}")
            trusted["ca_certs"] = str(settings.certificates)
        return OpenSearch(
            hosts=[
                {
                    "host": parts.hostname or "",
                    "port": parts.port or _PORTS[parts.scheme],
                    "use_ssl": parts.scheme == "https",
                    "url_prefix": parts.path.strip("/"),
                }
            ],
            http_auth=self._credentials(),
            serializer=Text(),
            max_retries=0,
            timeout=self._seconds,
            pool_maxsize=_CONNECTIONS,
            **trusted,
        )

    def _credentials(self) -> Any:
        if self._sign is not None:
            return self._sign
        user, password = self._settings.username, self._settings.password
        return None if user is None or password is None else (user.reveal(), password.reveal())


def refusal(status: int, cause: ErrorCause, where: str) -> SourceError:
    """The exception for an error of a request, or of one item of it."""
    if cause.type == BLOCKED and status != _TOO_MANY:
        return Unavailable(f"{where}: {cause}; it goes on once the block is taken off")
    if cause.type in _BUSY:
        status = _TOO_MANY
    if status in _STATUSES:
        kind, consequence = _STATUSES[status]
        return kind(f"{where}: {consequence} ({cause})")
    if status == _CONTENT_TOO_LARGE:
        return RequestRejected(f"{where}: larger than the server takes (http.max_content_length)", TOO_LARGE)
    if status in _REFUSALS and (cause.type or status not in _OF_OTHERS):
        return RequestRejected(f"{where}: {cause}", cause.type or str(status))
    return Unavailable(f"{where}: answered {status} ({cause}); check that url leads to OpenSearch")


def quoted_path(*parts: str) -> str:
    """A path of these parts."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _cause(info: Any, code: Any) -> ErrorCause:
    """What an error answer says, whoever gave it: OpenSearch, AWS before it, a proxy."""
    try:
        answer = decoded(msgspec.json.encode(info), _ErrorAnswer)
    except (msgspec.MsgspecError, TypeError):
        return ErrorCause("", str(info if isinstance(info, str) else code)[:200])
    if isinstance(answer.error, ErrorCause):
        return answer.error
    said = answer.error or answer.message or answer.Message
    return ErrorCause("", said or str(code)[:200])
