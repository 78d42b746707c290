"""Whatever comes again, late, in parts or after a crash, with fills in between and records that are lost: the index ends equal."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.targets.search.service import SearchService
from support.replication import Crash, Side
from support.search import Cluster, Indexing, images

KEYS = ("a", "b")
FORGETFUL = {"settings": {"index": {"gc_deletes": "0ms"}}}

CRASHES = st.sampled_from((None, None, (1, False), (1, True), (2, False), (2, True), (3, False)))
"""At which request from now the process dies, before or after its effect."""

LANES = st.integers(0, len(KEYS) - 1)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(KEYS), st.sampled_from(("put", "put", "delete"))),
        st.tuples(
            st.just("deliver"),
            LANES,
            st.sampled_from((1.0, 1.0, 0.5, 0.0)),
            st.integers(1, 4),
            CRASHES,
            st.booleans(),
        ),
        st.tuples(st.just("fill"), st.integers(1, 7), CRASHES),
        st.tuples(st.just("lose"), LANES, st.integers(0, 1), st.integers(1, 3)),
        st.tuples(st.just("split")),
        st.tuples(st.just("clock"), st.sampled_from((-100.0, 1.0))),
    ),
    max_size=40,
)
QUICK, THOROUGH = (
    settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    for examples in (30, 1500)
)


@dataclass
class Lane:
    """Records of one item in their order, how many of them are delivered, and were tried at least.

    ``before`` are as many as were delivered when a process died over later ones, up to ``doubt``: until these come again, or a fill has ended,
    the document may be as it was then.
    """

    records: list[Any] = field(default_factory=list)
    states: list[Any] = field(default_factory=list)
    generations: list[int] = field(default_factory=list)
    done: int = 0
    tried: int = 0
    before: int | None = None
    doubt: int = 0

    @property
    def acknowledged(self) -> int:
        """How many states of the item are behind what the document must show."""
        done = self.done if self.before is None else self.before
        return self.states[done - 1] if done else 0

    def dies(self, end: int) -> None:
        """A process has died over what is before ``end``."""
        if end > self.done:
            self.before = self.done if self.before is None else self.before
            self.doubt = max(self.doubt, end)

    def delivers(self, end: int) -> None:
        """All before ``end`` is delivered."""
        self.done = max(self.done, end)
        if self.done >= self.doubt:
            self.before = None


class World:
    """A table with a stream, its index, what brings the one to the other, and whatever goes wrong."""

    def __init__(self, cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.side, self.cluster = Side(seed=1), cluster
        self.lanes = {key: Lane() for key in KEYS}
        self.history: dict[str, list[Any]] = {key: [None] for key in KEYS}
        self._known: set[Any] = set()
        self._number = 0
        self._left: tuple[int, bool] | None = None
        self._patch(monkeypatch)
        self.indexing = Indexing(self.side, cluster.url, folder / "events.sqlite", {"template": FORGETFUL})
        self.gap = False
        self._at: float | None = None
        self._fills = 0
        self._begun = False
        self._keys: list[str] = []
        self._page: list[Any] | None = None

    # What happens

    def write(self, key: str, action: str) -> None:
        self._number += 1
        if action == "put":
            self.side.put(key, v=self._number)
        elif key in self.side.stored():
            self.side.delete(key)
        else:
            return
        self.history[key].append(self._number if action == "put" else None)
        (record,) = (record for record in self.side.records() if record not in self._known)
        self._known.add(record)
        lane = self.lanes[key]
        lane.records.append(record)
        lane.states.append(len(self.history[key]) - 1)
        lane.generations.append(self.side.generations[record])

    def deliver(
        self, number: int, back: float, size: int, crash: tuple[int, bool] | None, anew: bool
    ) -> None:
        lane = self.lanes[KEYS[number]]
        if anew:
            self._start()
        first = round(back * lane.done)
        generation = lane.generations[first] if first < len(lane.records) else 0
        records = [
            record
            for record, of in zip(lane.records[first : first + size], lane.generations[first:], strict=False)
            if of == generation
        ]
        if not records:
            return
        lane.tried = max(lane.tried, first + len(records))
        with_crash = self._crashing(crash, lambda: self._delivered(records, generation))
        if with_crash:
            lane.dies(first + len(records))
        else:
            lane.delivers(first + len(records))
            self.look()

    def fill(self, steps: int, crash: tuple[int, bool] | None) -> None:
        """Some steps of a fill, a new one where none is under way, up to its end."""
        for _ in range(steps):
            if self._fill_on(crash):
                return

    def _fill_on(self, crash: tuple[int, bool] | None) -> bool:
        """One step of a fill; whether it has ended."""
        if self._at is None:
            self._fills += 1
            self._at, self._begun, self._keys, self._page = float(self._fills), False, list(KEYS), None
        ended: list[bool] = []
        self._crashing(crash, lambda: ended.append(self._fill_step()))
        self.look()
        return bool(ended and ended[0])

    def lose(self, number: int, kept: int, count: int) -> None:
        """The stream forgets records that were not delivered; one that was tried may be kept, as a failure is."""
        lane = self.lanes[KEYS[number]]
        begin = min(lane.done + kept, max(lane.done, lane.tried))
        if lane.records[begin : begin + count]:
            self.gap = True
            lane.tried = min(lane.tried, begin)
            lane.doubt = len(lane.records)
            for column in (lane.records, lane.states, lane.generations):
                del column[begin : begin + count]
            # A fill that has begun before may have read what the lost records say too early.
            self._at = None

    def split(self) -> None:
        streams = self.side.simulator.streams
        streams.split_shard("orders", streams.open_shards("orders")[0])

    def clock(self, seconds: float) -> None:
        self.side.now += seconds

    # What must be so

    def look(self) -> None:
        """No document is older than what was delivered of its item."""
        for key, lane in self.lanes.items():
            there = self.cluster.get(key)
            now = None if there is None else int(there["v"])
            allowed = self.history[key][lane.acknowledged :]
            assert now in allowed, (
                f"{key} is {now}, and was delivered up to {lane.acknowledged}: {self.history[key]}"
            )

    def end(self) -> None:
        """All is delivered, what was lost is filled, and then all comes once more: the index is equal to the table, and stays so."""
        self._deliver_all()
        if self.gap or self._at is not None:
            while not self._fill_on(None):
                pass
        self._expect_equal()
        self._start()
        for number, lane in enumerate(self.lanes.values()):
            for place in range(len(lane.records)):
                self._delivered(lane.records[place : place + 1], lane.generations[place])
                self._expect_equal(KEYS[number])

    def stop(self) -> None:
        self.indexing.stop()

    def _deliver_all(self) -> None:
        for number, lane in enumerate(self.lanes.values()):
            while lane.done < len(lane.records):
                self.deliver(number, 1.0, 2, None, anew=False)

    def _expect_equal(self, *keys: str) -> None:
        stored = self.side.stored()
        for key in keys or KEYS:
            there = self.cluster.get(key)
            expected = None if key not in stored else {"id": key, "v": stored[key]["v"]["S"]}
            assert there == expected, f"{key}: {there}, not {expected}"

    def _delivered(self, records: Sequence[Any], generation: int) -> None:
        assert self.indexing.deliver(records, generation=generation) == {"batchItemFailures": []}

    def _fill_step(self) -> bool:
        target = self.indexing.target
        if not self._begun:
            target.begin_fill(self._at)
            self._begun = True
        elif self._page is not None:
            target.fill(images(self._page))
            self._page = None
        elif self._keys:
            # Changes may come between a page's being read and its being brought.
            key = self._keys.pop()
            item = self.side.call("GetItem", TableName="orders", Key={"id": {"S": key}}).get("Item")
            self._page = [] if item is None else [item]
        else:
            target.end_fill()
            for lane in self.lanes.values():
                lane.before = None
            self._at = None
            self.gap = False
            return True
        return False

    def _start(self) -> None:
        self._left = None
        self.indexing.start()
        if self._at is not None:
            # What was read and not brought is read again.
            self._keys, self._page, self._begun = list(KEYS), None, False

    def _crashing(self, crash: tuple[int, bool] | None, act: Any) -> bool:
        """Act, and start anew where the process has died; whether it has."""
        self._left = crash
        try:
            act()
        except Crash:
            self._start()
            return True
        finally:
            self._left = None
        return False

    def _patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world, asked = self, SearchService._asked

        def dying(service: SearchService, method: str, path: str, *more: Any) -> str:
            due = world._is_due()
            if due and not due[1]:
                raise Crash
            answer = asked(service, method, path, *more)
            if due:
                raise Crash
            if path.endswith("_bulk"):
                world.look()
            return answer

        monkeypatch.setattr(SearchService, "_asked", dying)

    def _is_due(self) -> tuple[int, bool] | None:
        if self._left is None:
            return None
        number, after = self._left
        self._left = (number - 1, after)
        return (0, after) if number == 1 else None


def ends_equal(search_server, acts):
    with (
        search_server.clone() as clone,
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as monkeypatch,
    ):
        world = World(Cluster(clone.url), Path(folder), monkeypatch)
        try:
            for name, *more in acts:
                getattr(world, name)(*more)
            world.end()
        finally:
            world.stop()


test_the_index_ends_equal_and_no_document_goes_back_behind_what_was_delivered = QUICK(
    given(acts=ACTS)(ends_equal)
)

test_many_indexes_end_equal = pytest.mark.long(
    pytest.mark.timeout(1800)(THOROUGH(given(acts=ACTS)(ends_equal)))
)
