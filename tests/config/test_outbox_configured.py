"""``target.outbox`` of a Spicepod: what is taken, and what is refused with its place."""

import json

import pytest

from headrace.config import describe, load_pod
from headrace.dataset import AwsAccess, Secret
from headrace.errors import ConfigError
from headrace.target import EventFormat, Outbox
from support.outbox import OTHER_SECRET, SECRET

HOOK = "webhook:https://example.com/hooks/t0ken?x=1"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:orders.fifo"
ENVIRON = {
    "TOKEN": "t0p",
    "HOOK": "https://example.com/hidden",
    "ONE": SECRET,
    "TWO": OTHER_SECRET,
    "SHORT": "whsec_MTIz",
}


@pytest.fixture
def load(tmp_path):
    def loaded(outbox, **more):
        mapping = {"name": "events", "from": "dynamodb:orders", "target": {"outbox": outbox}, **more}
        (tmp_path / "spicepod.yaml").write_text(json.dumps({"event_source_mappings": [mapping]}))
        return load_pod(None, ENVIRON, tmp_path)

    return loaded


@pytest.fixture
def only(load):
    return lambda **outbox: load(outbox).mappings[0].consumer


def test_a_webhook_is_cloudevents_with_patches_unless_it_says_more(only):
    assert only(to=HOOK) == Outbox("webhook", Secret("https://example.com/hooks/t0ken?x=1"))


def test_a_webhook_may_say_everything(only, tmp_path):
    (tmp_path / "ca.pem").write_text("x")
    made = only(
        to="webhook:${secrets:hook}",
        format="nakadi",
        source="shop.order",
        type="shop.order-changed",
        patch=False,
        compaction_key=True,
        secret="${secrets:one} ${secrets:two}",
        headers={"Authorization": "Bearer ${secrets:token}", "X-Tenant": "a"},
        timeout="30s",
        certificates="ca.pem",
    )
    assert made == Outbox(
        "webhook",
        Secret("https://example.com/hidden"),
        EventFormat.NAKADI,
        "shop.order",
        "shop.order-changed",
        patch=False,
        compacted=True,
        signing=(Secret(SECRET), Secret(OTHER_SECRET)),
        headers={"Authorization": Secret("Bearer t0p"), "X-Tenant": Secret("a")},
        timeout=30.0,
        certificates=tmp_path / "ca.pem",
    )
    assert {Secret("Bearer t0p"), Secret(SECRET), Secret("https://example.com/hidden")} <= set(made.secrets)
    assert str(made) == "outbox:webhook"
    assert "t0p" not in repr(made)
    assert "hidden" not in repr(made)


@pytest.mark.parametrize(
    ("to", "kind", "place"),
    [
        ("file:events.jsonl", "file", "FOLDER/events.jsonl"),
        (f"sqs:{QUEUE}", "sqs", QUEUE),
        (QUEUE, "sqs", QUEUE),
        ("sqs:https://sqs.eu-west-1.amazonaws.com/1/q", "sqs", "https://sqs.eu-west-1.amazonaws.com/1/q"),
        ("arn:aws:sns:eu-west-1:1:t", "sns", "arn:aws:sns:eu-west-1:1:t"),
    ],
)
def test_events_go_to_files_queues_and_topics_too(only, tmp_path, to, kind, place):
    made = only(to=to)
    assert (made.kind, made.place.reveal()) == (kind, place.replace("FOLDER", str(tmp_path)))


def test_a_queue_has_the_access_that_it_says(only):
    made = only(
        to=QUEUE,
        region="eu-west-1",
        endpoint_url="http://127.0.0.1:4566",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    assert made.access == AwsAccess("eu-west-1", "http://127.0.0.1:4566", Secret("a"), Secret("b"))


@pytest.mark.parametrize(
    ("outbox", "problem"),
    [
        ({}, "outbox: says not where events go; write webhook:URL, file:PATH, sqs:URL or sqs:ARN, or sns:ARN under to"),
        ({"to": "kafka:x"}, "outbox.to: 'kafka' is not one of webhook, file, sqs, sns; write webhook:URL"),
        ({"to": "orders.jsonl"}, "'orders.jsonl' is no destination"),
        ({"to": "s3:bucket"}, "'s3' is not one of webhook, file, sqs, sns"),
        ({"to": "arn:aws:s3:::bucket"}, "as ARN, a queue of SQS and a topic of SNS are taken"),
        ({"to": "webhook:ftp://example.com"}, "a webhook is given by its URL"),
        ({"to": "webhook:https://u:t0p@example.com"}, "must not hold a user or password; write an Authorization in headers"),
        ({"to": "webhook:https://example.com/#x"}, "without '#'"),
        ({"to": "file:.headrace/data/events.sqlite"}, "outbox.to: "),
        ({"to": HOOK, "secret": "t0p"}, "outbox.secret: a secret begins with whsec_; `openssl rand -base64 32` makes one"),
        ({"to": HOOK, "secret": "${secrets:short}"}, "outbox.secret: what ${secrets:short} stands for is not secrets"),
        ({"to": HOOK, "headers": {"Webhook-Id": "1"}}, "headers['Webhook-Id']: is set by Headrace itself; remove it"),
        ({"to": HOOK, "headers": {"a b": "1"}}, "a header's name has letters, digits and '-'"),
        ({"to": HOOK, "headers": {"x": "t0p\nY: 1"}}, "headers.x: a header's value is letters of ASCII on one line"),
        ({"to": HOOK, "headers": {"x": "${secrets:nothing}"}}, "headers.x: neither NOTHING nor SPICE_NOTHING is set"),
        ({"to": HOOK, "headers": ["x"]}, "outbox.headers: expected names and values"),
        ({"to": HOOK, "headers": {"x": ["t0p"]}}, "headers.x: expected text"),
        ({"to": HOOK, "certificates": "nothing.pem"}, "there is no file"),
        ({"to": HOOK, "compaction_key": True}, "compaction_key: belongs to format: nakadi"),
        ({"to": HOOK, "region": "eu-west-1"}, "outbox.region: belongs to a queue or topic of AWS; events go to webhook"),
        ({"to": "file:x", "secret": SECRET}, "outbox.secret: belongs to a webhook; events go to file"),
        ({"to": QUEUE, "headers": {"x": "1"}}, "outbox.headers: belongs to a webhook; events go to sqs"),
        ({"to": HOOK, "format": "avro"}, "'avro' is not one of cloudevents, nakadi"),
        ({"to": HOOK, "url": "x"}, "outbox.url: there is no such key; known here: to, format"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place_and_a_cure(load, outbox, problem):
    with pytest.raises(ConfigError) as raised:
        load(outbox)
    assert problem in str(raised.value)
    assert "t0p" not in str(raised.value).replace("t0p' is no", "")
    assert SECRET not in str(raised.value)


def test_events_that_others_can_read_on_their_way_are_warned_of(load):
    assert "plain http" in str(load({"to": "webhook:http://example.com/x"}).warnings)
    for here in ("http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]/x", "https://example.com"):
        assert load({"to": f"webhook:{here}"}).warnings == ()


def test_what_a_mapping_would_do_is_told_without_what_is_secret(load):
    said = describe(load({"to": HOOK, "secret": SECRET, "headers": {"Authorization": "t0p"}}))
    assert "CloudEvents 1.0, with patches" in said
    assert "webhook: https://example.com; signed by 1 secret, with the headers Authorization" in said
    assert "t0ken" not in said
    assert "t0p" not in said
    queue = {"to": QUEUE, "format": "nakadi", "patch": False}
    assert f"sqs: {QUEUE}, from the AWS credential chain" in describe(load(queue))
