"""The example of a function on every change: no record lost, each order in its order."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headrace.ledgers import Ledgers
from support.event_stories import EXAMPLES, Story

_FAULTY = """
import os, random, order_events

def on_change(event, context):
    dice = random.random()
    if dice < 0.04:
        os._exit(3)
    response = order_events.on_change(event, context)
    if dice > 0.96:
        raise RuntimeError("after all was done")
    return response
"""


class CheckedFunction:
    """``examples/events.yaml``, its function dying and failing now and then."""

    example = "events"

    @contextmanager
    def served(self, story: Story) -> Iterator[None]:
        shutil.copy(EXAMPLES / "order_events.py", story.folder)
        (story.folder / "faulty.py").write_text(_FAULTY)
        yield

    def adapt(self, pod: dict[str, Any], url: str) -> None:
        pod["event_source_mappings"][0]["function"] = "faulty:on_change"

    def is_settled(self, story: Story) -> bool:
        status = story.status("order-status")
        lost = self._changes(story).keys() - {id_ for id_, _, _ in self._notices(story)}
        # A failure may hold many records.
        return not lost or (status["parked"] + status["failures"]) > 0

    def expect(self, story: Story) -> None:
        """Every change was noted, or waits; nothing else was; and no order at a revision before an earlier one."""
        noted = {id_ for id_, _, _ in self._notices(story)}
        changes = self._changes(story).keys()
        assert noted <= changes
        assert changes - noted - self._waiting(story) == set()
        seen: dict[str, int] = defaultdict(int)
        for _, order, revision in self._notices(story):
            assert revision > seen[order], f"{order}: revision {revision} comes after {seen[order]}"
            seen[order] = revision

    def _changes(self, story: Story) -> dict[str, tuple[str, int]]:
        """Every record that passes the filter, by its eventID: the order and its revision."""
        kept = [one for one in story.records() if one["eventName"] != "REMOVE"]
        images = {one["eventID"]: one["dynamodb"]["NewImage"] for one in kept}
        return {id_: (image["id"]["S"], int(image["revision"]["N"])) for id_, image in images.items()}

    def _notices(self, story: Story) -> list[tuple[str, str, int]]:
        """What the function has noted, in the order in which it did."""
        with sqlite3.connect(story.folder / "notices.sqlite", timeout=10) as notices:
            if not notices.execute("SELECT 1 FROM sqlite_master WHERE name = 'notices'").fetchone():
                # Its processes begin later than all else.
                return []
            rows = notices.execute("SELECT event_id, order_id, revision FROM notices ORDER BY rowid")
            return [(str(id_), str(order), int(revision)) for id_, order, revision in rows]

    def _waiting(self, story: Story) -> set[str]:
        """The eventIDs of records that are kept as failures or parked."""
        books = Ledgers(story.folder / ".headrace" / "data" / "events.sqlite")
        ledger = books.of("order-status")
        try:
            delivery = ledger.open()
            keys = delivery.parked if delivery is not None else {}
            records = [parked.record for key in keys for parked in ledger.parked(key, 10_000)]
            records += [
                record for stored in ledger.failures(limit=10_000) for record in stored.failure.records
            ]
            return {json.loads(record.text)["eventID"] for record in records}
        finally:
            books.close()
