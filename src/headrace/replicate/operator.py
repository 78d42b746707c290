"""What a person asks to be done with dead letters: one thing at a time, in chunks, in the one lane."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial

from headrace.accelerator import LetterOutcome, LetterTally, Which
from headrace.change import Redriven
from headrace.checkpoint import Checkpoint
from headrace.errors import HeadraceError
from headrace.replicate.commands import Discard, LettersRead, ReadLetters, Redrive, Reply
from headrace.replicate.lane import Lane
from headrace.replicate.outbox import Outbox
from headrace.replicate.plan import Plan, plan_letters
from headrace.replicate.sieve import Sieve
from headrace.selection import Selection

COPYING = "the table is being copied; ask again once the dataset is ready"
"""Why nothing is done with letters while there is no copy that is served."""

_LOST = "the dataset was opened anew before all was done; see what is left, and ask again"


@dataclass(slots=True)
class _Job:
    """One request: ``after`` is the last letter that was read, ``met`` the names that were found."""

    asked: Redrive | Discard
    after: str | None = None
    reading: int | None = None
    chunk: tuple[Redriven, ...] = ()
    applying: bool = False
    met: set[str] = field(default_factory=set)
    retried: int = 0
    failing: int = 0
    superseded: int = 0
    discarded: int = 0


class Operator:
    """Reads the letters that are asked for, decoded anew, and plans the transactions that settle them.

    Between the reading and its transaction others may commit; whether a letter is still its key's latest
    is decided inside the transaction. A crash anywhere leaves each letter either stored or settled.
    ``selection`` is that of the live copy, None where it has every row.
    """

    def __init__(self, outbox: Outbox, lane: Lane) -> None:
        self._outbox = outbox
        self._lane = lane
        self.selection: Selection | None = None
        self._jobs: deque[_Job] = deque()

    def take(self, asked: Redrive | Discard) -> None:
        """Queue a request; a Reply follows in every case but the end of the process."""
        self._jobs.append(_Job(asked))

    def refuse(self, why: str) -> None:
        """Answer all that has not begun to be applied with ``why``; nothing of the rest is done."""
        for job in tuple(self._jobs):
            if not job.applying:
                self._jobs.remove(job)
                self._outbox.reply(Reply(job.asked.ticket, None, why))

    def abandon(self) -> None:
        """The transaction in the lane is not waited for any more."""
        for job in self._jobs:
            job.applying = False
        self.refuse(_LOST)

    def serve(self, checkpoint: Checkpoint, service_now: float, now: float) -> None:
        """Do what is due, of a live copy with this ``checkpoint`` that was served (see Work)."""
        self._read_on(service_now)
        if self._lane.plan is None:
            plan = self._plan(checkpoint, service_now)
            if plan is not None:
                self._lane.send(plan, now)

    def _read_on(self, service_now: float) -> None:
        """Read on, unless something is being read or waits for the lane."""
        job = self._jobs[0] if self._jobs else None
        if job is not None and job.reading is None and not job.chunk and not job.applying:
            job.reading = self._outbox.send(
                partial(
                    ReadLetters,
                    names=job.asked.names,
                    which=_which(job.asked),
                    after=job.after,
                    decode=isinstance(job.asked, Redrive),
                    sieve=None if self.selection is None else Sieve(self.selection, service_now),
                )
            )

    def read(self, request: ReadLetters, answer: LettersRead) -> None:
        """A chunk was read; at the end of the letters, the request is done."""
        job = self._reading(request)
        if job is None:
            return
        if not answer.letters:
            self._finish(job)
            return
        job.chunk = answer.letters
        job.after = answer.letters[-1].id
        job.met.update(name for one in answer.letters for name in (one.id, one.sequence) if name is not None)

    def failed(self, request: ReadLetters, error: HeadraceError) -> None:
        """The letters cannot be read: say so."""
        job = self._reading(request)
        if job is not None:
            self._jobs.remove(job)
            self._outbox.reply(Reply(job.asked.ticket, None, str(error)))

    def _plan(self, checkpoint: Checkpoint, at: float) -> Plan | None:
        """The transaction for the chunk that was read, if there is one."""
        job = self._jobs[0] if self._jobs else None
        if job is None or not job.chunk:
            return None
        chunk, job.chunk, job.applying = job.chunk, (), True
        if isinstance(job.asked, Redrive):
            return plan_letters(checkpoint, at, redriven=chunk)
        return plan_letters(checkpoint, at, discarded=tuple(one.id for one in chunk))

    def applied(self, tally: LetterTally) -> None:
        """The chunk's transaction is durable."""
        job = self._jobs[0] if self._jobs else None
        if job is not None and job.applying:
            job.applying = False
            # Letters that are gone were settled by an earlier try, whose commit could not be told.
            job.retried += tally.retried + tally.absent
            job.discarded += tally.discarded + tally.undiscarded
            job.failing += tally.failing
            job.superseded += tally.outdated

    def _reading(self, request: ReadLetters) -> _Job | None:
        job = self._jobs[0] if self._jobs else None
        if job is None or job.reading != request.id:
            return None
        job.reading = None
        return job

    def _finish(self, job: _Job) -> None:
        self._jobs.remove(job)
        unknown = tuple(name for name in job.asked.names or () if name not in job.met)
        outcome = LetterOutcome(job.retried, job.failing, job.superseded, job.discarded, unknown)
        self._outbox.reply(Reply(job.asked.ticket, outcome, None))


def _which(asked: Redrive | Discard) -> Which:
    if isinstance(asked, Discard):
        return asked.which
    return Which.WAITING if asked.names is None else Which.ANY
