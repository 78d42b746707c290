"""Lets in who may ask: by key, from this machine, and not at another site's bidding."""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from headrace.access import Access, bearer
from headrace.access import Scope as Opened
from headrace.errors import QueryFault
from headrace.serve.fault import complaint

OPEN_PATHS: Final = frozenset({"/health", "/v1/ready"})
"""What answers without a key, as in Spice: what watches over processes has none. They hold no data."""

ADMITTED: Final = "headrace.admitted"
"""In a request's scope: whether who asks may read."""

_ASKING: Final = frozenset({("POST", "/v1/sql")})
"""What only reads, although its method is one of those that change something."""

_READING_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_CHALLENGE: Final = 'Bearer realm="headrace"'


class Guard:
    """An application behind ``access``.

    A key comes as ``X-API-Key: KEY`` or ``Authorization: Bearer KEY`` (RFC 6750). Without one that is known the answer is 401;
    403 where the key does not open what is asked. Browsers send requests for any site that they show: one that
    names another site as its origin is refused, and where no key is asked for, so is one to a name that may be
    another site's (DNS rebinding), unless ``access`` is insecure on purpose.
    """

    def __init__(self, application: ASGIApp, access: Access) -> None:
        self._application = application
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            answer = self._of_another_site(headers) or self._without_key(scope, headers)
            if answer is not None:
                await answer(scope, receive, send)
                return
        await self._application(scope, receive, send)

    def _without_key(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        given = headers.get("x-api-key") or bearer(headers.get("authorization"))
        scope[ADMITTED] = self._access.admits(given)
        path, method = scope["path"], scope["method"]
        if path in OPEN_PATHS and method in _READING_METHODS:
            return None
        if not scope[ADMITTED]:
            answer = complaint(
                HTTPStatus.UNAUTHORIZED,
                "unauthorized",
                "a key is needed that the runtime knows: X-API-Key: KEY, or Authorization: Bearer KEY",
            )
            answer.headers["WWW-Authenticate"] = _CHALLENGE
            return answer
        reads = method in _READING_METHODS or (method, path) in _ASKING
        if reads or self._access.admits(given, Opened.OPERATE):
            return None
        return complaint(
            HTTPStatus.FORBIDDEN,
            QueryFault.REFUSED,
            "the key only asks (:ro); this needs one that may change something",
        )

    def _of_another_site(self, headers: Headers) -> ASGIApp | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return complaint(
                HTTPStatus.FORBIDDEN,
                QueryFault.REFUSED,
                "a page of another site asks; browsers may ask from no other site",
            )
        if self._access.authenticates or self._access.insecure or _is_of_this_machine(host):
            return None
        return complaint(
            HTTPStatus.FORBIDDEN,
            QueryFault.REFUSED,
            "the request is to a name that may be another site's: ask localhost or an address, ask with a key "
            "(runtime.auth), or start with --insecure",
        )


def _is_of_this_machine(host: str) -> bool:
    """Whether no other site can have the name in a header Host; a request without one is no browser's."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name and name != "localhost" and not name.endswith(".localhost"):
            ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
