"""Events as CloudEvents 1.0 has them, in the structured mode of its JSON format.

Sources: CloudEvents - Version 1.0.2 ("Context Attributes"); JSON Event Format for CloudEvents - Version 1.0.2; its
documented extensions "Partitioning" (``partitionkey``) and "Sequence" (``sequence``).
"""

from __future__ import annotations

from typing import Final

from headrace.attribute import quoted
from headrace.targets.outbox.event import Format
from headrace.targets.outbox.occurrence import Occurrence, Operation
from headrace.targets.patch import diff
from headrace.targets.plain import plain

TYPE: Final = "dynamodb.item"
"""What types begin with, unless the Spicepod says otherwise."""


class CloudEvents(Format):
    """Every change as one event, ``data`` being what changed.

    ``source`` is the attribute, None for the table's ARN; ``type_`` is what types begin with: ``.inserted``, ``.modified`` or
    ``.removed`` follows. ``data`` has ``op`` and ``keys``; ``new``, the whole item, unless it was removed; ``old``, the item as it
    was, if it was removed; ``patch``, from the item before to ``new``, if it was modified and ``patched``; and
    ``user_identity`` where the record has one.
    """

    beginning = b'{"specversion":'
    media_type = "application/cloudevents+json"
    together = False

    def __init__(self, source: str | None = None, type_: str | None = None, *, patched: bool = True) -> None:
        self._source = source
        self._type = type_ or TYPE
        self._patched = patched

    def event(self, occurrence: Occurrence) -> tuple[str, bytes]:
        """See ``Format``."""
        subject = quoted(occurrence.subject)
        attributes = {
            "specversion": '"1.0"',
            "id": quoted(occurrence.id),
            "source": quoted(self._source or occurrence.table),
            "type": quoted(f"{self._type}.{occurrence.operation}"),
            "subject": subject,
            "time": quoted(occurrence.time),
            "datacontenttype": '"application/json"',
            "partitionkey": subject,
            "sequence": quoted(occurrence.version),
        }
        head = ",".join(f'"{name}":{value}' for name, value in attributes.items())
        return occurrence.id, b'{%b,"data":%b}' % (head.encode(), self._data(occurrence))

    def _data(self, occurrence: Occurrence) -> bytes:
        members = [b'"op":"%b"' % occurrence.operation.encode(), b'"keys":' + plain(occurrence.key)]
        if occurrence.operation is Operation.REMOVED:
            members.append(b'"old":' + plain(occurrence.old))
        else:
            members.append(b'"new":' + plain(occurrence.new))
        if occurrence.operation is Operation.MODIFIED and self._patched:
            members.append(b'"patch":' + diff(occurrence.old, occurrence.new))
        if occurrence.by is not None:
            members.append(b'"user_identity":' + occurrence.by)
        return b"{" + b",".join(members) + b"}"
