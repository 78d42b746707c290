"""Requests to services of AWS that botocore has no client for, signed (AWS Signature Version 4)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from headrace.dataset import AwsAccess
from headrace.dynamodb.credentials import explicit_keys, open_session
from headrace.errors import AccessDenied

_HASH = "X-Amz-Content-SHA256"
"""OpenSearch Serverless wants it, signed (Amazon OpenSearch Service Developer Guide, "Signing HTTP requests")."""


def request_signer(
    service: str, access: AwsAccess, region_key: str = "region"
) -> Callable[[str, str, bytes | None], dict[str, str]]:
    """What gives the headers that sign a request to ``service`` (es, aoss): of its method, whole address and body.

    Credentials are looked for at the first request, and renewed as they expire. It raises AccessDenied where there are none, ConfigError
    where ``access`` cannot work; ``region_key`` names the region's key in messages.
    """
    opening = threading.Lock()
    opened: list[tuple[Any, str]] = []

    def credentials() -> tuple[Any, str]:
        with opening:
            if not opened:
                opened.append(_credentials(access, region_key))
            return opened[0]

    def sign(method: str, url: str, body: bytes | None) -> dict[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError

        found, region = credentials()
        request = AWSRequest(method.upper(), url, data=body or b"")
        try:
            auth = SigV4Auth(found.get_frozen_credentials(), service, region)
            request.headers[_HASH] = auth.payload(request)
            auth.add_auth(request)
        except BotoCoreError as error:
            raise AccessDenied(f"a request to {service} cannot be signed: {error}") from error
        return dict(request.headers.items())

    return sign


def _credentials(access: AwsAccess, region_key: str) -> tuple[Any, str]:
    from botocore.credentials import Credentials
    from botocore.exceptions import BotoCoreError

    session = open_session(access, region_key)
    region = str(session.get_config_variable("region"))
    keys = explicit_keys(access)
    if keys:
        found = Credentials(
            keys["aws_access_key_id"], keys["aws_secret_access_key"], keys.get("aws_session_token")
        )
        return found, region
    try:
        resolved = session.get_credentials()
    except BotoCoreError as error:
        raise AccessDenied(f"AWS credentials cannot be found: {error}") from error
    if resolved is None:
        raise AccessDenied(
            "no AWS credentials found; set aws_access_key_id and aws_secret_access_key, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY in the environment, or AWS_PROFILE, or run where a role is attached"
        )
    return resolved, region
