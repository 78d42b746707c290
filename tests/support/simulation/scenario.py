"""What one seed decides before anything happens: the table, the writes, the settings, what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from headrace.dataset import (
    GapBehavior,
    Replication,
    RestoreFailure,
    SnapshotMode,
    SnapshotPlace,
    Snapshots,
)
from headrace.simulator.weather import WEATHER
from support.simulation.chance import draw_rates

START = 1_700_000_000.0
"""When every scenario begins, epoch seconds."""

ENGINES = (
    "memory",
    *("duckdb", "duckdb-memory", "duckdb-file"),
    *("sqlite", "sqlite-memory", "sqlite-file"),
    "postgres",
    "cayenne",
)
"""``duckdb`` and ``sqlite`` are a file for most seeds, in memory for the others."""

MISHAPS: dict[str, tuple[float, float]] = {
    "crash before a call": (0.001, 0.02),
    "crash after a call": (0.001, 0.02),
    "crash before a commit": (0.005, 0.08),
    "crash after a commit": (0.005, 0.08),
    "crash inside a commit": (0.005, 0.08),
    "crash inside upkeep": (0.01, 0.2),
    "long downtime": (0.1, 0.9),
    "unknown commit that happened": (0.01, 0.15),
    "unknown commit that did not": (0.01, 0.15),
    "failed commit": (0.01, 0.15),
    "full disk": (0.01, 0.1),
    "full disk in upkeep": (0.02, 0.3),
    "store not opened": (0.05, 0.5),
    "late answer": (0.003, 0.05),
    "hung request": (0.0005, 0.01),
    "late tick": (0.01, 0.3),
    "lost disk": (0.002, 0.03),
    "crash in a snapshot": (0.05, 0.5),
    "damaged snapshot": (0.2, 0.9),
    "silent place": (0.05, 0.5),
    "broken record": (0.05, 0.4),
    "refused row": (0.05, 0.4),
}
"""What goes wrong on this side of the wire, with the range of its rates.

``long downtime`` is per crash, ``damaged snapshot`` per snapshot; ``broken record`` (it cannot be decoded) and ``refused row`` (the engine does not take it,
until an operator mends that) are per item that is written.
"""

_ONLY_ON = {
    "crash inside a commit": ("duckdb", "duckdb-file", "sqlite", "sqlite-file", "cayenne"),
    "crash inside upkeep": ("cayenne",),
    "full disk in upkeep": ("cayenne",),
    "refused row": ("memory",),
}
POISONS = ("broken record", "refused row")

ACTS: dict[str, tuple[float, float]] = {
    "split": (0.02, 0.15),
    "chain of splits": (0.01, 0.06),
    "rotation": (0.01, 0.1),
    "longer numbers": (0.02, 0.2),
    "trim": (0.01, 0.06),
    "pause": (0.01, 0.06),
    "stream replaced": (0.01, 0.06),
    "table recreated": (0.01, 0.04),
}
"""What befalls the table, per look at it; there are some thirty looks in each stretch of writes."""

_SHARD_FATES = ("late children", "early children", "shard not found")
_LISTINGS = (
    "tiny pages",
    "lagging listing",
    "childless parent",
    "missing shard",
    "missing in paging",
    "late end",
    "stale scan",
    "empty scan page",
)
_SPELLS = ("expired credentials", "access denied", "table not found")
SILENCE = "long silence"


def _range_of(name: str) -> tuple[float, float]:
    if name in ACTS:
        return ACTS[name]
    if name in _LISTINGS:
        # There are far fewer occasions for these.
        return (0.2, 0.9)
    if name in _SHARD_FATES:
        return (0.2, 1.0)
    if name == "table not found":
        return (0.02, 0.2)  # Of DescribeTable alone, which is rarely asked.
    if name in _SPELLS:
        return (0.0005, 0.01)
    return (0.005, 0.2)


FORECAST = {name: _range_of(name) for name in WEATHER}
"""What goes wrong on the service's side, with the range of its rates."""

KINDS = (*MISHAPS, *FORECAST)


