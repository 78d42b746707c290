"""Keeps a notice of every change of an order's status, once, however often a change is handed over.

A function as AWS Lambda would call it. A record that fails is reported by its sequence number: it and those after it come
again, those before it do not.
"""

import os
import sqlite3
from typing import Any

NOTICES = os.environ.get("NOTICES", "notices.sqlite")


def on_change(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Note each change; stop at the first order that cannot be noted."""
    with sqlite3.connect(NOTICES, timeout=10) as notices:
        notices.execute(
            "CREATE TABLE IF NOT EXISTS notices (event_id TEXT PRIMARY KEY, order_id TEXT, status TEXT, revision INTEGER)"
        )
        for record in event["Records"]:
            try:
                note(notices, record)
            except ValueError as error:
                print(f"order {record['dynamodb']['Keys']['id']['S']}: {error}")
                return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
    return {"batchItemFailures": []}


def note(notices: sqlite3.Connection, record: dict[str, Any]) -> None:
    """One row for one record: a record that comes again finds its row there. Raises ValueError for an order without a total."""
    order = record["dynamodb"]["NewImage"]
    if "total" not in order:
        raise ValueError("it has no total")
    row = (record["eventID"], order["id"]["S"], order["status"]["S"], int(order["revision"]["N"]))
    notices.execute("INSERT OR IGNORE INTO notices VALUES (?, ?, ?, ?)", row)
