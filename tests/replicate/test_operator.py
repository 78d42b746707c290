"""Dead letters in the machine: retried and discarded in the one lane, whatever else happens."""

from __future__ import annotations

import random

import pytest

from headrace.accelerator import LetterOutcome, Which
from headrace.accelerators.memory import MemoryAccelerator
from headrace.dynamodb.key import Key
from headrace.errors import AcceleratorError, CommitUnknown
from headrace.explanation import Fate
from headrace.observe import (
    DeadLetters,
    DeadLettersDiscarded,
    DeadLettersRetried,
    DeadLettersStored,
    DeadLettersSuperseded,
)
from headrace.replicate.commands import Apply, Discard, ReadLetters, Redrive
from support.seeded import Hazards
from support.world import World


class Sick(MemoryAccelerator):
    """An engine that refuses rows of every fifth version until it is healed."""

    def __init__(self):
        super().__init__()
        self.sicken()

    def sicken(self):
        self.refuses = lambda row: "a version of five" if row["version"] % 5 == 0 else None

    def heal(self):
        self.refuses = lambda _: None


def sick_world(seed, **hazards):
    return World(seed, items=30, hazards=Hazards(**hazards), sink=Sick())


def following(seed=1):
    """A world that is Ready, with letters of keys b0, b1, ... that nothing else has written to."""
    world = sick_world(seed)
    world.runner.run_until(lambda: world.runner.ready, 60_000)
    for number in range(3):
        while world.versions % 5 != 4:
            world.put("other")
        world.put(f"b{number}")
    world.runner.run_until(lambda: waiting(world) >= {f"b{n}" for n in range(3)}, 60_000)
    return world


def waiting(world):
    return {keys_of(stored) for stored in world.sink.letters(None, Which.WAITING, None)}


def keys_of(stored):
    return stored.letter.key.split('"')[5]


def answer(world, ticket):
    world.runner.run_until(lambda: any(reply.ticket == ticket for reply in world.runner.replies), 60_000)
    (reply,) = [reply for reply in world.runner.replies if reply.ticket == ticket]
    return reply


def test_a_retry_that_is_healed_applies_every_letter_and_says_how_many():
    world = following()
    count = len(waiting(world))
    world.sink.heal()
    world.runner.ask(Redrive(1))

    assert answer(world, 1).outcome == LetterOutcome(count, 0, 0, 0, ())
    world.settle()
    assert world.sink.letters(None, Which.WAITING, None) == ()
    assert sum(fact.retried for fact in world.runner.facts if isinstance(fact, DeadLettersRetried)) == count


def test_a_retry_that_fails_again_leaves_the_letters_and_says_so():
    world = following()
    count = len(waiting(world))
    world.runner.ask(Redrive(1))

    assert answer(world, 1).outcome == LetterOutcome(0, count, 0, 0, ())
    assert len(waiting(world)) == count


def test_letters_are_named_by_id_or_number_and_unknown_names_come_back():
    world = following()
    world.sink.heal()
    by_key = {keys_of(stored): stored.letter for stored in world.sink.letters(None, Which.WAITING, None)}
    names = (by_key["b0"].id, by_key["b1"].sequence.text, "123")
    world.runner.ask(Redrive(1, names))
    world.runner.ask(Discard(2, ("123", by_key["b2"].id)))

    assert answer(world, 1).outcome == LetterOutcome(2, 0, 0, 0, ("123",))
    assert answer(world, 2).outcome == LetterOutcome(0, 0, 0, 1, ("123",))
    assert not waiting(world) & {"b0", "b1", "b2"}
    assert {("b0",), ("b1",)} <= world.sink.live_rows().keys()
    assert ("b2",) not in world.sink.live_rows()


def test_a_superseded_letter_is_left_alone_by_a_retry_and_can_be_discarded():
    world = following()
    letter = next(s.letter for s in world.sink.letters(None, Which.WAITING, None) if keys_of(s) == "b0")
    while world.versions % 5 == 4:
        world.put("other")
    world.put("b0")
    world.runner.run_until(lambda: ("b0",) in world.sink.live_rows(), 60_000)
    version = world.sink.live_rows()[("b0",)]["version"]
    superseded = len(world.sink.letters(None, Which.SUPERSEDED, None))
    world.sink.heal()
    world.runner.ask(Redrive(1, (letter.id,)))
    assert answer(world, 1).outcome == LetterOutcome(0, 0, 1, 0, ())
    assert world.sink.live_rows()[("b0",)]["version"] == version
    world.runner.ask(Discard(2, which=Which.SUPERSEDED))
    assert answer(world, 2).outcome == LetterOutcome(0, 0, 0, superseded, ())
    assert "b1" in waiting(world)


