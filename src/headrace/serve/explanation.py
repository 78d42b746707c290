"""Explanations as JSON, and in sentences."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from headrace.accelerator import StoredLetter
from headrace.explanation import Fate, KeyEvent, KeyExplanation, ShardExplanation, StreamExplanation
from headrace.position import Position
from headrace.serve.fault import Missing
from headrace.serve.values import values

Json = dict[str, Any]


def family(stream: StreamExplanation, shard_id: str) -> StreamExplanation:
    """``stream`` with one shard, its ancestors and its descendants. Raises Missing."""
    shards = {shard.id: shard for shard in stream.shards}
    if shard_id not in shards:
        near = difflib.get_close_matches(shard_id, shards, 1, 0.0)
        hint = f"; the nearest is {near[0]}" if near else f"; it has none yet ({stream.reason})"
        raise Missing(f"{stream.dataset} has no shard {shard_id!r}{hint}")
    kept = {shard_id}
    above = shards[shard_id].parent_id
    while above is not None and above in shards and above not in kept:
        kept.add(above)
        above = shards[above].parent_id
    below = {shard_id}
    while below:
        below = {shard.id for shard in stream.shards if shard.parent_id in below} - kept
        kept |= below
    return replace(stream, shards=tuple(shard for shard in stream.shards if shard.id in kept))


def stream_json(stream: StreamExplanation) -> Json:
    """A stream and its shards."""
    return {
        "dataset": stream.dataset,
        "phase": stream.phase,
        "reason": stream.reason,
        "stream_arn": stream.stream_arn,
        "rebuilding": stream.rebuilding,
        "at": time_text(stream.now),
        **_when("watermark", stream.watermark, stream.service_now),
        **_when("refreshed", stream.refreshed_at, stream.service_now),
        "buffered_bytes": stream.buffered,
        "buffer_limit_bytes": stream.buffer_limit,
        "shards": [_shard(shard, stream) for shard in stream.shards],
    }


def key_json(key: KeyExplanation) -> bytes:
    """The life of a key, with the row as ``POST /v1/sql`` would show it."""
    stored, stream = key.stored, key.stream
    row = stored.row
    shown = (
        None if row is None else {n: values(c)[0] for n, c in zip(row.schema.names, row.columns, strict=True)}
    )
    table: Json | None = None
    if key.table is not None:
        table = {
            "read_at": time_text(key.table.read_at),
            "error": key.table.error,
            "found": None if key.table.error else key.table.found,
            "same": None if key.table.error else _is_same(key),
            "differences": [msgspec.to_builtins(one) for one in key.table.differences],
        }
    return msgspec.json.encode(
        {
            "dataset": stream.dataset,
            "key": msgspec.Raw(key.key.encode()),
            "at": time_text(stream.now),
            "summary": list(sentences(key)),
            "row": shown,
            "changes": [_event(event, stream) for event in key.events],
            "remembered": {
                "changes": key.remembered,
                **_when("since", key.since, stream.now),
                "whole": key.whole,
            },
            "noted": stored.noted,
            "dead_letters": [_letter(letter) for letter in stored.dead],
            "table": table,
        }
    )


def sentences(key: KeyExplanation) -> Iterator[str]:
    """What is to be said of a key, the most telling first."""
    stored, stream = key.stored, key.stream
    if stored.schema is None:
        yield f"There is no copy that can be queried yet: {stream.reason or 'it is being made'}."
    else:
        yield f"{stream.dataset} has {'no' if stored.row is None else 'a'} row of this key."
    if stream.refreshed_at is not None:
        yield f"The copy is of the table as a Scan found it that began {_ago(stream.refreshed_at, stream.service_now)}."
    else:
        yield _last_change(key)
    newest = key.events[0] if key.events else None
    if newest is not None and newest.fate is not Fate.APPLIED:
        yield f"A newer {newest.kind} is {newest.fate}."
    if stream.rebuilding:
        yield "The changes went into a copy that is built beside the one with the row."
    if stored.noted:
        yield "The stream touched the key while the Scan runs, so the Scan's item will not be taken."
    if stored.dead:
        yield _dead(stored.dead)
    if key.table is not None:
        yield _beside_table(key)


def _last_change(key: KeyExplanation) -> str:
    now, service_now = key.stream.now, key.stream.service_now
    last = next((event for event in key.events if event.fate is Fate.APPLIED), None)
    if last is not None:
        created = "" if last.created_at is None else f", created {_ago(last.created_at, service_now)}"
        applied = "" if last.applied_at is None else f" and applied {_ago(last.applied_at, now)}"
        number = "" if last.sequence is None else f", number {last.sequence.text}"
        return (
            f"The last change applied is the {last.kind} in shard {last.shard_id}{number}{created}{applied}."
        )
    if key.whole:
        scanned = (
            "the row is the Scan's" if key.stored.row is not None else "the Scan has brought no such item"
        )
        return f"The stream has brought no change of this key: {scanned}."
    if key.since is None:
        return "Nothing has been applied yet."
    if not key.remembered:
        return "No change was applied that is remembered, so it is not known what brought the key here."
    return (
        f"None of the {key.remembered:,} changes remembered, those of the last {key.stream.now - key.since:.0f} s, "
        "is of this key: its last change is older, or came with the Scan."
    )


def _dead(letters: Sequence[StoredLetter]) -> str:
    waiting = sum(one.superseded_at is None for one in letters)
    held = (
        "1 dead letter holds a change" if len(letters) == 1 else f"{len(letters)} dead letters hold changes"
    )
    fate = f"{waiting} of them wait" if waiting else "later changes have superseded them"
    return f"{held} of this key that could not be applied ({fate}); the newest because: {letters[0].letter.reason}."


def _is_same(key: KeyExplanation) -> bool:
    table = key.table
    return table is not None and not table.differences and table.found == (key.stored.row is not None)


def _beside_table(key: KeyExplanation) -> str:
    table, row = key.table, key.stored.row
    assert table is not None
    if table.error is not None:
        return f"The table could not be asked for its item: {table.error}."
    if not table.found:
        return (
            "The table has no such item either." if row is None else "The table has no such item (any more)."
        )
    if row is None:
        return "The table has an item of this key."
    if not table.differences:
        return "The table's item is the same."
    names = ", ".join(one.attribute for one in table.differences)
    return f"The table's item differs in: {names}."


def _shard(shard: ShardExplanation, stream: StreamExplanation) -> Json:
    return {
        "id": shard.id,
        "parent": shard.parent_id,
        "stage": shard.stage,
        "reason": shard.reason,
        "waits_for": shard.waits_for,
        "position": None if shard.position is None else _position(shard.position),
        "records": shard.records,
        **_when("progressed", shard.progressed_at, stream.now),
        **_when("answered", shard.answered_at, stream.now),
        **_when("watermark", shard.watermark, stream.service_now),
        "read_ahead_pages": shard.read_ahead,
        "held_records": shard.held,
        "failures": shard.failures,
        "error": shard.error,
        "retry_at": None if shard.retry_at is None else time_text(shard.retry_at),
        "retry_in_seconds": None if shard.retry_at is None else _seconds(shard.retry_at - stream.now),
    }


def _position(position: Position) -> Json:
    return {
        "type": position.anchor,
        "sequence_number": None if position.sequence is None else position.sequence.text,
        "timestamp": None if position.timestamp is None else time_text(position.timestamp),
        "set_at": None if position.set_at is None else time_text(position.set_at),
    }


def _event(event: KeyEvent, stream: StreamExplanation) -> Json:
    return {
        "kind": event.kind,
        "state": event.fate,
        "shard": event.shard_id,
        "sequence_number": None if event.sequence is None else event.sequence.text,
        **_when("created", event.created_at, stream.service_now),
        **_when("applied", event.applied_at, stream.now),
    }


def _letter(stored: StoredLetter) -> Json:
    letter = stored.letter
    return {
        "id": letter.id,
        "shard": letter.shard,
        "sequence_number": None if letter.sequence is None else letter.sequence.text,
        "reason": letter.reason,
        "seen_at": time_text(letter.at),
        "superseded_at": None if stored.superseded_at is None else time_text(stored.superseded_at),
    }


def _when(name: str, at: float | None, now: float) -> Json:
    """A time, and how long before ``now`` it was."""
    if at is None:
        return {f"{name}_at": None, f"{name}_seconds_ago": None}
    return {f"{name}_at": time_text(at), f"{name}_seconds_ago": _seconds(max(0.0, now - at))}


def time_text(at: float) -> str:
    """Epoch seconds as ISO 8601 in UTC, to the millisecond."""
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(seconds: float) -> float:
    return round(seconds, 3)


def _ago(at: float, now: float) -> str:
    return f"{time_text(at)} ({max(0.0, now - at):.1f} s ago)"
