"""``target.outbox``: events about every change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from headrace.config.connector import (
    AWS_ACCESS_KEY_ID,
    AWS_AUTH,
    AWS_REGION,
    AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN,
    ENDPOINT_URL,
)
from headrace.config.kind import Kind, choice, duration, file_path, flag, text
from headrace.config.parameter import Parameter, Settings
from headrace.config.problem import BadValueError
from headrace.config.quantity import SECOND, format_duration
from headrace.config.sending_place import SendingPlaces
from headrace.config.targets.block import TargetBlock, TargetKind, credentials_of
from headrace.dataset import AwsAccess, Secret
from headrace.target import EventFormat, Outbox, Target
from headrace.webhook_secret import key_of

KINDS: Final = ("webhook", "file", "sqs", "sns")

_DEFAULTS: Final = Outbox("file", Secret(""))
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name (RFC 9110, 5.1: a token)."""

_VALUE: Final = re.compile(r"[!-~]([ \t!-~]*[!-~])?")
_RESERVED: Final = re.compile(
    r"webhook-.*|content-(type|length|encoding)|host|connection|transfer-encoding|expect|te|trailer|upgrade",
    re.IGNORECASE,
)


def signing_secrets() -> Kind[tuple[Secret, ...]]:
    """Secrets of Standard Webhooks, with spaces between."""
    says = "secrets `whsec_BASE64`, best references such as `${secrets:name}`"

    def parse(given: str) -> tuple[Secret, ...]:
        secrets = given.split()
        if not secrets:
            raise BadValueError("is empty")
        for secret in secrets:
            try:
                key_of(secret)
            except ValueError as error:
                raise BadValueError(f"{error}; `openssl rand -base64 32` makes one, after whsec_") from None
        return tuple(map(Secret, secrets))

    return Kind(parse, says, {"type": "string"}, secret=True)


TO: Final = Parameter(
    "to",
    text("`webhook:URL`, `file:PATH`, `sqs:URL` or `sns:ARN`"),
    "Where events go: an HTTP receiver, a file of JSON lines, a queue (its URL or ARN), or a topic (its ARN).",
)
FORMAT: Final = Parameter(
    "format",
    choice(*EventFormat),
    "How an event is written: as a CloudEvent, or in the manner of Nakadi's data change events.",
    default=_DEFAULTS.format.value,
)
SOURCE: Final = Parameter(
    "source",
    text("a URI, or a name", r"\S+"),
    "Of what the events are: a CloudEvent's `source`, or Nakadi's `data_type`. Without it, the table's ARN, or its name.",
)
TYPE: Final = Parameter(
    "type",
    text("a name with dots", r"[A-Za-z0-9_.:/-]+"),
    "What a CloudEvent's `type` begins with, `dynamodb.item` without it; `.inserted`, `.modified` or `.removed` follows. Or "
    "Nakadi's `event_type`, which is left out without it.",
)
PATCH: Final = Parameter(
    "patch",
    flag(),
    "Whether an event says what has changed, too, as a JSON patch (RFC 6902). With `false`, Nakadi's events have no member "
    "that Nakadi does not know.",
    default=str(_DEFAULTS.patch).lower(),
)
COMPACTION_KEY: Final = Parameter(
    "compaction_key",
    flag(),
    "Whether Nakadi's metadata have `partition_compaction_key`, the item's key: event types with compaction need it, others "
    "refuse it.",
    default=str(_DEFAULTS.compacted).lower(),
)
SECRET: Final = Parameter(
    "secret",
    signing_secrets(),
    "What signs webhooks, as Standard Webhooks has it. Several, with spaces between, all sign: a receiver needs to know one.",
)
HEADERS: Final = Parameter(
    "headers",
    Kind(str, "names and values", {"type": "object"}),
    "Headers of each request to a webhook: names, and texts that may be references. They are never shown.",
)
TIMEOUT: Final = Parameter(
    "timeout",
    duration(SECOND, 300 * SECOND),
    "How long a webhook's connection, and then its answer, may take.",
    default=format_duration(int(_DEFAULTS.timeout) * SECOND),
)
CERTIFICATES: Final = Parameter(
    "certificates",
    file_path(),
    "A file of PEM with the certificates that are trusted in place of the system's.",
)
REGION: Final = Parameter(
    "region",
    AWS_REGION.kind,
    "The AWS region of the queue or topic, where neither its URL nor its ARN names it. Without it, the source's.",
    aliases=("aws_region",),
)
ENDPOINT: Final = Parameter(
    ENDPOINT_URL.name, ENDPOINT_URL.kind, "Where SQS or SNS is reached, for emulators."
)

_OF_WEBHOOKS: Final[tuple[Parameter[object], ...]] = (SECRET, HEADERS, TIMEOUT, CERTIFICATES)
_OF_AWS: Final[tuple[Parameter[object], ...]] = (
    REGION,
    ENDPOINT,
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN,
    AWS_AUTH,
)


