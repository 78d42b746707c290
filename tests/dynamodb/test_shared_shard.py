"""One shard that several consumers read: each sees what it would see alone, and the service is asked about once."""

from __future__ import annotations

import json

import pytest

from headrace.dynamodb.shared_page import Pages, Standing
from headrace.dynamodb.shared_shard import SLACK, Ask, Pause, SharedShard, conversation
from headrace.errors import Unavailable
from headrace.wire import Response
from support.shared_reading import SharedReading

ARN, SHARD = "arn:stream", "shard-1"
KEY = (ARN, SHARD)


def page(*numbers, following="next", **headers):
    body = {"Records": [{"dynamodb": {"SequenceNumber": str(number)}} for number in numbers]}
    body |= {} if following is None else {"NextShardIterator": following}
    return Response(200, headers, json.dumps(body).encode())


def refused(code):
    return Response(400, {}, json.dumps({"__type": f"x#{code}"}).encode())


def numbers_of(response):
    return [int(record["dynamodb"]["SequenceNumber"]) for record in json.loads(response.body)["Records"]]


def standing_of(response):
    return Standing.of_token(json.loads(response.body)["NextShardIterator"])


class Desk:
    """One shard, whose waiters a test moves by hand."""

    def __init__(self, kept=10**6):
        self.shard = SharedShard(KEY, Pages(kept), 0.2)
        self.now = 1000.0

    def at(self, where, iterator="own", since=None):
        return Standing(*KEY, where, iterator, self.now if since is None else since)

    def arrive(self, where, limit=1000, **more):
        return self.shard.arrive(self.at(where, **more) if isinstance(where, str) else where, limit)

    def turn(self, waiter, **more):
        return self.shard.turn(waiter, self.now, patient=True, **more)

    def done(self, ask, found):
        self.shard.done(ask, found, self.now)

    def read(self, where, found):
        """A waiter alone, to its answer."""
        waiter = self.arrive(where)
        ask = self.turn(waiter)
        assert isinstance(ask, Ask)
        self.done(ask, found)
        return self.turn(waiter)


