"""Decodes whole Scan answers of 1 MB: Headrace, boto3's deserializer, and the ceiling.

    python bench/decode.py [--pages N] [--rounds N]

All in one process, on the same bytes, in turns that change from page to page and round to round:

- **Headrace**: ``Decoder.scan_page``, to Arrow, by a decoder that has met the table. Everything that the
  runtime asks of it is in: types checked, the page kept for dead letters.
- **boto3**: ``json.loads`` and ``TypeDeserializer`` for every attribute of every item, to dicts. They are not
  made into Arrow: that would cost it more. The aims are against this one.
- **boto3, whole**: the same after botocore's own parser, which walks the service's model: what a client of boto3
  pays for an answer.
- **The ceiling**: the least that any typed decoder on msgspec must do. Structs generated for the table split
  the answer into items and the items into attributes, and leave each attribute as the bytes that came
  (``{"N":"42"}``): no tag read, no text made, nothing checked, no column.

A figure is CPU time. Of each page the least of all rounds counts, and the pages are summed: other work on the
machine only ever adds. Each turn decodes its page twice, and the second time counts: caches and allocator are
then as among pages of one's own. The clock runs until the result is let go. The garbage collector is on, as where
such code runs; before the clock starts it collects, so that nobody pays for another's garbage, and what was there
before the first turn is frozen, so that it does not sweep the caches.

The first page is timed apart: a new Decoder that knows only the table's key finds the columns and generates
its decoder.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import boto3
import botocore.parsers
import botocore.session
import msgspec
import pyarrow as pa
from boto3.dynamodb.types import TypeDeserializer

import machine
from answers import SHAPES, Shape, answers
from headrace.dynamodb.decode import Decoder
from headrace.schema import TableSchema
from report import table

PAGES = 4
ROUNDS = 10

HEADRACE, BOTO3, WHOLE, CEILING = "Headrace", "boto3", "boto3, whole", "ceiling"
FIRST = "Headrace, first page"

Decode = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Aim:
    """How many times as fast as boto3, and which share of the ceiling's speed; None: nothing is aimed at."""

    times_boto3: float | None = None
    of_ceiling: float | None = None


AIMS = {"flat": Aim(40, 0.4), "nested": Aim(10), "wide": Aim()}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one workload is, and the least CPU ``seconds`` in which each contestant decoded it.

    ``items`` and ``size`` (bytes of JSON) are those of all ``pages``; FIRST decodes only the first of them, of
    ``first_items`` and ``first_size``.
    """

    pages: int
    items: int
    size: int
    first_items: int
    first_size: int
    seconds: dict[str, float]

    @property
    def times_boto3(self) -> float:
        """How many times as fast as boto3 Headrace is."""
        return self.seconds[BOTO3] / self.seconds[HEADRACE]

    @property
    def of_ceiling(self) -> float:
        """Headrace's share of the ceiling's speed."""
        return self.seconds[CEILING] / self.seconds[HEADRACE]


def measure(pages: int, rounds: int) -> dict[str, Figures]:
    """The figures of each workload by its name. Raises RuntimeError where a value is not what boto3 reads.

    Changes this process's default Arrow memory pool.
    """
    # As ``headrace run`` does.
    pa.set_memory_pool(pa.system_memory_pool())
    workloads = {shape.name: (shape, answers(shape, pages)) for shape in SHAPES}
    contestants: dict[str, dict[str, Decode]] = {}
    for name, (shape, bodies) in workloads.items():
        warm = Decoder(TableSchema.of_keys(shape.keys))
        for body in bodies:
            warm.scan_page(body, at=0.0)
        verify(warm, bodies)
        contestants[name] = {
            HEADRACE: _headrace(warm),
            BOTO3: from_boto3,
            WHOLE: whole_boto3(),
            CEILING: ceiling(bodies),
            FIRST: _first(shape),
        }
    gc.collect()
    gc.freeze()
    try:
        least = _least(contestants, {name: bodies for name, (_, bodies) in workloads.items()}, rounds)
    finally:
        gc.unfreeze()
    return {
        name: Figures(
            pages=pages,
            items=sum(map(_items, bodies)),
            size=sum(map(len, bodies)),
            first_items=_items(bodies[0]),
            first_size=len(bodies[0]),
            seconds={
                one: sum(seconds for (of, _, who), seconds in least.items() if (of, who) == (name, one))
                for one in contestants[name]
            },
        )
        for name, (_, bodies) in workloads.items()
    }


def _least(
    contestants: Mapping[str, Mapping[str, Decode]], bodies: Mapping[str, Sequence[bytes]], rounds: int
) -> dict[tuple[str, int, str], float]:
    """The least CPU seconds by workload, page and contestant."""
    least: dict[tuple[str, int, str], float] = {}
    for number in range(rounds):
        for name, pages in bodies.items():
            for page, body in enumerate(pages):
                for one, decode in _turn(contestants[name], number + page):
                    if one != FIRST or page == 0:
                        place = name, page, one
                        least[place] = min(_seconds(decode, body), least.get(place, float("inf")))
        print(f"  round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return least


def _turn(contestants: Mapping[str, Decode], number: int) -> list[tuple[str, Decode]]:
    order = list(contestants.items())
    first = number % len(order)
    return order[first:] + order[:first]


def _seconds(decode: Decode, body: bytes) -> float:
    decode(body)
    gc.collect()
    began = time.process_time()
    decode(body)
    return time.process_time() - began


def _headrace(decoder: Decoder) -> Decode:
    return lambda body: decoder.scan_page(body, at=0.0)


def _first(shape: Shape) -> Decode:
    return lambda body: Decoder(TableSchema.of_keys(shape.keys)).scan_page(body, at=0.0)


def from_boto3(body: bytes) -> list[dict[str, Any]]:
    """The items of an answer by TypeDeserializer, straight from JSON."""
    return _deserialized(json.loads(body))


def whole_boto3() -> Decode:
    """The items of an answer by botocore's parser and TypeDeserializer."""
    model = botocore.session.get_session().get_service_model("dynamodb")
    shape = model.operation_model("Scan").output_shape
    parser = botocore.parsers.create_parser(model.metadata["protocol"])

    def decode(body: bytes) -> list[dict[str, Any]]:
        return _deserialized(parser.parse({"headers": {}, "status_code": 200, "body": body}, shape))

    return decode


