"""The snapshots of a simulated dataset, in a folder."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from headrace.snapshot import Exporter
from headrace.snapshots.folder import FolderStore
from headrace.snapshots.shelf import DatasetShelf, Label


def shelf_of(
    folder: Path, sink: Exporter, clock: Callable[[], float], engine: str = "memory"
) -> DatasetShelf:
    """Those of dataset and table ``orders``, of which three are kept; the same tokens in each run."""
    tokens = (f"{number:08x}" for number in itertools.count())
    return DatasetShelf(
        Label("orders", engine, "orders", 3),
        FolderStore(folder / "kept"),
        sink,
        folder / "scratch",
        lambda: next(tokens),
        clock,
    )
