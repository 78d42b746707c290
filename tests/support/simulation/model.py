"""What is true: every state that every item ever had, kept beside the simulator and not read from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.schema import TableSchema
from support.held import holds
from support.simulation.values import Item

Key = tuple[Any, ...]
POISON = "poison"
"""The attribute that makes an item undecodable, or one that the engine refuses."""
Row = Mapping[str, Any]


class Broken(AssertionError):
    """A promise does not hold; ``check`` names which."""

    def __init__(self, check: str, message: str) -> None:
        super().__init__(f"{check}: {message}")
        self.check = check


class HarnessFault(Exception):
    """The simulation itself is wrong."""


class Model:
    """Items by key. Each state of an item has an index; each present one a ``version`` that no other has."""

    def __init__(self, keys: tuple[tuple[str, str], ...]) -> None:
        self.keys = keys
        self.states: dict[Key, list[Item | None]] = {}
        self.since: dict[Key, list[float]] = {}
        self.versions = 0
        self._places: dict[int, tuple[Key, int]] = {}

    def key_of(self, attributes: Mapping[str, Any]) -> Key:
        """The key as columns hold it, from key attributes as the service writes them."""
        return tuple(
            int(attributes[name]["N"]) if kind == "N" else attributes[name][kind] for name, kind in self.keys
        )

    def now(self, key: Key) -> Item | None:
        """The item as it is."""
        states = self.states.get(key)
        return states[-1] if states else None

    def items(self) -> dict[Key, Item]:
        """All items that there are."""
        return {key: states[-1] for key, states in self.states.items() if states[-1] is not None}

    def set(self, key: Key, item: Item | None, at: float) -> None:
        """The item became this, or None: it was deleted."""
        states = self.states.setdefault(key, [None])
        since = self.since.setdefault(key, [float("-inf")])
        if item is None and states[-1] is None:
            return
        states.append(item)
        since.append(at)
        if item is not None:
            self._places[int(item["version"]["N"])] = (key, len(states) - 1)

    def clear(self, at: float) -> None:
        """The table was made anew."""
        for key in self.states:
            self.set(key, None, at)

    def poison(self, key: Key, index: int) -> str | None:
        """Why a state of an item may be set aside, None if there is no reason."""
        item = self.states[key][index]
        poison = None if item is None else item.get(POISON)
        return None if poison is None else str(poison["S"])

    def may_be_missed(self, key: Key, first: int, end: int | None = None) -> bool:
        """Whether some state from ``first`` on, and before ``end``, may have been set aside."""
        until = len(self.states[key]) if end is None else end
        return any(self.poison(key, at) for at in range(first, until))

    def top(self, key: Key) -> int:
        """The index of the item's present state."""
        return len(self.states[key]) - 1

    def index_at(self, key: Key, at: float) -> int:
        """The index of the state that the item had at this time."""
        since = self.since[key]
        return next(index for index in range(len(since) - 1, -1, -1) if since[index] <= at)

    def index_of(self, key: Key, row: Row, version_column: str) -> int:
        """Which state a row shows. Raises Broken for one that never was."""
        version = row.get(version_column)
        place = self._places.get(int(version)) if version is not None else None
        if place is None or place[0] != key:
            raise Broken("values", f"{key} shows version {version!r}, which is none of its own")
        return place[1]

    def gone_since(self, key: Key, index: int) -> int | None:
        """The first state from ``index`` on in which there is no such item."""
        states = self.states.get(key, [None])
        return next((at for at in range(index, len(states)) if states[at] is None), None)

    def compare(self, key: Key, index: int, row: Row, schema: TableSchema) -> None:
        """Raise Broken unless ``row`` shows this state whole: every attribute, every value, nothing else."""
        item = self.states[key][index]
        assert item is not None
        for column in schema.columns:
            value = item.get(column.attribute)
            found = row[column.name]
            if not (found is None if value is None else holds(found, value, column.type)):
                raise Broken(
                    "values", f"{key} {column.attribute!r}: {value} is shown as {found!r} in {column}"
                )
        known = {column.attribute for column in schema.columns}
        missing = [name for name, value in item.items() if name not in known and "NULL" not in value]
        if missing:
            raise Broken("values", f"{key} has attributes without a column: {missing}")
