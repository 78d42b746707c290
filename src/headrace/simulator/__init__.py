"""DynamoDB and DynamoDB Streams as a function, as strict as AWS, on an injected clock."""

from __future__ import annotations

from headrace.simulator.faults import Alter, Cut, EmptyPage, Fault, Faults, Lose, Refuse
from headrace.simulator.simulator import Simulator

__all__ = ["Alter", "Cut", "EmptyPage", "Fault", "Faults", "Lose", "Refuse", "Simulator"]
