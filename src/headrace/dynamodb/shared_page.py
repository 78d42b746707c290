"""Pages of one shard that several consumers read: what they hold, and the part that each is given.

A consumer stands at a ``where``, a text: ``after:N`` or ``at:N`` of a sequence number, or a name without a number while
no record was met since its iterator was opened. Those of one ``where`` have the same records ahead.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from headrace.decoding import json_decoder
from headrace.dynamodb.generic import place_of
from headrace.dynamodb.raw import ABSENT
from headrace.wire import Response

AFTER: Final = "after:"
AT: Final = "at:"

_OF_A_RECORD: Final = 120
"""Bytes that a record costs beside its JSON."""

_OURS: Final = "headrace/"
"""How what consumers are given begins, and no iterator of the service does."""

_LOOKED_BACK: Final = 4
"""Pages that may overlap; beyond these, a request is cheaper than a search."""

_Token = json_decoder(tuple[str, str, str, str, float])


class Standing(NamedTuple):
    """Where a consumer stands in one shard. ``iterator`` is the service's, from ``since`` (the caller's clock)."""

    stream_arn: str
    shard_id: str
    where: str
    iterator: str
    since: float

    @property
    def number(self) -> int | None:
        """The sequence number that ``where`` names, if it does."""
        kind, colon, number = self.where.partition(":")
        return int(number) if colon and f"{kind}:" in (AFTER, AT) else None

    def token(self) -> str:
        """What a consumer is given as its iterator."""
        return _OURS + msgspec.json.encode(tuple(self)).decode()

    @classmethod
    def of_token(cls, token: object) -> Standing | None:
        """What ``token`` stands for; None for anything else than a token."""
        if not isinstance(token, str) or not token.startswith(_OURS):
            return None
        try:
            return cls(*_Token.decode(token.removeprefix(_OURS)))
        except msgspec.DecodeError:
            return None


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """One answer of GetRecords.

    ``records`` are all between ``low``, exclusive, and the last of ``numbers``; they are what lies ahead of ``start``. ``following``
    is the service's next iterator, None at the shard's end, from ``since``. ``array`` is the JSON of all records. ``date`` is the answer's header.
    """

    start: str
    low: int
    numbers: tuple[int, ...]
    records: tuple[msgspec.Raw, ...]
    array: msgspec.Raw
    following: str | None
    since: float
    size: int
    date: str | None

    @property
    def last(self) -> int:
        """The number of the last record, ``low`` where there is none."""
        return self.numbers[-1] if self.numbers else self.low

    def begins(self, standing: Standing) -> int | None:
        """The index of the first record ahead of ``standing``; None if the page does not tell what is."""
        number = standing.number
        if standing.where == self.start or number is None:
            return 0 if standing.where == self.start else None
        if standing.where.startswith(AT):
            return bisect_left(self.numbers, number) if self.low < number <= self.last else None
        # After the last record there is something to tell only if that is the shard's end.
        if self.low <= number < self.last or (
            self.following is None and number == self.last and self.numbers
        ):
            return bisect_right(self.numbers, number)
        return None

    def response(self, standing: Standing, first: int, limit: int, *, dated: bool) -> Response:
        """The answer for a consumer: at most ``limit`` records from ``first`` on; ``dated``, with the Date of the page."""
        given = self.records[first : first + limit]
        end = first + len(given)
        # As the service writes it: stand-ins pad their numbers with zeros.
        where = f"{AFTER}{place_of(given[-1])[0]}" if given else standing.where
        token = None
        if end < len(self.records):
            token = standing._replace(where=where, iterator="", since=self.since).token()
        elif self.following is not None:
            token = standing._replace(where=where, iterator=self.following, since=self.since).token()
        whole = len(given) == len(self.records)
        array = self.array if whole else b"[%b]" % b",".join(given)
        return page_response(array, token, self.date if dated else None)


@dataclass(frozen=True, slots=True)
class Nothing:
    """An answer without records, which is not the end: ``following`` is as in Page."""

    following: str
    since: float
    date: str | None

    def response(self, standing: Standing) -> Response:
        """The answer for a consumer."""
        token = standing._replace(iterator=self.following, since=self.since).token()
        return page_response(b"[]", token, self.date)


def page_response(array: bytes | msgspec.Raw, token: str | None, date: str | None) -> Response:
    """An answer of GetRecords with these records. It has no CRC of its own: those it is made of were checked."""
    following = b"" if token is None else b',"NextShardIterator":' + msgspec.json.encode(token)
    body = b"".join((b'{"Records":', array, following, b"}"))
    return Response(200, {} if date is None else {"date": date}, body)


class Answer(msgspec.Struct, rename={"array": "Records", "raw": "NextShardIterator"}):
    """An answer of GetRecords as far as it is looked into."""

    array: msgspec.Raw
    raw: msgspec.Raw = ABSENT

    @property
    def following(self) -> str | None:
        """The next iterator. Raises msgspec.DecodeError."""
        return None if self.raw is ABSENT else msgspec.json.decode(self.raw, type=str | None)


def read_page(response: Response, standing: Standing, since: float) -> Page | Nothing | None:
    """What an answer of GetRecords, asked for at ``standing``, holds.

    None where that cannot be shared: it is not whole, or its numbers are not those of records ahead, in their order.
    """
    try:
        answer = decode_answer(response.body)
        following, raws = answer.following, _RECORDS.decode(answer.array)
        texts = [place_of(raw)[0] for raw in raws]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    date = response.headers.get("date")
    if not raws and following is not None:
        return Nothing(following, since, date)
    numbers = tuple(int(text) for text in texts if text is not None)
    number = standing.number
    low = -1 if not numbers else numbers[0] - 1
    if number is not None:
        low = number - 1 if standing.where.startswith(AT) else number
    ordered = all(one < another for one, another in zip((low, *numbers), numbers, strict=False))
    if len(numbers) < len(raws) or not ordered:
        return None
    size = len(response.body) + _OF_A_RECORD * len(raws)
    return Page(standing.where, low, numbers, tuple(raws), answer.array, following, since, size, date)


decode_answer = json_decoder(Answer).decode
_RECORDS: Final = json_decoder(list[msgspec.Raw])


class Pages:
    """Pages lately read, of any shards, at most ``most`` bytes: those that were not used for longest go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._used: OrderedDict[int, tuple[tuple[str, str], Page]] = OrderedDict()
        self._shards: dict[tuple[str, str], list[Page]] = {}

    def add(self, shard: tuple[str, str], page: Page) -> None:
        """Keep a page."""
        pages = self._shards.setdefault(shard, [])
        pages.insert(bisect_right(pages, page.last, key=_last), page)
        self._used[id(page)] = (shard, page)
        self._size += page.size
        while self._size > self._most:
            _, (oldest, gone) = self._used.popitem(last=False)
            self._drop(oldest, gone)

    def find(self, standing: Standing) -> tuple[Page, int] | None:
        """A page that tells what is ahead of ``standing``, and the index of the first of its records that is."""
        pages = self._shards.get((standing.stream_arn, standing.shard_id), [])
        number = standing.number
        if number is None:
            looked_at = [page for page in pages if page.start == standing.where]
        else:
            first = bisect_left(pages, number, key=_last)
            looked_at = pages[first : first + _LOOKED_BACK]
        for page in looked_at:
            index = page.begins(standing)
            if index is not None:
                self._used.move_to_end(id(page))
                return page, index
        return None

    def forget(self, shard: tuple[str, str]) -> None:
        """Keep nothing of a shard."""
        for page in self._shards.pop(shard, ()):
            del self._used[id(page)]
            self._size -= page.size

    def _drop(self, shard: tuple[str, str], page: Page) -> None:
        pages = self._shards[shard]
        index = bisect_left(pages, page.last, key=_last)
        while pages[index] is not page:
            index += 1
        del pages[index]
        self._size -= page.size
        if not pages:
            del self._shards[shard]


def _last(page: Page) -> int:
    return page.last
