"""The Transport to AWS: botocore for credentials, endpoints, signing and proxies; its parser set aside.

The request's JSON travels through botocore's client as it is: the event ``before-parameter-build`` takes
it out of the parameters before they are serialized, ``before-call`` puts it where the serializer's body
was. Both are documented extension points, so signing, endpoints and proxies stay botocore's own. The
answer comes back whole because the session component ``response_parser_factory`` hands out a parser that
does not parse. Credentials are found by a session of their own, since roles and SSO are resolved by
calls whose answers must be parsed.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from headrace import __version__
from headrace.dataset import AwsAccess
from headrace.dynamodb.credentials import explicit_keys, open_session, place_of
from headrace.errors import AccessDenied, ConfigError, HeadraceError, Unavailable
from headrace.refusal import STREAM_OPERATIONS, Place, spoils_credentials
from headrace.wire import Response

CONNECT_SECONDS = 5
READ_SECONDS = 30
CONNECTIONS = 32

_LOOKED_INTO: Final[Mapping[str, dict[str, Any]]] = {
    "BatchGetItem": {"RequestItems": {}},
    "BatchWriteItem": {"RequestItems": {}},
}
"""Parameters that botocore looks into for the endpoint, although they are in the body; of none it finds nothing."""

_BODY = "headrace_body"
_RESPONSE = "headrace_response"


class BotocoreTransport:
    """Sends requests as ``access`` says. Any thread may call; a call never retries.

    Credentials are looked for at the first call, and anew after they were missing or refused, so that
    renewed ones are found without a restart. Raises ConfigError where ``access`` cannot work.
    """

    def __init__(self, access: AwsAccess) -> None:
        self._access = access
        _require_endpoint(access.endpoint_url)
        self.place = place_of(access)
        self._lock = threading.Lock()
        self._clients: dict[str, Any] | None = None

    def __call__(self, operation: str, body: bytes) -> Response:
        """Send and wait for the answer. Raises Unavailable, AccessDenied, or ConfigError."""
        clients = None
        try:
            clients = self._opened()
            service = "dynamodbstreams" if operation in STREAM_OPERATIONS else "dynamodb"
            response = _send(clients[service], operation, body)
        except HeadraceError:
            raise
        except Exception as error:
            # Any: botocore lets errors of urllib3 and of the system through.
            translated = _translated(error, operation, self.place)
            if isinstance(translated, AccessDenied):
                self._forget(clients)
            raise translated from error
        require_whole(response, operation, self.place)
        if spoils_credentials(response):
            self._forget(clients)
        return response

    def _opened(self) -> dict[str, Any]:
        with self._lock:
            if self._clients is None:
                self._clients = _open_clients(self._access)
            return self._clients

    def _forget(self, clients: dict[str, Any] | None) -> None:
        """Look for credentials anew, unless another thread has done so since ``clients``."""
        with self._lock:
            if self._clients is clients:
                self._clients = None


def botocore_transport(access: AwsAccess) -> BotocoreTransport:
    """A Transport to the tables that ``access`` reaches.

    Explicit keys win over the credential chain; ``endpoint_url`` (else AWS_ENDPOINT_URL) is used for
    DynamoDB and DynamoDB Streams alike. Raises ConfigError.
    """
    return BotocoreTransport(access)


class _RawParser:
    """Hands back an answer's status, headers and body."""

    def parse(self, response: dict[str, Any], _shape: object) -> dict[str, Any]:
        """What botocore takes for the parsed answer."""
        headers = {name.lower(): value for name, value in response["headers"].items()}
        raw = Response(response["status_code"], headers, response["body"])
        return {"ResponseMetadata": {"HTTPStatusCode": raw.status}, _RESPONSE: raw}


class _RawParserFactory:
    def create_parser(self, _protocol: str) -> _RawParser:
        """The same parser for any protocol."""
        return _RawParser()


