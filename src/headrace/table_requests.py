"""Requests about one table over any Transport: each gives an answer, or raises one of our errors.

Shapes: Amazon DynamoDB API Reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headrace.errors import Unavailable
from headrace.refusal import Place, Request, refusal
from headrace.wire import Response, Transport

_OK = 200


class TableRequests:
    """Asks about ``table``. Stateless, so any thread may call; nothing is asked twice."""

    def __init__(self, transport: Transport, table: str, place: Place) -> None:
        self._transport = transport
        self.table = table
        self.place = place

    def ask(self, operation: str, body: Mapping[str, Any], shard: str | None = None) -> Response:
        """The answer whole. Raises the SourceErrors. ``shard`` stands in messages."""
        response = self._transport(operation, msgspec.json.encode(body))
        if response.status != _OK:
            raise refusal(response, Request(operation, self.table, self.place, shard))
        return response

    def answer(self, operation: str, body: Mapping[str, Any], shard: str | None = None) -> dict[str, Any]:
        """The answer as a JSON object. Raises the SourceErrors."""
        return json_object(self.ask(operation, body, shard))

    def described(self) -> tuple[dict[str, Any], Response]:
        """DescribeTable: the TableDescription, and the answer that it came in. Raises the SourceErrors."""
        response = self.ask("DescribeTable", {"TableName": self.table})
        table = json_object(response).get("Table")
        if not isinstance(table, dict):
            raise Unavailable("the answer of DescribeTable has no Table")
        return table, response


def json_object(response: Response) -> dict[str, Any]:
    """An answer decoded. Raises Unavailable where it is no JSON object."""
    try:
        return msgspec.json.decode(response.body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unavailable(f"an answer of {len(response.body)} bytes is not whole ({error})") from error
