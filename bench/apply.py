"""Applies changes to copies of many rows: each engine as the runtime uses it, against plain upserts with a primary key.

    python bench/apply.py [--rows N ...] [--batch N ...] [--keys text number] [--engines NAME ...] [--batches N]

A copy of ``--rows`` items is made, then batches of changes are applied one after the other: half of them replace an
item that is there, a quarter are new items, a quarter delete one. Items have ten columns (five strings, four numbers, a
boolean); a text key has 22 characters, a number key is a BIGINT, and neither comes in any order.

- **Headrace** is ``apply(Work)`` of the engine's accelerator: last write per key, dead letters looked after, checkpoint
  (of 16 shards) stored, all in one durable transaction.
- **Primary key** is the yardstick: the same engine without Headrace, a table with a primary key, and for each batch one
  durable transaction of an upsert and a ``DELETE``; no checkpoint.

Both hold the same rows and take turns, batch by batch, until the yardstick stops after YARDSTICK batches of each size:
it may need seconds for one. The ratio is of those turns. A figure is wall time of the whole transaction; making the batch
is not in it. When they stop, both must hold the right number of rows and the right sum.
"""

from __future__ import annotations

import argparse
import gc
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

import machine
from changes import Changes, Workload
from headrace.accelerator import Notes, Target, Work
from headrace.accelerators.cayenne.accelerator import CayenneAccelerator
from headrace.accelerators.engines import Engines
from headrace.change import ChangeBatch
from headrace.checkpoint import Checkpoint, SegmentState, ShardState, Stage
from headrace.column_type import BOOL, INT, TEXT, Digits, number_type
from headrace.dataset import Acceleration, CayenneFiles, Dataset, Engine, Mode
from headrace.leaf import Leaf
from headrace.position import Position, SequenceNumber
from headrace.schema import TableSchema
from report import percentile, table

ROWS = (100_000, 1_000_000, 10_000_000)
SIZES = (1_000, 10_000)
KEYS = ("text", "number")
BATCHES = 120
"""Batches of the first size; of one ten times as large a tenth of them."""

YARDSTICK = 12
"""Batches of a size that both take."""

_BOTH = ("Headrace", "primary key")
_WARM = 2
_MEMORY = 4 * 2**30


class Contestant(Protocol):
    """A copy that changes are applied to."""

    def load(self, pages: Iterable[pa.RecordBatch]) -> None:
        """Take all rows, by pages of PAGE."""
        ...

    def ready(self, changes: Changes) -> Callable[[], None]:
        """What applies one batch; durable on its return."""
        ...

    def totals(self) -> tuple[int, int]:
        """The number of rows, and the sum of ``qty``."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Headrace:
    """An accelerator, by the way that the runtime takes to it."""

    def __init__(self, acceleration: Acceleration, key: str, scratch: Path | None = None) -> None:
        """``scratch`` is where copies may be exported to and restored from."""
        datasets = [Dataset("orders", "orders", acceleration=acceleration)]
        self._engines = Engines(datasets, scratch=scratch and scratch.resolve())
        self._sink = self._engines.sink("orders")
        self._sink.open()
        self._keys = TableSchema.of_keys((("id", "S" if key == "text" else "N"),))
        half = number_type(Digits(whole=19, fraction=4, long=False))
        types = dict.fromkeys(("name", "city", "note", "state"), TEXT)
        types |= dict.fromkeys(("qty", "cents"), INT) | {"weight": half, "visits": INT, "active": BOOL}
        self._schema = self._keys.including({(name,): type_ for name, type_ in types.items()})
        self._mark = 0

    def load(self, pages: Iterable[pa.RecordBatch]) -> None:
        self._sink.apply(Work(Target.LIVE, self._checkpoint(0), create=self._keys, scanning=True))
        scanned = 0
        for rows in pages:
            scanned += rows.num_rows
            page = self._batch(rows, None)
            self._sink.apply(Work(Target.LIVE, self._checkpoint(scanned), scan=(page,), scanning=True))
        self._sink.apply(Work(Target.LIVE, self._checkpoint(scanned), scanning=True, notes=Notes.DROP))

    def ready(self, changes: Changes) -> Callable[[], None]:
        self._mark += 1
        batch = self._batch(changes.rows, changes.gone)
        work = Work(Target.LIVE, self._checkpoint(0), stream=(batch,))

        def apply() -> None:
            self._sink.apply(work)

        return apply

    def totals(self) -> tuple[int, int]:
        leaf = self._engines.leaves.get("orders")
        if leaf is not None:
            reading = leaf.begin()
            qty = pa.Table.from_batches(reading.scan(["qty"], [])).column("qty")
            reading.close()
            return len(qty), pc.sum(qty).as_py()
        cursor = self._engines.cursor()
        rows, qty = cursor.execute("SELECT count(*), sum(qty)::BIGINT FROM orders").fetchall()[0]
        cursor.close()
        return rows, qty

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for one statement."""
        return self._engines.cursor()

    def leaf(self) -> Leaf:
        """How statements read it, if it is none of DuckDB's own tables."""
        return self._engines.leaves["orders"]

    def export(self, folder: Path) -> None:
        """Write the copy to files of an empty folder within ``scratch``."""
        self._sink.export(folder, "bench")

    def restore(self, folder: Path) -> None:
        """Have the copy that was exported to a folder."""
        self._sink.restore(folder)
        self._sink.open()

    def settle(self) -> None:
        """Let Cayenne do all that it would in time do in the background."""
        assert isinstance(self._sink, CayenneAccelerator)
        self._sink.upkeep.settle()

    def close(self) -> None:
        self._engines.close()

    def _batch(self, rows: pa.RecordBatch, gone: pa.BooleanArray | None) -> ChangeBatch:
        return ChangeBatch(self._schema, rows.cast(self._schema.arrow()), gone, rows.nbytes)

    def _checkpoint(self, scanned: int) -> Checkpoint:
        """Of four segments and 16 shards, each at a place of its own."""
        shards = tuple(
            ShardState(
                f"shardId-{number:020}-{number:08x}",
                f"shardId-{number - 16:020}-{number:08x}",
                SequenceNumber(f"{number:021}"),
                Stage.READING,
                Position.after(SequenceNumber(f"{10**27 + self._mark * 16 + number}")),
                1_700_000_000.0 + self._mark,
            )
            for number in range(100, 116)
        )
        segments = tuple(SegmentState(f'{{"id":{{"S":"{scanned}"}}}}') for _ in range(4))
        arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"
        return Checkpoint("7a8b9c", arn, 1_700_000_000.0, segments, shards, rows_scanned=scanned)


