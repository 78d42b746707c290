"""What a record says happened: to which item, when, by whom, from what to what.

Shapes: Amazon DynamoDB Streams API Reference, Record, StreamRecord and Identity; as Lambda's event has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from headrace.attribute import Image
from headrace.decoding import json_decoder
from headrace.errors import ConsumerFailed
from headrace.stream_record import StreamRecord


class _Identity(msgspec.Struct, rename={"type": "type", "principal": "principalId"}):
    type: str | None = None
    principal: str | None = None


class _Images(
    msgspec.Struct,
    rename={
        "keys": "Keys",
        "old": "OldImage",
        "new": "NewImage",
        "view": "StreamViewType",
        "size": "SizeBytes",
    },
):
    keys: Image
    old: Image | None = None
    new: Image | None = None
    view: str | None = None
    size: int | None = None


class _Record(
    msgspec.Struct,
    rename={
        "id": "eventID",
        "name": "eventName",
        "source_arn": "eventSourceARN",
        "region": "awsRegion",
        "identity": "userIdentity",
        "images": "dynamodb",
    },
):
    id: str
    name: str
    source_arn: str
    images: _Images
    region: str | None = None
    identity: _Identity | None = None


_RECORD: Final = json_decoder(_Record)


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One record, read. ``table`` is the name in ``source_arn``; ``changed_at`` is ISO 8601 in UTC, to the millisecond.

    ``user_type`` and ``user_principal`` are there only where DynamoDB itself has written, as for time to live. Images are
    there as far as ``view`` has them.
    """

    record: StreamRecord
    id: str
    name: str
    table: str
    source_arn: str
    region: str | None
    changed_at: str
    keys: Image
    old: Image | None
    new: Image | None
    view: str | None
    size: int | None
    user_type: str | None
    user_principal: str | None

    @classmethod
    def read(cls, record: StreamRecord) -> AuditEvent:
        """Raises ConsumerFailed where the record is none, or has no id of its own."""
        try:
            read = _RECORD.decode(record.text)
            changed_at = _iso(record.created)
        except (
            msgspec.MsgspecError,
            UnicodeDecodeError,
            RecursionError,
            ValueError,
            OverflowError,
            OSError,
        ) as error:
            raise ConsumerFailed(
                "BrokenRecord", f"the record of {record.key} cannot be read: {error}"
            ) from error
        if not read.id:
            raise ConsumerFailed("BrokenRecord", f"the record of {record.key} has an empty eventID")
        images, identity = read.images, read.identity or _Identity()
        return cls(
            record,
            read.id,
            read.name,
            _table_of(read.source_arn),
            read.source_arn,
            read.region,
            changed_at,
            images.keys,
            images.old,
            images.new,
            images.view,
            images.size,
            identity.type,
            identity.principal,
        )

    @property
    def has_both_images(self) -> bool:
        """Whether it says what the item was and what it is, so that the difference can be told."""
        if self.view is not None:
            return self.view == "NEW_AND_OLD_IMAGES"
        return self.old is not None and self.new is not None


def _table_of(arn: str) -> str:
    """The table's name in a stream's ARN, ``arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL``."""
    return arn.rpartition(":table/")[2].partition("/")[0]


def _iso(created: float) -> str:
    return f"{datetime.fromtimestamp(created, UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
