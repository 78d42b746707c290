"""Who asks for the records of one shard, and when, where several consumers read it: decisions alone, no I/O, no threads.

An answer with records is right at any time. One without is a proof that nothing older is left, and is given only to
those who came before it was asked for.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from headrace.dynamodb.calls import MOST_RECORDS
from headrace.dynamodb.shared_page import (
    AFTER,
    AT,
    Nothing,
    Page,
    Pages,
    Standing,
    decode_answer,
    page_response,
    read_page,
)
from headrace.errors import HeadraceError, IteratorExpired, PositionTrimmed, RequestRejected, ShardGone
from headrace.position import Anchor
from headrace.refusal import Place, Request, refusal
from headrace.wire import Response

LIFE: Final = 14 * 60.0
"""Seconds for which an iterator is relied on; the service keeps it for 15 minutes (GetShardIterator, API reference)."""

SLACK: Final = 0.05
"""Seconds within which those come back who were answered together."""

_MET: Final = "met:"
_OWN: Final = "own:"
_SPOILED: Final = (IteratorExpired, PositionTrimmed, ShardGone, RequestRejected)
"""What is wrong with one iterator, and says nothing to who has another."""


@dataclass(slots=True, eq=False)
class Waiter:
    """One request of a consumer."""

    standing: Standing
    limit: int
    outcome: Page | Nothing | Response | HeadraceError | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """A request to the service that one waiter makes, for all of ``joined``, who stand at ``standing``."""

    leader: Waiter
    standing: Standing
    joined: tuple[Waiter, ...]
    iterators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """There is nothing to do for ``seconds``, None: until something happens."""

    seconds: float | None


@dataclass(slots=True)
class _Tip:
    """The newest iterator at a place, given at ``since``. ``found_nothing``: by a request there, else by one that opened it."""

    iterator: str
    since: float
    found_nothing: bool = False


class SharedShard:
    """One shard and those who wait for its records; ``pages`` are those lately read, of this and other shards.

    While nothing comes, consumers come back after ``interval`` seconds. Whoever comes earlier waits for the others, so that from then
    on they come together, and the service is asked as often as by one of them.
    """

    def __init__(self, key: tuple[str, str], pages: Pages, interval: float) -> None:
        self._key = key
        self._pages = pages
        self._interval = interval
        self._waiters: list[Waiter] = []
        self._asking: Ask | None = None
        self._tips: dict[str, _Tip] = {}
        self._meetings: dict[str, tuple[str, float]] = {}
        self._places = 0

    @property
    def waited_for(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiters)

    def opened(self, request: dict[str, Any], iterator: str, sent_at: float, now: float) -> Standing:
        """Where whoever has opened an iterator stands, by a request sent at ``sent_at``."""
        anchor, number = request.get("ShardIteratorType"), request.get("SequenceNumber")
        match anchor:
            case Anchor.AFTER_SEQUENCE_NUMBER:
                where = f"{AFTER}{number}"
            case Anchor.AT_SEQUENCE_NUMBER:
                where = f"{AT}{number}"
            case Anchor.TRIM_HORIZON | Anchor.AT_TIMESTAMP:
                where = self._met(f"{anchor} {request.get('Timestamp')}", iterator, sent_at, now)
            case _:
                where = self._place_of_its_own()
        return Standing(*self._key, where, iterator, now)

    def arrive(self, standing: Standing, limit: int) -> Waiter:
        """Somebody asks for records."""
        waiter = Waiter(standing, limit)
        self._waiters.append(waiter)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Somebody waits no more."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def turn(self, waiter: Waiter, now: float, *, patient: bool) -> Response | HeadraceError | Ask | Pause:
        """What becomes of a waiter now: its answer, a request that it has to make, or a pause.

        Who is not ``patient`` is not kept waiting for a better time to ask.
        """
        given = self._given(waiter)
        if given is not None:
            self.leave(waiter)
            return given
        if self._asking is not None:
            return Pause(None)
        due = self._due(waiter, now) if patient else now
        if due > now:
            return Pause(due - now)
        if (
            next(each for each in self._waiters if each is waiter or self._due(each, now) <= now)
            is not waiter
        ):
            return Pause(None)
        self._asking = self._ask(waiter, now)
        return self._asking

    def done(self, ask: Ask, found: Response | HeadraceError | None, now: float) -> None:
        """A request has ended: with an answer, an error, or (None) without anything that others could use."""
        self._asking = None
        where = ask.standing.where
        outcome: Page | Nothing | Response | HeadraceError | None = found
        if isinstance(found, Response):
            if _spoils(found):
                tip = self._tips.pop(where, None)
                if tip is None or not where.startswith(_MET):
                    ask.leader.outcome = found
                return
            outcome = self._read(found, ask.standing, now)
        if isinstance(outcome, Nothing) and not where.startswith(_OWN):
            self._tips[where] = _Tip(outcome.following, now, found_nothing=True)
            self._forget_tips(now)
        elif isinstance(outcome, Page):
            self._pages.add(self._key, outcome)
            self._tips.pop(where, None)
        for each in ask.joined:
            each.outcome = outcome

    def _due(self, waiter: Waiter, now: float) -> float:
        """When a request should be made for a waiter at the earliest."""
        tip = self._tips.get(waiter.standing.where)
        if tip is None or not tip.found_nothing:
            return now
        return tip.since + self._interval + SLACK

    def _ask(self, waiter: Waiter, now: float) -> Ask:
        standing, tip = waiter.standing, self._tips.get(waiter.standing.where)
        tried = [] if tip is None or now - tip.since > LIFE else [tip.iterator]
        if standing.where.startswith(_MET) and not tried:
            # Of those who met there nobody's iterator is left: what lies ahead of this one is its own.
            standing = waiter.standing = standing._replace(where=self._place_of_its_own())
        # Where it can be opened again, it need not be tried when it is old.
        fresh = now - standing.since <= LIFE if standing.number is not None else not tried
        if standing.iterator and fresh:
            tried.append(standing.iterator)
        joined = tuple(each for each in self._waiters if each.standing.where == standing.where)
        return Ask(waiter, standing, joined, tuple(dict.fromkeys(tried)))

    def _given(self, waiter: Waiter) -> Response | HeadraceError | None:
        standing, outcome = waiter.standing, waiter.outcome
        match outcome:
            case Page():
                first = outcome.begins(standing)
                assert first is not None, "whoever joins stands where the page starts"
                return outcome.response(standing, first, waiter.limit, dated=True)
            case Nothing():
                return outcome.response(standing)
            case None:
                found = self._pages.find(standing)
                # Its time is past: nobody may set a clock by it.
                return (
                    None
                    if found is None
                    else found[0].response(standing, found[1], waiter.limit, dated=False)
                )
            case _:
                return outcome

    def _read(self, response: Response, standing: Standing, now: float) -> Page | Nothing | Response:
        if response.status != 200:  # noqa: PLR2004 - OK
            return response
        page = read_page(response, standing, now)
        return self._unshared(response, now) if page is None else page

    def _unshared(self, response: Response, now: float) -> Response:
        """An answer that only they can be given who have asked for it; what follows it is a place of their own."""
        try:
            answer = decode_answer(response.body)
            iterator = answer.following
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return response
        if iterator is None:
            return response
        token = Standing(*self._key, self._place_of_its_own(), iterator, now).token()
        return page_response(answer.array, token, response.headers.get("date"))

    def _met(self, position: str, iterator: str, sent_at: float, now: float) -> str:
        """Where all stand who came to a position without a number, and no record was met there yet.

        They read by the iterator of the first, ahead of which is all that is ahead of later ones. Ahead of an earlier one
        might have been more, trimmed since: so whoever asked before the first was answered stands apart.
        """
        where, since = self._meetings.get(position, ("", 0.0))
        first = self._tips.get(where)
        if first is None or now - first.since > LIFE:
            where = f"{_MET}{self._numbered()}"
            self._tips[where] = _Tip(iterator, now)
            alive = {other: met for other, met in self._meetings.items() if met[0] in self._tips}
            self._meetings = {**alive, position: (where, now)}
            return where
        return self._place_of_its_own() if sent_at < since else where

    def _numbered(self) -> int:
        self._places += 1
        return self._places

    def _place_of_its_own(self) -> str:
        return f"{_OWN}{self._numbered()}"

    def _forget_tips(self, now: float) -> None:
        for where in [where for where, tip in self._tips.items() if now - tip.since > LIFE]:
            del self._tips[where]


def conversation(ask: Ask) -> Generator[tuple[str, bytes], Response, Response]:
    """The requests that an Ask takes, one after another, given their answers; the last answer is what it comes to."""
    standing = ask.standing
    response: Response | None = None
    for iterator in ask.iterators:
        response = yield _get_records(iterator)
        if not _spoils(response):
            return response
    number = standing.number
    if number is None or (response is not None and not isinstance(_refusal(response), IteratorExpired)):
        assert response is not None, "without a number there is an iterator"
        return response
    anchor = Anchor.AT_SEQUENCE_NUMBER if standing.where.startswith(AT) else Anchor.AFTER_SEQUENCE_NUMBER
    opened = yield (
        "GetShardIterator",
        msgspec.json.encode(
            {
                "StreamArn": standing.stream_arn,
                "ShardId": standing.shard_id,
                "ShardIteratorType": anchor.value,
                "SequenceNumber": standing.where.partition(":")[2],
            }
        ),
    )
    found = iterator_of(opened)
    return opened if found is None else (yield _get_records(found))


def iterator_of(response: Response) -> str | None:
    """The iterator in an answer of GetShardIterator; None where there is none, as in an error."""
    try:
        found = msgspec.json.decode(response.body, type=dict[str, Any]).get("ShardIterator")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def _get_records(iterator: str) -> tuple[str, bytes]:
    return "GetRecords", msgspec.json.encode({"ShardIterator": iterator, "Limit": MOST_RECORDS})


def _spoils(response: Response) -> bool:
    return response.status != 200 and isinstance(_refusal(response), _SPOILED)  # noqa: PLR2004 - OK


def _refusal(response: Response) -> HeadraceError:
    return refusal(response, Request("GetRecords", "", Place()))