class DuckDBPrimaryKey:
    """A DuckDB table with a primary key; ``path`` None: in memory."""

    def __init__(self, path: Path | None, key: str) -> None:
        self._connection = duckdb.connect(str(path or ":memory:"))
        self._connection.execute(f"SET memory_limit = '{_MEMORY // 2**20}MiB'")
        type_ = "VARCHAR" if key == "text" else "BIGINT"
        self._connection.execute(
            f"CREATE TABLE orders (id {type_} PRIMARY KEY, name VARCHAR, city VARCHAR, note VARCHAR, state VARCHAR, "
            "qty BIGINT, cents BIGINT, weight DOUBLE, visits BIGINT, active BOOLEAN)"
        )

    def load(self, pages: Iterable[pa.RecordBatch]) -> None:
        for rows in pages:
            self._connection.register("batch", pa.table(rows))
            self._connection.execute("INSERT INTO orders SELECT * FROM batch")
            self._connection.unregister("batch")

    def ready(self, changes: Changes) -> Callable[[], None]:
        return lambda: self._apply(changes)

    def _apply(self, changes: Changes) -> None:
        given = pa.table(changes.rows)
        kept, gone = given.filter(pc.invert(changes.gone)), given.filter(changes.gone)
        self._connection.register("kept", kept)
        self._connection.register("gone", gone)
        self._connection.execute("BEGIN")
        self._connection.execute("INSERT OR REPLACE INTO orders SELECT * FROM kept")
        self._connection.execute("DELETE FROM orders USING gone WHERE orders.id = gone.id")
        self._connection.execute("COMMIT")
        self._connection.unregister("kept")
        self._connection.unregister("gone")

    def totals(self) -> tuple[int, int]:
        rows, qty = self._connection.execute("SELECT count(*), sum(qty)::BIGINT FROM orders").fetchall()[0]
        return rows, qty

    def close(self) -> None:
        self._connection.close()


