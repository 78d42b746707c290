"""From a write to its being visible in SQL, while a thousand writes a second go on.

Four processes: the simulator (``headrace local``), a writer, ``headrace run`` with ``mode: file``, and this one.
This one puts a probe, notes when PutItem has returned, and asks SQL over HTTP for new probes again and again.
A probe became visible between the sending of the last question whose answer lacked it and the arrival of the
first that had it. Both ends are reported: the later one, which includes the time of a query, is the figure.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import children
import machine
from clients.writer import item
from peers import CHECKOUT
from report import percentile, table
from wire import Wire

TABLE = "orders"
SEED_ITEMS = 20_000
AIMS = (150.0, 500.0)
"""Milliseconds for p50 and p99."""

PROBE_INTERVAL = 0.04
WARM_UP = 2.0
START = 0.5
QUIET = 3.0
"""Seconds of writing without questions, less than a server keeps an idle connection."""

PATIENCE = 60.0

POD = """\
version: v2
kind: Spicepod
name: freshness
datasets:
  - from: dynamodb:{table}
    name: {table}
    params: {{endpoint_url: "{url}", aws_region: us-east-1}}
    acceleration:
      engine: duckdb
      mode: file
      refresh_mode: changes
      params: {{duckdb_file: "{path}"}}
"""


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe's times in seconds of the monotonic clock."""

    returned: float
    last_missed: float
    first_seen: float

    @property
    def delay(self) -> float:
        """Milliseconds to the first answer that showed it."""
        return (self.first_seen - self.returned) * 1000

    @property
    def least(self) -> float:
        """Milliseconds to the last question whose answer lacked it, 0 where there was none."""
        return max(0.0, self.last_missed - self.returned) * 1000


@dataclass(frozen=True, slots=True)
class Window:
    """What one stretch of writing showed. Delays are milliseconds, shares are of one core."""

    probes: int
    rate: float
    writer_late_ms: float
    p50: float
    p90: float
    p99: float
    most: float
    least_p50: float
    least_p99: float
    resolution_ms: float
    query_ms: float
    headrace_unasked_cpu: float
    headrace_cpu: float
    simulator_cpu: float


class Poller:
    """Puts probes and watches for them, in one thread, so that neither waits for the other's lock."""

    def __init__(self, dynamodb: Wire, sql: Wire, interval: float) -> None:
        self._dynamodb = dynamodb
        self._sql = sql
        self._interval = interval
        self._number = 0
        self._draw = random.Random(1)

    def watch(self, seconds: float) -> tuple[list[Probe], list[float]]:
        """Probes put within ``seconds``, each seen, and how long each query took."""
        waiting: dict[int, tuple[float, float]] = {}
        seen: list[Probe] = []
        queries: list[float] = []
        now = time.monotonic()
        end, next_put = now + seconds, now
        while now < end or waiting:
            if now > end + PATIENCE:
                raise RuntimeError(f"{len(waiting)} probes did not become visible within {PATIENCE:.0f} s")
            if next_put <= now < end:
                returned = self._put()
                waiting[self._number] = (returned, returned)
                # Not in step with anything: neither with the polls, nor with the runtime.
                next_put = now + PROBE_INTERVAL * self._draw.uniform(0.5, 1.5)
            asked = time.monotonic()
            found = self._visible(min(waiting, default=self._number + 1))
            answered = time.monotonic()
            queries.append(answered - asked)
            for number in found & waiting.keys():
                returned, missed = waiting.pop(number)
                seen.append(Probe(returned, missed, answered))
            waiting = {number: (returned, asked) for number, (returned, _) in waiting.items()}
            time.sleep(max(0.0, asked + self._interval - time.monotonic()))
            now = time.monotonic()
        return seen, queries

    def _put(self) -> float:
        self._number += 1
        key = {"id": {"S": f"probe-{self._number:09d}"}, "probe": {"N": str(self._number)}}
        self._dynamodb.ask("PutItem", TableName=TABLE, Item=key)
        return time.monotonic()

    def _visible(self, first: int) -> set[int]:
        rows = self._sql.sql(f"SELECT probe FROM {TABLE} WHERE probe >= {first}")
        return {int(row["probe"]) for row in rows}


