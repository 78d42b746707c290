"""The example of a target of one's own: in the end it has each order as the table has it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.event_stories import EXAMPLES, Story


class CheckedCustom:
    """``examples/custom_target.yaml``."""

    example = "custom_target"

    @contextmanager
    def served(self, story: Story) -> Iterator[None]:
        shutil.copy(EXAMPLES / "latest_orders.py", story.folder)
        yield

    def adapt(self, pod: dict[str, Any], url: str) -> None:
        """Nothing: what it writes is in the process's folder."""

    def is_settled(self, story: Story) -> bool:
        return self._kept(story) == self._expected(story)

    def expect(self, story: Story) -> None:
        assert self._kept(story) == self._expected(story)

    def _kept(self, story: Story) -> dict[str, tuple[str, int]]:
        with sqlite3.connect(story.folder / "latest.sqlite", timeout=10) as kept:
            rows = kept.execute("SELECT id, status, revision FROM latest WHERE status IS NOT NULL")
            return {order: (status, revision) for order, status, revision in rows}

    def _expected(self, story: Story) -> dict[str, tuple[str, int]]:
        items = {item["id"]["S"]: item for item in story.items("orders")}
        return {order: (item["status"]["S"], int(item["revision"]["N"])) for order, item in items.items()}