def _deserialized(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    deserialize = TypeDeserializer().deserialize
    return [{name: deserialize(value) for name, value in item.items()} for item in answer["Items"]]


def ceiling(bodies: Sequence[bytes]) -> Decode:
    """A decoder that splits these answers into attributes, and no further."""
    names = list(
        dict.fromkeys(name for body in bodies for item in json.loads(body)["Items"] for name in item)
    )
    fields = [f"f{index}" for index in range(len(names))]
    item = msgspec.defstruct(
        "Item",
        [(field, msgspec.Raw, msgspec.Raw()) for field in fields],
        rename=dict(zip(fields, names, strict=True)),
        gc=False,
    )
    answer = msgspec.defstruct("Answer", [("Items", list[item]), ("LastEvaluatedKey", msgspec.Raw)], gc=False)
    return msgspec.json.Decoder(answer).decode


def _items(body: bytes) -> int:
    return int(json.loads(body)["Count"])


def verify(decoder: Decoder, bodies: Sequence[bytes]) -> None:
    """Raise RuntimeError unless every value that Headrace decodes says what boto3's says."""
    for body in bodies:
        page, expected = decoder.scan_page(body, at=0.0), from_boto3(body)
        changes = page.changes
        if changes is None or page.dead or changes.count != len(expected) != 0:
            raise RuntimeError(f"{changes and changes.count} of {len(expected)} items were decoded")
        for column in changes.schema.columns:
            found = changes.rows.column(column.name).to_pylist()
            for row, (value, item) in enumerate(zip(found, expected, strict=True)):
                wanted = item.get(column.attribute)
                if not _same(value, wanted):
                    raise RuntimeError(f"{column.attribute} of item {row} is {value!r} instead of {wanted!r}")


def _same(found: Any, wanted: Any) -> bool:
    """Whether ``found``, perhaps as text, perhaps as a time, is the value ``wanted``."""
    if wanted is None or found is None:
        return found is wanted
    if isinstance(wanted, (dict, list)):
        return _same_parts(
            json.loads(found, parse_float=Decimal, parse_int=Decimal) if isinstance(found, str) else found,
            wanted,
        )
    if isinstance(wanted, bool):
        return found in (wanted, json.dumps(wanted))
    if isinstance(wanted, Decimal):
        return Decimal(str(found)) == wanted
    return found == wanted or (isinstance(found, datetime) and found == datetime.fromisoformat(wanted))


def _same_parts(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    return found.keys() == wanted.keys() and all(_same(found[name], value) for name, value in wanted.items())


def show(figures: dict[str, Figures], rounds: int) -> None:
    """Print the figures, and what became of the aims."""
    some = next(iter(figures.values()))
    print(
        f"\nDecoding: {some.pages} Scan answers of 1 MB a workload, the least CPU of {rounds} alternating rounds; "
        f"boto3 {boto3.__version__}, msgspec {msgspec.__version__}, pyarrow {pa.__version__}"
    )
    rows = []
    for name, found in figures.items():
        for one in (HEADRACE, BOTO3, WHOLE, CEILING, FIRST):
            seconds = found.seconds[one]
            items, size, pages = (
                (found.first_items, found.first_size, 1)
                if one == FIRST
                else (found.items, found.size, found.pages)
            )
            rows.append(
                [
                    f"{name}: {one}",
                    f"{1000 * seconds / pages:.2f}",
                    f"{items / seconds:,.0f}",
                    f"{size / seconds / 2**20:,.0f}",
                    f"{found.seconds[BOTO3] / found.pages / (seconds / pages):.1f}x",
                    f"{found.seconds[CEILING] / found.pages / (seconds / pages):.0%}",
                ]
            )
    print(table(["", "ms a page", "items/s", "MB/s", "times boto3", "of the ceiling"], rows))
    for name, found in figures.items():
        aim = AIMS[name]
        if aim.times_boto3 is not None:
            reached = found.times_boto3 >= aim.times_boto3
            print(
                f"aim {aim.times_boto3:.0f}x of boto3, {name}: {found.times_boto3:.1f}x: {_verdict(reached=reached)}"
            )
        if aim.of_ceiling is not None:
            reached = found.of_ceiling >= aim.of_ceiling
            print(
                f"aim {aim.of_ceiling:.0%} of the ceiling, {name}: {found.of_ceiling:.0%}: {_verdict(reached=reached)}"
            )


def _verdict(*, reached: bool) -> str:
    return "reached" if reached else "not reached"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=int, default=PAGES, help="answers of each workload")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    print(f"{machine.describe()}; load {machine.load()}", flush=True)
    figures = measure(arguments.pages, arguments.rounds)
    show(figures, arguments.rounds)


if __name__ == "__main__":
    main()
