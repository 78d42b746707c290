"""A live shop: orders are placed, change their status, and some are deleted."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec

from headrace.errors import SourceError
from headrace.wire import Transport

TABLE = "orders"
STATUSES = ("placed", "paid", "packed", "shipped", "delivered")
_CITIES = ("Berlin", "Lagos", "Lima", "Osaka", "Oslo", "Pune", "Quito", "Turin")


class Shop:
    """Writes to the table ``orders`` through ``transport``; ``random`` decides what. One thread at a time.

    Orders are numbered from 1, and placed again only under new numbers. Raises SourceError where the
    service refuses a request.
    """

    def __init__(self, transport: Transport, random: Random) -> None:
        self._transport = transport
        self._random = random
        self._open: list[int] = []
        self._placed = 0
        self.writes = 0

    def open(self) -> None:
        """Create the table, its stream on."""
        self._call(
            "CreateTable",
            TableName=TABLE,
            KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )

    def stock(self, orders: int) -> None:
        """Place many orders at once."""
        for _ in range(0, orders, 25):
            requests = [{"PutRequest": {"Item": self._new_order()}} for _ in range(25)]
            self._call("BatchWriteItem", RequestItems={TABLE: requests})
            self.writes += len(requests)

    def trade(self) -> None:
        """One change: mostly a new order or a step of an old one, sometimes a deletion."""
        roll = self._random.random()
        if roll < 0.4 or len(self._open) < 10:  # noqa: PLR2004  # Ten orders keep the shop going.
            self._call("PutItem", TableName=TABLE, Item=self._new_order())
        elif roll < 0.9:  # noqa: PLR2004  # One change in ten deletes.
            self._advance(self._random.choice(self._open))
        else:
            number = self._open.pop(self._random.randrange(len(self._open)))
            self._call("DeleteItem", TableName=TABLE, Key=_key(number))
        self.writes += 1

    def orders(self) -> list[dict[str, Any]]:
        """Every item of the table, as DynamoDB JSON."""
        items: list[dict[str, Any]] = []
        start: dict[str, Any] = {}
        while True:
            page = self._call("Scan", TableName=TABLE, ConsistentRead=True, **start)
            items += page["Items"]
            if "LastEvaluatedKey" not in page:
                return items
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _advance(self, number: int) -> None:
        self._call(
            "UpdateItem",
            TableName=TABLE,
            Key=_key(number),
            UpdateExpression="SET #status = :status ADD revision :one",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                ":status": {"S": self._random.choice(STATUSES[1:])},
                ":one": {"N": "1"},
            },
        )

    def _new_order(self) -> dict[str, Any]:
        self._placed += 1
        self._open.append(self._placed)
        cents = self._random.randrange(500, 50_000)
        return {
            **_key(self._placed),
            "status": {"S": STATUSES[0]},
            "city": {"S": self._random.choice(_CITIES)},
            "amount": {"N": f"{cents / 100:.2f}"},
            "revision": {"N": "1"},
            "items": {"L": [{"S": f"sku-{self._random.randrange(200)}"} for _ in range(2)]},
        }

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        response = self._transport(operation, msgspec.json.encode(request))
        if response.status != 200:  # noqa: PLR2004  # HTTP's OK.
            raise SourceError(f"{operation} was refused: {response.body.decode()}")
        answer: dict[str, Any] = msgspec.json.decode(response.body)
        return answer


def _key(number: int) -> dict[str, Any]:
    return {"order_id": {"S": f"o-{number:07d}"}}
