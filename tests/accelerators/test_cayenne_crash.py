"""Cayenne's process gone, its power lost, its disk full, at every single effect that it has on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from headrace.accelerator import Notes, Target, Work
from headrace.change import ChangeBatch
from headrace.column_type import INT, TEXT, list_of, struct_of
from headrace.errors import AcceleratorFull
from headrace.schema import TableSchema
from support import typed_values
from support.copies import batch, create, dead, schema_of, work
from support.engines.cayenne import CayenneHarness
from support.engines.cayenne_disk import Disk, Effect, Point, fail, parts_in, watched

ORDERS = schema_of(n=INT, text=TEXT)
MAPS = schema_of(n=INT, extra=struct_of({"a": INT}))
WIDE = schema_of(n=TEXT, extra=list_of(INT))
"""Joined with MAPS, ``extra`` is text."""

RESTART = "restart"


def rows(*ids: str, **values: Any) -> list[dict[str, Any]]:
    return [{"id": id_, **values} for id_ in ids]


SHORT = [
    create(1),
    work(2, batch(MAPS, *rows("a", "b", n=1, extra={"a": 1})), scanning=True),
    work(3, batch(MAPS, *rows("a", "c", n=2), deleted=[True, False]), scan=(batch(MAPS, *rows("b", "d")),)),
    work(4, batch(WIDE, *rows("d", "f", n="x", extra=[1]))),
]
"""Ends with columns of another type."""

LONG = [
    create(1),
    work(2, batch(ORDERS, *rows("a", "b", "c", n=1)), scanning=True, dead=(dead("q", 7),)),
    work(3, batch(ORDERS, *rows("a", "c", n=2), deleted=[True, False]), scanning=True),
    RESTART,
    work(4, scan=(batch(ORDERS, *rows("a", "b", "g", "h", n=3)),), scanning=True),
    work(5, batch(ORDERS, *rows("g", n=4)), notes=Notes.DROP, scanning=True),
    work(6, batch(MAPS, *rows("d", "e", n=5, extra={"a": 1}))),
    create(7, target=Target.BUILDING),
    work(8, batch(ORDERS, *rows("d", n=6))),
    work(9, batch(MAPS, *rows("u", "v", n=7, extra={"a": 2})), target=Target.BUILDING, scanning=True),
    RESTART,
    work(10, batch(WIDE, *rows("e", "b", n="x", extra=[1]))),
    work(11, batch(WIDE, *rows("u", "w", n="y", extra=[2])), target=Target.BUILDING),
    work(12, batch(ORDERS, *rows("w"), deleted=[True]), target=Target.BUILDING, swap=True),
    work(13, batch(WIDE, *rows("v", "z", n="z"))),
    work(14, batch(WIDE, *rows("u", "v", "z"), deleted=[True] * 3)),
    work(15, batch(WIDE, *rows("i", "j", n="last"))),
]

NUMBERED = TableSchema.of_keys((("id", "N"),))
HALVED = NUMBERED.including({("id",): typed_values.number("0.5", key=True)})

KEYS = [
    create(1, keys=NUMBERED),
    work(2, batch(NUMBERED, {"id": 1}, {"id": 2}, {"id": 10}), scanning=True),
    work(3, batch(HALVED, {"id": Decimal("1.5")}, {"id": Decimal(2)}, deleted=[False, True]), scanning=True),
]
"""Ends with files that are written anew, because their keys take another form."""

STORIES = [
    pytest.param(SHORT, id="short"),
    pytest.param(KEYS, id="keys"),
    pytest.param(LONG, id="long", marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
]


def go(harness: CayenneHarness, step: Work | str) -> None:
    if isinstance(step, Work):
        harness.sink.apply(step)
    else:
        harness.sink.close()
        harness.sink.open()


def told(harness: CayenneHarness) -> tuple[Any, ...]:
    """All that is there, dead letters too."""
    return *harness.found(), harness.letters()


def expect_no_orphans(harness: CayenneHarness) -> None:
    table = harness.sink._table
    files = [part.source for state in table.copies.values() for part in state.files.values()]
    named = {path for file in files for path in (file.path, file.keys_path)}
    assert parts_in(table.files.folder) == {path.name for path in named}
    for file in files:
        file.expect_whole()


@dataclass(frozen=True)
class Left:
    """What a process left at a point: ``step`` of the story was under way, and had committed or not; None: either."""

    folder: Path
    point: Point
    step: int
    committed: bool | None


class Recorder:
    """Copies the folder at every point of a story."""

    def __init__(self, disk: Disk, target: Path) -> None:
        self.points: list[Point] = []
        self.left: list[Left] = []
        self.step = 0
        self.commits = 0
        self._disk = disk
        self._target = target
        self._random = Random(1)

    def __call__(self, point: Point) -> None:
        self._disk.note(point)
        self.points.append(point)
        ended = point.effect is Effect.COMMIT and point.done
        self.commits += ended
        committed = self.commits > 0
        if not point.done:
            # What is there after an effect is there before the next.
            self._keep(point, self._disk.copy, committed=committed)
        elif ended:
            inside = None if self.commits == 1 else True
            self._keep(point, self._disk.copy_inside_commit, committed=inside)
        elif self._disk.is_unsure:
            self._keep(point, self._disk.copy_without_power, committed=committed)

    def _keep(self, point: Point, copy: Any, *, committed: bool | None) -> None:
        folder = self._target / f"left-{len(self.left)}"
        copy(folder, self._random)
        self.left.append(Left(folder, point, self.step, committed))


def tell(story: list[Work | str], folder: Path, hook: Any) -> list[tuple[Any, ...]]:
    """The story from its beginning to its end: what each step left, first what was there before all."""
    harness = CayenneHarness(folder, eager=True)
    try:
        harness.sink.open()
        states = [told(harness)]
        for step, one in enumerate(story):
            hook.step, hook.commits = step, 0
            with watched(hook):
                go(harness, one)
            states.append(told(harness))
            expect_no_orphans(harness)
    finally:
        harness.close()
    return states


@pytest.mark.parametrize("story", STORIES)
def test_a_process_gone_at_any_effect_on_the_disk_leaves_one_commit_and_goes_on(
    tmp_path, story, record_property
):
    """Invariant 1, exhaustively; with the power lost too, of what was not synced anything may be there."""
    folder = tmp_path / "data"
    recorder = Recorder(Disk(folder), tmp_path)
    states = tell(story, folder, recorder)
    assert {point.effect for point in recorder.points} == set(Effect)
    assert len(recorder.left) > len(recorder.points) * 3 / 4
    for number, left in enumerate(recorder.left):
        # To the end of a long story only each fifth: a step further is what the next ones go on from.
        end = len(story) if number % 5 == 0 else left.step + 2
        expect_one_commit(left, story[:end], states[: end + 1])
    record_property("told", f"{len(recorder.left)} copies of the disk, each opened and gone on with")


def expect_one_commit(left: Left, story: list[Work | str], states: list[tuple[Any, ...]]) -> None:
    harness = CayenneHarness(left.folder, eager=True)
    try:
        found = told(harness)
        before, after = states[left.step], states[left.step + 1]
        if left.committed is None:
            assert found in (before, after), left
        else:
            assert found == (after if left.committed else before), left
        expect_no_orphans(harness)
        for step, one in enumerate(story[left.step :], left.step):
            if step > left.step or found == before:
                go(harness, one)
        assert told(harness) == states[-1], left
        expect_no_orphans(harness)
    finally:
        harness.close()


class Failing:
    """Notes the effects, and lets the one of a number fail."""

    def __init__(self, number: int | None = None) -> None:
        self.points: list[Point] = []
        self.commits = 0
        self._number = number

    def __call__(self, point: Point) -> None:
        if point.done:
            self.commits += point.effect is Effect.COMMIT
            return
        self.points.append(point)
        if len(self.points) - 1 == self._number:
            fail(point)


@pytest.mark.parametrize("story", STORIES)
def test_a_disk_that_is_full_at_any_effect_loses_nothing_and_the_same_succeeds_later(
    tmp_path, story, record_property
):
    harness = CayenneHarness(tmp_path / "data", eager=True)
    effects: list[Effect] = []
    try:
        harness.sink.open()
        for step in story:
            before = told(harness)
            copy = harness.lost(tmp_path / f"before-{len(effects)}")
            copy.close()
            whole = Failing()
            with watched(whole):
                go(harness, step)
            for number, point in enumerate(whole.points):
                lost = copy.lost(tmp_path / f"full-{len(effects)}")
                effects.append(point.effect)
                try:
                    expect_nothing_lost(lost, Failing(number), step, before, told(harness))
                except BaseException as error:
                    error.add_note(f"{step} at {number}: {point}")
                    raise
                finally:
                    lost.close()
    finally:
        harness.close()
    assert set(effects) == set(Effect)
    record_property("told", f"{len(effects)} effects failed, one by one")


def expect_nothing_lost(
    harness: CayenneHarness, hook: Failing, step: Work | str, before: Any, after: Any
) -> None:
    """The effect fails once: the step says so, or its upkeep; what is there is one commit; then the same succeeds."""
    harness.sink.open()
    with watched(hook):
        error = failure(harness, step)
        committed = hook.commits > 0
        assert told(harness) == (after if committed else before)
        if error is None:
            # It is tried again, as the thread would.
            assert Effect.REMOVAL in {point.effect for point in hook.points}
            harness.sink._table.pins.sweep()
        else:
            assert "make room on the disk" in error
            expect_no_orphans(harness)
            if committed:
                harness.sink.keep_up()
            else:
                go(harness, step)
    assert told(harness) == after
    expect_no_orphans(harness)
    harness.sink.apply(work(99, one_more(harness)))
    assert len(harness.live()) == len(after[1]) + 1
    expect_no_orphans(harness)


def one_more(harness: CayenneHarness) -> ChangeBatch:
    (key,) = harness.sink.open().live.schema.keys
    return batch(ORDERS, {"id": "next"}) if key.type == TEXT else batch(NUMBERED, {"id": 99})


def failure(harness: CayenneHarness, step: Work | str) -> str | None:
    try:
        go(harness, step)
    except AcceleratorFull as error:
        return str(error)
    return None
