"""A target is given all items of its table: when, from where on, and what becomes of it when all goes wrong."""

from __future__ import annotations

import json
import threading
import time

import pytest

from headrace.batch import Batch
from headrace.errors import ConsumerUnavailable, LedgerError, Unavailable
from headrace.filling import ANOTHER, ASKED, FIRST, Filling
from headrace.mapping_facts import FillFailed, FillFinished, FillProgressed, FillStarted, MappingStarted
from headrace.observe import GapFound
from headrace.read_budget import ReadBudget
from headrace.refusal import Place
from headrace.targets.table import Patience, Table
from support.deadline import eventually
from support.replication import NOW, Side

STREAM, NEXT = "arn:1", "arn:2"
BATCH = Batch("copy", STREAM, "s1", ())


class Target:
    """Notes what it is told; ``fault`` is raised by the method it names."""

    def __init__(self):
        self.told = []
        self.items = set()
        self.fault = None
        self.hold = threading.Event()
        self.hold.set()

    def consume(self, batch):
        self._tell("consume")
        return {}

    def begin_fill(self, at):
        self._tell("begin", at)

    def fill(self, items):
        self._tell("fill", len(items))
        self.items |= {json.loads(bytes(item["id"]))["S"] for item in items}
        assert self.hold.wait(10)

    def end_fill(self):
        self._tell("end")

    def close(self):
        self._tell("close")

    def _tell(self, what, *more):
        if self.fault == what:
            raise Unavailable(f"no {what} today")
        self.told.append((what, *more))

    def begun(self):
        return [at for what, *more in self.told if what == "begin" for at in more]


class World:
    def __init__(self, folder, items=30):
        self.side = Side()
        for number in range(items):
            # Few items make a page of Scan.
            self.side.call(
                "PutItem", TableName="orders", Item={"id": {"S": f"o{number}"}, "x": {"S": "x" * 90_000}}
            )
        self.path = folder / "copy.fill.json"
        self.now = NOW
        self.facts = []
        self.lives = []

    def started(self, target, budget=None, **more):
        def pause(seconds):
            filling.pause(seconds)

        table = Table(self.side, "orders", Place(None, None), Patience(0.0, "salt", pause), budget)
        filling = Filling(
            "copy", target, table, self.path, self.facts.append, "salt", clock=lambda: self.now, **more
        )
        self.lives.append(filling)
        filling.start()
        return filling

    def of(self, kind):
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def finished(self, count=1):
        eventually(lambda: len(self.of(FillFinished)) >= count, within=20, what=f"{count} fills")
        return self.of(FillFinished)[-1].items


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    for filling in made.lives:
        filling.close()


def _follows(filling, *, resumed=True, stream=STREAM):
    filling.hear(MappingStarted("copy", 1, resumed=resumed, stream=stream))


def test_all_items_come_once_the_stream_is_followed_and_no_sooner(world):
    target = Target()
    filling = world.started(target)
    filling.consume(BATCH)
    assert target.told == [("consume",)]
    _follows(filling, resumed=False)
    assert world.finished() == 30
    assert target.items == {f"o{number}" for number in range(30)}
    assert target.told[1] == ("begin", NOW)
    assert target.told[-1] == ("end",)
    assert [fact.why for fact in world.of(FillStarted)] == [FIRST]


def test_a_fill_that_waits_for_read_units_ends_at_once_when_it_must_and_goes_on_later(world):
    filling = world.started(Target(), ReadBudget(1))
    _follows(filling, resumed=False)
    # A page of a megabyte is paid for in four minutes.
    eventually(lambda: world.of(FillProgressed), within=20, what="a first page")
    filling.close()
    assert world.of(FillFinished) == world.of(FillFailed) == []
    filling = world.started(Target())
    _follows(filling)
    assert world.finished() == 30


@pytest.mark.parametrize(("units", "parts"), [(100, 1), (600, 2), (None, 2)])
def test_a_table_is_read_in_no_more_parts_than_a_second_can_pay_for(world, units, parts):
    filling = world.started(Target(), None if units is None else ReadBudget(units))
    _follows(filling, resumed=False)
    eventually(lambda: world.of(FillProgressed), within=20, what="a first page")
    assert len(json.loads(world.path.read_bytes())["cursors"]) == parts


