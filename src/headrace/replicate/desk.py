"""What every part of the machine has at hand."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.dataset import Replication
from headrace.replicate.clock import ServiceClock
from headrace.replicate.health import Health
from headrace.replicate.journal import Journal
from headrace.replicate.outbox import Outbox


@dataclass(frozen=True, slots=True)
class Desk:
    """One dataset's name and settings, where requests and facts go out, the service's time, what fails.

    ``journal`` remembers what was applied.
    """

    dataset: str
    settings: Replication
    outbox: Outbox
    clock: ServiceClock
    health: Health
    journal: Journal
