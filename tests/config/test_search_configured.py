"""``target.search`` of a mapping: how an index is reached, what it is made with, and what is refused."""

from __future__ import annotations

import json

import pytest

from headrace.config import describe, load_pod
from headrace.dataset import AwsAccess, Secret
from headrace.errors import ConfigError
from headrace.target import SearchIndex

LOCAL = {"url": "https://127.0.0.1:9200/", "index": "orders"}
DOMAIN = {"url": "https://search-x.eu-west-1.es.amazonaws.com", "index": "orders"}
KEYS = {"aws_access_key_id": "AKID", "aws_secret_access_key": "hidden"}


@pytest.fixture
def load(tmp_path):
    def loaded(search, **params):
        mapping = {
            "name": "find",
            "from": "dynamodb:orders",
            "params": {"aws_region": "us-east-1", **params},
            "target": {"search": search},
        }
        (tmp_path / "spicepod.yaml").write_text(json.dumps({"event_source_mappings": [mapping]}))
        return load_pod(tmp_path, {"PASSWORD": "s3cret"}, tmp_path)

    return loaded


def test_one_mapping_alone_writes_to_an_index(tmp_path):
    def written(*indexes):
        mappings = [
            {"name": f"m{at}", "from": f"dynamodb:table{at}", "target": {"search": {**LOCAL, "index": index}}}
            for at, index in enumerate(indexes)
        ]
        (tmp_path / "spicepod.yaml").write_text(json.dumps({"event_source_mappings": mappings}))
        return load_pod(tmp_path, {}, tmp_path)

    assert len(written("orders", "users").mappings) == 2
    with pytest.raises(
        ConfigError, match=r"\[1\].*index: event_source_mappings\[0\] writes to orders already"
    ):
        written("orders", "orders")


def test_an_index_is_reached_with_user_and_password(load, tmp_path):
    (tmp_path / "ca.pem").write_text("x")
    (tmp_path / "index.json").write_text('{"settings": {"number_of_shards": 3}}')
    pod = load(
        LOCAL
        | {
            "username": "ada",
            "password": "${env:PASSWORD}",
            "certificates": "ca.pem",
            "template": "index.json",
            "tombstones": "24h",
            "backfill": "false",
        }
    )
    [mapping] = pod.mappings
    assert mapping.consumer == SearchIndex(
        "https://127.0.0.1:9200",
        "orders",
        username=Secret("ada"),
        password=Secret("s3cret"),
        certificates=tmp_path / "ca.pem",
        template={"settings": {"number_of_shards": 3}},
        tombstones=86_400.0,
        backfill=False,
    )
    assert str(mapping.consumer) == "search:orders"
    text = describe(pod)
    assert "orders at https://127.0.0.1:9200, with user and password" in text
    assert "until `headrace search backfill`" in text
    assert "s3cret" not in text + repr(pod)


def test_a_host_of_aws_says_for_what_requests_are_signed(load):
    [mapping] = load(DOMAIN, **KEYS).mappings
    assert mapping.consumer.service == "es"
    assert mapping.consumer.access == AwsAccess("eu-west-1", None, Secret("AKID"), Secret("hidden"))
    [mapping] = load({"url": "https://abc.us-west-2.aoss.amazonaws.com", "index": "orders"}).mappings
    assert (mapping.consumer.service, mapping.consumer.access) == ("aoss", AwsAccess("us-west-2"))
    assert "signed for es in eu-west-1, access key from the Spicepod" in describe(load(DOMAIN, **KEYS))


def test_keys_of_an_emulator_sign_nothing_elsewhere(load):
    [mapping] = load(DOMAIN, endpoint_url="http://127.0.0.1:8000", **KEYS).mappings
    assert mapping.consumer.access == AwsAccess("eu-west-1")


def test_keys_of_its_own_are_its_own(load):
    own = {
        "aws_access_key_id": "OTHER",
        "aws_secret_access_key": "x",
        "region": "eu-north-1",
        "aws_service": "es",
    }
    [mapping] = load(LOCAL | own, **KEYS).mappings
    assert mapping.consumer.access == AwsAccess("eu-north-1", None, Secret("OTHER"), Secret("x"))


def test_a_domain_of_aws_may_have_users_of_its_own(load):
    [mapping] = load(DOMAIN | {"username": "ada", "password": "x"}).mappings
    assert (mapping.consumer.service, mapping.consumer.access) == (None, AwsAccess())
    [mapping] = load(DOMAIN | {"aws_service": "none"}).mappings
    assert mapping.consumer.service is None


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({"index": "orders"}, "target.search: has no url; write search: {url: https://..., index: INDEX}"),
        (None, "target.search: has no url and index"),
        (LOCAL | {"index": "Orders"}, "'Orders' cannot name an index"),
        (LOCAL | {"url": "https://ada:x@127.0.0.1"}, "must not hold a user or password"),
        (LOCAL | {"username": "ada"}, "target.search.username: needs password beside it"),
        (LOCAL | {"password": "x"}, "target.search.password: needs username beside it"),
        (LOCAL | {"region": "eu-west-1"}, "target.search.region: is for requests that are signed for AWS"),
        (LOCAL | KEYS, "target.search.aws_access_key_id: is for requests that are signed for AWS"),
        (LOCAL | {"aws_service": "es", "username": "a", "password": "x"}, "target.search.username: requests are signed, or have a username"),
        (LOCAL | {"aws_service": "s3"}, "'s3' is not one of es, aoss, none"),
        (LOCAL | {"certificates": "none.pem"}, "there is no file"),
        (LOCAL | {"template": "none.json"}, "target.search.template: cannot be read"),
        (LOCAL | {"template": "bad.json"}, "bad.json is no JSON"),
        (LOCAL | {"template": "other.json"}, "must be a JSON object of objects: settings, mappings, aliases"),
        (LOCAL | {"tombstones": "1m"}, "'1m' is too short"),
        (LOCAL | {"indexes": "x"}, "target.search.indexes"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_its_key(load, tmp_path, search, words):
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "other.json").write_text('{"template": {}}')
    with pytest.raises(ConfigError) as refused:
        load(search)
    assert words in str(refused.value)


def test_certificates_without_https_are_warned_of(load, tmp_path):
    (tmp_path / "ca.pem").write_text("x")
    pod = load(LOCAL | {"url": "http://127.0.0.1:9200", "certificates": "ca.pem"})
    assert any("nobody looks at certificates without https" in str(warning) for warning in pod.warnings)
