"""What one record of a stream says of its item. Shape: Amazon DynamoDB Streams API Reference, Record and StreamRecord."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from headrace.attribute import Image
from headrace.decoding import json_decoder
from headrace.errors import ConsumerFailed
from headrace.stream_record import StreamRecord

WHOLE_VIEWS: Final = frozenset({"NEW_IMAGE", "NEW_AND_OLD_IMAGES"})
"""The view types whose records hold items as they are after a change."""


class _Images(
    msgspec.Struct, rename={"keys": "Keys", "new": "NewImage", "old": "OldImage", "view": "StreamViewType"}
):
    keys: Image
    new: Image | None = None
    old: Image | None = None
    view: str | None = None


class _Record(msgspec.Struct, rename={"event": "eventName", "images": "dynamodb"}):
    event: str
    images: _Images


_RECORD: Final = json_decoder(_Record)


@dataclass(frozen=True, slots=True)
class Change:
    """One record: ``key`` its item's key, ``new`` and ``old`` the item after and before, where the stream's view has them."""

    record: StreamRecord
    key: Image
    new: Image | None
    old: Image | None
    view: str | None
    removed: bool

    @classmethod
    def read(cls, record: StreamRecord) -> Change:
        """Raises ConsumerFailed where the record is none."""
        try:
            read = _RECORD.decode(record.text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ConsumerFailed(
                "BrokenRecord", f"the record of {record.key} cannot be read: {error}"
            ) from error
        images = read.images
        return cls(record, images.keys, images.new, images.old, images.view, read.event == "REMOVE")

    @property
    def is_whole(self) -> bool:
        """Whether it says what the item is after it; else the item must be fetched."""
        if self.view is not None:
            return self.view in WHOLE_VIEWS
        return self.removed or self.new is not None
