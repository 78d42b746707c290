"""Reads the same rows where they lie in Cayenne's files, in DuckDB's own file and in Parquet.

    python bench/scan.py [--rows N ...] [--compression btrblocks zstd] [--runs N]

Rows are those of ``apply.py`` (ten columns, text keys in no order). Cayenne's copy is made by ``apply(Work)`` and then settled:
all rows in files, none dead. Each statement is asked of all in turn, ``--runs`` times; a figure is the least wall time to the
last row, as Arrow. Cayenne and DuckDB answer through Headrace's query engine, as its users ask them; Parquet (zstd) through DuckDB alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

import machine
from apply import Headrace
from changes import Workload
from headrace.dataset import Acceleration, CayenneFiles, Compression, Engine, Mode
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from report import mb, table

STATEMENTS = {
    "count": "SELECT count(*) FROM orders",
    "sum": "SELECT sum(qty) FROM orders",
    "groups": "SELECT state, count(*), sum(cents), avg(weight) FROM orders GROUP BY state",
    "filtered groups": "SELECT city, state, sum(cents) FROM orders WHERE qty < 500 AND active GROUP BY ALL",
    "nine aggregates": "SELECT max(name), min(note), max(id), sum(qty), sum(cents), sum(weight), sum(visits), count(city), "
    "count(state) FROM orders",
    "text search": "SELECT count(*) FROM orders WHERE note LIKE '%abc%'",
    "top 10": "SELECT * FROM orders ORDER BY cents DESC LIMIT 10",
    "one key": "SELECT * FROM orders WHERE id = '{id}'",
    "range of keys": "SELECT count(*), sum(qty) FROM orders WHERE id >= '80' AND id < '81'",
    "all rows": "SELECT * FROM orders",
}

AIM = 1.5
"""Times the time of DuckDB's file that a scan may take, and of its size:"""
SIZE_AIM = 0.8

Ask = Callable[[str], int]
"""Asks a statement and reads its rows to the end; how many there are."""


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description="Reads the same rows from Cayenne, DuckDB's file and Parquet."
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--compression", choices=list(Compression), nargs="+", default=list(Compression))
    parser.add_argument("--runs", type=int, default=7)
    asked = parser.parse_args(arguments)
    print(f"{machine.describe()}; load {machine.load()}")
    for rows in asked.rows:
        measure(rows, [Compression(one) for one in asked.compression], asked.runs)


def measure(rows: int, compressions: Sequence[Compression], runs: int) -> None:
    """Print the figures of one number of rows."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-bench-")))
        workload = Workload("text", rows)
        stack.callback(workload.close)
        sizes: dict[str, int] = {}
        asks: dict[str, Ask] = {}
        asks["DuckDB"], sizes["DuckDB"] = _duckdb(folder / "plain.duckdb", workload, stack)
        asks["Parquet"], sizes["Parquet"] = _parquet(folder / "rows.parquet", workload, stack)
        for one in compressions:
            name = f"Cayenne {one}"
            asks[name], sizes[name] = _cayenne(folder / one, one, workload, stack)
        _print(rows, _times(asks, runs), sizes)


def _duckdb(path: Path, workload: Workload, stack: ExitStack) -> tuple[Ask, int]:
    connection = duckdb.connect(str(path))
    for number, page in enumerate(workload.pages()):
        connection.register("page", page)
        connection.execute(
            f"{'INSERT INTO orders' if number else 'CREATE TABLE orders AS'} SELECT * FROM page"
        )
        connection.unregister("page")
    connection.execute("CHECKPOINT")
    engine = QueryEngine(connection.cursor, lambda: {"orders": TableFacts(ready=True)})
    stack.callback(connection.close)
    stack.callback(engine.close)
    return _through(engine), path.stat().st_size


def _parquet(path: Path, workload: Workload, stack: ExitStack) -> tuple[Ask, int]:
    pages = workload.pages()
    first = next(pages)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        for page in (first, *pages):
            writer.write_batch(page, row_group_size=131_072)
    connection = duckdb.connect()
    stack.callback(connection.close)
    connection.execute(f"CREATE VIEW orders AS SELECT * FROM read_parquet('{path}')")

    def ask(sql: str) -> int:
        return sum(batch.num_rows for batch in connection.execute(sql).to_arrow_reader(8192))

    return ask, path.stat().st_size


def _cayenne(folder: Path, compression: Compression, workload: Workload, stack: ExitStack) -> tuple[Ask, int]:
    kept = CayenneFiles(folder, folder, compression)
    headrace = Headrace(Acceleration(Engine.CAYENNE, Mode.FILE, cayenne=kept), "text")
    stack.callback(headrace.close)
    headrace.load(workload.pages())
    headrace.settle()
    engine = QueryEngine(
        duckdb.connect().cursor,
        lambda: {"orders": TableFacts(ready=True)},
        leaves=lambda: {"orders": headrace.leaf()},
    )
    stack.callback(engine.close)
    return _through(engine), sum(path.stat().st_size for path in folder.glob("part-*"))


def _through(engine: QueryEngine) -> Ask:
    def ask(sql: str) -> int:
        with engine.query(sql) as statement:
            statement.run()
            return sum(batch.num_rows for batch in statement.batches())

    return ask


def _times(asks: dict[str, Ask], runs: int) -> dict[str, dict[str, float]]:
    """Milliseconds by statement and contestant. Raises RuntimeError where they give other numbers of rows."""
    some = "substr(md5('7'), 1, 22)"
    ((key,),) = duckdb.sql(f"SELECT {some}").fetchall()
    found: dict[str, dict[str, float]] = {}
    for name, sql in STATEMENTS.items():
        statement = sql.format(id=key)
        best = dict.fromkeys(asks, float("inf"))
        for _ in range(runs):
            counts = set()
            for who, ask in asks.items():
                began = time.perf_counter()
                counts.add(ask(statement))
                best[who] = min(best[who], (time.perf_counter() - began) * 1000)
            if len(counts) > 1:
                raise RuntimeError(f"{name}: answers of {sorted(counts)} rows")
        found[name] = best
    return found


def _print(rows: int, found: dict[str, dict[str, float]], sizes: dict[str, int]) -> None:
    names = list(sizes)
    lines = [
        [
            statement,
            *(f"{times[name]:.1f}" for name in names),
            *(f"{times[name] / times['DuckDB']:.1f}x" for name in names[2:]),
        ]
        for statement, times in found.items()
    ]
    lines.append(
        [
            "size",
            *(mb(sizes[name]) for name in names),
            *(f"{sizes[name] / sizes['DuckDB']:.2f}x" for name in names[2:]),
        ]
    )
    print(
        f"\n{rows:,} rows, milliseconds, least of the runs; times DuckDB's own file (aims: {AIM}x, size {SIZE_AIM}x)"
    )
    print(table(["statement", *names, *(f"{name}/DuckDB" for name in names[2:])], lines))


if __name__ == "__main__":
    main(sys.argv[1:])