def test_a_target_that_has_lost_what_a_fill_brought_is_filled_again(world):
    class Lacking(Target):
        missing = None

        def lacks(self):
            return self.missing

    filling = world.started(Lacking())
    _follows(filling, resumed=False)
    world.finished()
    filling.close()
    target = Lacking()
    filling = world.started(target)
    _follows(filling)
    target.missing = "its file is gone"
    _follows(filling)
    world.finished(2)
    assert world.of(FillStarted)[-1].why == "its file is gone"


def test_a_target_that_comes_to_lack_something_while_it_is_at_work_is_filled_again(world):
    class Watched(Target):
        look_again = 0.01
        missing = None

        def lacks(self):
            return self.missing

        def begin_fill(self, at):
            super().begin_fill(at)
            self.missing = None

    target = Watched()
    filling = world.started(target)
    _follows(filling, resumed=False)
    world.finished()
    target.missing = "its index is gone"
    world.finished(2)
    assert world.of(FillStarted)[-1].why == "its index is gone"


def test_what_was_filled_is_not_filled_again_by_the_next_process(world):
    filling = world.started(Target())
    _follows(filling, resumed=False)
    world.finished()
    filling.close()
    target = Target()
    again = world.started(target)
    _follows(again)
    again.consume(BATCH)
    assert target.told == [("consume",)]
    assert not again._is_due()


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (lambda filling: _follows(filling, resumed=False), FIRST),
        (lambda filling: _follows(filling, stream=NEXT), ANOTHER),
        (lambda filling: filling.ask(), ASKED),
        (
            lambda filling: filling.hear(GapFound("copy", "s1", "trimmed", "continue")),
            "records were lost: trimmed",
        ),
    ],
)
def test_it_is_filled_again_when_changes_may_be_missing_or_somebody_asks(world, happens, why):
    filling = world.started(target := Target())
    _follows(filling, resumed=False)
    world.finished()
    world.now -= 1000.0
    happens(filling)
    assert world.finished(2) == 30
    assert world.of(FillStarted)[-1].why == why
    first, second = target.begun()
    assert second > first, "though the clock was set back"


def test_a_target_that_wants_none_is_filled_only_when_somebody_asks(world):
    filling = world.started(target := Target(), wanted=False)
    _follows(filling, resumed=False)
    filling.hear(GapFound("copy", "s1", "trimmed", "continue"))
    assert not filling._is_due()
    filling.ask()
    assert world.finished() == 30
    assert len(target.begun()) == 1


def test_an_interrupted_fill_goes_on_where_it_was_and_the_target_hears_of_it_before_any_record(world):
    first = Target()
    first.hold.clear()
    filling = world.started(first)
    _follows(filling, resumed=False)
    eventually(lambda: first.items, within=20, what="some items")
    ending = threading.Thread(target=filling.close)
    ending.start()
    eventually(lambda: filling._stopping, within=10, what="the end")
    first.hold.set()
    ending.join()
    assert not world.of(FillFinished)
    assert ("end",) not in first.told
    second = Target()
    again = world.started(second)
    again.consume(BATCH)
    assert second.told[:2] == [("begin", NOW), ("consume",)]
    _follows(again)
    assert world.finished() == 30
    assert first.items | second.items == {f"o{number}" for number in range(30)}
    assert len(second.items) < 30
    assert [fact.resumed for fact in world.of(FillStarted)] == [False, True]
    assert second.begun() == [NOW]


def test_no_record_reaches_a_target_that_has_not_heard_of_its_interrupted_fill(world):
    world.path.write_text(json.dumps({"at": NOW, "stream": STREAM, "why": FIRST}))
    filling = world.started(target := Target())
    target.fault = "begin"
    with pytest.raises(ConsumerUnavailable, match="its fill cannot begin: no begin today"):
        filling.consume(BATCH)
    target.fault = None
    filling.consume(BATCH)
    assert target.told == [("begin", NOW), ("consume",)]


