"""Writes to a table at a steady rate, one PutItem at a time, whether or not anybody keeps up.

Half are new items, half replace one of the latest 10,000. Its own delays are made up for, and reported.
"""

from __future__ import annotations

import json
import random
import sys
import time

from measure import cpu_seconds
from wire import Wire

_RECENT = 10_000


def main(url: str, table: str, rate: float, seconds: float, first: int) -> None:
    wire, draw = Wire(url), random.Random(first)
    newest, late = first, 0.0
    began = time.perf_counter()
    writes = int(rate * seconds)
    for number in range(writes):
        due = began + number / rate
        wait = due - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        late = max(late, -wait)
        newest += number % 2
        row = newest if number % 2 else draw.randrange(max(0, newest - _RECENT), newest)
        wire.ask("PutItem", TableName=table, Item=item(row, draw))
    took = time.perf_counter() - began
    print(
        json.dumps({"rate": writes / took, "late": late, "cpu": cpu_seconds(), "newest": newest}), flush=True
    )


def item(row: int, draw: random.Random) -> dict[str, dict[str, str]]:
    """A flat item of six attributes, about 150 bytes."""
    return {
        "id": {"S": f"ord-{row:09d}"},
        "customer": {"S": f"customer-{draw.randrange(10**5):05d}"},
        "status": {"S": draw.choice(("placed", "paid", "packed", "shipped"))},
        "note": {"S": f"lot {draw.getrandbits(64):016x}"},
        "quantity": {"N": str(draw.randrange(1, 100))},
        "amount": {"N": f"{draw.randrange(1, 10**6) / 100:.2f}"},
    }


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
