"""Carries out one request of the delivery machine: the same for every runner."""

from __future__ import annotations

import traceback

from headrace.batch import Batch, Consumer
from headrace.change import RecordsPage
from headrace.errors import ConsumerFailed, HeadraceError, InternalError
from headrace.event_source import EventSource
from headrace.ledger import Destination, Ledger
from headrace.replicate.commands import (
    Describe,
    GetRecords,
    ListChildren,
    ListShards,
    OpenIterator,
    Request,
)
from headrace.replicate.delivery.commands import (
    CommitDelivery,
    Committed,
    DeliveryAnswer,
    DeliveryRequest,
    FailuresRead,
    FindSuccessor,
    Invoke,
    Opened,
    OpenLedger,
    ParkedRead,
    ReadFailures,
    ReadParked,
    Returned,
    SendFailure,
    Sent,
    Successor,
)
from headrace.shard import ShardListing
from headrace.source import SourceTable


def ask_source(request: Request, source: EventSource) -> SourceTable | ShardListing | str | RecordsPage:
    """Do it and wait for the answer. Raises what the source raises."""
    match request:
        case Describe():
            return source.describe()
        case ListShards(stream_arn=arn, start_after=start):
            return source.list_shards(arn, start)
        case ListChildren(stream_arn=arn, parent_id=parent):
            return source.list_children(arn, parent)
        case OpenIterator(stream_arn=arn, shard_id=shard, position=position):
            return source.open_iterator(arn, shard, position)
        case GetRecords(shard_id=shard, iterator=iterator):
            return source.get_records(shard, iterator)
        case _:
            raise InternalError(f"{request} was asked of a mapping")


def perform(
    request: DeliveryRequest,
    source: EventSource,
    consumer: Consumer,
    ledger: Ledger,
    destination: Destination | None,
) -> DeliveryAnswer:
    """Do it and wait for the answer. Raises what the source, the consumer, the ledger or the destination raises."""
    match request:
        case FindSuccessor(stream_arn=arn):
            return Successor(source.successor(arn))
        case Invoke(batch=batch):
            return Returned(_consumed(consumer, batch))
        case SendFailure(failure=failure):
            if destination is None:
                raise InternalError(f"{request} was asked of a mapping without a destination")
            destination.send(failure)
            return Sent()
        case _:
            return _of_ledger(request, ledger)


def _consumed(consumer: Consumer, batch: Batch) -> object:
    """The response. Whatever a consumer raises beside Headrace's own errors is a failure of the batch: it has an end."""
    try:
        return consumer.consume(batch)
    except HeadraceError:
        raise
    except Exception as error:
        trace = "".join(traceback.format_exception(error)).splitlines()
        raise ConsumerFailed(type(error).__name__, str(error), tuple(trace)) from error


def _of_ledger(
    request: OpenLedger | CommitDelivery | ReadFailures | ReadParked, ledger: Ledger
) -> DeliveryAnswer:
    match request:
        case OpenLedger():
            return Opened(ledger.open())
        case CommitDelivery(work=work):
            ledger.commit(work)
            return Committed()
        case ReadFailures(ids=ids, unsent=unsent, after=after, limit=limit):
            return FailuresRead(ledger.failures(ids, unsent=unsent, after=after, limit=limit))
        case ReadParked(key=key, limit=limit):
            return ParkedRead(ledger.parked(key, limit))
