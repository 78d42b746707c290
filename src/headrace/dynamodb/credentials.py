"""Where botocore finds region and credentials, in the documented order.

The order is Spice's, "Authentication": environment variables; shared configuration and credentials files
with profiles and SSO; web identity; the ECS container's endpoint; the EC2 instance's (IMDSv2).
"""

from __future__ import annotations

import os
from typing import Any, cast

from headrace.dataset import AwsAccess
from headrace.errors import ConfigError
from headrace.refusal import Place

_WEB_IDENTITY = "assume-role-with-web-identity"
_FIRST_OF_THE_MACHINE = "container-role"


def open_session(access: AwsAccess, region_key: str = "dynamodb_aws_region") -> Any:
    """A botocore session whose credential chain has the documented order; ``region_key`` names the region's key.

    Raises ConfigError where what ``access``, the environment or the shared files say cannot work.
    """
    import botocore.session

    _require_whole_keys(access)
    session = botocore.session.Session()
    # IMDSv1 answers whoever can make the machine send a GET; the document promises version 2.
    session.set_config_variable("ec2_metadata_v1_disabled", "true")
    _require_profile(session)
    session.set_config_variable("region", region_of(session, access, region_key))
    resolver = session.get_component("credential_provider")
    web_identity = resolver.get_provider(_WEB_IDENTITY)
    resolver.remove(_WEB_IDENTITY)
    resolver.insert_before(_FIRST_OF_THE_MACHINE, web_identity)
    return session


def place_of(access: AwsAccess) -> Place:
    """Where requests will go, as far as messages are concerned. Raises ConfigError."""
    endpoint = (
        access.endpoint_url
        or os.environ.get("AWS_ENDPOINT_URL_DYNAMODB")
        or os.environ.get("AWS_ENDPOINT_URL")
        or None
    )
    return Place(open_session(access).get_config_variable("region"), endpoint)


def region_of(session: Any, access: AwsAccess, region_key: str) -> str:
    """The region: configured, else AWS_REGION, else botocore's own sources. Raises ConfigError."""
    from botocore.exceptions import InvalidRegionError
    from botocore.utils import validate_region_name

    region = access.region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if not region:
        raise ConfigError(
            f"{region_key} is missing: tables and buckets belong to one region. Set it in params (for example "
            f"`{region_key}: us-east-1`), or AWS_REGION in the environment, or `region` in the AWS profile"
        )
    try:
        validate_region_name(region)
    except InvalidRegionError as error:
        raise ConfigError(
            f"{region_key}: {region!r} is not the name of a region, such as us-east-1"
        ) from error
    return cast(str, region)


def explicit_keys(access: AwsAccess) -> dict[str, str]:
    """The configured keys as botocore's create_client takes them; empty where none are configured."""
    if access.access_key_id is None or access.secret_access_key is None:
        return {}
    keys = {
        "aws_access_key_id": access.access_key_id.reveal(),
        "aws_secret_access_key": access.secret_access_key.reveal(),
    }
    if access.session_token is not None:
        keys["aws_session_token"] = access.session_token.reveal()
    return keys


def _require_whole_keys(access: AwsAccess) -> None:
    given = {
        "dynamodb_aws_access_key_id": access.access_key_id,
        "dynamodb_aws_secret_access_key": access.secret_access_key,
    }
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == 1:
        raise ConfigError(f"{missing[0]} is missing: an access key is an id and a secret, given together")
    if missing and access.session_token is not None:
        raise ConfigError(
            f"dynamodb_aws_session_token is given without {' and '.join(missing)}; give all three, or none to "
            "use the environment's credentials"
        )


def _require_profile(session: Any) -> None:
    from botocore.exceptions import ConfigParseError, ProfileNotFound

    try:
        session.get_scoped_config()
    except ProfileNotFound as error:
        raise ConfigError(
            f"AWS_PROFILE: {error}; name one of `aws configure list-profiles`, or unset it"
        ) from error
    except ConfigParseError as error:
        raise ConfigError(f"the shared AWS configuration cannot be read: {error}") from error