@pytest.mark.parametrize("faults", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_each_reader_sees_what_it_would_see_alone(seed, faults):
    reading = SharedReading(seed, readers=4, faults=faults, kept=(3000, 10**6)[seed % 2])
    for _ in range(2500):
        reading.step()
    assert sum(reader.seen for reader in reading.readers) > 100


@pytest.mark.long
@pytest.mark.parametrize("seed", range(12, 150))
def test_each_reader_sees_what_it_would_see_alone_whatever_happens(seed):
    reading = SharedReading(seed, readers=2 + seed % 5, faults=seed % 3 > 0, kept=(0, 3000, 10**6)[seed % 3])
    for _ in range(6000):
        reading.step()


TICK = 0.01


def watched(readers, *, seconds=60.0, every=0.25, writes=()):
    """The requests that readers make who wait ``every`` seconds after each answer, and how late records arrive at most."""
    shard = SharedShard(KEY, Pages(10**6), 0.2)
    due = [every * index / readers for index in range(readers)]
    standings = [Standing(*KEY, "after:0", "i", 0.0)] * readers
    waiters = [None] * readers
    asked, late = 0, 0.0
    for tick in range(round(seconds / TICK)):
        now = tick * TICK
        for who in range(readers):
            if waiters[who] is None and due[who] > now:
                continue
            waiters[who] = waiters[who] or shard.arrive(standings[who], 1000)
            turn = shard.turn(waiters[who], now, patient=True)
            if isinstance(turn, Ask):
                asked += 1
                number = turn.leader.standing.number
                found = [n for n, at in enumerate(writes, start=1) if n > number and at <= now]
                shard.done(turn, page(*found), now)
                turn = shard.turn(waiters[who], now, patient=True)
            if isinstance(turn, Response):
                late = max([late, *(now - writes[number - 1] for number in numbers_of(turn))])
                standings[who], waiters[who], due[who] = standing_of(turn), None, now + every
    return asked, late


@pytest.mark.parametrize("writes", [(), tuple(0.07 * n for n in range(800))], ids=["idle", "busy"])
def test_many_readers_ask_about_as_often_as_one_and_are_little_later(writes):
    alone, late_alone = watched(1, writes=writes)
    for readers in (2, 5):
        asked, late = watched(readers, writes=writes)
        assert asked <= 1.3 * alone
        assert late <= late_alone + 0.2 + SLACK + TICK


def test_who_asks_after_a_request_was_sent_is_not_told_that_nothing_is_there():
    desk = Desk()
    early = desk.arrive("after:10")
    ask = desk.turn(early)
    desk.now += 0.01
    late = desk.arrive("after:10")
    assert desk.turn(late) == Pause(None)
    desk.now += 0.01
    desk.done(ask, page(following="i2"))
    assert numbers_of(desk.turn(early)) == []
    pause = desk.turn(late)
    assert pause.seconds == pytest.approx(0.2 + SLACK)
    desk.now += 0.21 + SLACK
    assert desk.turn(late).iterators == ("i2", "own")


def test_who_asks_after_a_request_was_sent_gets_its_records():
    desk = Desk()
    ask = desk.turn(desk.arrive("after:10"))
    late = desk.arrive("after:10")
    desk.done(ask, page(11, 12, date="Mon"))
    given = desk.turn(late)
    assert numbers_of(given) == [11, 12]
    assert "date" not in given.headers


def test_those_who_wait_at_one_place_share_a_request_and_its_date():
    desk = Desk()
    waiters = [desk.arrive("after:10", limit=limit) for limit in (1000, 1, 1000)]
    ask = desk.turn(waiters[0])
    assert ask.joined == tuple(waiters)
    desk.done(ask, page(11, 12, date="Mon"))
    given = [desk.turn(waiter) for waiter in waiters]
    assert [numbers_of(each) for each in given] == [[11, 12], [11], [11, 12]]
    assert {each.headers["date"] for each in given} == {"Mon"}
    assert [standing_of(each).where for each in given] == ["after:12", "after:11", "after:12"]
    assert not desk.shard.waited_for


def test_whoever_stands_within_a_page_gets_the_rest_of_it():
    desk = Desk()
    desk.read("after:10", page(11, 13, 15, following=None))
    for where, rest in (
        ("after:10", [11, 13, 15]),
        ("at:11", [11, 13, 15]),
        ("after:11", [13, 15]),
        ("at:15", [15]),
    ):
        given = desk.turn(desk.arrive(where))
        assert numbers_of(given) == rest
        assert "NextShardIterator" not in json.loads(given.body)
    end = desk.turn(desk.arrive("after:15"))
    assert json.loads(end.body) == {"Records": []}
    for where in ("after:9", "at:10", "at:16"):
        assert isinstance(desk.turn(desk.arrive(where)), (Ask, Pause))


def test_a_page_tells_nothing_of_what_lies_before_it():
    desk = Desk()
    desk.read("own:7", page(11, 13))
    assert isinstance(desk.turn(desk.arrive("after:9")), Ask)


def test_what_does_not_fit_is_not_kept_and_reaches_those_who_wait():
    desk = Desk(kept=10)
    waiters = [desk.arrive("after:10"), desk.arrive("after:10")]
    ask = desk.turn(waiters[0])
    desk.done(ask, page(11))
    assert [numbers_of(desk.turn(waiter)) for waiter in waiters] == [[11], [11]]
    assert isinstance(desk.turn(desk.arrive("after:10")), Ask)


def test_the_pages_used_last_are_kept():
    size = page(11).body
    pages = Pages(3 * (len(size) + 120))
    desk = Desk()
    desk.shard = SharedShard(KEY, pages, 0.2)
    for number in (10, 20, 30):
        desk.read(f"after:{number}", page(number + 1))
    assert pages.find(desk.at("after:10")) is not None
    desk.read("after:40", page(41))
    assert [bool(pages.find(desk.at(f"after:{number}"))) for number in (10, 20, 30, 40)] == [
        True,
        False,
        True,
        True,
    ]
    pages.forget(KEY)
    assert pages.find(desk.at("after:10")) is None
    desk.read("after:10", page(11))
    assert pages.find(desk.at("after:10")) is not None


def test_readers_meet_at_the_horizon_until_there_is_a_record():
    desk = Desk()

    def opened(sent_at=0.0):
        return desk.shard.opened({"ShardIteratorType": "TRIM_HORIZON"}, "i", desk.now + sent_at, desk.now)

    first, second = opened(), opened()
    assert first.where == second.where
    # Before the first was answered, more may have been there.
    assert opened(sent_at=-0.1).where != first.where
    waiters = [desk.arrive(first), desk.arrive(second)]
    desk.done(desk.turn(waiters[0]), page(11))
    assert [numbers_of(desk.turn(waiter)) for waiter in waiters] == [[11], [11]]
    assert opened().where != first.where
    assert numbers_of(desk.turn(desk.arrive(second))) == [11]


def test_readers_of_one_time_meet_too():
    desk = Desk()

    def opened(time):
        asked = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time}
        return desk.shard.opened(asked, "i", desk.now, desk.now).where

    assert opened(5.0) == opened(5.0) != opened(6.0)
    latest = [desk.shard.opened({"ShardIteratorType": "LATEST"}, "i", desk.now, desk.now) for _ in range(2)]
    assert latest[0].where != latest[1].where


