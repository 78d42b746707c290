"""DynamoDB and DynamoDB Streams as a function, as strict as AWS, on an injected clock."""

from __future__ import annotations

from headrace.simulator.faults import (
    Alter,
    Amend,
    Cut,
    Damage,
    EmptyPage,
    EmptyScanPage,
    Fault,
    Faults,
    LateEnd,
    Lose,
    Refuse,
    Relist,
    Slow,
    SlowResponse,
    StaleScan,
    Unprocessed,
    Watch,
)
from headrace.simulator.simulator import Simulator

__all__ = [
    "Alter",
    "Amend",
    "Cut",
    "Damage",
    "EmptyPage",
    "EmptyScanPage",
    "Fault",
    "Faults",
    "LateEnd",
    "Lose",
    "Refuse",
    "Relist",
    "Simulator",
    "Slow",
    "SlowResponse",
    "StaleScan",
    "Unprocessed",
    "Watch",
]
