"""Records that would take a served copy into the past, held until their shard has caught up with itself."""

from __future__ import annotations

import math

from headrace.change import RecordsPage
from headrace.checkpoint import Checkpoint
from headrace.replicate.buffer import StreamUnit
from headrace.replicate.reader import ShardReader


class Hold:
    """Decides of each page whether it may be applied now, and with what.

    Once a copy was served, a record older than the Scan's end repeats what the Scan has seen. Applied
    alone it would show a key as it was; so its shard's pages wait until the shard is at its tip and
    become visible together. At the shard's end they cannot wait longer, for its children go on from there:
    then they do not serve. ``wire_bytes`` is the size of what waits.
    """

    def __init__(self) -> None:
        self.wire_bytes = 0

    def admit(self, reader: ShardReader, page: RecordsPage, checkpoint: Checkpoint) -> StreamUnit | None:
        """The pages to apply now, ``page`` the last of them; None if there is nothing, or it has to wait."""
        counts = bool(page.count) or reader.ended
        if not reader.held and not (counts and _late(page, checkpoint)):
            return StreamUnit(reader.id, (page,)) if counts else None
        if counts:
            reader.held.append(page)
            self.wire_bytes += page.changes.wire_bytes if page.changes is not None else 0
        return self.release(reader) if reader.at_tip else None

    def release(self, reader: ShardReader) -> StreamUnit:
        """Everything that waits of one shard, be it at its tip or not."""
        pages, reader.held = tuple(reader.held), []
        unit = StreamUnit(reader.id, pages, serves=reader.at_tip and not reader.ended)
        self.wire_bytes -= unit.wire_bytes
        return unit


def _late(page: RecordsPage, checkpoint: Checkpoint) -> bool:
    return (
        checkpoint.was_ready
        and checkpoint.scan_ended_at is not None
        and page.oldest_at is not None
        and page.oldest_at < math.floor(checkpoint.scan_ended_at) + 1
    )