def test_a_spoiled_iterator_is_told_to_nobody_else():
    desk = Desk()
    desk.read("after:10", page(following="old"))
    desk.now += 1
    waiters = [desk.arrive("after:10"), desk.arrive("after:10")]
    ask = desk.turn(waiters[0])
    assert ask.iterators == ("old", "own")
    desk.done(ask, refused("TrimmedDataAccessException"))
    assert b"Trimmed" in desk.turn(waiters[0]).body
    assert desk.turn(waiters[1]).iterators == ("own",)


def test_whoever_met_at_the_horizon_goes_on_alone_where_the_firsts_iterator_is_spoiled():
    desk = Desk()
    first = desk.shard.opened({"ShardIteratorType": "TRIM_HORIZON"}, "i1", desk.now, desk.now)
    second = desk.shard.opened({"ShardIteratorType": "TRIM_HORIZON"}, "i2", desk.now, desk.now)
    waiters = [desk.arrive(second), desk.arrive(first)]
    ask = desk.turn(waiters[0])
    assert (ask.iterators, ask.joined) == (("i1",), tuple(waiters))
    desk.done(ask, refused("TrimmedDataAccessException"))
    alone = desk.turn(waiters[0])
    assert (alone.iterators, alone.joined) == (("i2",), (waiters[0],))
    desk.done(alone, page(11))
    assert numbers_of(desk.turn(waiters[0])) == [11]
    # What was ahead of the first may have been more.
    assert desk.turn(waiters[1]).iterators == ("i1",)


def test_a_throttle_and_a_lost_answer_go_to_all_who_waited_and_to_nobody_else():
    for found in (refused("ThrottlingException"), Unavailable("lost")):
        desk = Desk()
        waiters = [desk.arrive("after:10"), desk.arrive("after:10")]
        ask = desk.turn(waiters[0])
        late = desk.arrive("after:10")
        desk.done(ask, found)
        assert [desk.turn(waiter) for waiter in waiters] == [found, found]
        assert isinstance(desk.turn(late), Ask)


def test_a_request_that_failed_by_a_defect_is_made_by_the_next():
    desk = Desk()
    waiters = [desk.arrive("after:10"), desk.arrive("after:10")]
    desk.done(desk.turn(waiters[0]), None)
    desk.shard.leave(waiters[0])
    assert desk.turn(waiters[1]).leader is waiters[1]


