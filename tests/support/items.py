"""Items of every DynamoDB type, and what each must read as in SQL over HTTP, by rules written down here anew."""

from __future__ import annotations

import base64
import json
import random
from decimal import Decimal


def make_item(number: int, revision: int) -> dict:
    """Item ``number`` as DynamoDB JSON; ``revision`` changes every attribute but the key."""
    rng = random.Random(f"{number}/{revision}")
    item = {
        "id": {"S": f"item-{number:05d}"},
        "revision": {"N": str(revision)},
        "quantity": {"N": str(rng.randrange(-(10**6), 10**6))},
        "price": {"N": str(Decimal(rng.randrange(1, 10**6)) / 100)},
        "exact": {"N": f"{rng.randrange(10**37, 10**38)}"},
        "paid": {"BOOL": rng.random() < 0.5},
        "note": {
            "S": rng.choice(
                ("", "plain", "naïve ☃ 漢字 🚰", 'quote " and \\ and \n line', "2026-01-02T03:04:05Z")
            )
        },
        "blob": {"B": _bytes(rng)},
        "tags": {"SS": sorted({f"t{rng.randrange(50)}" for _ in range(3)})},
        "sizes": {"NS": sorted({str(rng.randrange(100)) for _ in range(3)})},
        "blobs": {"BS": sorted({_bytes(rng) for _ in range(2)})},
        "mixed": rng.choice(({"S": "text"}, {"N": "42"}, {"BOOL": True}, {"L": [{"N": "1"}]})),
        "lines": {"L": [{"S": "a"}, {"N": "1.5"}, {"BOOL": False}, {"NULL": True}, {"M": {"x": {"N": "7"}}}]},
        "address": {
            "M": {"city": {"S": "Zürich"}, "geo": {"M": {"lat": {"N": "47.3769"}}}, "set": {"SS": ["z"]}}
        },
        "stops": {
            "L": [{"M": {"city": {"S": "Bern"}, "nights": {"N": str(rng.randrange(9))}}}] * rng.randrange(3)
        },
        "created": {"S": f"2026-01-{rng.randint(1, 28):02d}T03:04:{rng.randrange(60):02d}Z"},
        "nothing": {"NULL": True},
    }
    if rng.random() < 0.3:
        item["empty_list"] = {"L": []}
        item["empty_map"] = {"M": {}}
    if rng.random() < 0.1:
        item["rare"] = {"S": f"r{number}"}
    return item


def reads_as(item: dict) -> dict:
    """What ``SELECT *`` over HTTP must say of an item: sets sorted, numbers as Decimal, JSON text parsed."""
    return {name: _column(name, value) for name, value in item.items() if "NULL" not in value}


def comparable(row: dict) -> dict:
    """A row of the HTTP answer in the form of ``reads_as``."""
    return {name: _answer(name, value) for name, value in row.items() if value is not None}


def _column(name: str, value: dict) -> object:
    ((tag, content),) = value.items()
    if name == "mixed":
        return {"S": lambda: content, "N": lambda: content, "BOOL": lambda: "true", "L": lambda: '["1"]'}[
            tag
        ]()
    match tag:
        case "N":
            return Decimal(content)
        case "SS":
            return sorted(content)
        case "BS":
            return sorted(content)
        case "NS":
            return sorted(Decimal(n) for n in content)
        case "L" if name == "stops":
            return [_plain(e) for e in content]
        case "L":
            return [_element(e) for e in content]
        case "M":
            return {k: _plain(v) for k, v in content.items()}
        case _:
            return content


def _element(value: dict) -> object:
    ((tag, content),) = value.items()
    match tag:
        case "NULL":
            return None
        case "BOOL":
            return "true" if content else "false"
        case "M":
            return json.dumps({k: _plain(v) for k, v in content.items()}, separators=(",", ":"), default=int)
        case _:
            return content


def _plain(value: dict) -> object:
    ((tag, content),) = value.items()
    match tag:
        case "N":
            return Decimal(content)
        case "M":
            return {k: _plain(v) for k, v in content.items()}
        case _:
            return content


def _answer(name: str, value: object) -> object:
    match name:
        case "revision" | "quantity" | "price" | "exact":
            return Decimal(str(value))
        case "tags" | "blobs":
            return sorted(value)
        case "sizes":
            return sorted(Decimal(str(n)) for n in value)
        case "address":
            return _decimals(value)
        case "stops":
            return [_decimals(one) for one in value]
        case "empty_map":
            return json.loads(value)
        case _:
            return value


def _decimals(value: object) -> object:
    """Numbers, however JSON has them, by their value; members of a struct that are null are not there."""
    if isinstance(value, dict):
        return {name: _decimals(one) for name, one in value.items() if one is not None}
    return Decimal(str(value)) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _bytes(rng: random.Random) -> str:
    return base64.b64encode(rng.randbytes(rng.randrange(1, 12))).decode()


class TableUnderTest:
    """A table at an endpoint, written through boto3, and what it must hold."""

    def __init__(self, url: str, name: str = "orders") -> None:
        import boto3

        access = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        self.client = boto3.client("dynamodb", endpoint_url=url, **access)
        self.name = name
        self.items: dict[str, dict] = {}
        self.client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})

    def fill(self, count: int, padding: int = 0) -> None:
        """Put items 0 to ``count`` - 1 in their first revision, each longer by ``padding`` bytes."""
        more = {"padding": {"S": "x" * padding}} if padding else {}
        self._write([("put", make_item(number, 0) | more) for number in range(count)])

    def change(self, count: int, seed: int) -> None:
        """``count`` mixed changes: replaced, updated in place, deleted, new."""
        rng = random.Random(seed)
        numbers = rng.sample(range(len(self.items) + count // 4), count)
        batched = []
        for number in numbers:
            kind = rng.random()
            item = make_item(number, seed)
            key = item["id"]["S"]
            if kind < 0.2 and key in self.items:
                self._update(key, seed)
            elif kind < 0.4 and key in self.items:
                batched.append(("delete", self.items[key]))
            else:
                batched.append(("put", item))
        self._write(batched)

    def _update(self, key: str, seed: int) -> None:
        self.client.update_item(
            TableName=self.name,
            Key={"id": {"S": key}},
            UpdateExpression="SET revision = :r, price = :p REMOVE note",
            ExpressionAttributeValues={":r": {"N": str(seed)}, ":p": {"N": "0.25"}},
        )
        item = {**self.items[key], "revision": {"N": str(seed)}, "price": {"N": "0.25"}}
        item.pop("note", None)
        self.items[key] = item

    def _write(self, changes: list[tuple[str, dict]]) -> None:
        for start in range(0, len(changes), 25):
            requests = []
            for kind, item in changes[start : start + 25]:
                if kind == "put":
                    self.items[item["id"]["S"]] = item
                    requests.append({"PutRequest": {"Item": _with_bytes(item)}})
                else:
                    del self.items[item["id"]["S"]]
                    requests.append({"DeleteRequest": {"Key": {"id": item["id"]}}})
            self.client.batch_write_item(RequestItems={self.name: requests})


def _with_bytes(value: object) -> object:
    """DynamoDB JSON with binaries as boto3 wants them."""
    if not isinstance(value, dict):
        return value
    out = {}
    for name, content in value.items():
        if name == "B" and isinstance(content, str):
            out[name] = base64.b64decode(content)
        elif name == "BS" and isinstance(content, list):
            out[name] = [base64.b64decode(c) for c in content]
        elif name == "L" and isinstance(content, list):
            out[name] = [_with_bytes(c) for c in content]
        else:
            out[name] = _with_bytes(content)
    return out
