"""The figures: decoding, bootstrap against peers, memory at 10 million items, applying changes, freshness.

    python bench/run.py [--quick] [--json FILE]

``--quick`` shows within two minutes that everything works; its figures are too few to be quoted.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import apply
import bootstrap
import decode
import freshness
import machine
import peers

PEERS = ("boto3", "awswrangler", "aiodynamo", "duckdb", "pyarrow", "msgspec")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer items, rounds and seconds")
    parser.add_argument("--json", type=Path, help="write every figure to this file too")
    arguments = parser.parse_args()
    items, rounds, large, seconds, windows = (
        (30_000, 1, 300_000, 5.0, 1)
        if arguments.quick
        else (bootstrap.ITEMS, bootstrap.ROUNDS, bootstrap.LARGE, 20.0, 3)
    )
    figures: dict[str, object] = {
        "machine": machine.describe(),
        "load": machine.load(),
        "versions": peers.versions(PEERS),
        "quick": arguments.quick,
    }
    print(f"{machine.describe()}; load {machine.load()}")
    print(
        "peers: " + ", ".join(f"{name} {version}" for name, version in peers.versions(PEERS).items()),
        flush=True,
    )

    if arguments.quick:
        print("quick: too few items, rounds and seconds for a figure to be quoted", flush=True)

    pages, turns = (1, 3) if arguments.quick else (decode.PAGES, decode.ROUNDS)
    decoded = decode.measure(pages, turns)
    decode.show(decoded, turns)
    figures["decode"] = {
        "rounds": turns,
        "workloads": {name: asdict(found) for name, found in decoded.items()},
    }

    costs = bootstrap.compare(items, rounds)
    bootstrap.show_comparison(costs, items, rounds)
    figures["bootstrap"] = {"items": items, "rounds": rounds, "medians": costs}

    memory = bootstrap.large(large)
    bootstrap.show_large(memory)
    figures["memory"] = memory

    applied = [
        found
        for engine in apply.ENTRIES
        for rows in ((10_000,) if arguments.quick else (100_000, 1_000_000))
        for found in apply.measure(engine, "text", rows, apply.SIZES, 20 if arguments.quick else 60)
    ]
    apply.show(applied)
    figures["apply"] = [asdict(found) for found in applied]

    stretches = freshness.measure(rate=1000, seconds=seconds, windows=windows, interval=0.005)
    freshness.show(stretches, 1000, seconds)
    figures["freshness"] = [asdict(stretch) for stretch in stretches]

    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
        print(f"\nwritten to {arguments.json}", file=sys.stderr)


if __name__ == "__main__":
    main()