class Meter:
    """The share of one core that a process uses from now on."""

    def __init__(self, pid: int) -> None:
        self._stat = Path(f"/proc/{pid}/stat")
        self._began, self._used = time.monotonic(), self._seconds()

    def share(self) -> float:
        """1.0 is one core."""
        return (self._seconds() - self._used) / (time.monotonic() - self._began)

    def _seconds(self) -> float:
        fields = self._stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Arena:
    """The processes of one measurement."""

    def __init__(
        self, simulator: subprocess.Popen[bytes], endpoint: str, runtime: subprocess.Popen[bytes], url: str
    ) -> None:
        self.simulator = simulator
        self.endpoint = endpoint
        self.runtime = runtime
        self.url = url

    def window(self, poller: Poller, rate: float, seconds: float, first: int) -> tuple[Window, int]:
        """Write for a while and watch; gives the number of the newest item too."""
        writer = children.start(
            sys.executable,
            "-m",
            "clients.writer",
            self.endpoint,
            TABLE,
            str(rate),
            str(START + QUIET + WARM_UP + seconds),
            str(first),
        )
        try:
            time.sleep(START)
            alone = Meter(self.runtime.pid)
            time.sleep(QUIET)
            unasked = alone.share()
            poller.watch(WARM_UP)
            runtime, simulator = Meter(self.runtime.pid), Meter(self.simulator.pid)
            probes, queries = poller.watch(seconds)
            asked, simulated = runtime.share(), simulator.share()
            output, _ = writer.communicate(timeout=PATIENCE)
        finally:
            children.stop(writer)
        wrote = json.loads(output)
        delays, least = [probe.delay for probe in probes], [probe.least for probe in probes]
        window = Window(
            probes=len(probes),
            rate=wrote["rate"],
            writer_late_ms=wrote["late"] * 1000,
            p50=percentile(delays, 50),
            p90=percentile(delays, 90),
            p99=percentile(delays, 99),
            most=max(delays),
            least_p50=percentile(least, 50),
            least_p99=percentile(least, 99),
            resolution_ms=statistics.median(probe.delay - probe.least for probe in probes),
            query_ms=statistics.median(queries) * 1000,
            headrace_unasked_cpu=unasked,
            headrace_cpu=asked,
            simulator_cpu=simulated,
        )
        return window, wrote["newest"]


