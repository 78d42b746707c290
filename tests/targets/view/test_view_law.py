"""Whatever comes, in whatever parts and however often, and wherever the process dies: the view is that of the items.

What is to be is computed anew from the items, with fractions, by code that shares nothing with the view's.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.targets.view import state as state_module
from headrace.targets.view.accumulation import Accumulation
from support.viewing import Crash, Viewed, untagged

GROUPED = """
    SELECT cat, flag, count(*) AS n, count(price) AS prices, sum(price) AS total, avg(price) AS mean, min(price) AS least,
        max(price) AS most, min(name) AS first, max(name) AS last, sum(price * qty) AS worth, count(*) FILTER (WHERE flag) AS flags
    FROM items GROUP BY cat, flag
"""
WHOLE = "SELECT count(*) AS n, sum(price) AS total, max(name) AS last FROM items WHERE price > 0 OR name LIKE 'a%'"
PROJECTED = "SELECT name, price * 2 AS twice, flag FROM items WHERE flag"


# What is to be


def expected(sql: str, items: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, in any order, without the attributes that are NULL."""
    plain = [{name: untagged(value) for name, value in item.items()} for item in items.values()]
    made = {GROUPED: _grouped, WHOLE: _whole, PROJECTED: _projected}[sql]
    return [{name: value for name, value in row.items() if value is not None} for row in made(plain)]


def is_broken(sql: str, item: dict[str, Any]) -> bool:
    """Whether an expression has no value for the item: something is computed of a text."""
    price, qty, flag = (item.get(name) for name in ("price", "qty", "flag"))
    if sql == GROUPED:
        return isinstance(price, str) or (price is not None and isinstance(qty, str))
    if sql == WHOLE:
        return isinstance(price, str)
    return flag is True and isinstance(price, str)