def _read(block: TargetBlock) -> Outbox | None:
    settings = block.settings(OUTBOX.parameters, HEADERS.name)
    headers = block.texts(HEADERS.name)
    if settings is None or headers is None:
        return None
    found = _place(block, settings)
    if found is None:
        return None
    kind, place = found
    _expect_of_kind(block, settings, kind)
    _expect_headers(block, headers)
    format_ = EventFormat(settings.get(FORMAT) or _DEFAULTS.format)
    if format_ is not EventFormat.NAKADI and settings.get(COMPACTION_KEY):
        block.refuse("belongs to format: nakadi", COMPACTION_KEY.name)
    certificates = settings.get(CERTIFICATES)
    return Outbox(
        kind,
        Secret(place),
        format_,
        settings.get(SOURCE),
        settings.get(TYPE),
        patch=settings.get(PATCH) is not False,
        compacted=settings.get(COMPACTION_KEY) is True,
        signing=settings.get(SECRET) or (),
        headers=headers,
        timeout=(settings.get(TIMEOUT) or 0) / SECOND,
        certificates=None if certificates is None else _certificates(block, certificates),
        access=_access(block, settings) if kind in ("sqs", "sns") else AwsAccess(),
    )


def _place(block: TargetBlock, settings: Settings) -> tuple[str, str] | None:
    places = SendingPlaces(KINDS, block.folder)
    given = settings.get(TO)
    if given is None:
        block.refuse(f"says not where events go; {places.written} under to")
        return None
    try:
        kind, place = places.read(given, str(block.document.at((*block.path, TO.name))))
    except BadValueError as error:
        block.refuse(str(error), TO.name)
        return None
    if kind == "webhook" and urlsplit(place).scheme == "http" and not _is_here(place):
        block.warn(
            "events travel as plain http, for all on their way to read and to change; write https", TO.name
        )
    return kind, place


def _expect_of_kind(block: TargetBlock, settings: Settings, kind: str) -> None:
    """Refuse what is for another kind of place."""
    given = block.document.at(block.path)
    keys = given if isinstance(given, dict) else {}
    for parameters, kinds, where in (
        (_OF_WEBHOOKS, ("webhook",), "a webhook"),
        (_OF_AWS, ("sqs", "sns"), "a queue or topic of AWS"),
    ):
        if kind in kinds:
            continue
        for parameter in parameters:
            key = settings.key(parameter)
            if key in keys:
                block.problems.append(
                    block.document.at_key((*block.path, key), f"belongs to {where}; events go to {kind}")
                )


def _expect_headers(block: TargetBlock, headers: dict[str, Secret]) -> None:
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            block.problems.append(
                block.document.at_key(
                    (*block.path, HEADERS.name, name), "a header's name has letters, digits and '-'"
                )
            )
        elif _RESERVED.fullmatch(name):
            block.problems.append(
                block.document.at_key(
                    (*block.path, HEADERS.name, name), "is set by Headrace itself; remove it"
                )
            )
        elif not _VALUE.fullmatch(value.reveal()):
            block.refuse("a header's value is letters of ASCII on one line", HEADERS.name, name)


def _certificates(block: TargetBlock, given: str) -> Path:
    path = block.folder / given
    if not path.is_file():
        block.refuse(f"there is no file {path}; name one of PEM", CERTIFICATES.name)
    return path


def _access(block: TargetBlock, settings: Settings) -> AwsAccess:
    reached = block.reached(settings)
    return AwsAccess(
        settings.get(REGION),
        reached.endpoint_url,
        reached.access_key_id,
        reached.secret_access_key,
        reached.session_token,
    )


def _is_here(url: str) -> bool:
    """Whether a request stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _facts(target: Target) -> Iterator[tuple[str, str]]:
    assert isinstance(target, Outbox), "it is of this kind"
    says = "CloudEvents 1.0" if target.format is EventFormat.CLOUDEVENTS else "data change events as Nakadi's"
    yield "events", f"{says}, {'with' if target.patch else 'without'} patches"
    how = ""
    if target.kind == "webhook":
        count = len(target.signing)
        how = f"; signed by {count} secret{'s' if count > 1 else ''}" if count else "; not signed"
        how += f", with the headers {', '.join(sorted(target.headers))}" if target.headers else ""
    elif target.kind != "file":
        how = f", {credentials_of(target.access)}"
    yield "to", f"{target.kind}: {target.shown}{how}"
    yield "view type", "NEW_AND_OLD_IMAGES"


OUTBOX: Final = TargetKind(
    "outbox",
    "Events about every change, to a webhook, a file, a queue or a topic.",
    (TO, FORMAT, SOURCE, TYPE, PATCH, COMPACTION_KEY, *_OF_WEBHOOKS, *_OF_AWS),
    _read,
    _facts,
    note="`secret`, `headers`, `timeout` and `certificates` are for webhooks, what follows them for queues and topics.",
)
