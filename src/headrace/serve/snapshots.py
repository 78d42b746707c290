"""Snapshots as JSON."""

from __future__ import annotations

from typing import Any

from headrace.serve.explanation import time_text
from headrace.snapshot import Manifest
from headrace.status import LastSnapshot


def snapshot_json(manifest: Manifest) -> dict[str, Any]:
    """What a snapshot is, without its checkpoint."""
    return {
        "id": manifest.id,
        "dataset": manifest.dataset,
        "table": manifest.table,
        "engine": manifest.engine,
        "current_to": time_text(manifest.current_to),
        "rows": manifest.rows,
        "dead_letters": manifest.waiting,
        "bytes": manifest.size_bytes,
        "files": [file.name for file in manifest.files],
    }


def last_snapshot_json(last: LastSnapshot | None) -> dict[str, Any] | None:
    """The newest snapshot that is known, and why the next has failed."""
    if last is None:
        return None
    current_to = None if last.current_to is None else time_text(last.current_to)
    return {"id": last.id, "current_to": current_to, "failure": last.failure}