def test_a_gap_that_was_found_during_a_fill_outlives_the_process(world):
    target = Target()
    target.hold.clear()
    filling = world.started(target)
    _follows(filling, resumed=False)
    eventually(lambda: target.items, within=20, what="some items")
    filling.hear(GapFound("copy", "s1", "trimmed", "continue"))
    # What a process finds that begins where this one was killed.
    left = world.path.read_bytes()
    target.hold.set()
    world.finished()
    filling.close()
    world.path.write_bytes(left)
    _follows(world.started(again := Target()))
    assert world.finished(2) == 30
    assert world.of(FillStarted)[-1].why == "records were lost: trimmed"
    assert len(again.items) == 30


def test_an_interrupted_fill_does_not_go_on_in_a_target_that_lacks_its_first_part(world):
    class Lost(Target):
        def lacks(self):
            return None if self.begun() else "its file is gone"

    world.path.write_text(json.dumps({"at": NOW - 1, "stream": STREAM, "why": FIRST, "cursors": [None]}))
    filling = world.started(target := Lost())
    filling.consume(BATCH)
    assert target.begun() == []
    _follows(filling)
    assert world.finished() == 30
    assert world.of(FillStarted)[0].why == "its file is gone"
    assert target.begun() == [NOW]


def test_who_comes_late_with_an_earlier_fill_does_not_begin_it_again(world):
    filling = world.started(target := Target())
    _follows(filling, resumed=False)
    world.finished()
    filling._begin(NOW - 1)
    assert target.begun() == [NOW]


def test_a_target_that_waits_for_its_service_is_closed_though_it_is_being_filled(world):
    class Waiting(Target):
        def close(self):
            super().close()
            self.hold.set()

    target = Waiting()
    target.hold.clear()
    filling = world.started(target)
    _follows(filling, resumed=False)
    eventually(lambda: target.items, within=20, what="some items")
    began = time.monotonic()
    filling.close()
    assert time.monotonic() - began < 8.0
    assert ("end",) not in target.told


@pytest.mark.parametrize("fault", ["begin", "fill", "end"])
def test_a_fill_that_fails_says_why_and_goes_on(world, fault):
    target = Target()
    target.fault = fault
    filling = world.started(target)
    _follows(filling, resumed=False)
    eventually(lambda: world.of(FillFailed), within=20, what="a failure")
    assert f"no {fault} today" in world.of(FillFailed)[0].error
    target.fault = None
    assert world.finished() == 30
    assert target.items == {f"o{number}" for number in range(30)}
    assert len(target.begun()) == 1


def test_a_target_that_says_what_it_lacks_is_filled_for_that(world):
    class Knowing(Target):
        def __init__(self, *answers):
            super().__init__()
            self.answers = list(answers)

        def lacks(self):
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    filling = world.started(Knowing())
    _follows(filling, resumed=False)
    world.finished()
    filling.close()
    whole = Knowing(None)
    filling = world.started(whole)
    _follows(filling)
    eventually(lambda: not whole.answers, within=10, what="the question")
    assert not filling._is_due()
    filling.close()
    _follows(world.started(Knowing(Unavailable("nobody knows"), "its file is gone")))
    assert world.finished(2) == 30
    assert world.of(FillStarted)[-1].why == "its file is gone"
    assert "nobody knows" in world.of(FillFailed)[-1].error


def test_a_table_that_cannot_be_read_is_told_and_read_later(world):
    def away(operation, _):
        if operation == "Scan":
            raise Unavailable("nobody answers")

    world.side.faults = away
    filling = world.started(Target())
    _follows(filling, resumed=False)
    eventually(lambda: world.of(FillFailed), within=20, what="a failure")
    assert "nobody answers" in world.of(FillFailed)[0].error
    world.side.faults = None
    assert world.finished() == 30


def test_a_file_that_cannot_be_read_is_told_with_its_cure(world):
    world.path.write_text("{")
    with pytest.raises(LedgerError, match=r"copy\.fill\.json.* if it is damaged, remove it"):
        world.started(Target())
