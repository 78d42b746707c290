"""The bodies of requests that read: Query, Scan and BatchGetItem.

Shapes: Amazon DynamoDB API Reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from headrace.column_name import Path
from headrace.dynamodb.expression import Expression, Placeholders
from headrace.dynamodb.key_way import Way

BATCH: Final = "BatchGetItem"

MOST_GETS: Final = 100
"""Keys of one BatchGetItem."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``body`` is without what tells one page from the next."""

    operation: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RequestWriter:
    """Writes requests of one scan to ``table``: they have a filter, and project some paths (None: all), or count."""

    table: str
    consistent: bool
    filter: Expression | None
    paths: tuple[Path, ...] | None
    counting: bool

    def scans(self, segments: int) -> Iterator[Request]:
        """One for each segment."""
        for segment in range(segments):
            placeholders = Placeholders()
            body = self._body(placeholders)
            if segments > 1:
                body |= {"Segment": segment, "TotalSegments": segments}
            yield Request("Scan", body | placeholders.members())

    def queries(self, way: Way) -> Iterator[Request]:
        """One for each key."""
        for key in way.keys:
            placeholders = Placeholders()
            body = self._body(placeholders)
            if way.shelf.name is not None:
                body["IndexName"] = way.shelf.name
            body["KeyConditionExpression"] = placeholders.rendered(way.condition(key))
            yield Request("Query", body | placeholders.members())

    def batches(self, way: Way) -> Iterator[Request]:
        """One for so many whole keys of the table."""
        names = way.shelf.key
        keys = [dict(zip(names, key, strict=False)) for key in way.keys]
        for first in range(0, len(keys), MOST_GETS):
            placeholders = Placeholders()
            asked: dict[str, Any] = {
                "Keys": keys[first : first + MOST_GETS],
                "ConsistentRead": self.consistent,
                **self._projection(placeholders),
                **placeholders.members(),
            }
            yield Request(BATCH, {"RequestItems": {self.table: asked}, "ReturnConsumedCapacity": "TOTAL"})

    def _body(self, placeholders: Placeholders) -> dict[str, Any]:
        body: dict[str, Any] = {
            "TableName": self.table,
            "ConsistentRead": self.consistent,
            "ReturnConsumedCapacity": "TOTAL",
        }
        if self.filter is not None:
            body["FilterExpression"] = placeholders.rendered(self.filter)
        return body | ({"Select": "COUNT"} if self.counting else self._projection(placeholders))

    def _projection(self, placeholders: Placeholders) -> dict[str, Any]:
        return {} if self.paths is None else {"ProjectionExpression": placeholders.projected(self.paths)}
