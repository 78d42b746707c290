"""A record as a row: always the same one, so that a record that comes again writes what is there already.

In a DynamoDB table images are maps, as they are. In a dataset they are plain JSON, which SQL can look into, and ``record`` is the
whole record besides, which has lost nothing.
"""

from __future__ import annotations

import base64
import lzma
import math
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from headrace.attribute import Image
from headrace.row_table import RowKey
from headrace.targets.audit.event import AuditEvent
from headrace.targets.patch import diff
from headrace.targets.plain import plain

KEY: Final[RowKey] = (("event_id", "S"),)

XZ: Final = "xz"
"""What ``encoding`` says of a row whose images are in ``record``: the record's JSON in the format of xz.

Of all that the standard library has, it alone looks back as far as from one image of 400 KB to the other.
"""

_LEVEL: Final = 6
"""The first one whose dictionary has room for two images."""


def key_of(event: AuditEvent) -> Image:
    """The key of its row."""
    return {"event_id": _text(event.id)}


def table_rows(event: AuditEvent, keep: float | None) -> Iterator[Image]:
    """The row in a table, and then what it is where the table does not take that one: for its size, or for maps in too many maps.

    First without ``diff``, which can be made again, then with the record compressed in place of its images. ``keep`` (seconds):
    how long after the change the table's time to live may delete it. Raises BrokenValue.
    """
    row = _told(event)
    row["keys"] = _map(event.keys)
    if keep is not None:
        row["expires_at"] = _number(math.floor(event.record.created + keep))
    images = {
        name: _map(image)
        for name, image in (("old_image", event.old), ("new_image", event.new))
        if image is not None
    }
    if event.has_both_images:
        yield row | images | {"diff": _text(diff(event.old, event.new).decode())}
    yield row | images
    yield row | {"encoding": _text(XZ), "record": _binary(_compressed(event.record.text))}


def dataset_rows(event: AuditEvent) -> Iterator[Image]:
    """The row in a dataset, which takes it whatever its size. Raises BrokenValue."""
    row = _told(event) | {"keys": _json(event.keys), "record": _text(event.record.text.decode())}
    if event.old is not None:
        row["old_image"] = _json(event.old)
    if event.new is not None:
        row["new_image"] = _json(event.new)
    if event.has_both_images:
        row["diff"] = _text(diff(event.old, event.new).decode())
    yield row


def record_of(row: Mapping[str, msgspec.Raw]) -> bytes | None:
    """The record's JSON that a row holds, None where it holds images instead."""
    if "record" not in row:
        return None
    kind, content = next(iter(msgspec.json.decode(row["record"], type=dict[str, str]).items()))
    return content.encode() if kind == "S" else lzma.decompress(base64.b64decode(content))


def _told(event: AuditEvent) -> Image:
    """What is in every row."""
    texts = {
        "event_id": event.id,
        "event_name": event.name,
        "table_name": event.table,
        "source_arn": event.source_arn,
        "region": event.region,
        "sequence_number": event.record.sequence.text,
        "changed_at": event.changed_at,
        "item_key": event.record.key,
        "view_type": event.view,
        "user_type": event.user_type,
        "user_principal": event.user_principal,
    }
    row = {name: _text(text) for name, text in texts.items() if text is not None}
    if event.size is not None:
        row["size_bytes"] = _number(event.size)
    return row


def _compressed(text: bytes) -> bytes:
    return lzma.compress(text, format=lzma.FORMAT_XZ, preset=_LEVEL)


def _json(image: Image) -> msgspec.Raw:
    return _text(plain(image).decode())


def _map(image: Image) -> msgspec.Raw:
    return _value("M", image)


def _text(text: str) -> msgspec.Raw:
    return _value("S", text)


def _number(number: int) -> msgspec.Raw:
    return _value("N", str(number))


def _binary(content: bytes) -> msgspec.Raw:
    return _value("B", base64.b64encode(content).decode())


def _value(tag: str, content: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode({tag: content}))
