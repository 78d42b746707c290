"""Where a mapping sends records that it gives up: ``on_failure`` of a Spicepod, put together and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from headrace.config.aws_access import ACCESS, Reaching
from headrace.config.document import Document
from headrace.config.environment import Environment
from headrace.config.mapping_model import OnFailureEntry
from headrace.config.parameter import PREFIX, ParameterReader
from headrace.config.problem import KeyPath, Problem, not_one_of, written
from headrace.dataset import AwsAccess
from headrace.event_source_mapping import FailureDestination

FILES: Final = ("file", "sqlite")
KINDS: Final = (*FILES, "sqs", "sns", "s3")

_ARN: Final = re.compile(
    r"arn:aws[a-z0-9-]*:(?P<service>sqs|sns|s3):(?P<region>[a-z0-9-]*):[0-9]*:(?P<name>[^:]+)"
)
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""Amazon S3 user guide, "General purpose bucket naming rules"."""

_WRITE: Final = "write file:PATH, sqlite:PATH, sqs:URL or sqs:ARN, sns:ARN, or s3:BUCKET/PREFIX"


@dataclass(slots=True)
class FailurePlace:
    """The destination of one mapping's failures in the making.

    ``path`` is that of ``on_failure`` in the document, ``folder`` the Spicepod's. ``problems``, ``warnings`` and
    ``unbuilt`` (as in Mapped) grow while ``destination`` runs.
    """

    document: Document
    environment: Environment
    folder: Path
    path: KeyPath
    entry: OnFailureEntry
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    unbuilt: list[str] = field(default_factory=list)

    def destination(self) -> FailureDestination | None:
        """The destination, None for none; it holds only if ``problems`` stays empty."""
        given = self.entry.destination
        access = self._access(given)
        if given is None:
            if self.entry.redrive_interval is None:
                self._refuse(self.path, f"says nothing; add destination, or redrive_interval: {_WRITE}")
            return None
        kind, place = self._split(given)
        check = {
            "file": self._file,
            "sqlite": self._file,
            "sqs": self._queue,
            "sns": self._topic,
            "s3": self._bucket,
        }
        found = check[kind](place) if kind is not None else None
        return None if kind is None or found is None else FailureDestination(kind, found, access)

    def _split(self, given: str) -> tuple[str | None, str]:
        arn = _ARN.fullmatch(given)
        if arn is not None:
            return arn["service"], given
        kind, colon, place = given.partition(":")
        if not colon or not place:
            self._refuse_value(f"'{given}' is no destination; {_WRITE}")
        elif kind in KINDS:
            return kind, place.strip()
        elif kind == "arn":
            self._refuse_value("as ARN, a queue of SQS, a topic of SNS and a bucket of S3 are taken")
        else:
            self._refuse_value(f"{not_one_of(kind, KINDS)}; {_WRITE}")
        return None, ""

    def _file(self, place: str) -> str | None:
        if place.startswith(("~", "//")) or "${" in place:
            self._refuse_value(
                "'~', '//' and references are not expanded here; write a path, which may start at the Spicepod's folder"
            )
            return None
        path = self.folder / place
        if path.is_dir():
            self._refuse_value(f"{path} is a folder; name a file")
        return str(path)

    def _queue(self, place: str) -> str | None:
        url = urlsplit(place)
        if not self._is_arn(place, "sqs") and not (
            url.scheme in ("http", "https") and url.hostname and url.path.strip("/")
        ):
            self._refuse_value(
                "a queue is given by its URL (https://sqs.REGION.amazonaws.com/ACCOUNT/NAME) or its ARN"
            )
        return place

    def _topic(self, place: str) -> str | None:
        if not self._is_arn(place, "sns"):
            self._refuse_value("a topic is given by its ARN (arn:aws:sns:REGION:ACCOUNT:NAME)")
        return place

    def _bucket(self, place: str) -> str | None:
        arn = _ARN.fullmatch(place)
        bucket, _, prefix = (arn["name"] if arn is not None else place.removeprefix("//")).partition("/")
        if not _BUCKET.fullmatch(bucket):
            self._refuse_value(f"'{bucket}' cannot be a bucket; write s3:BUCKET or s3:BUCKET/PREFIX")
        prefix = prefix.strip("/")
        return f"{bucket}/{prefix}" if prefix else bucket

    def _is_arn(self, place: str, service: str) -> bool:
        found = _ARN.fullmatch(place)
        return found is not None and found["service"] == service

    def _access(self, given: str | None) -> AwsAccess:
        path = (*self.path, "params")
        if self.document.at(path) is None:
            return AwsAccess()
        if given is None or given.partition(":")[0] in FILES:
            self.problems.append(
                self.document.at_key(path, "belongs to a destination of AWS: sqs, sns or s3")
            )
        settings, wrong = ParameterReader(self.document, self.environment, ACCESS, PREFIX).read(path)
        self.problems += wrong
        reaching = Reaching(self.document, path, settings)
        access = reaching.access() if not wrong else AwsAccess()
        self.problems += reaching.problems
        self.warnings += reaching.warnings
        self.unbuilt += settings.unbuilt(ACCESS, written(path))
        return access

    def _refuse_value(self, message: str) -> None:
        self._refuse((*self.path, "destination"), message)

    def _refuse(self, path: KeyPath, message: str) -> None:
        self.problems.append(self.document.at_value(path, message))
