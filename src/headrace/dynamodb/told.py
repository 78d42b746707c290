"""Plans in words, for EXPLAIN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headrace.dynamodb.expression import readable_path
from headrace.dynamodb.plan import Plan
from headrace.dynamodb.request_writer import BATCH
from headrace.table_shape import Shelf

READ_UNIT: Final = 4096
"""Bytes that one read unit reads, twice as many where it reads eventually consistently.

Amazon DynamoDB Developer Guide, "DynamoDB read consistency" and "Capacity unit consumption for read operations".
"""

MOST_LETTERS: Final = 500
"""Letters of a condition that are told."""


def told(plan: Plan, *, consistent: bool) -> str:
    """One line: the requests, what they carry, and what they are likely to consume."""
    if plan.shelf is None:
        return "no request to DynamoDB: no item can satisfy the conditions"
    return "; ".join(_said(plan, plan.shelf, consistent=consistent))


def estimated_units(plan: Plan, shelf: Shelf, *, consistent: bool) -> float:
    """Read units by the service's own estimates of the number of items and their size; of keys, one item for each."""
    factor = 1.0 if consistent else 0.5
    if not plan.keys:
        return max(len(plan.requests), -(-shelf.size_bytes // READ_UNIT)) * factor
    item = shelf.size_bytes // shelf.items if shelf.items else 0
    return plan.keys * max(1, -(-item // READ_UNIT)) * factor


def _said(plan: Plan, shelf: Shelf, *, consistent: bool) -> Iterator[str]:
    operation = plan.requests[0].operation
    count = len(plan.requests)
    index = f" of index {shelf.name}" if shelf.name else ""
    if operation == "Scan":
        yield f"DynamoDB Scan in {count} segment{'s'[: count > 1]}"
    else:
        times = f", {count} requests" if count > 1 else ""
        yield f"DynamoDB {operation}{index}{times}: {_shortened(plan.key)}"
    if plan.filter is not None:
        yield f"filter {_shortened(plan.filter.text)}"
    if plan.counting:
        yield "counted by DynamoDB"
    elif plan.paths is not None:
        yield f"attributes {_shortened(', '.join(map(readable_path, plan.paths)))}"
    else:
        yield "all attributes"
    if plan.limit is not None and not plan.counting:
        yield f"until {plan.limit:,} row{'s'[: plan.limit != 1]}"
    yield "strongly consistent" if consistent else "eventually consistent"
    yield _cost(plan, shelf, operation, consistent=consistent)


def _cost(plan: Plan, shelf: Shelf, operation: str, *, consistent: bool) -> str:
    units = estimated_units(plan, shelf, consistent=consistent)
    amount = f"{units:,.1f}".removesuffix(".0")
    unit = "read unit" if units == 1 else "read units"
    if operation == "Scan":
        bound = "up to" if plan.limit is not None else "about"
        return f"{bound} {amount} {unit} for {shelf.items:,} items of {shelf.size_bytes:,} bytes"
    if operation == BATCH or (shelf.name is None and len(shelf.key) == 1):
        return f"about {amount} {unit}"
    return f"at least {amount} {unit}"


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}..."
