"""How many records a second event filters decide on: ``python bench/filters.py [records]``.

Beside them a plain interpreter of the pattern, over records that json.loads has read; and the package ``event-ruler`` (a
matcher in Go), where it is installed, as far as it says the same. All take turns on the same records, so that the ratios hold
on a busy machine.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from headrace.event_source_mapping import Pattern
from headrace.filters import Filters

ROUNDS = 5

PATTERNS = {
    "eventName": ({"eventName": ["INSERT", "MODIFY"]}, False),
    "one attribute": ({"dynamodb": {"NewImage": {"status": {"S": ["PAID"]}}}}, False),
    "became PAID": (
        {
            "eventName": ["MODIFY"],
            "dynamodb": {
                "NewImage": {"status": {"S": ["PAID"]}},
                "OldImage": {"status": {"S": [{"anything-but": ["PAID"]}]}},
            },
        },
        False,
    ),
    "prefix, exists": (
        {
            "dynamodb": {
                "Keys": {"id": {"S": [{"prefix": "order-1"}]}},
                "NewImage": {"gone": {"S": [{"exists": False}]}},
            }
        },
        False,
    ),
    "within a list": ({"dynamodb": {"NewImage": {"lines": {"L": {"M": {"sku": {"S": ["s3"]}}}}}}}, False),
    "numeric": ({"new": {"total": [{"numeric": [">", 250]}]}}, True),
    "changed": ({"new": {"status": [{"changed": True}]}}, True),
}


def record(number: int) -> bytes:
    statuses = ("NEW", "PAID", "SHIPPED")
    new = {
        "id": {"S": f"order-{number}"},
        "status": {"S": statuses[number % 3]},
        "total": {"N": str(number % 500)},
        "customer": {"M": {"name": {"S": "Ada"}, "tier": {"S": "gold"}}},
        "lines": {"L": [{"M": {"sku": {"S": f"s{at}"}, "count": {"N": str(at)}}} for at in range(4)]},
        "tags": {"SS": ["a", "b", "c"]},
        "note": {"S": "x" * 200},
        "paid": {"BOOL": True},
    }
    old = new | {"status": {"S": statuses[(number // 3) % 3]}}
    whole = {
        "eventID": f"{number:032x}",
        "eventName": ("INSERT", "MODIFY", "REMOVE")[number % 3],
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_700_000_000.0 + number,
            "Keys": {"id": new["id"]},
            "NewImage": new,
            "OldImage": old,
            "SequenceNumber": str(10**20 + number),
            "SizeBytes": 900,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000",
    }
    return json.dumps(whole, separators=(",", ":")).encode()


def interpreted(pattern: Any, event: Any) -> bool:
    """The pattern by the letter, on one record; of what the patterns above have in AWS's grammar."""
    for name, wanted in pattern.items():
        value = event.get(name) if isinstance(event, dict) else None
        if isinstance(wanted, dict):
            inner = value if isinstance(value, list) else [value]
            if not any(interpreted(wanted, one) for one in inner):
                return False
        elif not any(_matches(one, value) for one in wanted):
            return False
    return True


def _matches(wanted: Any, value: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(wanted == value)
    ((operator, argument),) = wanted.items()
    match operator:
        case "exists":
            return (value is not None) == argument
        case "prefix":
            return isinstance(value, str) and value.startswith(argument)
        case "anything-but":
            return value is not None and value not in argument
    raise ValueError(operator)


def contenders(pattern: dict[str, Any], *, extended: bool) -> dict[str, Callable[[bytes], bool]]:
    text = json.dumps(pattern)
    ways: dict[str, Callable[[bytes], bool]] = {
        "headrace": Filters.compiled([Pattern(text, extended)]).passes
    }
    if not extended:
        ways["interpreter"] = lambda one: interpreted(pattern, json.loads(one))
        with suppress(ImportError):
            from event_ruler import event_ruler

            ways["event-ruler"] = lambda one: event_ruler.test_event_pattern(one.decode(), text)
    return ways


def passing(ask: Callable[[bytes], bool], records: list[bytes]) -> int | None:
    """How many pass; None where the pattern is refused."""
    try:
        return sum(map(ask, records))
    except RuntimeError:
        return None


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    records = [record(number) for number in range(count)]
    print(
        f"{count:,} records of {len(records[0]):,} bytes; records a second, and times as many as the interpreter\n"
    )
    print(
        "| pattern | passing | headrace | interpreter | times | event-ruler |\n| --- | --- | --- | --- | --- | --- |"
    )
    for name, (pattern, extended) in PATTERNS.items():
        ways = contenders(pattern, extended=extended)
        passed = passing(ways["headrace"], records)
        differing = {way for way, ask in ways.items() if passing(ask, records) != passed}
        assert "interpreter" not in differing
        ways = {way: ask for way, ask in ways.items() if way not in differing}
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, ask in ways.items():
                began = time.perf_counter()
                for one in records:
                    ask(one)
                seconds[way].append(time.perf_counter() - began)
        rates = {way: count / statistics.median(found) for way, found in seconds.items()}
        shown = {way: f"{rate:,.0f}" for way, rate in rates.items()}
        times = f"{rates['headrace'] / rates['interpreter']:.1f}" if "interpreter" in rates else ""
        shown |= dict.fromkeys(differing, "says another")
        cells = (name, f"{passed:,}", shown["headrace"], shown.get("interpreter", ""), times)
        print(f"| {' | '.join(cells)} | {shown.get('event-ruler', '')} |")


if __name__ == "__main__":
    main()
