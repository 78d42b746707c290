"""Clients of botocore and boto3 that talk to a simulator in this process, without network or credentials.

The event ``before-send`` may answer a request in the network's place (botocore's documented extension).
Retries, parsing and errors are botocore's own.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from headrace.errors import Unavailable
from headrace.simulator.faults import SlowResponse
from headrace.wire import Response, Transport

if TYPE_CHECKING:
    from botocore.session import Session

ACCESS_KEY, SECRET_KEY = "AKIDSIMULATED", "simulated"  # Any that are well formed will do.

SERVICES = ("dynamodb", "dynamodb-streams")
"""The services' names in botocore's events."""


def botocore_session(transport: Transport, region: str, pass_time: Callable[[float], None]) -> Session:
    """A session whose DynamoDB clients ask ``transport``; nothing of the machine's AWS settings is read.

    ``pass_time`` is called with the seconds that a slow answer takes.
    """
    import botocore.session
    from botocore.configprovider import ConstantProvider

    session = botocore.session.Session()
    store = session.get_component("config_store")
    for name, value in (
        ("profile", None),
        ("region", region),
        ("config_file", ""),
        ("credentials_file", ""),
        ("ignore_configured_endpoint_urls", True),
    ):
        store.set_config_provider(name, ConstantProvider(value))
    session.set_credentials(ACCESS_KEY, SECRET_KEY)
    for service in SERVICES:
        session.register(f"before-send.{service}", _Answerer(transport, pass_time))
    return session


class _Answerer:
    """Answers prepared requests."""

    def __init__(self, transport: Transport, pass_time: Callable[[float], None]) -> None:
        self._transport = transport
        self._pass_time = pass_time

    def __call__(self, request: Any, **_: object) -> Any:
        """An AWSResponse. Raises what botocore's own HTTP session raises where no whole answer comes."""
        from botocore.awsrequest import AWSResponse
        from botocore.exceptions import ConnectionClosedError, HTTPClientError

        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else target).partition(".")[2]
        body = request.body.encode() if isinstance(request.body, str) else request.body
        try:
            response = self._transport(operation, body)
        except Unavailable as error:
            raise ConnectionClosedError(endpoint_url=request.url) from error
        if isinstance(response, SlowResponse):
            self._pass_time(response.seconds)
        whole = int(response.headers["content-length"])
        if len(response.body) < whole:
            raise HTTPClientError(
                error=f"IncompleteRead({len(response.body)} bytes read, {whole - len(response.body)} more expected)"
            )
        return AWSResponse(request.url, response.status, dict(response.headers), _Raw(response))


class _Raw(io.BytesIO):
    """What an AWSResponse reads its body from."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.body)

    def stream(self, **_: object) -> Iterator[bytes]:
        """All of it."""
        yield self.read()
