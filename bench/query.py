"""What statements cost over HTTP, Flight and ADBC's Flight SQL driver, beside DuckDB itself on the same file.

    python bench/query.py [--rows N] [--rounds N] [--changes N]

One process holds the copy, as the runtime does, and answers; this one asks. Direct is DuckDB in this process over a copy of the
file that was made before anything was asked. All give Arrow tables, and take turns at each statement. Then the statements are
asked again while ``--changes`` a second are being applied. The least of the rounds is shown, in milliseconds: the machine is shared.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

import adbc_driver_flightsql.dbapi
import duckdb
import pyarrow as pa
import urllib3
from pyarrow import flight

from apply import Headrace
from changes import Workload
from children import first_line, start, stop
from headrace.access import Access
from headrace.dataset import Acceleration, Engine, Mode
from headrace.limits import Freshness
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.results import AnyAnswer, Results
from headrace.serve.servers import Addresses, Servers
from headrace.status import DatasetStatus
from headrace.versions import Versions
from report import table

STATEMENTS: Final = {
    "point": "SELECT * FROM orders WHERE id = '{key}'",
    "ten points": "SELECT id, state FROM orders WHERE id IN ({keys})",
    "range": "SELECT id, cents FROM orders WHERE cents BETWEEN 500000 AND 500100",
    "count": "SELECT count(*) FROM orders",
    "aggregate": "SELECT city, count(*), sum(qty), avg(weight) FROM orders GROUP BY city",
    "many groups": "SELECT name, sum(cents) AS spent FROM orders GROUP BY name ORDER BY spent DESC LIMIT 20",
    "join": (
        "SELECT o.city, count(*) FROM orders o JOIN (SELECT name, max(cents) AS most FROM orders GROUP BY name) m "
        "ON o.name = m.name AND o.cents = m.most GROUP BY o.city"
    ),
    "top": "SELECT id, cents FROM orders ORDER BY cents DESC, id LIMIT 10",
    "text": "SELECT count(*) FROM orders WHERE note LIKE '%abc%'",
    "wide scan": "SELECT * FROM orders",
}
BATCH: Final = 10_000
"""Changes of one transaction, which is what the replication makes of a stream that is so busy."""

BATCHES: Final = 60
KEYS: Final = 10
ARROW: Final = "application/vnd.apache.arrow.stream"

Ask = Callable[[str], pa.Table]


class Running:
    """What ``serve`` asks for, of one copy."""

    def __init__(self, copy: Headrace) -> None:
        ready = {"orders": TableFacts(ready=True)}
        # The runtime tells the columns of every copy, which is what lets a statement be outlined once.
        engine = QueryEngine(copy.cursor, lambda: ready, declared=lambda _: {"id": "Utf8"})
        self._results = Results(engine, None, Versions(()), lambda: ready, lambda: ())
        self.prepare = engine.prepare

    def query(
        self, sql: str, parameters: Sequence[pa.Scalar] = (), *, freshness: Freshness = Freshness.KEPT
    ) -> AnyAnswer:
        """The answer, which is never one that was kept."""
        return self._results.query(sql, parameters, freshness)

    def statuses(self, *, rows: bool = True) -> list[DatasetStatus]:
        """None is asked for."""
        del rows
        return []


def serve(folder: Path, rows: int) -> None:
    """Hold a copy of so many rows, answer, and apply changes while standard input says so, until that ends."""
    with ExitStack() as stack:
        workload = Workload("text", rows)
        stack.callback(workload.close)
        held = Acceleration(Engine.DUCKDB, Mode.FILE, path=folder / "orders.duckdb")
        copy = Headrace(held, "text")
        copy.load(workload.pages())
        # A file that was closed is whole without its log.
        copy.close()
        shutil.copy(folder / "orders.duckdb", folder / "direct.duckdb")
        copy = Headrace(held, "text")
        stack.callback(copy.close)
        writes = [copy.ready(workload.changes(BATCH)) for _ in range(BATCHES)]
        free = ("127.0.0.1", 0)
        servers = Servers(Running(copy), Access(), lambda: (b"", ""), Addresses(http=free, flight=free))
        servers.start()
        stack.callback(servers.stop)
        print(json.dumps({"http": servers.url("http"), "flight": servers.url("flight")}), flush=True)
        for line in sys.stdin:
            with _applying(writes, float(line)) as reached:
                print("{}", flush=True)
                sys.stdin.readline()
            print(json.dumps({"rate": reached()}), flush=True)


@contextmanager
def _applying(writes: list[Callable[[], None]], rate: float) -> Iterator[Callable[[], float]]:
    """Apply one batch after the other, as often as ``rate`` changes a second ask for; gives the rate that was reached."""
    done = threading.Event()
    began, applied = time.perf_counter(), 0

    def go_on() -> None:
        nonlocal applied
        while writes and not done.is_set():
            done.wait(began + applied / rate - time.perf_counter())
            writes.pop(0)()
            applied += BATCH

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield lambda: applied / ended
    finally:
        done.set()
        thread.join()
        ended = time.perf_counter() - began


def asked(folder: Path, addresses: Mapping[str, str], stack: ExitStack) -> dict[str, Ask]:
    """How each contestant is asked."""
    direct = duckdb.connect(str(folder / "direct.duckdb"), read_only=True)
    stack.callback(direct.close)
    pool = urllib3.PoolManager()

    def over_http(sql: str) -> pa.Table:
        reply = pool.request(
            "POST",
            addresses["http"] + "/v1/sql",
            body=sql.encode(),
            headers={"Accept": ARROW},
            preload_content=False,
        )
        try:
            if reply.status != HTTPStatus.OK:
                raise RuntimeError(reply.read().decode())
            return pa.ipc.open_stream(reply).read_all()
        finally:
            reply.release_conn()

    connection = adbc_driver_flightsql.dbapi.connect(addresses["flight"], autocommit=True)
    stack.callback(connection.close)
    client = flight.connect(addresses["flight"])
    stack.callback(client.close)

    def over_flight(sql: str) -> pa.Table:
        found = client.get_flight_info(flight.FlightDescriptor.for_command(sql.encode()))
        return client.do_get(found.endpoints[0].ticket).read_all()

    def over_adbc(sql: str) -> pa.Table:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetch_arrow_table()

    return {
        "direct": lambda sql: direct.execute(sql).to_arrow_table(),
        "HTTP": over_http,
        "Flight": over_flight,
        "ADBC": over_adbc,
    }


def rounds(ways: Mapping[str, Ask], statements: Mapping[str, str], count: int) -> dict[str, dict[str, float]]:
    """The least milliseconds of each statement by each way."""
    least: dict[str, dict[str, float]] = {}
    for name, sql in statements.items():
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(count):
            for way, ask in ways.items():
                began = time.perf_counter()
                ask(sql)
                times[way].append(1000 * (time.perf_counter() - began))
        least[name] = {way: min(some) for way, some in times.items()}
    return least


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--changes", type=int, default=50_000)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve, options.rows)
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-bench-")))
        server = start(sys.executable, "query.py", "--serve", str(folder), "--rows", str(options.rows))
        stack.callback(stop, server)
        ways = asked(folder, json.loads(first_line(server, "http")), stack)
        keys = (
            ways["direct"](f"SELECT id FROM orders USING SAMPLE {KEYS} ROWS (reservoir, 7)")
            .column(0)
            .to_pylist()
        )
        listed = ", ".join(f"'{key}'" for key in keys)
        statements = {name: sql.format(key=keys[0], keys=listed) for name, sql in STATEMENTS.items()}
        for name, sql in statements.items():
            answers = {way: ask(sql) for way, ask in ways.items()}
            if len({(answer.num_rows, *answer.schema.names) for answer in answers.values()}) > 1:
                raise RuntimeError(f"{name}: the ways disagree")
        show("alone", rounds(ways, statements, options.rounds))
        server.stdin.write(f"{options.changes}\n".encode())
        server.stdin.flush()
        first_line(server, "{")
        busy = rounds(ways, statements, max(3, options.rounds // 3))
        server.stdin.write(b"enough\n")
        server.stdin.flush()
        rate = json.loads(first_line(server, "rate"))["rate"]
        show(f"while {rate:,.0f} changes a second are applied", busy)


def show(title: str, least: Mapping[str, Mapping[str, float]]) -> None:
    """A line for each statement: milliseconds, and how many times those of DuckDB itself."""
    ways = list(next(iter(least.values())))
    rows = [
        [
            name,
            *(f"{times[way]:.1f}" for way in ways),
            *(f"{times[way] / times['direct']:.2f}" for way in ways[1:]),
        ]
        for name, times in least.items()
    ]
    print(f"\n{title}, milliseconds\n")
    print(table(["statement", *ways, *(f"{way} / direct" for way in ways[1:])], rows))


if __name__ == "__main__":
    main()
