"""Where credentials come from, and which source wins."""

from __future__ import annotations

import json

import pytest

from headrace.dataset import AwsAccess, Secret
from headrace.dynamodb import botocore_transport
from headrace.dynamodb.credentials import open_session
from headrace.errors import AccessDenied, ConfigError
from support.canned_http import Canned, CannedServer

HERE = AwsAccess("us-east-1")
STS = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>WEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn><AssumedRoleId>R:s</AssumedRoleId></AssumedRoleUser>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


def from_environment(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")


def from_file(folder, profile="default", key_id="FILE"):
    with (folder / "credentials").open("a") as file:
        file.write(f"[{profile}]\naws_access_key_id = {key_id}\naws_secret_access_key = s\n")


def from_web_identity(monkeypatch, folder, sts):
    (folder / "token").write_text("jwt-of-the-pod")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(folder / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts)


def from_container(monkeypatch, url):
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/ecs")


def from_instance(monkeypatch, url):
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)


def keys(key_id):
    return {
        "Code": "Success",
        "AccessKeyId": key_id,
        "SecretAccessKey": "s",
        "Token": "t",
        "Expiration": "2099-01-01T00:00:00Z",
    }


def machine(request):
    """STS, ECS and EC2 behind one address."""
    if request.path == "/ecs":
        return Canned(json.dumps(keys("ECS")).encode())
    if request.path == "/latest/api/token":
        return Canned(b"v2-token")
    if request.path.startswith("/latest/meta-data/iam/security-credentials/"):
        if request.headers.get("x-aws-ec2-metadata-token") != "v2-token":
            return Canned(status=401)
        named = request.path.endswith("/role")
        return Canned(json.dumps(keys("EC2")).encode() if named else b"role")
    return Canned(STS.encode(), headers={"Content-Type": "text/xml"})


def found(access=HERE):
    credentials = open_session(access).get_credentials()
    return None if credentials is None else credentials.get_frozen_credentials().access_key


def test_each_source_is_asked_only_when_those_before_it_have_nothing(monkeypatch, bare_aws):
    with CannedServer(machine) as server:
        assert found() is None
        from_instance(monkeypatch, server.url)
        assert found() == "EC2"
        from_container(monkeypatch, server.url)
        assert found() == "ECS"
        from_web_identity(monkeypatch, bare_aws, server.url)
        assert found() == "WEB"
        from_file(bare_aws)
        assert found() == "FILE"
        from_environment(monkeypatch)
        assert found() == "ENV"


def test_explicit_keys_win_over_the_environment_and_bring_their_own_token(monkeypatch):
    from_environment(monkeypatch)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "ENVTOKEN")
    with CannedServer(lambda _: Canned()) as server:
        botocore_transport(AwsAccess("us-east-1", server.url, Secret("CONF"), Secret("s")))("Scan", b"{}")
        botocore_transport(AwsAccess("us-east-1", server.url))("Scan", b"{}")
    configured, environment = (request.headers for request in server.received)
    assert "Credential=CONF/" in configured["authorization"]
    assert "x-amz-security-token" not in configured
    assert "Credential=ENV/" in environment["authorization"]
    assert environment["x-amz-security-token"] == "ENVTOKEN"


def test_credentials_that_need_a_call_of_their_own_work_beside_the_raw_answers(monkeypatch, bare_aws):
    with CannedServer(machine) as sts, CannedServer(lambda _: Canned(b'{"Items":[]}')) as dynamodb:
        from_web_identity(monkeypatch, bare_aws, sts.url)
        response = botocore_transport(AwsAccess("us-east-1", dynamodb.url))("Scan", b"{}")
    assert response.body == b'{"Items":[]}'
    assert "Credential=WEB/" in dynamodb.received[0].headers["authorization"]
    assert b"AssumeRoleWithWebIdentity" in sts.received[0].body


def test_a_role_that_may_not_be_assumed_is_access_denied(monkeypatch, bare_aws):
    refused = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
    with CannedServer(lambda _: Canned(refused, 403)) as sts:
        from_web_identity(monkeypatch, bare_aws, sts.url)
        with pytest.raises(AccessDenied, match="could not be obtained"):
            botocore_transport(AwsAccess("us-east-1", "http://127.0.0.1:1"))("Scan", b"{}")


def test_the_profile_of_the_environment_is_used(monkeypatch, bare_aws):
    from_file(bare_aws)
    from_file(bare_aws, "other", "OTHER")
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert found() == "OTHER"


def test_a_profile_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    with pytest.raises(ConfigError, match=r"AWS_PROFILE.*nowhere"):
        botocore_transport(HERE)


def test_the_instance_is_only_asked_by_version_2(monkeypatch):
    def version_1_only(request):
        return Canned(status=404) if request.path == "/latest/api/token" else machine(request)

    with CannedServer(version_1_only) as server:
        from_instance(monkeypatch, server.url)
        with pytest.raises(AccessDenied, match="no AWS credentials found"):
            botocore_transport(HERE)("Scan", b"{}")
    assert {request.path for request in server.received} == {"/latest/api/token"}


@pytest.mark.parametrize(
    ("environment", "config", "region"),
    [
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "", "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, "[default]\nregion = eu-west-3\n", "eu-west-2"),
        ({}, "[default]\nregion = eu-west-3\n", "eu-west-3"),
    ],
)
def test_the_region_comes_from_the_environment_or_the_profile_where_none_is_configured(
    monkeypatch, bare_aws, environment, config, region
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (bare_aws / "config").write_text(config)
    assert botocore_transport(AwsAccess()).place.region == region
    assert botocore_transport(AwsAccess("sa-east-1")).place.region == "sa-east-1"


def test_files_profiles_and_sso_all_come_before_web_identity():
    providers = open_session(HERE).get_component("credential_provider").providers
    names = [provider.METHOD for provider in providers]
    web_identity = names.index("assume-role-with-web-identity")
    assert names[0] == "env"
    assert {"assume-role", "sso", "shared-credentials-file", "config-file"} <= set(names[:web_identity])
    assert names[web_identity + 1 :] == ["container-role", "iam-role"]