def test_the_facts_tell_of_every_letter_until_none_is_left():
    world = following()
    world.runner.ask(Discard(1))
    answer(world, 1)

    def total(kind):
        return sum(fact.count for fact in world.runner.facts if isinstance(fact, kind))

    stored = [fact for fact in world.runner.facts if isinstance(fact, DeadLettersStored)]
    assert total(DeadLetters) == total(DeadLettersDiscarded) > 0
    assert total(DeadLettersSuperseded) > 0
    assert (stored[-1].stored, stored[-1].waiting) == (0, 0)


def test_nothing_is_retried_while_the_table_is_copied():
    world = sick_world(2)
    world.runner.ask(Redrive(1))
    assert "not open" in answer(world, 1).refusal
    world.runner.run_until(lambda: world.sink.open().live is not None, 60_000)
    world.runner.step()
    world.runner.run_until(lambda: (world.runner.status.reason or "").startswith("copying"), 60_000)
    world.runner.ask(Discard(2))
    assert "ask again once the dataset is ready" in answer(world, 2).refusal


def test_letters_that_cannot_be_read_are_said_to_be_so():
    world = following()
    true, world.sink.letters = world.sink.letters, _unreadable
    world.runner.ask(Redrive(1))
    assert "disk error" in answer(world, 1).refusal
    world.sink.letters = true


def _unreadable(*_):
    raise AcceleratorError("disk error")


@pytest.mark.parametrize("happened", [True, False])
def test_a_commit_that_cannot_be_told_is_counted_once(happened):
    world = following()
    world.sink.heal()
    count = len(waiting(world))
    true, tries = world.sink.apply, []

    def apply(work):
        if not work.redriven or tries:
            return true(work)
        tries.append(work)
        if happened:
            true(work)
        raise CommitUnknown("the line went dead")

    world.sink.apply = apply
    world.runner.ask(Redrive(1))
    assert answer(world, 1).outcome == LetterOutcome(count, 0, 0, 0, ())
    assert len(tries) == 1
    del world.sink.apply
    world.settle()


def test_a_newer_record_between_the_reading_and_the_transaction_wins():
    """Invariant 4: the copy decides inside the transaction, not what was read before it."""
    world = following()
    world.sink.heal()
    world.runner.ask(Redrive(1))
    world.runner.run_until(lambda: _outstanding(world, ReadLetters), 60_000)
    world.runner.run_until(lambda: not _outstanding(world, ReadLetters), 60_000)
    world.put("b0")
    version = world.versions
    world.runner.run_until(lambda: world.copy().get("b0", 0) == version or _replied(world), 60_000)
    world.settle()
    assert world.copy()["b0"] == version


def _outstanding(world, kind):
    return any(isinstance(request, kind) for request in world.runner.outstanding)


def _replied(world):
    return bool(world.runner.replies)


@pytest.mark.parametrize("seed", range(40))
def test_no_schedule_fault_or_crash_lets_a_retry_take_a_key_back_or_lose_a_letter(seed):
    world = sick_world(seed, fault=0.03, unknown_commit=0.05, expired_iterator=0.02, crash=0.003)
    operator = random.Random(f"operator/{seed}")
    tickets = 0
    for _ in range(150):
        if operator.random() < 0.1:
            tickets += 1
            world.runner.ask(Redrive(tickets))
        if operator.random() < 0.05:
            # Healed for a while, so that some retries succeed and later records meet what they wrote.
            world.sink.sicken() if operator.random() < 0.5 else world.sink.heal()
        world.live(writes=1)
    world.sink.heal()
    world.hazards.fault = world.hazards.crash = world.hazards.unknown_commit = 0.0
    truth = world.truth()

    def done():
        nonlocal tickets
        if world.runner.ready and not _outstanding(world, ReadLetters) and not _outstanding(world, Apply):
            tickets += 1
            world.runner.ask(Redrive(tickets))
        world.look()
        return world.runner.ready and world.copy() == truth

    world.runner.run_until(done, 60_000)
    assert world.sink.letters(None, Which.WAITING, None) == ()


def test_the_life_of_a_key_tells_that_it_was_refused_and_that_a_retry_applied_it():
    world = following()
    key = Key({"id": {"S": "b1"}})

    def fates():
        return [event.fate for event in world.runner.explain().trail.events(key, 10)]

    world.runner.run_until(lambda: fates() == [Fate.REFUSED], 10_000)
    (letter,) = (one.letter for one in world.sink.letters(None, Which.WAITING, None) if keys_of(one) == "b1")
    world.sink.heal()
    world.runner.ask(Redrive(1, (letter.id,)))
    answer(world, 1)
    assert fates() == [Fate.APPLIED, Fate.REFUSED]
    (newest, refused) = world.runner.explain().trail.events(key, 10)
    assert newest.sequence == refused.sequence == letter.sequence
    assert (newest.shard_id, newest.created_at) == (letter.shard, refused.created_at)
