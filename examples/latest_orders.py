"""Keeps each order as it is now in a SQLite file, whatever comes again or late: a target in a file of its own."""

import json
import sqlite3
import threading
from collections.abc import Sequence
from typing import Any

from headrace.targets import Batch, Image, TargetContext


class LatestOrders:
    """``consume`` and ``close`` make a target; the three methods of a fill bring what the table held before."""

    def __init__(self, context: TargetContext, path: str | None = None) -> None:
        self._lock = threading.Lock()  # batches of different shards come at the same time
        self._file = sqlite3.connect(path or f"{context.mapping}.sqlite", timeout=10, check_same_thread=False)
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS latest (id TEXT PRIMARY KEY, version TEXT, filled REAL, status TEXT, revision INTEGER)"
        )
        self._filling = 0.0

    def consume(self, batch: Batch) -> object:
        """Take a batch. What this returns, and what it may raise, is as for a function of AWS Lambda."""
        with self._lock, self._file:
            for record in batch.records:
                change = json.loads(record.text)["dynamodb"]
                # A version grows with every change of an item. A deletion keeps its own, so that no older change undoes it.
                self._put(change["Keys"], change.get("NewImage"), batch.version(record))
        return {"batchItemFailures": []}

    def close(self) -> None:
        """Give everything back."""
        self._file.close()

    def begin_fill(self, at: float) -> None:
        """All items of the table will come, beside the records."""
        self._filling = at

    def fill(self, items: Sequence[Image]) -> None:
        """An item is newer than all that came before the fill began, and older than what has come since."""
        with self._lock, self._file:
            for image in items:
                item = {name: json.loads(bytes(value)) for name, value in image.items()}
                self._put(item, item, None)

    def end_fill(self) -> None:
        """What neither the fill nor a record has brought since is not in the table any more."""
        with self._lock, self._file:
            self._file.execute(
                "UPDATE latest SET status = NULL, revision = NULL WHERE filled < ?", (self._filling,)
            )

    def _put(self, key: dict[str, Any], item: dict[str, Any] | None, version: str | None) -> None:
        # What an order lacks, and all of one that is gone, is NULL.
        status, revision = (item or {}).get("status", {}).get("S"), (item or {}).get("revision", {}).get("N")
        self._file.execute(
            "INSERT INTO latest VALUES (?1, coalesce(?2, ''), ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE SET "
            "version = max(version, excluded.version), filled = ?3, status = ?4, revision = ?5 "
            "WHERE CASE WHEN ?2 IS NULL THEN filled < ?3 ELSE ?2 > version END",
            (key["id"]["S"], version, self._filling, status, revision),
        )