@dataclass(frozen=True)
class Scenario:
    """Everything that a seed decides beforehand. Times are simulated seconds.

    ``keys`` are pairs of attribute and type. ``steady`` says that an attribute keeps its type. ``gap`` is the mean
    time between writes, ``latency`` the mean of half a request's time. ``page_limit`` bounds the pages of the
    service. ``rounds`` are stretches of writes, each followed by calm in which the copy must come to rest.
    """

    seed: int
    engine: str
    keys: tuple[tuple[str, str], ...]
    view: str
    items: int
    writes: int
    rounds: int
    gap: float
    steady: bool
    large: bool
    shards: int
    rotation: float | None
    latency: float
    page_limit: int
    settings: Replication
    snapshots: Snapshots | None = None
    mishaps: dict[str, float] = field(default_factory=dict)
    weather: dict[str, float] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What goes wrong here, by name."""
        return (*self.mishaps, *self.weather)

    @property
    def looks_every(self) -> float:
        """Time between two looks of the weather at the table."""
        return max(0.05, self.gap * self.writes / 30)

    def without(self, kind: str) -> Scenario:
        """The same, one kind of trouble less."""
        return replace(
            self,
            mishaps={name: rate for name, rate in self.mishaps.items() if name != kind},
            weather={name: rate for name, rate in self.weather.items() if name != kind},
        )


def draw(
    seed: int,
    engine: str = "memory",
    *,
    without: frozenset[str] = frozenset(),
    items: int | None = None,
    writes: int | None = None,
    rounds: int | None = None,
) -> Scenario:
    """The scenario of a seed; what is given takes the place of what the seed decides."""
    random = Random(f"{seed}/scenario")
    if engine in ("duckdb", "sqlite"):
        engine = f"{engine}-file" if random.random() < 0.7 else f"{engine}-memory"
    keys = random.choice(((("id", "S"),), (("id", "S"),), (("id", "N"),), (("id", "S"), ("at", "N"))))
    drawn_items = random.choice((3, 8, 20, 40))
    drawn_writes = random.choice((20, 40, 60))
    drawn_rounds = random.choice((1, 2, 2))
    gap = random.choice((0.005, 0.05, 0.2, 1.5))
    latency = random.choice((0.0, 0.002, 0.02, 0.1))
    share = random.choice((0.0, 0.1, 0.2, 0.2, 0.3, 0.5))
    duration = gap * drawn_writes
    scan_interval = 0.0 if duration < 10.0 else duration / 40
    # Five empty pages in a row must fit into the lag that still counts as fresh.
    ready_lag = 2.0 + 12 * (scan_interval + 4 * latency) + random.choice((0.0, 0.0, 10.0))
    settings = Replication(
        scan_segments=random.choice((None, 1, 2, 5)),
        scan_interval=scan_interval,
        ready_lag=ready_lag,
        gap_behavior=random.choice(tuple(GapBehavior)),
        consistent_read=random.random() < 0.75,
        buffer_bytes=random.choice((2, 3, 8, 40)) * 2**20,
    )
    # There are no more requests at once than the buffer has megabytes, and there may be some fifteen shards.
    turns = 15 * 5 / min(settings.buffer_bytes // 2**20, 15)
    settings = replace(settings, ready_lag=ready_lag + turns * 2 * latency)
    weather = draw_rates(seed, FORECAST, share, without)
    if "missing in paging" in weather and "tiny pages" not in without:
        # Few streams have so many shards that a listing takes two pages by itself.
        weather.setdefault("tiny pages", 0.5)
    if "stale scan" in weather:
        # Only a Scan that may be behind can be.
        settings = replace(settings, consistent_read=False)
    mishaps = draw_rates(seed, MISHAPS, share, without)
    mishaps = {kind: rate for kind, rate in mishaps.items() if engine in _ONLY_ON.get(kind, ENGINES)}
    if {
        "crash in a snapshot",
        "damaged snapshot",
        "silent place",
    } & mishaps.keys() and "lost disk" not in without:
        # What becomes of snapshots shows only where one is needed.
        mishaps.setdefault("lost disk", 0.01)
    rotation = random.choice((None, 4 * 3600.0, max(30.0, duration / 3)))
    if rotation is not None and {"trim", "pause", "long downtime"} & (mishaps.keys() | weather.keys()):
        # A day must not take thousands of rotations.
        rotation = 4 * 3600.0
    return Scenario(
        seed=seed,
        engine=engine,
        keys=keys,
        view=random.choice(("NEW_IMAGE", "NEW_AND_OLD_IMAGES")),
        items=items if items is not None else drawn_items,
        writes=writes if writes is not None else drawn_writes,
        rounds=rounds if rounds is not None else drawn_rounds,
        gap=gap,
        steady=random.random() < 0.5,
        large=random.random() < 0.05,
        shards=random.choice((1, 1, 2, 3)),
        rotation=rotation,
        latency=latency,
        page_limit=random.choice((1, 3, 12, 1000)),
        settings=settings,
        snapshots=_snapshots(seed, mishaps),
        mishaps=mishaps,
        weather=weather,
    )


def _snapshots(seed: int, mishaps: dict[str, float]) -> Snapshots | None:
    """What the seed decides of snapshots. They cost time, so most seeds have some only where a disk is lost."""
    random = Random(f"{seed}/snapshots")
    asked = random.random() < (0.85 if "lost disk" in mishaps else 0.15)
    batches = random.choice((None, None, 2, 5, 20))
    drawn = Snapshots(
        place=SnapshotPlace(),
        mode=random.choice((SnapshotMode.ENABLED, SnapshotMode.ENABLED, SnapshotMode.BOOTSTRAP_ONLY)),
        batches=batches,
        interval=None if batches is not None else random.choice((1.0, 10.0, 300.0)),
        always=random.random() < 0.2,
        on_failure=random.choice(tuple(RestoreFailure)),
        keep=random.choice((1, 2, 5)),
    )
    return drawn if asked else None


def kinds_of(engine: str) -> tuple[str, ...]:
    """Every kind of trouble that enough seeds must have seen, on this engine."""
    return tuple(kind for kind in KINDS if engine in _ONLY_ON.get(kind, ENGINES))
