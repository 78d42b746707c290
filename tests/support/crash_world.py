"""One life of ``headrace run`` after another over one folder, under a load and a reader that never pause."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headrace.accelerator import Stored
from headrace.accelerators.cayenne.metastore import NAME as METASTORE
from headrace.accelerators.engines import Engines
from headrace.config import load_pod
from headrace.simulator import Simulator
from headrace.simulator.faults import Refuse
from headrace.simulator.server import SimulatorServer
from support.crash_folder import EAGER, is_inside_upkeep
from support.crash_load import CrashLoad, differences
from support.crash_server import CrashServer
from support.deadline import eventually, nothing
from support.process import HeadraceProcess, environment
from support.witness import Witness


@dataclass(frozen=True)
class Files:
    """How an engine's files are called, and how many bytes of changes it logs until it moves them into the database."""

    database: str
    log: str
    checkpoint_bytes: int


FILES = {
    "duckdb": Files(".duckdb", ".wal", 16 * 2**20),
    "sqlite": Files(".sqlite", "-wal", 64 * 2**20),
    "cayenne": Files(f".cayenne/{METASTORE}", "-wal", 2**20),
}

FILE_ENGINES = tuple(FILES)
"""Every accelerator that keeps its rows in files. Cayenne makes files of few rows here, and merges them soon."""

ENGINES = (*FILE_ENGINES, pytest.param("postgres", marks=pytest.mark.long))
"""Every accelerator that outlives its process: the crash loops run over each."""

ONE_AND_LONG = (
    FILE_ENGINES[0],
    *(pytest.param(engine, marks=pytest.mark.long) for engine in (*FILE_ENGINES[1:], "postgres")),
)
"""The same, of which all but one wait for the long runs."""

ITEMS = 2500
"""How many items each table begins with."""

PAGE = 80
"""How many of them are on a page of the Scan: a bootstrap is long enough to be killed often."""

NEVER = ("gap_found", "reinitialized", "dead_letters", "statement_failed")
"""Events that would mean that a crash has lost something."""


NEVER_HAPPENED = "never"


class ScanGate:
    """Serves a small Scan page every ``pace`` seconds; notes where each page that it served began."""

    def __init__(self, pace: float) -> None:
        self.pace = pace
        self.pages: list[tuple[str, int, str | None]] = []
        self._next = 0.0

    def __call__(self, operation: str, request: dict[str, Any]) -> Refuse | None:
        # The load's own Scan, at the end, is in one segment.
        if operation != "Scan" or "Segment" not in request:
            return None
        now = time.monotonic()
        if now < self._next:
            return Refuse("ProvisionedThroughputExceededException")
        self._next = now + self.pace
        request["Limit"] = PAGE
        start = request.get("ExclusiveStartKey")
        self.pages.append((request["TableName"], request["Segment"], start and start["id"]["S"]))
        return None