class SQLitePrimaryKey:
    """A SQLite table with a primary key, its log synced at each commit, given ready tuples; else as SQLite comes."""

    def __init__(self, path: Path, key: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        type_ = "TEXT" if key == "text" else "INTEGER"
        self._connection.execute(
            f"CREATE TABLE orders (id {type_} PRIMARY KEY, name TEXT, city TEXT, note TEXT, state TEXT, "
            "qty INTEGER, cents INTEGER, weight REAL, visits INTEGER, active INTEGER)"
        )

    def load(self, pages: Iterable[pa.RecordBatch]) -> None:
        for rows in pages:
            self._apply(_tuples(pa.table(rows)), [])

    def ready(self, changes: Changes) -> Callable[[], None]:
        given = pa.table(changes.rows)
        kept = _tuples(given.filter(pc.invert(changes.gone)))
        gone = _tuples(given.filter(changes.gone).select(["id"]))
        return lambda: self._apply(kept, gone)

    def totals(self) -> tuple[int, int]:
        rows, qty = self._connection.execute("SELECT count(*), sum(qty) FROM orders").fetchone()
        return rows, qty

    def close(self) -> None:
        self._connection.close()

    def _apply(self, kept: Sequence[tuple[Any, ...]], gone: Sequence[tuple[Any, ...]]) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", kept
        )
        self._connection.executemany("DELETE FROM orders WHERE id = ?", gone)
        self._connection.execute("COMMIT")


def _tuples(rows: pa.Table) -> list[tuple[Any, ...]]:
    whole = [column.cast(pa.int8()) if column.type == pa.bool_() else column for column in rows.columns]
    return list(zip(*(column.to_pylist() for column in whole), strict=True))


Make = Callable[[Path, str], Contestant]
"""Makes a contestant in an empty folder for keys of a kind."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An engine as Headrace uses it and its yardstick, and the changes a second that are aimed at in batches of 10,000."""

    headrace: Make
    yardstick: Make
    aim: int | None = None


def _duckdb(folder: Path, key: str) -> Contestant:
    kept = Acceleration(Engine.DUCKDB, Mode.FILE, path=folder / "headrace.duckdb", memory_limit=_MEMORY)
    return Headrace(kept, key, folder)


def _cayenne(folder: Path, key: str) -> Contestant:
    kept = CayenneFiles(folder / "cayenne", folder / "cayenne")
    return Headrace(Acceleration(Engine.CAYENNE, Mode.FILE, cayenne=kept), key, folder)


def _duckdb_in_memory(folder: Path, key: str) -> Contestant:
    return Headrace(Acceleration(Engine.DUCKDB, Mode.MEMORY, memory_limit=_MEMORY), key, folder)


def _sqlite(folder: Path, key: str) -> Contestant:
    return Headrace(Acceleration(Engine.SQLITE, Mode.FILE, path=folder / "headrace.sqlite"), key)


def _postgres(_: Path, key: str) -> Contestant:
    import postgres

    return Headrace(Acceleration(Engine.POSTGRES, Mode.FILE, postgres=postgres.access()), key)


def _plain_postgres(_: Path, key: str) -> Contestant:
    import postgres

    return postgres.PostgresPrimaryKey(key)


ENTRIES: Mapping[str, Entry] = {
    "cayenne": Entry(_cayenne, lambda folder, key: DuckDBPrimaryKey(folder / "plain.duckdb", key), 100_000),
    "duckdb": Entry(_duckdb, lambda folder, key: DuckDBPrimaryKey(folder / "plain.duckdb", key), 200_000),
    "duckdb-memory": Entry(_duckdb_in_memory, lambda _, key: DuckDBPrimaryKey(None, key)),
    "sqlite": Entry(_sqlite, lambda folder, key: SQLitePrimaryKey(folder / "plain.sqlite", key), 150_000),
    "postgres": Entry(_postgres, _plain_postgres, 50_000),
}

LATENCY_AIM = 60.0
"""Milliseconds for a batch of 1,000 at 10 million rows with text keys, of DuckDB."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Milliseconds of one transaction: wall, and CPU of this process in all its threads."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What the transactions took, batch by batch: the first ones of ``headrace`` in turns with ``yardstick``."""

    engine: str
    key: str
    rows: int
    size: int
    headrace: tuple[Taken, ...]
    yardstick: tuple[Taken, ...]

    @property
    def rate(self) -> float:
        """Headrace's changes a second, what took longer now and then included."""
        return _rate(self.size, self.headrace)

    @property
    def times(self) -> float:
        """How many times as fast as the yardstick, by the medians of the turns that both took."""
        return _median(self.yardstick) / _median(self.headrace[: len(self.yardstick)])


