"""Plain dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headrace.accelerator import Target
from headrace.accelerators.memory import MemoryAccelerator
from support.engines.harness import Harness, Rows


class MemoryHarness(Harness):
    """The yardstick."""

    remembers = True

    def __init__(self, _folder: Path | None = None) -> None:
        super().__init__()

    def rows_of(self, target: Target) -> Rows:
        return self.sink.live_rows() if target is Target.LIVE else self.sink.building_rows()

    @contextmanager
    def refusing(self, value: object) -> Iterator[None]:
        self.sink.refuses = lambda row: "Conversion Error: planted" if row.get("n") == value else None
        yield
        self.sink.refuses = lambda _: None

    def plant(self, fault: Callable[..., Any]) -> None:
        self.sink._prepared = fault

    def _new_sink(self) -> MemoryAccelerator:
        return MemoryAccelerator()
