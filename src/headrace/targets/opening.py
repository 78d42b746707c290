"""Each kind of target, made for its mapping."""

from __future__ import annotations

from headrace.batch import Consumer
from headrace.errors import InternalError
from headrace.target import (
    AuditTrail,
    CustomTarget,
    MaterializedView,
    Outbox,
    Replica,
    SearchIndex,
    Target,
)
from headrace.target_context import TargetContext


def open_target(target: Target, context: TargetContext) -> Consumer:
    """What carries ``target`` out; nothing is asked of anybody before the first batch. Raises ConfigError."""
    match target:
        case Replica():
            from headrace.targets.replication import ReplicaTarget

            return ReplicaTarget(
                context.mapping,
                target,
                context.reach(target.access, target.table),
                context.file("replica"),
                source=context.source,
                table=context.table,
                access=context.access,
                observe=context.observe,
                budget=context.budget,
            )
        case AuditTrail():
            from headrace.targets.audit import AuditTarget

            return AuditTarget(target, context)
        case Outbox():
            from headrace.targets.outbox import opened as opened_outbox

            return opened_outbox(target, context)
        case MaterializedView():
            from headrace.targets.view import ViewTarget

            return ViewTarget(target, context)
        case SearchIndex():
            from headrace.targets.search import SearchTarget

            return SearchTarget(target, context)
        case CustomTarget():
            from headrace.targets.custom import opened

            return opened(target, context)
        case _:
            raise InternalError(f"there is no target of the kind {target}")
