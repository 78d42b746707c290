"""Where a machine is between its start and the work itself."""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """Asking store and table; listing shards; making the copy; at work; stopped at a gap; nothing to do for now."""

    OPENING = auto()
    LISTING = auto()
    CREATING = auto()
    RUNNING = auto()
    HALTED = auto()
    IDLE = auto()
