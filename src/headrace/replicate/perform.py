"""Carries out one request of the machine: the same for every runner."""

from __future__ import annotations

from headrace.accelerator import ChangeSink, Stored
from headrace.replicate.commands import (
    Answer,
    Apply,
    CheckStore,
    Describe,
    GetRecords,
    Intact,
    ListChildren,
    ListShards,
    OpenIterator,
    OpenStore,
    ReadSegment,
    Request,
)
from headrace.source import Source


def perform(request: Request, source: Source, sink: ChangeSink) -> Answer:  # noqa: PLR0911  # One per request.
    """Do it and wait for the answer. Raises what the source or the sink raises."""
    match request:
        case OpenStore():
            return _opened(source, sink)
        case CheckStore():
            sink.check()
            return Intact()
        case Apply(work=work):
            return sink.apply(work)
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
        case ReadSegment(segment=segment, segments=segments, cursor=cursor):
            return source.scan_page(segment, segments, cursor)


def _opened(source: Source, sink: ChangeSink) -> Stored:
    """What is stored; the source decodes with at least its schema from then on."""
    stored = sink.open()
    for copy in (stored.live, stored.building):
        if copy is not None:
            source.learn(copy.schema)
    return stored