def _grouped(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[Any, list[dict[str, Any]]] = {}
    for item in items:
        if not is_broken(GROUPED, item):
            cat, flag = item.get("cat"), item.get("flag")
            groups.setdefault((type(cat), cat, flag), []).append(item)
    return [_row(members) for members in groups.values()]


def _row(members: list[dict[str, Any]]) -> dict[str, Any]:
    prices = _present(members, "price")
    names = _present(members, "name")
    worth = [
        Fraction(each["price"]) * Fraction(each["qty"])
        for each in members
        if each.get("price") is not None and each.get("qty") is not None
    ]
    total = sum(map(Fraction, prices), Fraction(0))
    return {
        "cat": members[0].get("cat"),
        "flag": members[0].get("flag"),
        "n": len(members),
        "prices": len(prices),
        "total": rounded(total) if prices else None,
        "mean": rounded(total / len(prices)) if prices else None,
        "least": min(prices, default=None),
        "most": max(prices, default=None),
        "first": min(names, default=None),
        "last": max(names, default=None),
        "worth": rounded(sum(worth, Fraction(0))) if worth else None,
        "flags": len(members) if members[0].get("flag") else 0,
    }


def _whole(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [
        item
        for item in items
        if not is_broken(WHOLE, item)
        and (
            (item.get("price") is not None and item["price"] > 0) or (item.get("name") or "").startswith("a")
        )
    ]
    prices = _present(found, "price")
    total = rounded(sum(map(Fraction, prices), Fraction(0))) if prices else None
    return [{"n": len(found), "total": total, "last": max(_present(found, "name"), default=None)}]


def _projected(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "id": item["id"],
            "name": item.get("name"),
            "flag": True,
            "twice": None if item.get("price") is None else rounded(2 * Fraction(item["price"])),
        }
        for item in items
        if item.get("flag") is True and not is_broken(PROJECTED, item)
    ]


def _present(members: list[dict[str, Any]], name: str) -> list[Any]:
    return [each[name] for each in members if each.get(name) is not None]


def rounded(number: Fraction) -> Fraction:
    """To 38 significant digits, ties to even."""
    if not number:
        return number
    scale = Fraction(1)
    while abs(number) * scale >= 10**38:
        scale /= 10
    while abs(number) * scale < 10**37:
        scale *= 10
    # round() of a Fraction takes the even one of two that are as near.
    return round(number * scale) / scale


# What happens


def _often(*weighted: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """One of these, each as often as its weight says: ``one_of`` takes what is the same once."""
    choices = [strategy for weight, strategy in weighted for _ in range(weight)]
    return st.integers(0, len(choices) - 1).flatmap(choices.__getitem__)


_KEYS = ("a", "b", "c", "d")
_numbers = st.one_of(
    st.integers(-3, 3).map(Decimal),
    st.builds(
        lambda digits, exponent: Decimal(digits).scaleb(exponent),
        st.integers(-(10**38) + 1, 10**38 - 1),
        st.integers(-60, 20),
    ),
    st.sampled_from(("0.1", "0.10", "0.2", "-0", "1e60", "-1e60", "1e-60")).map(Decimal),
)
_MISSING = "(missing)"
_WITHOUT = (None, _MISSING)


def _without_missing(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if value != _MISSING}


_items = st.fixed_dictionaries(
    {
        "cat": st.sampled_from(("x", "x", "x", "y", "", None, _MISSING, Decimal(1), Decimal("1.0"), "1")),
        "flag": st.sampled_from((True, True, False, None, _MISSING)),
        "price": _often((5, _numbers), (1, st.sampled_from((*_WITHOUT, "dear")))),
        "qty": _often((3, _numbers), (1, st.sampled_from((*_WITHOUT, "many")))),
        "name": st.sampled_from((*_WITHOUT, "a", "ab", "b", "é", "\U0001f600", "")),
    },
).map(_without_missing)
_CRASHES = ("", "", "", "before the state", "after the state", "after the rows")
_steps = st.lists(
    _often(
        (6, st.tuples(st.just("write"), st.sampled_from(_KEYS), _often((4, _items), (1, st.none())))),
        (4, st.tuples(st.just("deliver"), st.integers(1, 4), st.sampled_from(_CRASHES))),
        (2, st.tuples(st.just("replay"), st.integers(0, 20), st.integers(1, 3), st.sampled_from(_CRASHES))),
        (1, st.tuples(st.just("lose"), st.integers(1, 3))),
        (1, st.tuples(st.just("restart"))),
        (1, st.tuples(st.just("begin fill"))),
        (2, st.tuples(st.just("fill"), st.sampled_from(_CRASHES))),
        (1, st.tuples(st.just("look"))),
    ),
    min_size=12,
    max_size=40,
)


@dataclass
class _World:
    """A view, and what is known of it: how far the stream is read, whether records were lost, where a fill is."""

    view: Viewed
    read: int = 0
    whole: bool = True
    fills: int = 0
    cursor: list[str] | None = None
    lost_at: list[int] = field(default_factory=list)

    def step(self, step: tuple[Any, ...]) -> None:
        getattr(self, f"do_{step[0].replace(' ', '_')}")(*step[1:])

    def do_write(self, key, item):
        if item is None:
            self.view.delete(key)
        else:
            self.view.put(key, **item)

    def do_deliver(self, count, crash):
        records = self.view.records[self.read : self.read + count]
        if records and self.survives(crash, lambda: self.take(records)):
            self.read += len(records)

    def do_replay(self, first, count, crash):
        # Counted back from the last one, so that there is something to replay.
        begin = self.read - 1 - first % max(self.read, 1)
        records = [
            record
            for place, record in enumerate(self.view.records[: self.read])
            if begin <= place < begin + count and place not in self.lost_at
        ]
        if records:
            self.survives(crash, lambda: self.take(records))

    def do_lose(self, count):
        gone = range(self.read, min(self.read + count, len(self.view.records)))
        if gone and self.cursor is None:
            self.lost_at += gone
            self.read += len(gone)
            self.whole = False

    def do_restart(self):
        self.view.start()

    def do_begin_fill(self):
        if self.cursor is None:
            self.fills += 1
            self.cursor = list(_KEYS)
            self.view.target.begin_fill(float(self.fills))

    def do_fill(self, crash):
        if self.cursor is None:
            return
        page, rest = self.cursor[:2], self.cursor[2:]
        found = [self.view.raw(key) for key in page if key in self.view.items]
        if not self.survives(crash, lambda: self.view.target.fill(found)):
            self.view.target.begin_fill(float(self.fills))
            return
        self.cursor = rest
        if not rest and self.survives(crash, self.view.target.end_fill):
            self.cursor, self.whole = None, True
        elif not rest:
            self.view.target.begin_fill(float(self.fills))

    def do_look(self):
        """All is delivered, and nothing is lost: the view is right at this moment."""
        if self.whole and self.cursor is None:
            while self.read < len(self.view.records):
                self.do_deliver(3, "")
            self.view.deliver([])
            self.expect()

    def finish(self):
        while self.read < len(self.view.records):
            self.do_deliver(3, "")
        if not self.whole:
            self.do_begin_fill()
        while self.cursor is not None:
            self.do_fill("")
        self.view.deliver([])
        self.expect()

    def take(self, records):
        response = self.view.deliver(records) if len(records) > 1 else self.alone(records[0])
        broken = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
        last = {record.key: record for record in records}
        for record in last.values():
            image = untagged_image(record)
            if record.sequence.text in broken:
                assert image is not None
                assert is_broken(self.view.sql, image), (record.text, response)

    def alone(self, record):
        from headrace.errors import ConsumerFailed

        try:
            return self.view.deliver([record])
        except ConsumerFailed as error:
            return {"batchItemFailures": [{"itemIdentifier": record.sequence.text, "error": str(error)}]}

    def survives(self, crash: str, act) -> bool:
        """Do it, and die at that point; then there is a new process. Whether it was done to its end."""
        calls = [0]

        def befall():
            calls[0] += 1
            if (crash, calls[0]) in (("after the state", 1), ("after the rows", 2)):
                raise Crash

        self.view.rows.befall = befall
        close = Accumulation.close
        if crash == "before the state":

            def die(accumulation):
                close(accumulation)
                raise Crash

            state_module.Accumulation.close = die
        try:
            act()
        except Crash:
            state_module.Accumulation.close = close
            self.view.rows.befall = lambda: None
            self.view.start()
            return False
        finally:
            state_module.Accumulation.close = close
            self.view.rows.befall = lambda: None
        return True

    def expect(self):
        found = sorted(map(_comparable, self.view.rows.plain()))
        assert found == sorted(map(_comparable, expected(self.view.sql, self.view.items)))


def _comparable(row: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Numbers by their value, and every value with its type: True is not 1."""
    return sorted(
        (name, "number", str(Fraction(value)))
        if type(value) in (int, Decimal, Fraction)
        else (name, type(value).__name__, str(value))
        for name, value in row.items()
    )


def untagged_image(record):
    import json

    image = json.loads(record.text)["dynamodb"].get("NewImage")
    return None if image is None else {name: untagged(value) for name, value in image.items()}


def _holds(sql, steps):
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        world = _World(Viewed(sql, folder))
        for step in steps:
            world.step(step)
        world.finish()
        world.view.stop()
    finally:
        shutil.rmtree(folder)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from((GROUPED, GROUPED, WHOLE, PROJECTED)), _steps)
def test_a_view_is_what_its_items_make_it(sql, steps):
    _holds(sql, steps)


@pytest.mark.long
@pytest.mark.timeout(1200)
@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from((GROUPED, GROUPED, WHOLE, PROJECTED)), _steps)
def test_a_view_is_what_its_items_make_it_at_length(sql, steps):
    _holds(sql, steps)
