"""Clients for other services of AWS than DynamoDB, reached by the same credentials."""

from __future__ import annotations

from typing import Any, Final

from headrace import __version__
from headrace.dataset import AwsAccess
from headrace.dynamodb.credentials import explicit_keys, open_session

_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 30
_ATTEMPTS: Final = 3


def service_client(service: str, access: AwsAccess, region_key: str = "region") -> Any:
    """A client of botocore for ``service`` (sqs, sns, s3); ``region_key`` names the region's key in messages.

    Raises ConfigError where ``access`` cannot work.
    """
    from botocore.config import Config

    session = open_session(access, region_key)
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
        # Buckets of other services than AWS's rarely have host names of their own.
        s3={"addressing_style": "path"} if access.endpoint_url else {},
        user_agent_extra=f"headrace/{__version__}",
    )
    return session.create_client(
        service, endpoint_url=access.endpoint_url, config=config, **explicit_keys(access)
    )