def test_a_reader_far_behind_takes_turns():
    desk = Desk()
    behind, tip = desk.arrive("after:10"), desk.arrive("after:90")
    ask = desk.turn(behind)
    assert desk.turn(tip) == Pause(None)
    desk.done(ask, page(11))
    again = desk.arrive(standing_of(desk.turn(behind)))
    assert desk.turn(again) == Pause(None)
    assert desk.turn(tip).leader is tip


def test_who_waits_for_a_better_time_keeps_nobody_else_waiting():
    desk = Desk()
    early = desk.arrive("after:90")
    desk.done(desk.turn(early), page())
    desk.turn(early)
    again, behind = desk.arrive("after:90"), desk.arrive("after:10")
    assert desk.turn(again).seconds
    assert desk.turn(behind).leader is behind


def test_who_is_not_patient_asks_at_once():
    desk = Desk()
    desk.read("after:10", page())
    waiter = desk.arrive("after:10")
    assert isinstance(desk.turn(waiter), Pause)
    assert isinstance(desk.shard.turn(waiter, desk.now, patient=False), Ask)


def talk(ask, *answers):
    """What is asked, and what it comes to."""
    steps, asked = conversation(ask), []
    found = next(steps)
    for answer in answers:
        asked.append((found[0], json.loads(found[1])))
        try:
            found = steps.send(answer)
        except StopIteration as end:
            return asked, end.value
    raise AssertionError("it goes on")


def test_an_expired_iterator_is_opened_again_where_its_record_is_known():
    desk = Desk()
    ask = desk.turn(desk.arrive("after:007"))
    opened = Response(200, {}, b'{"ShardIterator":"new"}')
    asked, found = talk(ask, refused("ExpiredIteratorException"), opened, page(8))
    assert numbers_of(found) == [8]
    position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": "007"}
    assert asked == [
        ("GetRecords", {"ShardIterator": "own", "Limit": 1000}),
        ("GetShardIterator", {"StreamArn": ARN, "ShardId": SHARD, **position}),
        ("GetRecords", {"ShardIterator": "new", "Limit": 1000}),
    ]


def test_what_is_trimmed_is_not_opened_again():
    desk = Desk()
    trimmed = refused("TrimmedDataAccessException")
    assert talk(desk.turn(desk.arrive("at:7")), trimmed)[1] is trimmed
    desk = Desk()
    old = desk.arrive("at:7", since=0.0)
    asked, found = talk(desk.turn(old), trimmed)
    assert (asked[0][0], asked[0][1]["ShardIteratorType"]) == ("GetShardIterator", "AT_SEQUENCE_NUMBER")
    assert found is trimmed


@pytest.mark.parametrize(
    "found",
    [page(12, 11), page(9, 12), page(11, 11), Response(200, {}, b'{"Records":[{}],"NextShardIterator":"i"}')],
    ids=["disorder", "before", "twice", "no number"],
)
def test_pages_that_cannot_be_understood_go_to_those_who_asked_and_are_not_kept(found):
    desk = Desk()
    given = desk.read("after:10", found)
    assert json.loads(given.body)["Records"] == json.loads(found.body)["Records"]
    assert standing_of(given).number is None
    assert isinstance(desk.turn(desk.arrive("after:10")), Ask)


def test_an_answer_that_is_not_whole_is_given_as_it_is():
    desk = Desk()
    cut = Response(200, {}, b'{"Records":[')
    assert desk.read("after:10", cut) is cut


def test_only_tokens_stand_for_a_place():
    standing = Desk().at("after:10")
    assert Standing.of_token(standing.token()) == standing
    for other in (None, 1, "", "arn:aws:dynamodb|1|x", "headrace/", "headrace/[1]", "headrace/{"):
        assert Standing.of_token(other) is None
