"""Where failures are sent: ``file:``, ``sqlite:``, ``sqs:``, ``sns:`` and ``s3:``."""

from __future__ import annotations

from pathlib import Path

from headrace.aws_service import Connect
from headrace.errors import InternalError
from headrace.event_source_mapping import FailureDestination
from headrace.ledger import Destination

__all__ = ["open_destination"]


def open_destination(
    destination: FailureDestination, connect: Connect, *, region: str | None = None
) -> Destination:
    """The destination; nothing is asked of it before the first failure.

    ``connect`` makes clients of AWS where they are needed. ``region`` is the mapping's own, for a place that names
    none.
    """
    place, access = destination.place, destination.access
    match destination.kind:
        case "file":
            from headrace.destinations.file import FileDestination

            return FileDestination(Path(place))
        case "sqlite":
            from headrace.destinations.sqlite import SQLiteDestination

            return SQLiteDestination(Path(place))
        case "sqs":
            from headrace.destinations.message import QueueDestination

            return QueueDestination(place, access, connect, region)
        case "sns":
            from headrace.destinations.message import TopicDestination

            return TopicDestination(place, access, connect, region)
        case "s3":
            from headrace.destinations.bucket import BucketDestination

            return BucketDestination(place, access, connect, region)
        case other:
            raise InternalError(f"there is no destination of the kind {other!r}")