def measure(engine: str, key: str, rows: int, sizes: Sequence[int], batches: int) -> list[Figures]:
    """The figures of one engine for one copy. Raises RuntimeError where a copy holds what it should not."""
    workload = Workload(key, rows)
    entry = ENTRIES[engine]
    taken: dict[tuple[str, int], list[Taken]] = {(who, size): [] for who in _BOTH for size in sizes}
    with ExitStack() as stack:
        stack.callback(workload.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-bench-")))
        ours, theirs = entry.headrace(folder, key), entry.yardstick(folder, key)
        stack.callback(ours.close)
        stack.callback(theirs.close)
        for who, contestant in zip(_BOTH, (ours, theirs), strict=True):
            began = time.perf_counter()
            contestant.load(workload.pages())
            _say(f"{engine}, {key} key: {who} loaded {rows:,} rows in {time.perf_counter() - began:.0f} s")
        for size in sizes:
            for number in range(-_WARM, YARDSTICK):
                changes = workload.changes(size)
                turns = [(_BOTH[0], ours), (_BOTH[1], theirs)]
                for who, contestant in turns if number % 2 else turns[::-1]:
                    _clock(contestant, changes, taken[who, size] if number >= 0 else [])
        _expect(theirs, workload)
        theirs.close()
        for size in sizes:
            for _ in range(batches * sizes[0] // size - YARDSTICK):
                _clock(ours, workload.changes(size), taken[_BOTH[0], size])
        _expect(ours, workload)
    return [Figures(engine, key, rows, size, *(tuple(taken[who, size]) for who in _BOTH)) for size in sizes]


def _clock(contestant: Contestant, changes: Changes, taken: list[Taken]) -> None:
    apply = contestant.ready(changes)
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    apply()
    taken.append(Taken(1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)))


def _median(taken: Sequence[Taken]) -> float:
    return statistics.median(one.wall for one in taken)


def _rate(size: int, taken: Sequence[Taken]) -> float:
    return 1000 * size * len(taken) / sum(one.wall for one in taken)


def _expect(contestant: Contestant, workload: Workload) -> None:
    if contestant.totals() != workload.totals:
        raise RuntimeError(f"a copy holds {contestant.totals()} rows and their sum, not {workload.totals}")


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def show(figures: Sequence[Figures]) -> None:
    """Print the figures, and what became of the aims."""
    rows = []
    for one in figures:
        for name, taken in zip(_BOTH, (one.headrace, one.yardstick), strict=True):
            rows.append(
                [
                    f"{one.engine}, {one.key} key: {name}",
                    f"{one.rows:,}",
                    f"{one.size:,}",
                    str(len(taken)),
                    f"{_median(taken):.1f}",
                    f"{percentile([each.wall for each in taken], 99):.1f}",
                    f"{statistics.median(each.cpu for each in taken):.1f}",
                    f"{_rate(one.size, taken):,.0f}",
                    f"{one.times:.1f}x" if taken is one.headrace else "",
                ]
            )
    print("\nApplying changes, transaction by transaction; CPU is the median of this process's own")
    print(
        table(["", "rows", "batch", "batches", "median ms", "p99 ms", "CPU ms", "changes/s", "times"], rows)
    )
    for one in figures:
        aim = ENTRIES[one.engine].aim
        if aim is not None and one.size == 10_000 and one.key == "text":
            _judge(
                f"{aim:,} changes/s, {one.engine}, {one.rows:,} rows",
                f"{one.rate:,.0f}",
                reached=one.rate >= aim,
            )
        if (one.engine, one.key, one.rows, one.size) == ("duckdb", "text", 10_000_000, 1_000):
            median = _median(one.headrace)
            _judge(f"{LATENCY_AIM:.0f} ms a batch, duckdb", f"{median:.1f} ms", reached=median <= LATENCY_AIM)


def _judge(aim: str, found: str, *, reached: bool) -> None:
    print(f"aim {aim}: {found}: {'reached' if reached else 'not reached'}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, help="items in the copy")
    parser.add_argument("--batch", type=int, nargs="+", default=SIZES, help="changes in a batch")
    parser.add_argument("--keys", nargs="+", choices=KEYS, default=KEYS)
    parser.add_argument("--engines", nargs="+", choices=tuple(ENTRIES), default=tuple(ENTRIES))
    parser.add_argument("--batches", type=int, default=BATCHES, help="batches of the first size")
    arguments = parser.parse_args()
    print(f"{machine.describe()}; load {machine.load()}", flush=True)
    found = [
        figures
        for engine in arguments.engines
        for rows in arguments.rows
        for key in arguments.keys
        for figures in measure(engine, key, rows, sorted(arguments.batch), arguments.batches)
    ]
    show(found)


if __name__ == "__main__":
    main()
