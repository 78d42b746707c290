"""Where something is sent, as a Spicepod writes it: ``KIND:PLACE``, or an ARN alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from headrace.config.problem import BadValueError, not_one_of

FILES: Final = ("file", "sqlite")
"""The kinds of which the place is a file."""

_ARN: Final = re.compile(
    r"arn:aws[a-z0-9-]*:(?P<service>sqs|sns|s3):(?P<region>[a-z0-9-]*):[0-9]*:(?P<name>[^:]+)"
)
_IN_WORDS: Final = {"sqs": "a queue of SQS", "sns": "a topic of SNS", "s3": "a bucket of S3"}
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""Amazon S3 user guide, "General purpose bucket naming rules"."""

_FORMS: Final = {
    "webhook": "webhook:URL",
    "file": "file:PATH",
    "sqlite": "sqlite:PATH",
    "sqs": "sqs:URL or sqs:ARN",
    "sns": "sns:ARN",
    "s3": "s3:BUCKET/PREFIX",
}


@dataclass(frozen=True, slots=True)
class SendingPlaces:
    """The places of ``kinds``. Those that are files start at ``folder``, the Spicepod's."""

    kinds: tuple[str, ...]
    folder: Path

    @property
    def written(self) -> str:
        """How each is written."""
        *forms, last = (_FORMS[kind] for kind in self.kinds)
        return f"write {', '.join(forms)}, or {last}"

    def read(self, given: str, shown: str) -> tuple[str, str]:
        """The kind, and the place: an absolute path, a URL, an ARN, or ``bucket/prefix``.

        ``shown`` is what may be shown of ``given``. Raises BadValueError.
        """
        kind, place = self._split(given, shown)
        match kind:
            case "webhook":
                return kind, _webhook(place)
            case "sqs":
                return kind, _queue(place)
            case "sns":
                return kind, _topic(place)
            case "s3":
                return kind, _bucket(place)
            case _:
                return kind, self._file(place)

    def _split(self, given: str, shown: str) -> tuple[str, str]:
        arn = _ARN.fullmatch(given)
        if arn is not None and arn["service"] in self.kinds:
            return arn["service"], given
        kind, colon, place = given.partition(":")
        if not colon or not place:
            raise BadValueError(f"'{shown}' is no destination; {self.written}")
        if kind == "arn":
            *nouns, last = (noun for service, noun in _IN_WORDS.items() if service in self.kinds)
            raise BadValueError(f"as ARN, {', '.join(nouns)} and {last} are taken")
        if kind not in self.kinds:
            raise BadValueError(f"{not_one_of(kind, self.kinds)}; {self.written}")
        return kind, place.strip()

    def _file(self, place: str) -> str:
        if place.startswith(("~", "//")) or "${" in place:
            raise BadValueError(
                "'~', '//' and references are not expanded here; write a path, which may start at the Spicepod's folder"
            )
        path = self.folder / place
        if path.is_dir():
            raise BadValueError(f"{path} is a folder; name a file")
        return str(path)


def _webhook(place: str) -> str:
    # The text is repeated in no message: it may hold a password.
    wanted = "a webhook is given by its URL (webhook:https://example.com/events)"
    try:
        url = urlsplit(place)
        hostname, _ = url.hostname, url.port
    except ValueError:
        raise BadValueError(wanted) from None
    if url.scheme not in ("http", "https") or not hostname or not re.fullmatch(r"[!-~]+", place):
        raise BadValueError(wanted)
    if "@" in url.netloc:
        raise BadValueError("must not hold a user or password; write an Authorization in headers")
    if url.fragment:
        raise BadValueError(f"{wanted}, without '#'")
    return place


def _queue(place: str) -> str:
    url = urlsplit(place)
    if not _is_arn(place, "sqs") and not (
        url.scheme in ("http", "https") and url.hostname and url.path.strip("/")
    ):
        raise BadValueError(
            "a queue is given by its URL (https://sqs.REGION.amazonaws.com/ACCOUNT/NAME) or its ARN"
        )
    return place


def _topic(place: str) -> str:
    if not _is_arn(place, "sns"):
        raise BadValueError("a topic is given by its ARN (arn:aws:sns:REGION:ACCOUNT:NAME)")
    return place


def _bucket(place: str) -> str:
    arn = _ARN.fullmatch(place)
    bucket, _, prefix = (arn["name"] if arn is not None else place.removeprefix("//")).partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise BadValueError(f"'{bucket}' cannot be a bucket; write s3:BUCKET or s3:BUCKET/PREFIX")
    prefix = prefix.strip("/")
    return f"{bucket}/{prefix}" if prefix else bucket


def _is_arn(place: str, service: str) -> bool:
    found = _ARN.fullmatch(place)
    return found is not None and found["service"] == service
