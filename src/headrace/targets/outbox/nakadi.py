"""Events in the manner of Nakadi's data change events.

Sources: Nakadi Event Bus API Definition, "DataChangeEvent" and "EventMetadata"; Zalando RESTful API and Event Guidelines, "MUST
use unique event identifiers", "The data change event category"; for ``patch``: Zalando Engineering Blog, "Utilizing Amazon
DynamoDB and AWS Lambda for Asynchronous Event Publication".
"""

from __future__ import annotations

import uuid
from typing import Final

from headrace.attribute import quoted
from headrace.targets.outbox.event import Format
from headrace.targets.outbox.occurrence import Occurrence, Operation
from headrace.targets.patch import diff
from headrace.targets.plain import plain

_OPERATIONS: Final = {Operation.INSERTED: "C", Operation.MODIFIED: "U", Operation.REMOVED: "D"}

_EIDS: Final = uuid.UUID("6ad1a6f4-3f0e-5f43-9d5c-6a0b9f3f1c52")
"""Beneath it each record has its own eid (RFC 9562, "UUID Version 5")."""


class DataChangeEvents(Format):
    """Every change as one event, ``data`` being the whole item: as it is now, or as it was, if it was removed.

    ``data_type`` says what items are. ``event_type`` is that of the metadata, None to leave it out: Nakadi then puts it there.
    ``patched``: beside ``data`` stand ``patch``, if the item was modified, and ``user_identity`` where the record has one.
    ``compacted``: the metadata have ``partition_compaction_key``, which event types with compaction need and others refuse.
    """

    beginning = b'{"data_op":'
    media_type = "application/json"
    together = True

    def __init__(
        self,
        data_type: str,
        event_type: str | None = None,
        *,
        patched: bool = True,
        compacted: bool = False,
    ) -> None:
        self._data_type = data_type
        self._event_type = event_type
        self._patched = patched
        self._compacted = compacted

    def event(self, occurrence: Occurrence) -> tuple[str, bytes]:
        """See ``Format``."""
        eid = str(uuid.uuid5(_EIDS, occurrence.id))
        item = occurrence.old if occurrence.operation is Operation.REMOVED else occurrence.new
        members = [
            f'"data_op":"{_OPERATIONS[occurrence.operation]}"'.encode(),
            f'"data_type":{quoted(self._data_type)}'.encode(),
            self._metadata(eid, occurrence),
            b'"data":' + plain(item),
        ]
        if self._patched and occurrence.operation is Operation.MODIFIED:
            members.append(b'"patch":' + diff(occurrence.old, occurrence.new))
        if self._patched and occurrence.by is not None:
            members.append(b'"user_identity":' + occurrence.by)
        return eid, b"{" + b",".join(members) + b"}"

    def _metadata(self, eid: str, occurrence: Occurrence) -> bytes:
        members = {"eid": eid, "occurred_at": occurrence.time}
        if self._event_type is not None:
            members["event_type"] = self._event_type
        if self._compacted:
            members["partition_compaction_key"] = occurrence.subject
        told = ",".join(f'"{name}":{quoted(value)}' for name, value in members.items())
        return f'"metadata":{{{told}}}'.encode()
