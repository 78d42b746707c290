"""The kinds of targets of event source mappings, as a Spicepod gives them."""

from __future__ import annotations

from typing import Final

from headrace.config.targets.audit import AUDIT
from headrace.config.targets.block import TargetBlock, TargetKind
from headrace.config.targets.custom import CUSTOM
from headrace.config.targets.outbox import OUTBOX
from headrace.config.targets.replicate import REPLICATE
from headrace.config.targets.search import SEARCH
from headrace.config.targets.view import VIEW
from headrace.target import (
    AuditTrail,
    CustomTarget,
    MaterializedView,
    Outbox,
    Replica,
    SearchIndex,
    Target,
)

KINDS: Final[tuple[TargetKind, ...]] = (REPLICATE, SEARCH, AUDIT, VIEW, OUTBOX, CUSTOM)
"""All of them, in the order of documentation."""

_OF: Final[dict[type[Target], TargetKind]] = {
    Replica: REPLICATE,
    AuditTrail: AUDIT,
    Outbox: OUTBOX,
    MaterializedView: VIEW,
    SearchIndex: SEARCH,
    CustomTarget: CUSTOM,
}


def kind_of(target: Target) -> TargetKind:
    """The kind that a target is of."""
    return _OF[type(target)]


__all__ = ["KINDS", "TargetBlock", "TargetKind", "kind_of"]
