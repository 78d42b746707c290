"""Whole Scan answers of about 1 MB, in three shapes, as DynamoDB writes them: compact JSON in UTF-8.

The values come from a fixed seed: the same bytes always. A page is full when its JSON reaches 1 MiB.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from pages import ROWS, TEMPLATES, Table

FULL = 2**20
"""Bytes of JSON that a page has at most."""

Item = dict[str, dict[str, Any]]

_AROUND = 200
"""Bytes of an answer that are not its items."""

_SEED = 41
_CITIES = ("Łódź", "Bergen", "Porto", "Gent", "Zürich", "Cork", "Århus", "Lyon")
_STREETS = ("Mill Lane", "Am Alten Wehr", "Rue du Vieux Moulin", "Calle de la Acequia Mayor")
_TIERS = ("copper", "bronze", "silver", "gold")
_WORDS = ("sluice", "weir", "penstock", "tailrace", "spillway", "intake", "forebay", "surge tank")


@dataclass(frozen=True, slots=True)
class Shape:
    """A workload: its name, its table's key as ``TableSchema.of_keys`` takes it, and its endless items."""

    name: str
    keys: tuple[tuple[str, str], ...]
    items: Callable[[], Iterator[Item]]


def answers(shape: Shape, pages: int) -> list[bytes]:
    """The first ``pages`` answers of a Scan of the shape's table."""
    found: list[bytes] = []
    rows: list[bytes] = []
    size, last = 0, b""
    for item in shape.items():
        row = _compact(item)
        if size + len(row) + 1 > FULL - _AROUND:
            found.append(_answer(rows, last))
            if len(found) == pages:
                break
            rows, size = [], 0
        rows.append(row)
        size += len(row) + 1
        last = _compact({name: item[name] for name, _ in shape.keys})
    return found


def _answer(rows: list[bytes], last: bytes) -> bytes:
    return b'{"Items":[%b],"Count":%d,"ScannedCount":%d,"LastEvaluatedKey":%b}' % (
        b",".join(rows),
        len(rows),
        len(rows),
        last,
    )


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _flat() -> Iterator[Item]:
    """The ten attributes of the table that bench/bootstrap.py copies: 5 S, one of them a time, 4 N, 1 BOOL."""
    table = Table(ROWS * TEMPLATES)
    for page in count():
        yield from json.loads(table.page(page).body + b"}")["Items"]


def _nested() -> Iterator[Item]:
    """Two maps, a mixed list and seven flat attributes; a text in a hundred holds quotes."""
    draw = random.Random(_SEED)
    for number in count():
        yield {
            "opened_at": {"S": _time(draw)},
            "account": {"S": f"account-{number:08d}"},
            "active": {"BOOL": draw.random() < 0.8},
            "balance": {"N": _decimal(draw, 10**7)},
            "address": {
                "M": {
                    "street": {"S": f"{draw.choice(_STREETS)} {draw.randrange(200)}"},
                    "city": {"S": draw.choice(_CITIES)},
                    "postcode": {"S": f"{draw.randrange(10**5):05d}"},
                    "verified": {"BOOL": draw.random() < 0.5},
                    "position": {
                        "M": {"lat": {"N": _decimal(draw, 9000)}, "lon": {"N": _decimal(draw, 18000)}}
                    },
                }
            },
            "visits": {"N": str(draw.randrange(10**4))},
            "profile": {
                "M": {
                    "tier": {"S": draw.choice(_TIERS)},
                    "points": {"N": str(draw.randrange(10**6))},
                    "motto": {"S": 'the "old" mill' if draw.random() < 0.01 else draw.choice(_WORDS)},
                    "referrer": {"NULL": True} if draw.random() < 0.5 else {"S": draw.choice(_WORDS)},
                    "tags": {"L": [{"S": draw.choice(_WORDS)} for _ in range(draw.randrange(4))]},
                }
            },
            "history": {
                "L": [
                    {"S": draw.choice(_WORDS)},
                    {"N": str(draw.randrange(1000))},
                    {"BOOL": draw.random() < 0.5},
                    {"NULL": True},
                    {
                        "M": {
                            "sku": {"S": f"sku-{draw.randrange(10**4)}"},
                            "amount": {"N": _decimal(draw, 10**5)},
                        }
                    },
                ]
            },
            "region": {"S": draw.choice(_CITIES)},
            "revision": {"N": str(draw.randrange(1, 50))},
        }


def _wide() -> Iterator[Item]:
    """Sixty attributes that every item has, and thirty that one in five has: 60 to 70 an item."""
    draw = random.Random(_SEED)
    for number in count():
        item: Item = {"reading": {"S": f"reading-{number:08d}"}}
        for index in range(24):
            item[f"label_{index:02d}"] = {"S": f"{draw.choice(_WORDS)} {draw.randrange(100)}"}
        for index in range(19):
            item[f"count_{index:02d}"] = {"N": str(draw.randrange(10**5))}
        for index in range(10):
            item[f"level_{index:02d}"] = {"N": _decimal(draw, 10**5)}
        for index in range(6):
            item[f"alarm_{index:02d}"] = {"BOOL": draw.random() < 0.1}
        for index in range(10):
            if draw.random() < 0.2:
                item[f"remark_{index:02d}"] = {"S": draw.choice(_WORDS)}
            if draw.random() < 0.2:
                item[f"spare_{index:02d}"] = {"N": str(draw.randrange(100))}
            if draw.random() < 0.2:
                item[f"drift_{index:02d}"] = {"N": _decimal(draw, 1000)}
        yield item


def _time(draw: random.Random) -> str:
    return f"2026-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d}T{draw.randrange(24):02d}:15:00Z"


def _decimal(draw: random.Random, below: int) -> str:
    """Hundredths as DynamoDB writes them: without trailing zeros."""
    whole, part = divmod(draw.randrange(below), 100)
    return f"{whole}.{part:02d}".rstrip("0").rstrip(".")


SHAPES = (
    Shape("flat", (("id", "S"),), _flat),
    Shape("nested", (("account", "S"),), _nested),
    Shape("wide", (("reading", "S"),), _wide),
)
