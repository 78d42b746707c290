"""``target.search``: an index of OpenSearch that is kept equal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from headrace.config.connector import (
    AWS_ACCESS_KEY_ID,
    AWS_AUTH,
    AWS_REGION,
    AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN,
)
from headrace.config.kind import Kind, choice, duration, file_path, flag, hidden, url
from headrace.config.parameter import Parameter, Settings
from headrace.config.problem import BadValueError
from headrace.config.quantity import SECOND, format_duration
from headrace.config.targets.block import TargetBlock, TargetKind, credentials_of, region_of
from headrace.dataset import AwsAccess
from headrace.target import SearchIndex, Target

_DEFAULTS: Final = SearchIndex("", "")
_HOST: Final = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-[0-9]+)\.(es|aoss)\.amazonaws\.com(?:\.cn)?$")
_PARTS: Final = ("settings", "mappings", "aliases")
_NONE: Final = "none"


def index_name() -> Kind[str]:
    """A name as OpenSearch takes it."""
    says = "lower-case letters, digits, `-`, `_`, `+` and `.`, not `-`, `_`, `+` or `.` first"
    pattern = re.compile(r"[a-z0-9][a-z0-9._+-]{0,254}")

    def parse(given: str) -> str:
        if not pattern.fullmatch(given):
            raise BadValueError(f"'{given}' cannot name an index; use {says.replace('`', '')}")
        return given

    return Kind(parse, says, {"type": "string", "pattern": f"^{pattern.pattern}$"})


URL: Final = Parameter("url", url(), "Where OpenSearch is reached.")
INDEX: Final = Parameter(
    "index",
    index_name(),
    "The index, or an alias of one. It is made where it is missing. One mapping alone writes to it.",
)
USERNAME: Final = Parameter("username", hidden(), "Basic authentication, with `password`.")
PASSWORD: Final = Parameter("password", hidden(), "Its password.")
SERVICE: Final = Parameter(
    "aws_service",
    choice("es", "aoss", _NONE),
    "Requests are signed for AWS: `es` for OpenSearch Service, `aoss` for Serverless. Without it, what the host's name says, unless a "
    "`username` is given; `none` signs nothing.",
)
REGION: Final = Parameter(
    "region",
    AWS_REGION.kind,
    "The AWS region that requests are signed for. Without it, that of the host's name, else the source's.",
    aliases=("aws_region",),
)
CERTIFICATES: Final = Parameter(
    "certificates",
    file_path(),
    "A file of certificates (PEM) of the authorities that are trusted. Without it, those that every browser trusts.",
)
TEMPLATE: Final = Parameter(
    "template",
    file_path(),
    "A file of JSON with `settings`, `mappings` and `aliases` that the index gets when it is made, over those of Headrace.",
)
TOMBSTONES: Final = Parameter(
    "tombstones",
    duration(3600 * SECOND),
    "For how long the last change of an item is remembered, so that an older one cannot replace it, or bring the item back.",
    default=format_duration(int(_DEFAULTS.tombstones) * SECOND),
)
BACKFILL: Final = Parameter(
    "backfill",
    flag(),
    "Whether the index is filled with what the table holds already, and again where the stream has lost records.",
    default=str(_DEFAULTS.backfill).lower(),
)
_KEYS: Final[tuple[Parameter[object], ...]] = (
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
    AWS_SESSION_TOKEN,
    AWS_AUTH,
)


def _read(block: TargetBlock) -> SearchIndex | None:
    settings = block.settings(SEARCH.parameters)
    if settings is None:
        return None
    address, index = settings.get(URL), settings.get(INDEX)
    if address is None or index is None:
        lacking = " and ".join(each.name for each, value in ((URL, address), (INDEX, index)) if value is None)
        block.refuse(f"has no {lacking}; write search: {{url: https://..., index: INDEX}}")
        return None
    username, password = settings.get(USERNAME), settings.get(PASSWORD)
    if (username is None) != (password is None):
        given, other = (USERNAME, PASSWORD) if password is None else (PASSWORD, USERNAME)
        block.refuse(f"needs {other.name} beside it; give both, or neither", given.name)
    service = _service(block, settings, address)
    return SearchIndex(
        address.rstrip("/"),
        index,
        username=username,
        password=password,
        service=service,
        access=AwsAccess() if service is None else _access(block, settings, address),
        certificates=_certificates(block, settings, address),
        template=_template(block, settings),
        tombstones=(settings.get(TOMBSTONES) or 0) / SECOND,
        backfill=settings.get(BACKFILL) is not False,
    )


def _service(block: TargetBlock, settings: Settings, address: str) -> str | None:
    asked = settings.get(SERVICE)
    found = _HOST.search(urlsplit(address).hostname or "")
    if asked is None and settings.get(USERNAME) is None and found is not None:
        asked = found[2]
    if asked not in (None, _NONE):
        if settings.get(USERNAME) is not None:
            block.refuse("requests are signed, or have a username; keep one of them", USERNAME.name)
        return asked
    for parameter in (REGION, *_KEYS):
        if parameter.name in settings.given:
            block.refuse(
                "is for requests that are signed for AWS; write aws_service: es, or remove it",
                settings.key(parameter),
            )
    return None


def _access(block: TargetBlock, settings: Settings, address: str) -> AwsAccess:
    """Keys are the source's where none are given, unless the source is no AWS."""
    own = block.reached(settings)
    found = _HOST.search(urlsplit(address).hostname or "")
    region = settings.get(REGION) or (found[1] if found is not None else block.access.region)
    own = replace(own, region=region, endpoint_url=None)
    if own.access_key_id is not None or settings.get(AWS_AUTH) == "iam_role" or block.access.endpoint_url:
        return own
    return replace(
        own,
        access_key_id=block.access.access_key_id,
        secret_access_key=block.access.secret_access_key,
        session_token=block.access.session_token,
    )


