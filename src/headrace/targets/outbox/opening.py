"""An outbox put together, from what a Spicepod says."""

from __future__ import annotations

from pathlib import Path

from headrace.batch import Consumer
from headrace.errors import ConfigError, InternalError
from headrace.target import EventFormat, Outbox
from headrace.target_context import TargetContext
from headrace.targets.outbox.cloudevents import CloudEvents
from headrace.targets.outbox.event import Format, Place
from headrace.targets.outbox.lines import Lines
from headrace.targets.outbox.messages import Messages, Queue, Topic
from headrace.targets.outbox.nakadi import DataChangeEvents
from headrace.targets.outbox.target import OutboxTarget
from headrace.targets.outbox.webhook import Webhook
from headrace.webhook_secret import key_of


def opened(outbox: Outbox, context: TargetContext) -> Consumer:
    """The target; nothing is asked of anybody before the first batch. Raises ConfigError."""
    format_ = _format(outbox, context.table)
    return OutboxTarget(context.mapping, format_, _place(outbox, format_, context), context.observe)


def _format(outbox: Outbox, table: str) -> Format:
    match outbox.format:
        case EventFormat.CLOUDEVENTS:
            return CloudEvents(outbox.source, outbox.type, patched=outbox.patch)
        case EventFormat.NAKADI:
            return DataChangeEvents(
                outbox.source or table, outbox.type, patched=outbox.patch, compacted=outbox.compacted
            )


def _place(outbox: Outbox, format_: Format, context: TargetContext) -> Place:
    match outbox.kind:
        case "webhook":
            try:
                keys = [key_of(secret.reveal()) for secret in outbox.signing]
            except ValueError as error:
                raise ConfigError(
                    f"event_source_mappings: {context.mapping}: target.outbox.secret: {error}"
                ) from None
            return Webhook(
                context.mapping,
                outbox.place.reveal(),
                format_,
                keys,
                {name: value.reveal() for name, value in outbox.headers.items()},
                timeout=outbox.timeout,
                certificates=outbox.certificates,
                clock=context.clock,
            )
        case "file":
            return Lines(Path(outbox.place.reveal()), format_)
        case "sqs":
            queue = Queue(outbox.place.reveal(), outbox.access, context.connect, context.access.region)
            return Messages(context.mapping, queue)
        case "sns":
            topic = Topic(outbox.place.reveal(), outbox.access, context.connect, context.access.region)
            return Messages(context.mapping, topic)
        case other:
            raise InternalError(f"there is no outbox of the kind {other!r}")
