"""Rows of one table, put and deleted by as few requests as can be.

Limits: Amazon DynamoDB API Reference, BatchWriteItem: 25 requests, 16 MB, no item twice; what is left unprocessed is sent again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Final

import msgspec

from headrace.attribute import BrokenValue, Image
from headrace.decoding import json_decoder
from headrace.errors import HeadraceError, RequestRejected
from headrace.row_table import Row
from headrace.targets.table import MOST_PUTS, Table, key_of

_MOST_BYTES: Final = 15 * 2**20
"""Of one request, of which the frame takes some too."""

_IMAGE: Final = json_decoder(Image)


class BatchWrites:
    """Writes to ``table``, as many requests at once as ``workers`` has threads. Any thread may call."""

    def __init__(self, table: Table, workers: Executor) -> None:
        self._table = table
        self._workers = workers

    def write(self, rows: Sequence[Row]) -> list[HeadraceError | None]:
        """How each went, no two of one key: None, or the error with which it is not done, or may be.

        RequestRejected is of the row itself. Any other says that the table takes no more for now, or nothing at all.
        """
        outcomes: list[HeadraceError | None] = []
        for written in self._workers.map(self._written, list(_chunks(rows))):
            outcomes += written
        return outcomes

    def _written(self, rows: Sequence[Row]) -> list[HeadraceError | None]:
        """As ``write``, of rows that fit into one request."""
        left = list(rows)
        attempt, waited = 0, 0.0
        try:
            while left:
                unprocessed = self._table.write([_request(row) for row in left])
                less = _those(left, unprocessed) if unprocessed else []
                if less:
                    # Where some were taken, the next try is the first one for the rest: it goes on for as long as it gets on.
                    attempt, waited = (attempt + 1, waited) if len(less) == len(left) else (1, 0.0)
                    left = less
                    waited = self._table.rest(attempt, waited)
                left = less
        except RequestRejected as error:
            failed = self._at_fault(left, error)
        except HeadraceError as error:
            failed = {id(row): error for row in left}
        else:
            failed = {}
        return [failed.get(id(row)) for row in rows]

    def _at_fault(self, rows: list[Row], error: RequestRejected) -> dict[int, HeadraceError]:
        """The errors by their rows: a request is refused whole for one of them, which its halves tell."""
        if len(rows) == 1:
            return {id(rows[0]): error}
        middle = len(rows) // 2
        failed: dict[int, HeadraceError] = {}
        for half in (rows[:middle], rows[middle:]):
            outcomes = zip(half, self._written(half), strict=True)
            failed |= {id(row): outcome for row, outcome in outcomes if outcome is not None}
        return failed


def _request(row: Row) -> Mapping[str, Any]:
    return {"DeleteRequest": {"Key": row.key}} if row.item is None else {"PutRequest": {"Item": row.item}}


def _those(rows: list[Row], unprocessed: list[dict[str, Any]]) -> list[Row]:
    """The rows that were left; all, where that cannot be told."""
    names = list(rows[0].key)
    try:
        keys = {_key(request, names) for request in unprocessed}
        left = [row for row in rows if key_of(row.key, names) in keys]
    except (KeyError, ValueError, TypeError, msgspec.MsgspecError, BrokenValue):
        return rows
    return left if len(left) == len(unprocessed) else rows


def _key(request: Mapping[str, Any], names: list[str]) -> str:
    attributes = request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"]
    return key_of(_IMAGE.decode(msgspec.json.encode({name: attributes[name] for name in names})), names)


def _chunks(rows: Sequence[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for row in rows:
        weight = len(msgspec.json.encode(_request(row)))
        if chunk and (len(chunk) == MOST_PUTS or size + weight > _MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += weight
    if chunk:
        yield chunk
