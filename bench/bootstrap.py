"""Copies one table into a DuckDB file: Headrace, its peers, and the ceiling.

Every copy is a fresh process against the same canned server; the contestants take turns within one run, each
round in another order; medians are printed. Every copy is checked afterwards: a contestant that lost a row, a
key or a value ends the run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

import children
import machine
import peers
from canned import TABLE
from measure import rss
from pages import Table, Totals
from report import mb, percentile, table

ITEMS = 100_000
ROUNDS = 5
LARGE = 10_000_000
MEMORY_AIM = 500 * 2**20


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who copies: its module under clients/, and how many times as costly as Headrace we aim it to be."""

    name: str
    module: str
    aim: float | None = None
    copies: bool = True


HEADRACE = Contestant("Headrace", "headrace_client")
CONTESTANTS = (
    HEADRACE,
    Contestant("boto3 + TypeDeserializer", "boto3_client", 25),
    Contestant("awswrangler", "awswrangler_client", 20),
    Contestant("aiodynamo", "aiodynamo_client", 5),
    Contestant("ceiling: receive and split", "ceiling_client", copies=False),
)

Result = Mapping[str, Any]


def compare(items: int, rounds: int) -> dict[str, dict[str, float]]:
    """The medians of each contestant's costs."""
    results: dict[str, list[Result]] = {one.name: [] for one in CONTESTANTS}
    peers.python()
    totals = Table(items).totals()
    with children.canned_server(items) as url:
        for number in range(rounds):
            turn = number % len(CONTESTANTS)
            for one in (*CONTESTANTS[turn:], *CONTESTANTS[:turn]):
                result = _copy(one, url, totals)
                results[one.name].append(result)
                print(f"  round {number + 1}: {one.name}: {_short(result)}", file=sys.stderr, flush=True)
    return {name: _medians(found) for name, found in results.items()}


def large(items: int) -> dict[str, Any]:
    """Headrace alone on a table of ``items``: its costs, and its memory over time as (seconds, bytes)."""
    totals = Table(items).totals()
    series: list[tuple[float, int]] = []
    with children.canned_server(items) as url, tempfile.TemporaryDirectory(dir=_scratch()) as folder:
        path = Path(folder) / "copy.duckdb"
        started = time.monotonic()
        process = children.start(*_command(HEADRACE, url, path))
        try:
            while process.poll() is None:
                size = rss(process.pid)
                if size is not None:
                    series.append((time.monotonic() - started, size))
                time.sleep(0.25)
            result = _result(process, HEADRACE)
        finally:
            children.stop(process)
        _verify(path, totals)
        return {"items": items, **result, "file_bytes": path.stat().st_size, "rss": series}


def _copy(one: Contestant, url: str, totals: Totals) -> Result:
    with tempfile.TemporaryDirectory(dir=_scratch()) as folder:
        path = Path(folder) / "copy.duckdb"
        with (Path(folder) / "stderr").open("w+b") as stderr:
            process = children.start(*_command(one, url, path), stderr=stderr)
            try:
                result = _result(process, one)
            except RuntimeError:
                stderr.seek(0)
                shutil.copyfileobj(stderr, sys.stderr.buffer)
                raise
            finally:
                children.stop(process)
        if one.copies:
            _verify(path, totals)
        elif result["items"] != totals.items:
            raise RuntimeError(f"{one.name} received {result['items']} of {totals.items} items")
        return result


def _command(one: Contestant, url: str, path: Path) -> tuple[str, ...]:
    python = sys.executable if one is HEADRACE else str(peers.python())
    return (python, "-m", f"clients.{one.module}", url, str(path), TABLE)


def _result(process: Any, one: Contestant) -> Result:
    output, _ = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{one.name} ended with {process.returncode}")
    found: Result = json.loads(output.decode().splitlines()[-1])
    return found


