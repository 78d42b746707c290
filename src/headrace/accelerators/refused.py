"""Rows that an engine refuses: found by trial, set aside as dead letters, and everything else applied."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from headrace.accelerator import Applied, Work
from headrace.change import ChangeBatch, DeadLetter, Origins
from headrace.errors import RowRefused


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a Work: of the batch ``number`` among the redriven, the stream's and the Scan's ones."""

    number: int
    row: int


def apply_the_rest(
    work: Work, apply: Callable[[Work], Applied], attempt: Callable[[Work], object]
) -> Applied:
    """``apply(work)``; where the engine refuses rows, all others and these as dead letters, in one transaction.

    ``attempt`` does what ``apply`` does and rolls it back. A row is at fault if it is refused by itself
    and nothing is refused without any row. Where no such rows are found, or one of them cannot be set
    aside, RowRefused is raised: nothing is kept, nothing skipped.
    """
    try:
        return apply(work)
    except RowRefused as error:
        batches = _batches(work)
        attempt(_only(work, ()))
        rows = [_Row(number, row) for number, batch in enumerate(batches) for row in range(batch.count)]
        refused = _search(work, rows, attempt)
        if not refused or any(batches[place.number].page is None for place in refused):
            raise error from None
    rest = _without(work, refused)
    applied = apply(rest)
    before = {letter.id for letter in work.dead}
    made = tuple(letter.id for letter in rest.dead if letter.id not in before)
    return replace(applied, letters=replace(applied.letters, refused=len(refused), refusals=made))


def _search(work: Work, rows: Sequence[_Row], attempt: Callable[[Work], object]) -> dict[_Row, str]:
    """The rows that are refused by themselves, and why: by halves, so that few among many are found soon."""
    if not rows:
        return {}
    try:
        attempt(_only(work, rows))
    except RowRefused as error:
        if len(rows) == 1:
            return {rows[0]: str(error)}
        middle = len(rows) // 2
        return _search(work, rows[:middle], attempt) | _search(work, rows[middle:], attempt)
    return {}


def _batches(work: Work) -> tuple[ChangeBatch, ...]:
    redriven = tuple(one.changes for one in work.redriven if one.changes is not None)
    return (*redriven, *work.stream, *work.scan)


def _only(work: Work, rows: Iterable[_Row]) -> Work:
    """The work with these rows, and without letters of its own: its tables change as they would."""
    kept: dict[int, list[int]] = {}
    for place in rows:
        kept.setdefault(place.number, []).append(place.row)
    batches = [_taken(batch, kept.get(number, [])) for number, batch in enumerate(_batches(work))]
    return replace(_with(work, batches, {}), dead=())


def _without(work: Work, refused: dict[_Row, str]) -> Work:
    """The work with the refused rows as dead letters; a redriven one stays a letter, for another reason."""
    batches = _batches(work)
    redriven = len(batches) - len(work.stream) - len(work.scan)
    stream, scan = (
        range(redriven, redriven + len(work.stream)),
        range(redriven + len(work.stream), len(batches)),
    )
    gone = {
        number: {place.row for place in refused if place.number == number} for number in range(len(batches))
    }
    kept = [
        _taken(batch, [row for row in range(batch.count) if row not in gone[number]])
        for number, batch in enumerate(batches)
    ]
    dead = (
        *_letters(batches, stream, refused, [letter for letter in work.dead if letter.shard is not None]),
        *_letters(batches, scan, refused, [letter for letter in work.dead if letter.shard is None]),
    )
    reasons = {place.number: reason for place, reason in refused.items() if place.number < redriven}
    return replace(_with(work, kept, reasons), dead=dead)


def _letters(
    batches: Sequence[ChangeBatch], section: range, refused: dict[_Row, str], dead: Sequence[DeadLetter]
) -> list[DeadLetter]:
    """The letters of one kind, those of the refused rows among them, placed among the rows that are left."""
    letters, gone, first = list(dead), [], 0
    for number in section:
        page = batches[number].page
        for place, reason in refused.items():
            if place.number == number and page is not None:
                gone.append(first + place.row)
                letters.append(replace(page.letter(place.row, reason), place=gone[-1]))
        first += batches[number].count
    # A letter that was there before a row has the row's own place, and is the older one: sorting is stable.
    letters.sort(key=lambda letter: letter.place)
    gone.sort()
    return [replace(letter, place=letter.place - bisect_left(gone, letter.place)) for letter in letters]


def _with(work: Work, batches: Sequence[ChangeBatch], reasons: dict[int, str]) -> Work:
    """The work with ``batches`` in place of its own; ``reasons`` are those of redriven ones that are none."""
    left = iter(enumerate(batches))
    redriven = []
    for one in work.redriven:
        if one.changes is None:
            redriven.append(one)
            continue
        number, batch = next(left)
        reason = reasons.get(number)
        redriven.append(replace(one, changes=None if reason else batch, reason=reason))
    rest = [batch for _, batch in left]
    stream = len(work.stream)
    return replace(work, redriven=tuple(redriven), stream=tuple(rest[:stream]), scan=tuple(rest[stream:]))


def _taken(batch: ChangeBatch, rows: Sequence[int]) -> ChangeBatch:
    """The batch with these rows alone, in their order; they are no longer those of its page."""
    if len(rows) == batch.count:
        return batch
    indexes = pa.array(rows, pa.int64())
    origins = batch.origins
    return replace(
        batch,
        rows=batch.rows.take(indexes),
        deleted=None if batch.deleted is None else batch.deleted.take(indexes),
        origins=None
        if origins is None
        else Origins(origins.numbers.take(indexes), origins.created.take(indexes)),
        page=None,
    )
