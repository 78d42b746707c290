"""``headrace demo``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.errors import ConfigError, HeadraceError

if TYPE_CHECKING:
    import threading

    from headrace.runtime import Runtime
    from headrace.simulator.simulator import Simulator
    from headrace.simulator.workload import Shop

_STOCK = 2_000
_WRITES_A_SECOND = 50
_SPLIT_AFTER = 5.0
_PATIENCE = 30.0

_BY_STATUS = "SELECT status, count(*) AS orders, sum(amount) AS amount FROM orders GROUP BY status ORDER BY orders DESC"
_EVERYTHING = "SELECT order_id, status, city, amount, revision FROM orders ORDER BY order_id"

_GUIDE = """\
A simulated DynamoDB at {endpoint} with {stock} orders, a shop that writes to it {rate} times a second,
and this Spicepod:

{pod}
While it runs, try in another terminal:

  curl {at}/v1/sql -d "SELECT count(*) FROM orders"
  {sql} -c "DESCRIBE orders"
  {sql}
"""


@click.command("demo")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    help="End after this long, having compared copy and table; otherwise run until Ctrl-C.",
)
def demo(*, seconds: float | None) -> None:
    """Watch SQL results change as a simulated table is written to.

    Starts a simulated DynamoDB, a shop that writes to its table `orders`, and the runtime on it. While it
    runs, its HTTP address answers SQL. Leaves with exit code 0 if at the end the copy equals the table.
    """
    from headrace.cli.stopping import told_to_stop

    with told_to_stop() as told, ExitStack() as closing:
        stage = _Stage(closing)
        click.echo(stage.guide())
        stage.start_trading(told)
        deadline = None if seconds is None else time.monotonic() + seconds
        with _screen(stage) as show:
            while not told.is_set() and (deadline is None or time.monotonic() < deadline):
                show()
                told.wait(1.0)
        told.set()
        stage.compare()


class _Stage:
    """The simulator, the shop, and the runtime; all of it goes when ``closing`` does."""

    def __init__(self, closing: ExitStack) -> None:
        from random import Random
        from tempfile import TemporaryDirectory

        from headrace.cli.local import spicepod
        from headrace.simulator import Simulator
        from headrace.simulator.server import SimulatorServer
        from headrace.simulator.workload import Shop

        self.simulator: Simulator = Simulator(time.time, initial_shards=2, retention_seconds=600.0)
        server = closing.enter_context(SimulatorServer(self.simulator, "127.0.0.1", 0))
        self.shop: Shop = Shop(self.simulator, Random(1))  # noqa: S311  # A shop, not a secret.
        self.shop.open()
        self.shop.stock(_STOCK)
        self.endpoint = server.url
        self.pod = spicepod(server.url, self.simulator.region)
        folder = Path(closing.enter_context(TemporaryDirectory(prefix="headrace-demo-")))
        (folder / "spicepod.yaml").write_text(self.pod, encoding="utf-8")
        self.runtime: Runtime = _started(folder)
        closing.callback(self.runtime.stop)
        self.split_at = time.monotonic() + _SPLIT_AFTER
        self.trouble: HeadraceError | None = None

    def guide(self) -> str:
        """What is running, and what to try."""
        pod = "".join(f"  {line}\n" for line in self.pod.splitlines())
        at = self.runtime.http_url
        sql = f"{_command()} sql" + ("" if at.endswith(":8090") else f" --http {at}")
        return _GUIDE.format(
            endpoint=self.endpoint, stock=_STOCK, rate=_WRITES_A_SECOND, pod=pod, at=at, sql=sql
        )

    def start_trading(self, told: threading.Event) -> None:
        """Let the shop write, on a thread of its own, until ``told``."""
        from threading import Thread

        self._trading = Thread(target=self._trade, args=(told,), name="shop", daemon=True)
        self._trading.start()

    def _trade(self, told: threading.Event) -> None:
        try:
            while not told.wait(1 / _WRITES_A_SECOND):
                self.shop.trade()
                if self.split_at < time.monotonic():
                    self.split_at = float("inf")
                    self.simulator.streams.split_shard("orders")
        except HeadraceError as error:
            self.trouble = error

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """The answer, none while the dataset is not ready."""
        status = self.runtime.statuses()[0]
        if not status.ready:
            return []
        rows: list[dict[str, Any]] = self.runtime.rows(statement).to_pylist()
        return rows

    def compare(self) -> None:
        """Let the shop finish, the copy catch up, and compare the two, value by value."""
        self._trading.join()
        if self.trouble is not None:
            raise self.trouble
        expected = sorted(
            (
                item["order_id"]["S"],
                item["status"]["S"],
                item["city"]["S"],
                float(item["amount"]["N"]),
                int(item["revision"]["N"]),
            )
            for item in self.shop.orders()
        )
        deadline = time.monotonic() + _PATIENCE
        while [tuple(row.values()) for row in self.rows(_EVERYTHING)] != expected:
            if time.monotonic() > deadline:
                reason = self.runtime.statuses()[0].reason
                raise HeadraceError(
                    f"the copy did not become equal to the table in {_PATIENCE:.0f} s: {reason}"
                )
            time.sleep(0.05)
        click.echo(
            f"After {self.shop.writes} writes the copy equals the table: {len(expected)} orders, every value."
        )


def _started(folder: Path) -> Runtime:
    """The runtime on the usual port, or on a free one where that is taken."""
    import os

    from headrace.config import load_pod
    from headrace.runtime import Runtime

    environ = {**os.environ, "AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo"}
    os.environ.update(environ)
    pod = load_pod(folder, environ, folder)
    try:
        runtime = Runtime(pod, http=("127.0.0.1", 8090), metrics=("127.0.0.1", 0))
        runtime.start()
    except ConfigError:
        runtime = Runtime(pod, http=("127.0.0.1", 0), metrics=("127.0.0.1", 0))
        runtime.start()
    return runtime


def _command() -> str:
    """How to call headrace from the folder the user is in."""
    script = Path(sys.argv[0])
    try:
        return str(script.resolve().relative_to(Path.cwd()))
    except ValueError:
        return "headrace"


@contextmanager
def _screen(stage: _Stage) -> Iterator[Callable[[], None]]:
    """Shows the state once a second: redrawn on a terminal, a line each elsewhere."""
    if not sys.stdout.isatty():
        yield lambda: click.echo(_line(stage))
        return
    from rich.live import Live

    with Live(refresh_per_second=4, transient=False) as live:
        yield lambda: live.update(_picture(stage))


def _facts(stage: _Stage) -> str:
    status = stage.runtime.statuses()[0]
    shards = len(stage.simulator.streams.open_shards("orders"))
    lag = "lag unknown" if status.lag_ms is None else f"lag {status.lag_ms} ms"
    return f"{status.status}, {lag}, {stage.shop.writes} writes, {shards} open shards"


def _line(stage: _Stage) -> str:
    rows = stage.rows(_BY_STATUS)
    counts = ", ".join(f"{row['orders']} {row['status']}" for row in rows)
    total = sum(row["orders"] for row in rows)
    return f"{_facts(stage)}: {total} orders ({counts})" if rows else _facts(stage)


def _picture(stage: _Stage) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table()
    table.add_column("status")
    table.add_column("orders", justify="right")
    table.add_column("amount", justify="right")
    for row in stage.rows(_BY_STATUS):
        table.add_row(row["status"], str(row["orders"]), f"{row['amount']:,.2f}")
    return Group(Text(f"sql> {_BY_STATUS}"), table, Text(_facts(stage)))
