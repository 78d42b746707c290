"""Carries out one request of the machine: the same for every runner."""

from __future__ import annotations

from dataclasses import replace

from headrace.accelerator import ChangeSink, Stored
from headrace.change import Redriven
from headrace.errors import InternalError
from headrace.replicate.commands import (
    Answer,
    Apply,
    CheckStore,
    Describe,
    Expired,
    FindExpired,
    FindNewest,
    GetRecords,
    Intact,
    LettersRead,
    ListChildren,
    ListShards,
    ListSnapshots,
    Newest,
    OpenIterator,
    OpenStore,
    ReadLetters,
    ReadSegment,
    Request,
    Restored,
    RestoreSnapshot,
    SaveSnapshot,
    ShelfRequest,
    SourceRequest,
)
from headrace.replicate.sieve import mapping_of
from headrace.selection import Kept
from headrace.snapshot import Shelf
from headrace.source import Source


def perform(
    request: Request,
    source: Source,
    sink: ChangeSink,
    shelf: Shelf | None = None,
    kept: Kept | None = None,
) -> Answer:
    """Do it and wait for the answer. Raises what the source, the sink, the shelf or the copy raises.

    Without snapshots there is no ``shelf``; the copy is ``kept`` where it is made by refreshes.
    """
    match request:
        case ListSnapshots() | SaveSnapshot() | RestoreSnapshot():
            return _of_shelf(request, shelf)
        case FindNewest() | FindExpired():
            return _of_kept(request, kept)
        case OpenStore() | CheckStore() | ReadLetters() | Apply():
            return _of_store(request, source, sink)
        case _:
            return _of_source(request, source)


def _of_kept(request: FindNewest | FindExpired, kept: Kept | None) -> Newest | Expired:
    if kept is None:
        raise InternalError(f"{request} was asked of a dataset without refreshes")
    match request:
        case FindNewest():
            return Newest(kept.newest())
        case FindExpired(at=at, limit=limit):
            return Expired(kept.expired(at, limit))


def _of_store(
    request: OpenStore | CheckStore | ReadLetters | Apply, source: Source, sink: ChangeSink
) -> Answer:
    match request:
        case OpenStore():
            return _opened(source, sink)
        case CheckStore():
            sink.check()
            return Intact()
        case ReadLetters():
            return _letters(request, source, sink)
        case Apply(work=work):
            return sink.apply(work)


def _of_shelf(request: ShelfRequest, shelf: Shelf | None) -> Answer:
    if shelf is None:
        raise InternalError(f"{request} was asked of a dataset without snapshots")
    match request:
        case ListSnapshots():
            return shelf.listed()
        case SaveSnapshot(taken_at=at, current_to=current_to):
            return shelf.save(at, current_to)
        case RestoreSnapshot(manifest=manifest):
            shelf.restore(manifest)
            return Restored()


def _of_source(request: SourceRequest, source: Source) -> Answer:
    match request:
        case Describe(selection=selection):
            table = source.describe()
            return table if selection is None else replace(table, declared=selection.columns(table.columns))
        case ListShards(stream_arn=arn, start_after=start):
            return source.list_shards(arn, start)
        case ListChildren(stream_arn=arn, parent_id=parent):
            return source.list_children(arn, parent)
        case OpenIterator(stream_arn=arn, shard_id=shard, position=position):
            return source.open_iterator(arn, shard, position)
        case GetRecords(shard_id=shard, iterator=iterator):
            return source.get_records(shard, iterator)
        case ReadSegment(segment=segment, segments=segments, cursor=cursor, sieve=sieve):
            page = source.scan_page(segment, segments, cursor)
            return page if sieve is None else sieve.page(page)


def _opened(source: Source, sink: ChangeSink) -> Stored:
    """What is stored; the source decodes with at least its schema from then on, where that is of its own reading."""
    stored = sink.open()
    for copy in (stored.live, stored.building):
        if copy is not None:
            mapping = mapping_of(copy.checkpoint.reading)
            if mapping is not None:
                source.learn(copy.schema, mapping)
    return stored


def _letters(request: ReadLetters, source: Source, sink: ChangeSink) -> LettersRead:
    letters = [stored.letter for stored in sink.letters(request.names, request.which, request.after)]
    if request.decode:
        sieve = request.sieve
        decoded = (source.redecode(letter) for letter in letters)
        return LettersRead(tuple(one if sieve is None else sieve.redriven(one) for one in decoded))
    numbers = [None if letter.sequence is None else letter.sequence.text for letter in letters]
    return LettersRead(
        tuple(Redriven(letter.id, number, None) for letter, number in zip(letters, numbers, strict=True))
    )