@contextmanager
def arena(folder: Path) -> Iterator[Arena]:
    """A simulator with a seeded table, and a runtime that follows it and is ready."""
    headrace = str(children.BIN / "headrace")
    with ExitStack() as stack:
        simulator = children.start(headrace, "local", "--port", "0")
        stack.callback(children.stop, simulator)
        endpoint = "http" + children.first_line(simulator, "http://").rpartition("http")[2]
        _seed(endpoint)
        pod = folder / "spicepod.yaml"
        pod.write_text(POD.format(table=TABLE, url=endpoint, path=folder / "orders.duckdb"))
        log = stack.enter_context((folder / "headrace.log").open("wb"))
        anywhere = ("--http", "127.0.0.1:0", "--flight", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
        runtime = children.start(headrace, "run", str(pod), *anywhere, "--log-format", "json", stderr=log)
        stack.callback(children.stop, runtime)
        url = children.first_line(runtime, "HTTP ").removeprefix("HTTP ")
        try:
            _wait_until_ready(url)
        except RuntimeError:
            shutil.copyfileobj((folder / "headrace.log").open("rb"), sys.stderr.buffer)
            raise
        yield Arena(simulator, endpoint, runtime, url)


def measure(rate: float, seconds: float, windows: int, interval: float) -> list[Window]:
    """That many windows, one after the other, on the same processes."""
    found: list[Window] = []
    scratch = CHECKOUT / ".cache"
    scratch.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder, arena(Path(folder)) as stage:
        dynamodb, sql = Wire(stage.endpoint), Wire(stage.url)
        poller, newest = Poller(dynamodb, sql, interval), SEED_ITEMS
        for number in range(windows):
            window, newest = stage.window(poller, rate, seconds, newest)
            found.append(window)
            print(
                f"  window {number + 1}: p50 {window.p50:.0f} ms, p99 {window.p99:.0f} ms",
                file=sys.stderr,
                flush=True,
            )
        dynamodb.close()
        sql.close()
    return found


def medians(windows: list[Window]) -> dict[str, float]:
    """Each figure's median over the windows."""
    rows = [asdict(window) for window in windows]
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def show(windows: list[Window], rate: float, seconds: float) -> None:
    """Print the figures and what became of the aims."""
    middle = medians(windows)
    print(
        f"\nFreshness: {len(windows)} windows of {seconds:.0f} s at {rate:,.0f} writes/s "
        f"({middle['rate']:,.0f} reached, at worst {max(w.writer_late_ms for w in windows):.0f} ms late)"
    )
    heads = [
        "milliseconds from PutItem's return",
        "p50",
        "p90",
        "p99",
        "max",
        "probes",
        "Headrace CPU",
        "unasked",
        "simulator CPU",
    ]
    rows = [
        [
            name,
            *(f"{row[figure]:.0f}" for figure in ("p50", "p90", "p99", "most", "probes")),
            f"{row['headrace_cpu']:.0%}",
            f"{row['headrace_unasked_cpu']:.0%}",
            f"{row['simulator_cpu']:.0%}",
        ]
        for name, row in (
            *((f"window {number}", asdict(window)) for number, window in enumerate(windows, 1)),
            ("median", middle),
        )
    ]
    print(table(heads, rows))
    print("CPU is of one core; unasked: with the writes going on, but no probes and no questions")
    print(
        f"a figure is the later end of an interval of {middle['resolution_ms']:.1f} ms (median), of which a query takes "
        f"{middle['query_ms']:.1f} ms; its earlier end: p50 {middle['least_p50']:.0f}, p99 {middle['least_p99']:.0f}"
    )
    for name, aim in zip(("p50", "p99"), AIMS, strict=True):
        verdict = "reached" if middle[name] <= aim else "not reached"
        print(f"aim {name} {aim:.0f} ms: {middle[name]:.0f} ms: {verdict}")


def _seed(endpoint: str) -> None:
    wire, draw = Wire(endpoint), random.Random(0)
    wire.ask(
        "CreateTable",
        TableName=TABLE,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    for start in range(0, SEED_ITEMS, 25):
        puts = [{"PutRequest": {"Item": item(row, draw)}} for row in range(start, start + 25)]
        wire.ask("BatchWriteItem", RequestItems={TABLE: puts})
    # The column must be there before it is asked for.
    wire.ask("PutItem", TableName=TABLE, Item={"id": {"S": "probe"}, "probe": {"N": "0"}})
    wire.close()


def _wait_until_ready(url: str) -> None:
    deadline, reason = time.monotonic() + PATIENCE, ""
    while time.monotonic() < deadline:
        try:
            with urlopen(f"{url}/v1/ready", timeout=5):
                return
        except HTTPError as error:
            reason = error.read().decode()
            error.close()
        time.sleep(0.1)
    raise RuntimeError(f"not ready within {PATIENCE:.0f} s: {reason}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--poll", type=float, default=5, help="milliseconds between two questions, at least")
    arguments = parser.parse_args()
    print(f"{machine.describe()}; load {machine.load()}")
    found = measure(arguments.rate, arguments.seconds, arguments.windows, arguments.poll / 1000)
    show(found, arguments.rate, arguments.seconds)


if __name__ == "__main__":
    main()
