"""Every record that the stream ever held, and which of them a checkpoint says are applied."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Container
from copy import copy
from dataclasses import dataclass, field
from math import ceil, floor

import msgspec

from headrace.checkpoint import Checkpoint, ShardState, Stage
from headrace.position import Anchor, Position
from headrace.replicate.entry import OVERLAP
from headrace.simulator import Simulator
from headrace.simulator.shards import Shard
from headrace.simulator.streams import Stream
from support.simulation.model import Broken, Key, Model


class _Change(msgspec.Struct, rename={"keys": "Keys"}):
    keys: dict[str, dict[str, str]]


class _Record(msgspec.Struct, rename={"change": "dynamodb", "event": "eventName", "by": "userIdentity"}):
    change: _Change
    event: str
    by: dict[str, str] | None = None


_decode = msgspec.json.Decoder(_Record).decode


@dataclass(slots=True)
class ShardLog:
    """One shard's records, oldest first: number, time, and the state of which item each brought."""

    id: str
    parent: str | None
    numbers: list[int] = field(default_factory=list)
    created: list[float] = field(default_factory=list)
    states: list[tuple[Key, int]] = field(default_factory=list)

    def place(self, position: Position) -> int:
        """The index of the first record that a reader at ``position`` may get."""
        match position.anchor:
            case Anchor.TRIM_HORIZON:
                return 0
            case Anchor.AT_TIMESTAMP:
                return bisect_left(self.created, ceil(position.timestamp or 0.0))
            case Anchor.AT_SEQUENCE_NUMBER:
                return bisect_left(self.numbers, _number(position))
            case Anchor.AFTER_SEQUENCE_NUMBER:
                return bisect_right(self.numbers, _number(position))


def _number(position: Position) -> int:
    assert position.sequence is not None
    return int(position.sequence.text)


class Ledger:
    """The streams of the table, latest last, each with all its shards; told of each write after it was made."""

    def __init__(self, simulator: Simulator, model: Model) -> None:
        self.streams: dict[str, dict[str, ShardLog]] = {}
        self._simulator = simulator
        self.model = model

    def note(self) -> None:
        """Take in what was written since the last time: before anything of it can be trimmed."""
        for arn, stream in self._simulator._streams._streams.items():
            logs = self.streams.setdefault(arn, {})
            for shard in stream.lineage.listing:
                log = logs.get(shard.id)
                if log is None:
                    log = logs[shard.id] = ShardLog(shard.id, shard.parent)
                if shard.numbers and (not log.numbers or log.numbers[-1] != shard.numbers[-1]):
                    self._note(log, shard)

    def _note(self, log: ShardLog, shard: Shard) -> None:
        start = bisect_right(shard.numbers, log.numbers[-1]) if log.numbers else 0
        for place in range(start, len(shard.numbers)):
            record = _decode(shard.bodies[place])
            key = self.model.key_of(record.change.keys)
            if record.event == "REMOVE" and record.by is not None:
                # The service deletes what has expired without being asked.
                self.model.set(key, None, shard.created[place])
            log.numbers.append(shard.numbers[place])
            log.created.append(shard.created[place])
            log.states.append((key, self.model.top(key)))

    def stream(self, arn: str) -> Stream | None:
        """The service's own, None once it is forgotten."""
        return self._simulator._streams._streams.get(arn)

    def is_kept(self, arn: str, shard_id: str) -> bool:
        """Whether the service still knows the shard."""
        stream = self.stream(arn)
        return stream is not None and stream.lineage.get(shard_id) is not None

    def closed_before(self, arn: str, shard_id: str, at: float) -> bool:
        """Whether the shard took no records any more at this time."""
        stream = self.stream(arn)
        shard = None if stream is None else stream.lineage.get(shard_id)
        return shard is not None and shard.closed_at is not None and shard.closed_at <= at

    def trimmed_through(self, arn: str, shard_id: str) -> int | None:
        """The number up to which the service has forgotten a shard's records; None: all of it."""
        stream = self.stream(arn)
        shard = None if stream is None else stream.lineage.get(shard_id)
        return None if shard is None else shard.trimmed_through


class Coverage:
    """Of one copy: what its checkpoint says is applied, of each item the last state among it.

    ``covered`` is that state's index, ``clean`` that of the last one that cannot have been set aside. Only records that were to be read count: not those before the place
    at which the copy's first checkpoint began. ``read`` are the shards (ARN and id) that were ever read.
    """

    def __init__(self, ledger: Ledger, first: Checkpoint, read: Container[tuple[str, str]]) -> None:
        self.arn = first.stream_arn
        self.started_at = first.started_at
        self.covered: dict[Key, int] = {}
        self.clean: dict[Key, int] = {}
        self.stages: dict[str, Stage] = {}
        self._ledger = ledger
        self._read = read
        self._next: dict[str, int] = {}
        for state in first.shards:
            log = self.log(state.id)
            if log is not None:
                done = state.stage is Stage.FINISHED
                self._next[state.id] = len(log.numbers) if done else self._place(log, state)
        self.advance(first)

    def copied(self) -> Coverage:
        """The same, which goes its own way from here."""
        other = copy(self)
        other.covered, other.clean = dict(self.covered), dict(self.clean)
        other.stages, other._next = dict(self.stages), dict(self._next)
        return other

    def log(self, shard_id: str) -> ShardLog | None:
        """The shard's records."""
        return self._ledger.streams.get(self.arn, {}).get(shard_id)

    def advance(self, checkpoint: Checkpoint) -> None:
        """A later checkpoint, or, after a crash, the same again."""
        self.stages = {state.id: state.stage for state in checkpoint.shards}
        for state in checkpoint.shards:
            log = self.log(state.id)
            if log is None:
                continue
            if state.stage is Stage.FINISHED and (self.arn, state.id) not in self._read:
                self._left_out(log)
                continue
            begin = self._next.setdefault(state.id, self._begin(log, state))
            end = len(log.numbers) if state.stage is Stage.FINISHED else self._place(log, state)
            for key, index in log.states[begin:end]:
                self.covered[key] = max(index, self.covered.get(key, 0))
                if not self._ledger.model.poison(key, index):
                    self.clean[key] = max(index, self.clean.get(key, 0))
            self._next[state.id] = max(begin, end)

    def _begin(self, log: ShardLog, state: ShardState) -> int:
        """Where a shard that turns up later is read from: its first record, or, above shards read by time, that time."""
        if state.position is None:
            # Begun and ended within one commit: what is certain either way.
            return bisect_left(log.created, float(floor(self.started_at - OVERLAP)))
        return self._place(log, state) if state.position.anchor is Anchor.AT_TIMESTAMP else 0

    def _left_out(self, log: ShardLog) -> None:
        """A shard that was never read is finished: it had ended before the Scan, and that has seen all of it."""
        place = self._next.get(log.id, 0)
        if any(created >= self.started_at for created in log.created[place:]):
            raise Broken(
                "agreement",
                f"{log.id} counts as finished, was never read, and has records of the Scan's time",
            )
        self._next[log.id] = len(log.numbers)

    def open_records(self, shard_id: str) -> tuple[float, ...]:
        """The times of a shard's records that are not applied yet."""
        log = self.log(shard_id)
        return () if log is None else tuple(log.created[self._next.get(shard_id, 0) :])

    def next_place(self, shard_id: str) -> int:
        """How many of a shard's records are behind."""
        return self._next.get(shard_id, 0)

    @staticmethod
    def _place(log: ShardLog, state: ShardState) -> int:
        assert state.position is not None
        return log.place(state.position)
