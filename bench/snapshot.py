"""What it costs to export a copy and to restore it, and what a commit costs meanwhile.

    python bench/snapshot.py [--rows N ...] [--engines NAME ...]

The copies are those of ``apply.py``: ten columns, text keys in no order. In one run batches of 1,000 changes are applied
one after the other, first alone, then while exports are made, one after the other; each batch is one durable transaction
with its checkpoint. At last one export is restored over the copy; ``open`` is in that time. Cayenne is measured with its
rows in files (``settle``), which an export links.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from apply import ENTRIES, Headrace
from changes import Workload
from report import mb, percentile, table

ROWS: Final = (1_000_000,)
BATCH: Final = 1_000
ALONE: Final = 60
"""Batches without an export beside them."""

TOGETHER: Final = 40
"""Batches beside exports, at least."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds, bytes, and milliseconds of each batch alone and beside an export."""

    engine: str
    rows: int
    export: float
    restore: float
    size: int
    alone: tuple[float, ...]
    beside: tuple[float, ...]


def measure(engine: str, rows: int) -> Figures:
    """The figures of one engine. Raises RuntimeError where a restored copy holds what it should not."""
    workload = Workload("text", rows)
    with ExitStack() as stack:
        stack.callback(workload.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-bench-")))
        scratch = folder.resolve() / "scratch"
        copy = ENTRIES[engine].headrace(folder, "text")
        assert isinstance(copy, Headrace), "the yardsticks have no exports"
        stack.callback(copy.close)
        copy.load(workload.pages())
        if engine == "cayenne":
            copy.settle()
        print(f"  {engine}: loaded {rows:,} rows", file=sys.stderr, flush=True)
        seconds = [_exported(copy, scratch / "alone") for _ in range(3)]
        size = sum(file.stat().st_size for file in (scratch / "alone").iterdir())
        alone = [_batch(copy, workload) for _ in range(ALONE)]
        with _exporting(copy, scratch / "beside"):
            beside = [_batch(copy, workload) for _ in range(TOGETHER)]
        _exported(copy, scratch / "last")
        wanted = workload.totals
        began = time.perf_counter()
        copy.restore(scratch / "last")
        restored = time.perf_counter() - began
        if copy.totals() != wanted:
            raise RuntimeError(f"the restored copy holds {copy.totals()} rows and their sum, not {wanted}")
    return Figures(engine, rows, min(seconds), restored, size, tuple(alone), tuple(beside))


def _exported(copy: Headrace, folder: Path) -> float:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began = time.perf_counter()
    copy.export(folder)
    return time.perf_counter() - began


@contextmanager
def _exporting(copy: Headrace, folder: Path) -> Iterator[None]:
    """Export one after the other until the block ends."""
    done, failed = threading.Event(), []

    def go_on() -> None:
        try:
            while not done.is_set():
                _exported(copy, folder)
        except BaseException as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if failed:
        raise failed[0]


def _batch(copy: Headrace, workload: Workload) -> float:
    apply = copy.ready(workload.changes(BATCH))
    began = time.perf_counter()
    apply()
    return 1000 * (time.perf_counter() - began)


def show(figures: Sequence[Figures]) -> None:
    """Print the figures."""
    heads = ["", "rows", "size", "export s", "MB/s", "restore s", "MB/s", "batch ms", "p99", "beside", "p99"]
    lines = [
        [
            one.engine,
            f"{one.rows:,}",
            mb(one.size),
            f"{one.export:.2f}",
            f"{one.size / 2**20 / one.export:,.0f}",
            f"{one.restore:.2f}",
            f"{one.size / 2**20 / one.restore:,.0f}",
            f"{statistics.median(one.alone):.1f}",
            f"{percentile(one.alone, 99):.0f}",
            f"{statistics.median(one.beside):.1f}",
            f"{percentile(one.beside, 99):.0f}",
        ]
        for one in figures
    ]
    print(f"\nExports and restores; batches of {BATCH:,} changes alone, and beside exports")
    print(table(heads, lines))


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--engines", nargs="+", default=list(ENTRIES), choices=list(ENTRIES))
    asked = parser.parse_args()
    show([measure(engine, rows) for engine in asked.engines for rows in asked.rows])


if __name__ == "__main__":
    main()
