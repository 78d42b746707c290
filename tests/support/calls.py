"""Seeded calls to DynamoDB: mostly right, often at an edge, sometimes wrong."""

from __future__ import annotations

import base64
from random import Random
from typing import Any

Value = dict[str, Any]
NAMES = ("a", "b", "c", "d", "e1", "name", "dotted.name", "size")
RESERVED = ("name", "dotted.name", "size")
KINDS = ("S", "N", "B", "SS", "NS", "BS", "BOOL", "NULL", "L", "M")
BAD_CONDITIONS = (
    *("a =", "((a = b))", "size(a)", "contains(a)", "a = :undefined"),
    *("#undefined = a", "a = = b", "a", "attribute_exists(:v)", "a BETWEEN b", "a IN ()", "", "a = b AND"),
)
BAD_UPDATES = ("MOVE a", "", "SET a = :undefined", "REMOVE #undefined")
_NUMBERS = ("0", "1", "-1", "2", "10", "1.5", "0.001", "12345678901234567890", "-2.25")
SPELLINGS = ("1.50", "-0", "1e3", "007", "1E-7", "+5", "1.", ".5")
_BAD_NUMBERS = ("", "x", "1E126", "1E-131", "9" * 39, " 1", "1,5", "NaN", "0x1")
_TEXTS = ("", "a", "ab", "b", "é", "Z", "10", "a b")
_BLOBS = tuple(base64.b64encode(raw).decode() for raw in (b"", b"a", b"ab", b"\xff", b"b"))

_SETS = {"SS": _TEXTS, "NS": ("0", "1", "2.5", "10", "-3"), "BS": _BLOBS}


