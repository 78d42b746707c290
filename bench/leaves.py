"""What statements cost over a leaf, against the same rows in DuckDB: ``python bench/leaves.py [rows]``.

The leaf holds Arrow batches, so that what is measured is the way through it and not some engine.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from headrace.leaf import Comparison, Condition, Fit, Leaf, LeafReading, simple
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine

BATCH = 8192
STATEMENTS = {
    "nothing": "SELECT 1",
    "point": "SELECT * FROM orders WHERE id = 'k777777'",
    "count": "SELECT count(*) FROM orders",
    "aggregate": "SELECT day, sum(total) FROM orders GROUP BY day",
    "filtered": "SELECT count(*) FROM orders WHERE note LIKE '%77%'",
    "all rows": "SELECT * FROM orders",
}


class Held:
    """A leaf, and its own reading: equality is carried out, and nothing else."""

    def __init__(self, table: pa.Table) -> None:
        self.schema = table.schema
        self._batches = table.to_batches(max_chunksize=BATCH)

    def begin(self) -> LeafReading:
        return self

    def fit(self, condition: Condition) -> Fit:
        predicate = simple(condition)
        return Fit.EXACT if predicate and predicate.comparison is Comparison.EQUAL else Fit.NO

    def scan(
        self, columns: Sequence[str], conditions: Sequence[Condition], limit: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            rows = batch
            for one in map(simple, conditions):
                assert one is not None
                rows = rows.filter(pc.equal(rows.column(one.column), one.values[0]))
            if rows.num_rows:
                yield rows.select(list(columns)).slice(0, limit)

    def cancel(self) -> None:
        pass

    def close(self) -> None:
        pass


def best(engine: QueryEngine, sql: str, times: int) -> float:
    """Milliseconds of the fastest of some runs."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        with engine.query(sql) as statement:
            statement.run()
            for _batch in statement.batches():
                pass
        found.append(time.perf_counter() - began)
    return min(found) * 1000


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    database = duckdb.connect()
    database.execute(
        "CREATE TABLE orders AS SELECT 'k' || i AS id, i % 365 AS day, i / 100 AS total, "
        f"'a note of some length, number ' || i AS note FROM range({rows}) t(i)"
    )
    leaf: Leaf = Held(database.execute("FROM orders").to_arrow_table())
    facts = {"orders": TableFacts(ready=True)}
    engines = {
        "DuckDB": QueryEngine(database.cursor, lambda: facts),
        "DuckDB, leaves elsewhere": QueryEngine(
            database.cursor, lambda: facts, leaves=lambda: {"other": leaf}
        ),
        "leaf": QueryEngine(database.cursor, lambda: facts, leaves=lambda: {"orders": leaf}),
    }
    print(f"{rows:,} rows, milliseconds, best of runs")
    print(f"{'':10}", *(f"{name:>26}" for name in engines))
    for name, sql in STATEMENTS.items():
        times = 300 if name == "nothing" else 15
        print(f"{name:10}", *(f"{best(engine, sql, times):26.2f}" for engine in engines.values()))
    for engine in engines.values():
        engine.close()


main()