def _verify(path: Path, totals: Totals) -> None:
    """Raise RuntimeError unless the copy adds up."""
    with duckdb.connect(str(path), read_only=True) as connection:
        row = connection.execute(
            f"""SELECT count(*), count(DISTINCT id), sum(quantity::BIGINT)::BIGINT,
                round(sum(round(amount::DOUBLE * 100)))::BIGINT, count(*) FILTER (paid::BOOLEAN),
                sum(length(note))::BIGINT FROM {TABLE}"""
        ).fetchone()
    assert row is not None
    found = Totals(*row)
    if found != totals:
        raise RuntimeError(f"the copy is wrong: {found} instead of {totals}")


def _scratch() -> Path:
    """A folder on the checkout's own disk: a temporary folder may be memory."""
    folder = peers.CHECKOUT / ".cache"
    folder.mkdir(exist_ok=True)
    return folder


def _medians(results: list[Result]) -> dict[str, float]:
    names = [name for name, value in results[0].items() if isinstance(value, (int, float))]
    return {name: statistics.median(result[name] for result in results) for name in names}


def _short(result: Result) -> str:
    return f"{result['wall']:.2f} s, {result['cpu']:.2f} CPU s, {mb(result['peak_rss'])}"


def show_comparison(medians: Mapping[str, Mapping[str, float]], items: int, rounds: int) -> None:
    """Print the table of costs and what became of the aims."""
    own = medians[HEADRACE.name]
    print(f"\nBootstrap: {items:,} flat items into a DuckDB file, medians of {rounds} alternating rounds")
    rows = [
        [
            one.name,
            f"{cost['wall']:.2f}",
            f"{cost['cpu']:.2f}",
            f"{items / cost['cpu']:,.0f}",
            mb(cost["peak_rss"]),
            f"{cost['cpu'] / own['cpu']:.1f}x",
            f"{cost['wall'] / own['wall']:.1f}x",
        ]
        for one in CONTESTANTS
        for cost in (medians[one.name],)
    ]
    heads = ["", "wall s", "CPU s", "items per CPU s", "peak RSS", "CPU of Headrace's", "wall of Headrace's"]
    print(table(heads, rows))
    for one in CONTESTANTS:
        if one.aim is not None:
            cost = medians[one.name]
            reached = cost["cpu"] / own["cpu"]
            verdict = "reached" if reached >= one.aim else "not reached"
            print(
                f"aim {one.aim:.0f}x of {one.name}: {reached:.1f}x in CPU, {cost['wall'] / own['wall']:.1f}x in wall: {verdict}"
            )


def show_large(result: Mapping[str, Any]) -> None:
    """Print the memory of the large copy over time."""
    series = result["rss"]
    print(
        f"\nBootstrap: {result['items']:,} items, Headrace alone: {_short(result)}, file {mb(result['file_bytes'])}"
    )
    points = [series[round(step * (len(series) - 1) / 15)] for step in range(16)]
    print(table(["seconds", "RSS"], [[f"{seconds:.1f}", mb(size)] for seconds, size in points]))
    first, last = (
        percentile([size for _, size in part], 50)
        for part in (series[len(series) // 4 : len(series) // 2], series[3 * len(series) // 4 :])
    )
    flat = abs(last - first) <= 0.1 * first
    held = "reached" if result["peak_rss"] < MEMORY_AIM and flat else "not reached"
    print(
        f"aim under {mb(MEMORY_AIM)} and flat: peak {mb(result['peak_rss'])}; "
        f"median of the second quarter {mb(first)}, of the last {mb(last)}: {held}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--large", action="store_true", help="only Headrace, and by default 10 million items")
    arguments = parser.parse_args()
    print(f"{machine.describe()}; load {machine.load()}")
    if arguments.large:
        show_large(large(LARGE if arguments.items == ITEMS else arguments.items))
    else:
        show_comparison(compare(arguments.items, arguments.rounds), arguments.items, arguments.rounds)


if __name__ == "__main__":
    main()