class Calls:
    """Draws values, items, expressions and requests from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._may_slip = False
        self._values = 0
        self._targets: list[str] = []
        self._elements: list[str] = []

    def next(self) -> tuple[str, dict[str, Any]]:
        """An operation and its request. One in six has a mistake in it, and never two."""
        self._may_slip = self.chance(17)
        makers = (self.write, self.get, self.batch, self.transaction, self.query, self.scan)
        operation, request = self.random.choices(makers, (10, 4, 3, 4, 4, 2))[0]()
        return operation, request

    def slip(self, percent: float) -> bool:
        """Whether to make a mistake here; the request's only one."""
        if not self._may_slip or not self.chance(percent):
            return False
        self._may_slip = False
        return True

    def chance(self, percent: float) -> bool:
        return self.random.random() * 100 < percent

    def pick(self, choices: Any) -> Any:
        return self.random.choice(choices)

    # Values.

    def value(self, depth: int = 0, *, stored: bool = False) -> Value:
        """Any value; one that is ``stored`` may be spelt in another way than it is answered, or be wrong."""
        if stored and self.slip(5):
            return self.bad_value()
        kind = self.pick(KINDS[: 8 if depth > 2 else 10])
        if kind in {"S", "N", "B"}:
            return self.scalar(kind, stored=stored)
        members = range(self.random.randint(0, 3))
        match kind:
            case "L":
                return {"L": [self.value(depth + 1, stored=stored) for _ in members]}
            case "M":
                return {"M": {self.pick(NAMES): self.value(depth + 1, stored=stored) for _ in members}}
            case "BOOL":
                return {"BOOL": self.chance(50)}
            case "NULL":
                return {"NULL": True}
        return {kind: self.random.sample(_SETS[kind], self.random.randint(1, 3))}

    def scalar(self, kind: str, *, stored: bool = False) -> Value:
        choices = {"S": _TEXTS, "N": _NUMBERS + SPELLINGS if stored else _NUMBERS, "B": _BLOBS}
        return {kind: self.pick(choices[kind])}

    def bad_value(self) -> Value:
        return self.pick(
            (
                {"N": self.pick(_BAD_NUMBERS)},
                {"SS": []},
                {"NS": []},
                {"BS": []},
                {"SS": ["a", "b", "a"]},
                {"NS": ["1", "1.0"]},
                {"BS": ["YQ==", "YQ=="]},
                {"NULL": False},
                {},
                {"S": "a", "N": "1"},
                {"NS": ["1", "x"]},
            )
        )

    def attributes(self) -> dict[str, Value]:
        drawn = {self.pick(NAMES): self.value(stored=True) for _ in range(self.random.randint(0, 4))}
        if self.chance(60):
            drawn |= {"n1": self.scalar("N"), "l1": {"L": [self.value()]}, "m1": {"M": {"a": self.value()}}}
        return drawn

    def key(self) -> dict[str, Value]:
        if self.slip(15):
            return self.pick(
                (
                    {},
                    {"id": {"S": "k1"}},
                    {"id": {"S": "k1"}, "at": {"S": "1"}},
                    {"id": {"S": ""}, "at": {"N": "1"}},
                    {"id": {"S": "k1"}, "at": {"N": "1"}, "more": {"S": "x"}},
                    {"id": {"N": "1"}, "at": {"N": "1"}},
                    {"id": {"S": "x" * 2049}, "at": {"N": "1"}},
                    {"id": {"S": "k1"}, "other": {"N": "1"}},
                )
            )
        return self.good_key()

    def good_key(self) -> dict[str, Value]:
        return {"id": {"S": f"k{self.random.randint(1, 4)}"}, "at": {"N": self.pick(("1", "2", "3", "10"))}}

    def item(self) -> dict[str, Value]:
        return {**self.attributes(), **self.key()}

    # Expressions. Each draws its placeholders into the request as it goes.

    def path(self, request: dict[str, Any], nested: float = 15) -> str:
        name = self.pick(NAMES)
        text = (
            self._name(request, name) if name in RESERVED and not (name == "name" and self.slip(10)) else name
        )
        while self.chance(nested):
            text += self.pick((".a", ".b", "[0]", "[1]", "[5]"))
        return text

    def condition(self, request: dict[str, Any], depth: int = 0) -> str:
        if depth == 0 and self.slip(30):
            return self.pick(BAD_CONDITIONS)
        if depth < 2 and self.chance(30):
            left, right = self.condition(request, depth + 1), self.condition(request, depth + 1)
            return self.pick(
                (f"{left} AND {right}", f"({left}) OR {right}", f"NOT {left}", f"not ({right} or {left})")
            )
        path = self.path(request)
        kind = self.pick("SNB")
        low, high = (self.scalar(kind) for _ in range(2))
        drawn = (self.value(), low, high, {"N": self.pick("123")}, {"S": self.pick(KINDS)})
        names = [self._value(request, each) for each in drawn]
        value, one, two, count, type_name = names
        shapes = (
            (f"{path} {self.pick(('=', '<>'))} {value}", (value,)),
            (f"{path} {self.pick(('<', '<=', '>', '>='))} {one}", (one,)),
            (f"{one} {self.pick(('<', '<=', '>', '>=', '=', '<>'))} {path}", (one,)),
            (f"attribute_exists({path})", ()),
            (f"attribute_not_exists ( {path} )", ()),
            (f"{path} IN ({value}, {one}, {two})", (value, one, two)),
            (f"size({path}) {self.pick(('=', '>'))} {count}", (count,)),
            (f"attribute_type({path}, {type_name})", (type_name,)),
        )
        if "B" not in drawn[0]:
            shapes += ((f"contains({path}, {value})", (value,)),)
        if low == high or (kind == "N" and float(low["N"]) < float(high["N"])):
            shapes += ((f"{path} between {one} and {two}", (one, two)),)
        text, used = self.pick(shapes)
        values = request["ExpressionAttributeValues"]
        for name in names:
            if name not in used:
                del values[name]
        if not values:
            del request["ExpressionAttributeValues"]
        return text

    def update(self, request: dict[str, Any]) -> str:
        if self.slip(20):
            return self.pick(BAD_UPDATES)
        self._elements = ["l1[7]", "m1.b", "l1[1]", "m1.a", "l1[0]"]
        self._targets = self.random.sample(("a", "b", "c", "d", "e1"), 5)
        sections = self.random.sample(("SET", "REMOVE", "ADD", "DELETE"), self.pick((1, 1, 1, 2)))
        text = " ".join(self._section(request, section) for section in sections)
        if not {"SET", "ADD"}.intersection(sections):
            # One that only takes away makes no item where there is none; the other endpoint makes one.
            text += f" SET f = {self._value(request, self.value())}"
        return text

    def _section(self, request: dict[str, Any], section: str) -> str:
        actions = [self._action(request, section) for _ in range(self.pick((1, 1, 2)))]
        return f"{section} {', '.join(actions)}"

    def _action(self, request: dict[str, Any], section: str) -> str:
        path = self._targets.pop()
        if section == "SET" and self.chance(25):
            path = self._elements.pop()
        match section:
            case "SET":
                return f"{path} = {self._set_value(request)}"
            case "REMOVE":
                return path
            case "ADD":
                added = self.pick(
                    ({"N": "1"}, {"N": "0.5"}, {"SS": ["a", "c"]}, {"NS": ["1"]}, {"BS": ["YQ=="]})
                )
                return f"{path} {self._value(request, added)}"
        gone = self.pick(({"SS": ["a", "b"]}, {"NS": ["1", "10"]}, {"BS": ["YQ==", "Yg=="]}))
        return f"{path} {self._value(request, gone)}"

    def _set_value(self, request: dict[str, Any]) -> str:
        match self.random.choices(range(6), (5, 2, 2, 2, 2, 1))[0]:
            case 0:
                return self._value(request, self.value())
            case 1:
                return self.path(request)
            case 2:
                number = self._value(request, {"N": self.pick(_NUMBERS)})
                return f"n1 {self.pick('+-')} {number}"
            case 3:
                return f"if_not_exists({self.path(request)}, {self._value(request, self.value())})"
            case 4:
                return f"list_append(l1, {self._value(request, {'L': [self.value()]})})"
        start = f"if_not_exists(l1, {self._value(request, {'L': []})})"
        return f"list_append({start}, {self._value(request, {'L': [self.value()]})})"

    def projection(self, request: dict[str, Any]) -> str:
        if self.slip(30):
            return self.pick(("a, a", "a.b, a"))
        names = self.random.sample(("a", "b", "c", "d", "e1"), self.random.randint(1, 3))
        return ", ".join(name + self.pick(("", "", ".a", "[0]", ".b[1]")) for name in names)

    def _name(self, request: dict[str, Any], name: str) -> str:
        names = request.setdefault("ExpressionAttributeNames", {})
        names[f"#n{len(name)}"] = name
        return f"#n{len(name)}"

    def _value(self, request: dict[str, Any], value: Value) -> str:
        self._values += 1
        request.setdefault("ExpressionAttributeValues", {})[f":v{self._values}"] = value
        return f":v{self._values}"

    def _maybe_unused(self, request: dict[str, Any]) -> None:
        if self.slip(10):
            request.setdefault("ExpressionAttributeValues", {})[":unused"] = {"S": "x"}
        if self.slip(10):
            request.setdefault("ExpressionAttributeNames", {})["#unused"] = "x"

    # Requests.

    def write(self) -> tuple[str, dict[str, Any]]:
        may_slip = self._may_slip
        request: dict[str, Any] = {"TableName": "none" if self.slip(5) else "orders"}
        operation = self.pick(("PutItem", "PutItem", "UpdateItem", "UpdateItem", "DeleteItem"))
        if operation == "PutItem":
            request["Item"] = self.item()
        else:
            request["Key"] = self.key()
        returns = ("NONE", "ALL_OLD")
        if operation == "UpdateItem":
            returns = ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_NEW")
            if not self.chance(5):
                request["UpdateExpression"] = self.update(request)
        if self._may_slip == may_slip and self.chance(30):
            request["ConditionExpression"] = self.condition(request)
            if self.chance(50):
                request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if self.chance(50):
            request["ReturnValues"] = self.pick(("ALL_NEW", "SOME")) if self.slip(5) else self.pick(returns)
        if "l1[" in request.get("UpdateExpression", ""):
            request.pop("ReturnValues", None)
        if self.chance(20):
            request["ReturnConsumedCapacity"] = "TOTAL"
        self._maybe_unused(request)
        return operation, request

    def get(self) -> tuple[str, dict[str, Any]]:
        request: dict[str, Any] = {"TableName": "orders", "Key": self.key()}
        if self.chance(50):
            request["ProjectionExpression"] = self.projection(request)
        if self.chance(20):
            request |= {"ConsistentRead": True, "ReturnConsumedCapacity": "TOTAL"}
        return "GetItem", request

    def batch(self) -> tuple[str, dict[str, Any]]:
        if self.chance(50):
            writes = [
                {"PutRequest": {"Item": self.item()}}
                if self.chance(60)
                else {"DeleteRequest": {"Key": self.key()}}
                for _ in range(26 if self.slip(10) else self.random.randint(1, 3))
            ]
            return "BatchWriteItem", {"RequestItems": {"orders": writes}}
        part: dict[str, Any] = {"Keys": [self.key() for _ in range(self.pick((1, 2, 3)))]}
        if self.chance(30):
            self._may_slip = False
            part["ProjectionExpression"] = self.projection(part)
        return "BatchGetItem", {"RequestItems": {"none" if self.slip(10) else "orders": part}}

    def transaction(self) -> tuple[str, dict[str, Any]]:
        self._may_slip = False
        count = self.pick((1, 2, 2, 3))
        if self.chance(20):
            gets = [{"Get": {"TableName": "orders", "Key": self.key()}} for _ in range(count)]
            return "TransactGetItems", {"TransactItems": gets}
        request: dict[str, Any] = {"TransactItems": [self._transact() for _ in range(count)]}
        if self.chance(10):
            request["ReturnConsumedCapacity"] = "TOTAL"
        return "TransactWriteItems", request

    def _transact(self) -> dict[str, Any]:
        kind = self.pick(("Put", "Put", "Update", "Update", "Delete", "ConditionCheck"))
        action: dict[str, Any] = {"TableName": "none" if self.slip(5) else "orders"}
        action |= (
            {"Item": {**self.attributes(), **self.good_key()}} if kind == "Put" else {"Key": self.good_key()}
        )
        if kind == "Update":
            action["UpdateExpression"] = self.update(action)
        if kind == "ConditionCheck" or self.chance(20):
            action["ConditionExpression"] = self.condition(action)
            if self.chance(50):
                action["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return {kind: action}

    def query(self) -> tuple[str, dict[str, Any]]:
        request: dict[str, Any] = {"TableName": "orders"}
        identity = self._value(request, {"S": f"k{self.random.randint(1, 4)}"})
        one, two = (
            self._value(request, {"N": each}) for each in self.pick((("1", "2"), ("2", "2"), ("1", "10")))
        )
        shapes = {
            "id = {i}": (),
            "id = {i} AND at = {a}": (one,),
            "id = {i} AND at > {a}": (one,),
            "at <= {a} AND id = {i}": (one,),
            "id = {i} AND at BETWEEN {a} AND {b}": (one, two),
            "(id = {i}) AND (at < {a})": (one,),
        }
        wrong = {
            "id > {i}": (),
            "at = {a}": (one,),
            "id = {i} AND extra = {a}": (one,),
            "id = {i} AND begins_with(at, {a})": (one,),
        }
        shapes = wrong if self.slip(50) else shapes
        shape = self.pick(list(shapes))
        request["KeyConditionExpression"] = shape.format(i=identity, a=one, b=two).replace("at", "#at")
        request["ExpressionAttributeNames"] = {"#at": "at"}
        used = {identity, *shapes[shape]} if "{i}" in shape else {one}
        for name in (identity, one, two):
            if name not in used:
                del request["ExpressionAttributeValues"][name]
        if "#at" not in request["KeyConditionExpression"]:
            del request["ExpressionAttributeNames"]
        self._page_options(request)
        if self.chance(40):
            request["ScanIndexForward"] = self.chance(50)
        return "Query", request

    def scan(self) -> tuple[str, dict[str, Any]]:
        request: dict[str, Any] = {"TableName": "orders"}
        self._page_options(request)
        if self.slip(30):
            request |= self.pick(
                ({"Segment": 0}, {"TotalSegments": 2}, {"Segment": 2, "TotalSegments": 2}, {"Limit": 0})
            )
        return "Scan", request

    def _page_options(self, request: dict[str, Any]) -> None:
        if self.chance(40):
            # The other endpoint judges a filter only where there is something to filter.
            self._may_slip = False
            request["FilterExpression"] = self.condition(request)
        if self.chance(30):
            request["ProjectionExpression"] = self.projection(request)
        if self.chance(20):
            request["Select"] = "SPECIFIC_ATTRIBUTES" if "ProjectionExpression" in request else "COUNT"
        elif self.slip(20):
            request["Select"] = self.pick(("SPECIFIC_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"))
        if self.chance(20):
            request["ConsistentRead"] = True
        self._maybe_unused(request)


def create(name: str, view: str | None = None) -> dict[str, Any]:
    """A table with partition key ``id``, text, and sort key ``at``, a number."""
    request: dict[str, Any] = {
        "TableName": name,
        "KeySchema": [
            {"AttributeName": "id", "KeyType": "HASH"},
            {"AttributeName": "at", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "at", "AttributeType": "N"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }
    if view is not None:
        request["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": view}
    return request