def _open_clients(access: AwsAccess) -> dict[str, Any]:
    import botocore.session
    from botocore.config import Config

    finder = open_session(access)
    session = botocore.session.Session()
    session.register_component("credential_provider", finder.get_component("credential_provider"))
    session.register_component("response_parser_factory", _RawParserFactory())
    session.register("before-parameter-build", _take_body)
    session.register("before-call", _put_body)
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=CONNECTIONS,
        # One attempt: waiting is the caller's business. The legacy mode would also check the CRC, its way.
        retries={"total_max_attempts": 1, "mode": "standard"},
        tcp_keepalive=True,
        parameter_validation=False,
        # The account in the endpoint's name is derived from parameters, of which botocore sees none.
        account_id_endpoint_mode="disabled",
        user_agent_extra=f"headrace/{__version__}",
    )
    return {
        service: session.create_client(
            service,
            region_name=finder.get_config_variable("region"),
            endpoint_url=access.endpoint_url,
            config=config,
            **explicit_keys(access),
        )
        for service in ("dynamodb", "dynamodbstreams")
    }


def _take_body(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    if _BODY in params:
        context[_BODY] = params.pop(_BODY)


def _put_body(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    if _BODY in context:
        params["body"] = context[_BODY]


def _send(client: Any, operation: str, body: bytes) -> Response:
    from botocore import xform_name
    from botocore.exceptions import ClientError

    call = getattr(client, xform_name(operation))
    try:
        parsed = call(**{_BODY: body}, **_LOOKED_INTO.get(operation, {}))
    except ClientError as error:
        # botocore raises for an error answer, around the same dictionary; other operations are its own.
        if _RESPONSE not in error.response:
            raise
        parsed = error.response
    response = parsed[_RESPONSE]
    assert isinstance(response, Response)
    return response


def require_whole(response: Response, operation: str, place: Place) -> None:
    """Raise Unavailable for a body that was cut off or damaged on its way.

    The CRC32 is DynamoDB's own, of the body as sent; not every service sends one.
    """
    length = response.headers.get("content-length")
    if length is not None and length.isdigit() and int(length) != len(response.body):
        raise Unavailable(
            f"{operation} ({place}): the answer was cut off after {len(response.body)} of {length} bytes"
        )
    expected = response.headers.get("x-amz-crc32")
    if expected is not None and expected != str(zlib.crc32(response.body)):
        raise Unavailable(
            f"{operation} ({place}): the answer was damaged on its way (CRC32 {zlib.crc32(response.body)}, "
            f"announced {expected})"
        )


def _require_endpoint(url: str | None) -> None:
    if url is None:
        return
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"endpoint_url: {url!r} is not an address such as http://127.0.0.1:8000")


def _translated(error: Exception, operation: str, place: Place) -> HeadraceError:
    """The one door for what botocore raises; messages carry its own only where they cannot hold secrets."""
    from botocore import exceptions as aws

    where = f"{operation} ({place})"
    # The last source is a machine's metadata: where it has no answer, nothing was found.
    unfound = (
        aws.NoCredentialsError,
        aws.PartialCredentialsError,
        aws.NoAuthTokenError,
        aws.MetadataRetrievalError,
    )
    unrenewed = (
        aws.CredentialRetrievalError,
        aws.TokenRetrievalError,
        aws.SSOError,
        aws.LoginError,
        aws.RefreshWithMFAUnsupportedError,
        aws.UnknownTokenProviderError,
        aws.UnknownCredentialError,
        aws.ClientError,
        aws.ParamValidationError,
    )
    unusable = (aws.ProfileNotFound, aws.ConfigParseError, aws.ConfigNotFound, aws.InvalidConfigError)
    if isinstance(error, unfound):
        return AccessDenied(
            f"{where}: no AWS credentials found; set dynamodb_aws_access_key_id and "
            "dynamodb_aws_secret_access_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, "
            "or run where a role is attached (web identity, ECS, EC2)"
        )
    if isinstance(error, unrenewed):
        return AccessDenied(
            f"{where}: the AWS credentials could not be obtained ({error}); for SSO profiles run `aws sso login`"
        )
    if isinstance(error, (aws.HTTPClientError, aws.ConnectionError, aws.IncompleteReadError, OSError)):
        return Unavailable(
            f"{where}: no answer ({_reason(error)}); check the network, dynamodb_aws_region and endpoint_url"
        )
    if isinstance(error, unusable):
        return ConfigError(f"the AWS configuration cannot be used: {error}")
    return Unavailable(f"{where}: the request could not be made ({_reason(error)})")


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
