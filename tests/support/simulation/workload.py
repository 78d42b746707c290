"""Writes to the simulated table, each told to the model."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import msgspec

from headrace.simulator import Simulator
from support.simulation.chance import Dice
from support.simulation.model import POISON, HarnessFault, Key, Model
from support.simulation.scenario import POISONS, Scenario
from support.simulation.values import Item, draw_value

TABLE = "orders"
_ATTRIBUTES = ("a", "A", "b", "headrace_c", "d e")
_LARGE = 360_000


class Workload:
    """Puts, updates, deletes and transactions, as a seed decides."""

    def __init__(self, scenario: Scenario, simulator: Simulator, model: Model, counts: Counter[str]) -> None:
        self._scenario = scenario
        self._simulator = simulator
        self._model = model
        self._random = Random(f"{scenario.seed}/workload")
        self._poisons = {
            kind: Dice(kind, scenario.seed, scenario.mishaps.get(kind, 0.0), counts) for kind in POISONS
        }
        self._skew = self._random.choice((0.0, 0.5, 0.9))

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """The answer; a refusal is a fault of the harness."""
        response = self._simulator(operation, msgspec.json.encode(request))
        if response.status != 200:
            raise HarnessFault(f"{operation} {request}: {response.body.decode()}")
        answer: dict[str, Any] = msgspec.json.decode(response.body)
        return answer

    def create(self) -> None:
        """Make the table, its stream on."""
        keys = self._scenario.keys
        self.call(
            "CreateTable",
            TableName=TABLE,
            KeySchema=[
                {"AttributeName": name, "KeyType": role}
                for (name, _), role in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in keys],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": self._scenario.view},
        )

    def write(self, now: float) -> None:
        """One change of the table, of one item or of several at once."""
        roll = self._random.random()
        key = self._key()
        if roll < 0.15:
            self._model.set(key, None, now)
            self.call("DeleteItem", TableName=TABLE, Key=self._attributes(key))
        elif roll < 0.35:
            self._update(key, now)
        elif roll < 0.42:
            self._batch(now)
        elif roll < 0.5:
            self._transact(now)
        else:
            self.call("PutItem", TableName=TABLE, Item=self._put(key, now))

    def _key(self) -> Key:
        items = self._scenario.items
        number = 0 if self._random.random() < self._skew / 3 else self._random.randrange(items)
        values = {"S": f"k{number}", "N": number * 7 - 3}
        return tuple(values[kind] for _, kind in self._scenario.keys)

    def _attributes(self, key: Key) -> Item:
        pairs = zip(self._scenario.keys, key, strict=True)
        return {name: {kind: str(value)} for (name, kind), value in pairs}

    def _version(self) -> dict[str, Any]:
        self._model.versions += 1
        return {"N": str(self._model.versions)}

    def _value(self, name: str) -> dict[str, Any]:
        if self._scenario.large and self._random.random() < 0.2:
            return {"S": "x" * self._random.randrange(_LARGE // 4)}
        steady = _ATTRIBUTES.index(name) + self._scenario.seed if self._scenario.steady else None
        return draw_value(self._random, steady)

    def _put(self, key: Key, now: float) -> Item:
        item = {**self._attributes(key), "version": self._version()}
        for name in _ATTRIBUTES:
            if self._random.random() < 0.3:
                item[name] = self._value(name)
        for kind, dice in self._poisons.items():
            if dice.hits():
                item[POISON] = {"S": kind}
        self._model.set(key, item, now)
        return item

    def _update(self, key: Key, now: float) -> None:
        """Set one attribute, remove another, add to a third."""
        changed, removed = self._random.sample(_ATTRIBUTES, 2)
        value, version = self._value(changed), self._version()
        old = self._model.now(key) or self._attributes(key)
        item = {name: content for name, content in old.items() if name != removed}
        count = int(item.get("count", {"N": "0"})["N"]) + 3
        item |= {changed: value, "version": version, "count": {"N": str(count)}}
        self._model.set(key, item, now)
        self.call(
            "UpdateItem",
            TableName=TABLE,
            Key=self._attributes(key),
            UpdateExpression="SET #changed = :value, #version = :version REMOVE #removed ADD #count :three",
            ExpressionAttributeNames={
                "#changed": changed,
                "#removed": removed,
                "#version": "version",
                "#count": "count",
            },
            ExpressionAttributeValues={":value": value, ":version": version, ":three": {"N": "3"}},
        )

    def _several(self) -> list[Key]:
        return list(dict.fromkeys(self._key() for _ in range(self._random.randint(2, 5))))

    def _batch(self, now: float) -> None:
        requests: list[dict[str, Any]] = []
        for key in self._several():
            if self._random.random() < 0.3:
                self._model.set(key, None, now)
                requests.append({"DeleteRequest": {"Key": self._attributes(key)}})
            else:
                requests.append({"PutRequest": {"Item": self._put(key, now)}})
        self.call("BatchWriteItem", RequestItems={TABLE: requests})

    def _transact(self, now: float) -> None:
        actions: list[dict[str, Any]] = []
        for key in self._several():
            if self._random.random() < 0.3:
                self._model.set(key, None, now)
                actions.append({"Delete": {"TableName": TABLE, "Key": self._attributes(key)}})
            else:
                actions.append({"Put": {"TableName": TABLE, "Item": self._put(key, now)}})
        self.call("TransactWriteItems", TransactItems=actions)
