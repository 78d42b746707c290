"""The example of audit trails: in a table and in a dataset, a row for each record, once, as the record was."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.audited import expect_diff, expect_row
from support.event_stories import Story

_HISTORY = """
    SELECT event_id, event_name, sequence_number, changed_at, user_type, user_principal, keys, old_image, new_image, diff, record
    FROM order_history
"""
_CHANGES = """
    SELECT keys->>'id' AS id, change.value->>'path' AS path, count(*) AS changes FROM order_history, json_each(diff) AS change
    WHERE event_name = 'MODIFY' GROUP BY ALL
"""


class CheckedAudit:
    """``examples/audit.yaml``."""

    example = "audit"

    def __init__(self) -> None:
        self._history: list[dict[str, Any]] = []
        self._changes: list[dict[str, Any]] = []

    @contextmanager
    def served(self, story: Story) -> Iterator[None]:
        story.make_table("orders-trail", "event_id")
        yield

    def adapt(self, pod: dict[str, Any], url: str) -> None:
        pod["event_source_mappings"][0]["target"]["audit"]["endpoint_url"] = url

    def is_settled(self, story: Story) -> bool:
        records = len(story.records())
        if len(story.items("orders-trail")) != records:
            return False
        [counted] = story.rows("SELECT count(*) AS rows FROM order_history")
        if counted["rows"] != records:
            return False
        self._history = story.rows(_HISTORY)
        self._changes = story.rows(_CHANGES)
        return True

    def expect(self, story: Story) -> None:
        records = {record["eventID"]: record for record in story.records()}
        trail = story.items("orders-trail")
        assert sorted(row["event_id"]["S"] for row in trail) == sorted(records)
        for row in trail:
            expect_row(row, records[row["event_id"]["S"]])
            assert "diff" in row
        assert sorted(row["event_id"] for row in self._history) == sorted(records)
        for row in self._history:
            _expect_history(row, records[row["event_id"]])
        # Each put of an order has a revision of its own.
        revised = {row["id"]: row["changes"] for row in self._changes if row["path"] == "/revision"}
        modified = Counter(
            record["dynamodb"]["Keys"]["id"]["S"]
            for record in records.values()
            if record["eventName"] == "MODIFY"
        )
        assert revised == modified


def _expect_history(row: dict[str, Any], record: dict[str, Any]) -> None:
    """Fail unless a row of the dataset says what its record says."""
    change = record["dynamodb"]
    kept = json.loads(row["record"])
    assert {name: value for name, value in kept.items() if name != "userIdentity"} == {
        "eventSourceARN": kept["eventSourceARN"],
        **{name: value for name, value in record.items() if name != "userIdentity"},
    }
    assert row["event_name"] == record["eventName"]
    assert row["sequence_number"] == change["SequenceNumber"]
    identity = record.get("userIdentity")
    assert (row["user_type"] is None) is (identity is None)
    assert json.loads(row["keys"]) == {"id": change["Keys"]["id"]["S"]}
    assert (row["old_image"] is None) is ("OldImage" not in change)
    assert (row["new_image"] is None) is ("NewImage" not in change)
    expect_diff(row["diff"], change.get("OldImage"), change.get("NewImage"))