class CrashWorld:
    """A simulated service, its load, and the process under test with its folder and its reader.

    ``kills`` counts the kills by moment; ``ready_after`` are the seconds from each start but the first to
    Ready, ``stopped_after`` those from each signal to the end. ``stored`` is what the last life left, by
    dataset.
    """

    def __init__(
        self, folder: Path, seed: int, *, engine: str = "duckdb", names: tuple[str, ...] = ("orders",)
    ) -> None:
        self.folder = folder
        self.seed = seed
        self.names = names
        self.random = random.Random(seed)
        self.gate = ScanGate(pace=0.25)
        self.simulator = Simulator(time.time, seed, initial_shards=2, faults=self.gate)
        self.load = CrashLoad(self.simulator, names, seed)
        self.witness = Witness({table.name: table.history for table in self.load.tables})
        self.lives: list[HeadraceProcess] = []
        self.kills: Counter[str] = Counter()
        self.ready_after: list[float] = []
        self.stopped_after: list[float] = []
        self.inside_checkpoint = 0
        self._engine = engine
        self._files = FILES.get(engine)
        self._server = CrashServer() if engine == "postgres" else None
        self.stored: dict[str, Stored] = {}
        self._started_at = 0.0

    @property
    def process(self) -> HeadraceProcess:
        """The life that is being lived."""
        return self.lives[-1]

    @property
    def data(self) -> Path:
        """Where the engine keeps its files."""
        return self.folder / ".headrace" / "data"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve, load and look until the block ends; a failure comes with all that explains it."""
        try:
            with SimulatorServer(self.simulator, "127.0.0.1", 0) as server:
                self._write_pod(server.url)
                self.load.fill(ITEMS)
                self.witness.start()
                try:
                    with self.load.running():
                        yield
                finally:
                    self.witness.expect_the_end()
                    self._end()
        except BaseException as error:
            error.add_note(self._evidence())
            raise
        finally:
            self.witness.stop()

    # One life

    def start(self) -> None:
        """Start a process."""
        self._started_at = time.monotonic()
        self.lives.append(HeadraceProcess(self.folder, env=self._environment()))

    def kill(self, moment: str) -> None:
        """End the life at once, and look at what it left."""
        self.witness.expect_the_end()
        self.process.kill()
        self.kills[moment] += 1
        self.inside_checkpoint += self._is_inside_checkpoint()
        self._ended()

    def stop(self, number: int) -> None:
        """Tell the life to end by a signal: it must do so cleanly, and soon."""
        self.witness.expect_the_end()
        told_at = time.monotonic()
        code = self.process.stop(number)
        self.stopped_after.append(time.monotonic() - told_at)
        assert code == 0, signal.Signals(number).name
        self._ended()

    def _ended(self) -> None:
        self.check()
        self.gate.pages = []
        self.stored = self.what_is_durable()

    def serve(self) -> None:
        """Wait until the process listens, and have it witnessed."""
        self.witness.follow(self.process.url)

    def until_ready(self, within: float = 60) -> None:
        """Wait until every dataset is Ready; how long that took since the start is noted."""

        def ready() -> bool:
            self.check()
            return self.process.get("/v1/ready").status == 200

        eventually(ready, within=within, what="Ready", every=0.01)
        if len(self.lives) > 1:
            self.ready_after.append(time.monotonic() - self._started_at)

    def until_told(self, *events: str, within: float = 30) -> None:
        """Wait until the log has one of these events."""
        eventually(
            lambda: any(self.process.events(event) for event in events),
            within=within,
            what=f"one of {events} in the log",
            every=0.005,
        )

    def until_checkpoint(self) -> None:
        """Wait until the engine moves its log into its database: only then is that file written to."""
        if self._server is not None:
            self.load.burst(2**20)
            self._server.checkpoint()
            return
        database = self._database()
        # Of Cayenne, its folder: whenever a file of rows is made or removed.
        file = database.parent if self._engine == "cayenne" else database
        before = file.stat().st_mtime_ns
        self.load.burst(self._files.checkpoint_bytes)
        eventually(
            lambda: file.stat().st_mtime_ns != before,
            within=60,
            what="a checkpoint of the engine",
            every=0.0005,
        )

    def pause(self, most: float) -> None:
        """Let the process run for a random time of at most ``most`` seconds.

        It waits for nothing: the instant of a kill must not depend on what the process does.
        """
        time.sleep(self.random.uniform(0, most))

    def what_is_durable(self) -> dict[str, Stored]:
        """What the engine holds, by dataset: files are read from a copy, so that the next life finds them untouched."""
        if self._server is not None:
            return self._server.stored(self.names)
        copy = self.folder / "left-behind"
        shutil.rmtree(copy, ignore_errors=True)
        if self.process.process.poll() is None:
            self.copy_alive(copy)
        else:
            self.copy_files(copy)
        return what_is_durable(copy)

    def copy_alive(self, target: Path) -> None:
        """Copy Spicepod and files as they are at one instant, as a loss of power would leave them.

        The process stands still meanwhile: files copied one after the other while it writes would be of
        several instants, which no loss of power leaves.
        """
        with self.process.standing_still():
            self.copy_files(target)

    def copy_files(self, target: Path) -> None:
        """Copy Spicepod and files; there must be nobody who writes to them."""
        data = target / self.data.relative_to(self.folder)
        data.mkdir(parents=True)
        shutil.copy(self.folder / "spicepod.yaml", target)
        # With their times: they tell whether a checkpoint was under way.
        if self._engine == "cayenne":
            for folder in self.data.glob("*.cayenne"):
                shutil.copytree(folder, data / folder.name)
            return
        for file in self.data.glob(f"*{self._files.database}*"):
            shutil.copy2(file, data)

    # What must hold

    def check(self) -> None:
        """Nothing that was seen is lost, and no durable page of the Scan is asked for again."""
        assert self.load.error is None, self.load.error
        assert not self.witness.wrong, self.witness.wrong
        log = "\n".join(self.process.log)
        assert "Traceback" not in log
        for event in NEVER:
            assert not self.process.events(event), event
        for name, stored in self.stored.items():
            if stored.live is not None:
                self._check_goes_on(name, stored)

    def _check_goes_on(self, name: str, stored: Stored) -> None:
        """The life after a durable checkpoint must go on where that stands."""
        assert stored.live is not None
        begun = [e for e in self.process.events("bootstrap_started") if e["dataset"] == name]
        assert begun == [], "a bootstrap that was durable was begun again"
        segments = stored.live.checkpoint.segments
        first: dict[int, str | None] = {}
        for table, segment, start in self.gate.pages:
            if table == name:
                first.setdefault(segment, start)
        for segment, start in first.items():
            assert not segments[segment].done, f"segment {segment} was done, and is read again"
            cursor = segments[segment].cursor
            expected = None if cursor is None else json.loads(cursor)["id"]["S"]
            assert start == expected, f"segment {segment} was durable to {expected}, and is read from {start}"

    def until_equal(self, within: float = 60) -> None:
        """Without load, wait until every value of every item of every table is answered over HTTP."""
        self.load.stop()
        for table in self.load.tables:
            items = table.items()

            def wrong(name: str = table.name, items: dict[str, dict] = items) -> list:
                self.check()
                return differences(self.process.sql(f'SELECT * FROM "{name}"'), items)

            eventually(wrong, within=within, what="every value of every item", every=0.1, holds=nothing)

    def finish(self) -> None:
        """Stop the process as a user would, and find the same in its files."""
        self.witness.expect_the_end()
        assert self.process.stop() == 0
        self.check()
        for name, stored in self.what_is_durable().items():
            assert stored.live is not None, name
            assert stored.live.checkpoint.was_ready, name
            assert stored.building is None, name

    def report(self) -> str:
        """What was done, in one line."""
        parts = [
            f"seed {self.seed}",
            self._engine,
            f"{len(self.names)} dataset(s)",
            f"{self.kills.total()} kills{_counts(self.kills)}, {self.inside_checkpoint} seen inside a checkpoint",
            f"Ready again after {_spread(self.ready_after)}",
            f"stopped after {_spread(self.stopped_after)}",
            f"{self.load.writes} writes{_counts(self.load.counts)}",
            f"{self.witness.looks} answers checked",
        ]
        return "; ".join(part for part in parts if not part.endswith(NEVER_HAPPENED))

    # Inside

    def _write_pod(self, url: str) -> None:
        server = "" if self._server is None else self._server.acceleration
        datasets = "".join(
            f"  - from: dynamodb:{name}\n"
            f"    name: {name}\n"
            f"    params: {{endpoint_url: '{url}', aws_region: us-east-1, scan_segments: 4}}\n"
            f"    acceleration: {{engine: {self._engine}, mode: file, refresh_mode: changes{server}}}\n"
            for name in self.names
        )
        (self.folder / "spicepod.yaml").write_text(f"datasets:\n{datasets}")

    def _environment(self) -> dict[str, str] | None:
        if self._engine != "cayenne":
            return None
        return environment(PYTHONPATH=os.pathsep.join((str(EAGER), *sys.path)))

    def _is_inside_checkpoint(self) -> bool:
        """Whether the engine wrote to its database last, and had not come to cut its log or to begin it anew."""
        return self._server is None and is_inside_checkpoint(self.log_in(self.folder))

    def log_in(self, folder: Path) -> Path:
        """The log of the first dataset in a folder of a Spicepod and its files."""
        database = folder / self._database().relative_to(self.folder)
        return database.with_name(database.name + self._files.log)

    def _database(self) -> Path:
        return self.data / f"{self.names[0]}{self._files.database}"

    def _end(self) -> None:
        if self.lives and self.process.process.poll() is None:
            self.process.kill()

    def _evidence(self) -> str:
        """All that explains a failure; pytest keeps its own folders only for a few runs."""
        kept = Path(tempfile.mkdtemp(prefix="headrace-crash-"))
        shutil.copytree(self.folder, kept, dirs_exist_ok=True)
        for number, life in enumerate(self.lives):
            (kept / f"life-{number:02d}.log").write_text("\n".join(life.log))
        tail = "\n".join(self.lives[-1].log[-25:]) if self.lives else ""
        return f"{self.report()}\nfiles and logs kept in {kept}\nthe last life's log ends:\n{tail}"


def _spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2]:.1f} s, at most {ordered[-1]:.1f} s" if ordered else NEVER_HAPPENED


def _counts(counts: Mapping[str, int]) -> str:
    """`` (what count, ...)``, empty if there is nothing."""
    text = ", ".join(f"{what} {count}" for what, count in sorted(counts.items()))
    return f" ({text})" if text else ""


def what_is_durable(folder: Path) -> dict[str, Stored]:
    """What the accelerators of the Spicepod in ``folder`` hold, by dataset; opening them repairs them."""
    pod = load_pod(folder, os.environ, folder)
    engines = Engines(pod.datasets)
    try:
        return {dataset.name: engines.sink(dataset.name).open() for dataset in pod.datasets}
    finally:
        engines.close()


def is_inside_checkpoint(log: Path) -> bool:
    """Whether something was logged, and the database written to after it; of Cayenne, whether files were made or removed."""
    if log.name.startswith(METASTORE):
        return is_inside_upkeep(log.parent)
    if not log.exists() or not log.stat().st_size:
        return False
    database = log.with_name(log.name.removesuffix(".wal").removesuffix("-wal"))
    return database.stat().st_mtime_ns > log.stat().st_mtime_ns


def seed_of_this_run() -> int:
    """The seed in HEADRACE_CRASH_SEED, else a fresh one: a failure tells which."""
    return int(os.environ.get("HEADRACE_CRASH_SEED") or random.SystemRandom().randrange(10**6))
