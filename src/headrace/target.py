"""What a mapping's target is, as a Spicepod says it.

``str`` gives each in short: its kind and where it is. ``views`` are the view types of streams that it can do with, None all of
them; ``secrets`` are what must never be shown.
"""

from __future__ import annotations

from collections import abc
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from headrace.dataset import AwsAccess, Secret

BOTH_IMAGES: Final = frozenset({"NEW_AND_OLD_IMAGES"})
NEW_IMAGES: Final = BOTH_IMAGES | {"NEW_IMAGE"}


@dataclass(frozen=True, slots=True)
class Replica:
    """Another table that is kept equal.

    ``version_attribute`` holds, in each item of the replica, which change wrote it. ``conditional``: no write may replace
    a newer one; without it items are exactly those of the source, written in batches. ``two_way``: the replica is written to by
    others, and replicated back. ``tombstones`` (seconds): for how long deletions are remembered.
    """

    table: str
    access: AwsAccess = field(default_factory=AwsAccess)
    version_attribute: str = "headrace_version"
    conditional: bool = True
    two_way: bool = False
    tombstones: float = 7 * 86_400.0

    @property
    def views(self) -> frozenset[str] | None:
        """See above."""
        return BOTH_IMAGES if self.two_way else None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """See above."""
        return self.access.secrets

    def __str__(self) -> str:
        return f"replicate:{self.table}"


@dataclass(frozen=True, slots=True)
class OutputTable:
    """A DynamoDB table that a target writes rows to."""

    name: str
    access: AwsAccess = field(default_factory=AwsAccess)


@dataclass(frozen=True, slots=True)
class SearchIndex:
    """An index of OpenSearch at ``url``, which is kept equal to the table.

    ``username`` and ``password`` go together; ``service`` (es, aoss) is there where requests are signed for AWS instead, with
    ``access``. ``certificates`` is a file of authorities that are trusted, absolute. ``template`` are settings, mappings and aliases that the
    index gets when it is made. ``tombstones`` (seconds): for how long the last change of an item is remembered. ``backfill``:
    what the table holds already is brought too.
    """

    url: str
    index: str
    username: Secret | None = None
    password: Secret | None = None
    service: str | None = None
    access: AwsAccess = field(default_factory=AwsAccess)
    certificates: Path | None = None
    template: abc.Mapping[str, Any] = field(default_factory=dict, repr=False)
    tombstones: float = 7 * 86_400.0
    backfill: bool = True

    @property
    def views(self) -> frozenset[str] | None:
        """See above."""
        return NEW_IMAGES

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """See above."""
        return _present(self.username, self.password) + self.access.secrets

    def __str__(self) -> str:
        return f"search:{self.index}"


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """A row for each record: in ``table``, or, None, in the dataset that is read from this mapping.

    Of a table: ``keep`` (seconds) is how long after a change its row may be deleted by time to live, None never;
    ``conditional``: a row that is there is left, where else it is written over itself.
    """

    table: OutputTable | None = None
    keep: float | None = None
    conditional: bool = False

    @property
    def views(self) -> frozenset[str] | None:
        """See above."""
        return None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """See above."""
        return () if self.table is None else self.table.access.secrets

    def __str__(self) -> str:
        return "audit" if self.table is None else f"audit:{self.table.name}"


@dataclass(frozen=True, slots=True)
class MaterializedView:
    """The rows of ``sql`` over the table: in ``table``, or, None, in the dataset that is read from this mapping.

    ``tombstones`` (seconds): for how long items that are in no row are remembered.
    """

    sql: str
    table: OutputTable | None = None
    tombstones: float = 7 * 86_400.0

    @property
    def views(self) -> frozenset[str] | None:
        """See above."""
        return NEW_IMAGES

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """See above."""
        return () if self.table is None else self.table.access.secrets

    def __str__(self) -> str:
        return "view" if self.table is None else f"view:{self.table.name}"


class EventFormat(StrEnum):
    """How an outbox writes an event: as CloudEvents does, or as Nakadi's data change events."""

    CLOUDEVENTS = "cloudevents"
    NAKADI = "nakadi"


@dataclass(frozen=True, slots=True)
class Outbox:
    """Events about every change. ``kind`` is webhook, file, sqs or sns; ``place`` a URL, an absolute path, a queue's URL or ARN, a topic's ARN.

    The URL of a webhook is a secret of its own. ``source`` and ``type`` are what events say of themselves: CloudEvents' attributes
    (what types begin with), or Nakadi's data type and event type. ``patch``: events say what has changed, too. ``compacted``:
    Nakadi's events have a key for compaction. ``signing`` are the secrets that sign webhooks, the first one foremost. ``headers``
    are added to each request. ``timeout`` is seconds. ``certificates`` is a file of those that are trusted, absolute.
    """

    kind: str
    place: Secret
    format: EventFormat = EventFormat.CLOUDEVENTS
    source: str | None = None
    type: str | None = None
    patch: bool = True
    compacted: bool = False
    signing: tuple[Secret, ...] = ()
    headers: abc.Mapping[str, Secret] = field(default_factory=dict)
    timeout: float = 15.0
    certificates: Path | None = None
    access: AwsAccess = field(default_factory=AwsAccess)

    @property
    def shown(self) -> str:
        """The place, as far as it may be shown."""
        place = self.place.reveal()
        if self.kind != "webhook":
            return place
        parts = urlsplit(place)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def views(self) -> frozenset[str] | None:
        """See above."""
        return BOTH_IMAGES

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """See above."""
        url = (self.place,) if self.kind == "webhook" else ()
        return (*self.signing, *self.headers.values(), *url, *self.access.secrets)

    def __str__(self) -> str:
        return f"outbox:{self.kind}"


@dataclass(frozen=True, slots=True)
class CustomTarget:
    """A class of the user's own: ``module:Class``, found from ``folder`` on; ``params`` are its keyword arguments.

    ``hidden`` is what references in them stand for.
    """

    reference: str
    folder: Path
    params: abc.Mapping[str, Any] = field(default_factory=dict, repr=False)
    hidden: tuple[Secret, ...] = ()

    @property
    def views(self) -> frozenset[str] | None:
        """See above."""
        return None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """See above."""
        return self.hidden

    def __str__(self) -> str:
        return f"custom:{self.reference}"


Target = Replica | SearchIndex | AuditTrail | MaterializedView | Outbox | CustomTarget


def _present(*secrets: Secret | None) -> tuple[Secret, ...]:
    return tuple(secret for secret in secrets if secret is not None)