def _certificates(block: TargetBlock, settings: Settings, address: str) -> Path | None:
    named = settings.get(CERTIFICATES)
    if named is None:
        return None
    if not address.startswith("https:"):
        block.warn("nobody looks at certificates without https; remove it, or change url", CERTIFICATES.name)
    file = block.folder / named
    if not file.is_file():
        block.refuse(f"there is no file {file}; name a file of certificates", CERTIFICATES.name)
    return file


def _template(block: TargetBlock, settings: Settings) -> Mapping[str, Any]:
    named = settings.get(TEMPLATE)
    if named is None:
        return {}
    file = block.folder / named
    try:
        template = json.loads(file.read_text())
    except OSError as error:
        block.refuse(f"cannot be read: {error}", TEMPLATE.name)
        return {}
    except ValueError as error:
        block.refuse(f"{file} is no JSON: {error}", TEMPLATE.name)
        return {}
    if not isinstance(template, dict) or not all(
        name in _PARTS and isinstance(part, dict) for name, part in template.items()
    ):
        block.refuse(f"{file} must be a JSON object of objects: {', '.join(_PARTS)}", TEMPLATE.name)
        return {}
    return template


def _facts(target: Target) -> Iterator[tuple[str, str]]:
    assert isinstance(target, SearchIndex), "it is of this kind"
    if target.service is not None:
        asking = f"signed for {target.service} in {region_of(target.access)}, {credentials_of(target.access)}"
    else:
        asking = "with user and password" if target.username is not None else "without credentials"
    yield "index", f"{target.index} at {target.url}, {asking}"
    yield (
        "backfill",
        "what the table holds is brought too"
        if target.backfill
        else "none: only what changes, until `headrace search backfill`",
    )
    yield "view type", "NEW_IMAGE or NEW_AND_OLD_IMAGES"


SEARCH: Final = TargetKind(
    "search",
    "An index of OpenSearch that is kept equal.",
    (URL, INDEX, USERNAME, PASSWORD, SERVICE, REGION, *_KEYS, CERTIFICATES, TEMPLATE, TOMBSTONES, BACKFILL),
    _read,
    _facts,
    note="[What it does, and what it guarantees](targets/search.md). Where requests are signed and no keys are given, they are the source's.",
)
