"""What one record of a stream says has happened, apart from how an event writes it.

Shape of a record: Amazon DynamoDB Streams API Reference, Record, StreamRecord and Identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Final

import msgspec

from headrace.attribute import Image
from headrace.batch import Batch
from headrace.decoding import json_decoder
from headrace.errors import ConsumerFailed
from headrace.stream_record import StreamRecord
from headrace.targets.plain import plain

_NEEDED: Final = {"INSERT": ("new",), "MODIFY": ("old", "new"), "REMOVE": ("old",)}


class _Images(msgspec.Struct, rename={"keys": "Keys", "new": "NewImage", "old": "OldImage"}):
    keys: Image
    new: Image | None = None
    old: Image | None = None


class _Record(
    msgspec.Struct,
    rename={"name": "eventName", "images": "dynamodb", "id": "eventID", "identity": "userIdentity"},
):
    name: str
    images: _Images
    id: str | None = None
    identity: dict[str, msgspec.Raw] | None = None


_RECORD: Final = json_decoder(_Record)
_SORTED: Final = msgspec.json.Encoder(order="deterministic")


class Operation(StrEnum):
    """What became of the item."""

    INSERTED = "inserted"
    MODIFIED = "modified"
    REMOVED = "removed"


_OPERATIONS: Final = {
    "INSERT": Operation.INSERTED,
    "MODIFY": Operation.MODIFIED,
    "REMOVE": Operation.REMOVED,
}


@dataclass(frozen=True, slots=True, eq=False)
class Occurrence:
    """One change of one item of the table with the ARN ``table``; the same whenever its record comes again.

    ``id`` tells it from all others: the record's eventID, or a digest of where the record stands where it has none. ``new`` is the
    item after it, unless it was removed, ``old`` the item before, unless it was inserted. ``by`` is userIdentity, as JSON: who
    removed the item, where that was the service. ``version`` grows with every change of the item.
    """

    id: str
    operation: Operation
    table: str
    key: Image
    new: Image | None
    old: Image | None
    by: bytes | None
    created: float
    version: str

    @classmethod
    def read(cls, batch: Batch, record: StreamRecord) -> Occurrence:
        """Raises ConsumerFailed where the record is none, or lacks an image."""
        try:
            read = _RECORD.decode(record.text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ConsumerFailed(
                "BrokenRecord", f"the record of {record.key} cannot be read: {error}"
            ) from error
        images = read.images
        operation = _OPERATIONS.get(read.name)
        if operation is None:
            raise ConsumerFailed(
                "BrokenRecord", f"the record of {record.key} is a {read.name}, which is unknown"
            )
        missing = [image for image in _NEEDED[read.name] if getattr(images, image) is None]
        if missing:
            raise ConsumerFailed(
                "ImageMissing",
                f"the {read.name} of {record.key} has no {' and no '.join(missing)} image; the stream must be of the view type "
                "NEW_AND_OLD_IMAGES",
            )
        return cls(
            read.id or _digest(batch.idempotency_key(record)),
            operation,
            batch.stream_arn.partition("/stream/")[0],
            images.keys,
            None if operation is Operation.REMOVED else images.new,
            None if operation is Operation.INSERTED else images.old,
            _SORTED.encode(read.identity) if read.identity else None,
            record.created,
            batch.version(record),
        )

    @property
    def subject(self) -> str:
        """The item's key as plain JSON, in letters that an attribute of a CloudEvent may have."""
        return attribute_text(plain(self.key).decode())

    @property
    def time(self) -> str:
        """When it happened, as RFC 3339 writes it; the service tells whole seconds."""
        at = datetime.fromtimestamp(self.created, UTC)
        timespec = "milliseconds" if at.microsecond else "seconds"
        return at.isoformat(timespec=timespec).replace("+00:00", "Z")


def attribute_text(json: str) -> str:
    """JSON whose texts have as escapes what the attributes of a CloudEvent may not hold as it is.

    That is control characters and noncharacters (CloudEvents 1.0.2, "Type System", String).
    """
    if json.isascii() and "\x7f" not in json:
        return json
    return "".join(_escaped(letter) if _is_refused(ord(letter)) else letter for letter in json)


def _is_refused(code: int) -> bool:
    return 0x7F <= code <= 0x9F or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE  # noqa: PLR2004 - Unicode's own


def _escaped(letter: str) -> str:
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[place] << 8 | units[place + 1]:04x}" for place in range(0, len(units), 2))


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()
