"""The table that is copied: flat items of ten attributes, cut into Scan pages of about 1 MB.

Every key names its page and its row (``ord-PPPPPP-RRRRR``), and the pages repeat a fixed set of templates with
the page's number put in. So a table of any size costs one replacement and one checksum a page, and what it
must add up to is known without reading it.
"""

from __future__ import annotations

import json
import random
import zlib
from dataclasses import dataclass
from functools import lru_cache

ROWS = 3000
"""Items in a full page, which is then a little under 1 MiB on the wire."""

TEMPLATES = 40
"""Pages after which everything but the key repeats: 120,000 different items."""

_TOKEN = b"ord-######-"
_SEED = 20_26
_STATES = ("placed", "paid", "packed", "shipped", "delivered", "returned")
_WORDS = (
    "leave at the back door",
    "ring twice, the bell is slow",
    "gift wrap, no invoice in the box",
    "call before delivery",
    "neighbour takes parcels",
    'fragile: "this side up"',
)
_STREETS = ("Rue du Vieux Moulin", "Am Alten Wehr", "Canal Street North", "Calle de la Acequia Mayor")


@dataclass(frozen=True, slots=True)
class Totals:
    """What a copy of the table must add up to; ``cents`` is the sum of ``amount`` times 100."""

    items: int
    keys: int
    quantity: int
    cents: int
    paid: int
    text: int


@dataclass(frozen=True, slots=True)
class Page:
    """A Scan answer up to its last closing brace, and the CRC-32 of that much."""

    body: bytes
    crc: int

    def ending(self, tail: bytes) -> tuple[bytes, int]:
        """``tail`` and the CRC-32 of the body that it ends."""
        return tail, zlib.crc32(tail, self.crc)


@dataclass(frozen=True, slots=True)
class _Template:
    rows: tuple[bytes, ...]
    totals: tuple[Totals, ...]
    """Per row: what the page adds up to, that row included."""


class Table:
    """A table of ``items`` items, 1 to 3,000,000,000."""

    def __init__(self, items: int) -> None:
        if not 0 < items <= ROWS * 1_000_000:
            raise ValueError(f"{items} items: choose 1 to {ROWS * 1_000_000:,}")
        self.items = items
        self.pages = -(-items // ROWS)

    def rows_in(self, page: int) -> int:
        """How many items a page holds."""
        return min(ROWS, self.items - page * ROWS)

    def page(self, page: int) -> Page:
        """One page of items."""
        return _page(page, self.rows_in(page))

    def last_key(self, page: int) -> str:
        """The key of a page's last item."""
        return f"ord-{page:06d}-{self.rows_in(page) - 1:05d}"

    def page_after(self, key: str) -> int:
        """The page that follows the one that ends with ``key``. Raises ValueError for any other key."""
        prefix, page, row = key.split("-")
        if (prefix, int(row)) != ("ord", self.rows_in(int(page)) - 1):
            raise ValueError(f"no page ends with {key}")
        return int(page) + 1

    def segment(self, segment: int, segments: int) -> range:
        """The pages of one segment of a parallel Scan."""
        return range(self.pages * segment // segments, self.pages * (segment + 1) // segments)

    def totals(self) -> Totals:
        """What a whole copy adds up to."""
        parts = [_template(page % TEMPLATES).totals[self.rows_in(page) - 1] for page in range(self.pages)]
        return Totals(
            *(sum(getattr(part, name) for part in parts) for name in Totals.__dataclass_fields__),
        )


@lru_cache(maxsize=TEMPLATES + 4)
def _page(page: int, rows: int) -> Page:
    text = _joined(page % TEMPLATES, rows).replace(_TOKEN, b"ord-%06d-" % page)
    body = b'{"Count":%d,"ScannedCount":%d,"Items":[%b]' % (rows, rows, text)
    return Page(body, zlib.crc32(body))


@lru_cache(maxsize=TEMPLATES + 4)
def _joined(template: int, rows: int) -> bytes:
    return b",".join(_template(template).rows[:rows])


@lru_cache(maxsize=TEMPLATES)
def _template(number: int) -> _Template:
    draw = random.Random(_SEED + number)
    rows: list[bytes] = []
    totals: list[Totals] = []
    quantity = cents = paid_count = text = 0
    for row in range(ROWS):
        amount, many, paid = draw.randrange(1, 500_000), draw.randrange(1, 100), draw.random() < 0.75
        address = f"{draw.choice(_STREETS)} {draw.randrange(200)}"
        note = f"{draw.choice(_WORDS)}; {address}, lot {draw.getrandbits(64):016x}"
        item = {
            "id": {"S": f"{_TOKEN.decode()}{row:05d}"},
            "customer": {"S": f"customer-{draw.randrange(10**6):06d}"},
            "status": {"S": draw.choice(_STATES)},
            "created_at": {
                "S": f"2026-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d}T10:{row % 60:02d}:00Z"
            },
            "note": {"S": note},
            "quantity": {"N": str(many)},
            "amount": {"N": _decimal(amount, 2)},
            "weight": {"N": _decimal(draw.randrange(1, 40_000), 3)},
            "version": {"N": str(draw.randrange(1, 2**40))},
            "paid": {"BOOL": paid},
        }
        rows.append(json.dumps(item, separators=(",", ":")).encode())
        quantity, cents, paid_count = quantity + many, cents + amount, paid_count + paid
        text += len(note)
        totals.append(Totals(row + 1, row + 1, quantity, cents, paid_count, text))
    return _Template(tuple(rows), tuple(totals))


def _decimal(units: int, places: int) -> str:
    """As DynamoDB writes it: without trailing zeros."""
    whole, part = divmod(units, 10**places)
    return f"{whole}.{part:0{places}d}".rstrip("0").rstrip(".")
