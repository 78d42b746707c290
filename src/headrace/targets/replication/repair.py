"""Makes items of a replica what the source's are now, beside deliveries that are under way.

An item is only written if it still is what was read just before; what a delivery has brought since stays. A repair keeps the version of the
last change that arrived, so a later delivery wins over it. Two-way, its mark is an echo to the other side, as a delivery's is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from headrace.attribute import Image
from headrace.decoding import json_decoder
from headrace.errors import RequestRejected
from headrace.target import Replica
from headrace.targets.canonical import differing
from headrace.targets.replication.conditional import exactly
from headrace.targets.replication.mark import OLDEST, Mark
from headrace.targets.replication.sides import Sides
from headrace.targets.table import FAILED_CHECK, Table

_MOST_CHECKED: Final = 150
"""Attributes that a condition names: an expression has at most 4 KB and 300 operators (DynamoDB Developer Guide, "Quotas")."""

_KEY: Final = json_decoder(dict[str, msgspec.Raw])


class Repair:
    """Writes to ``target``. Any thread may call. ``clock`` gives epoch seconds."""

    def __init__(
        self, source: Table, target: Table, replica: Replica, sides: Sides, clock: Callable[[], float]
    ) -> None:
        self._source = source
        self._target = target
        self._attribute = replica.version_attribute if replica.conditional else None
        self._two_way = replica.two_way
        self._sides = sides
        self._clock = clock

    def mend(self, keys: Sequence[str]) -> dict[str, str]:
        """Write what these items are to be; of those that could not be written, why. Raises the SourceErrors."""
        asked = [_KEY.decode(key) for key in keys]
        # The replica first: what a delivery brings after that fails the condition, and what came before is no newer than the source.
        theirs = self._target.items(asked)
        ours = self._source.items(asked)
        refused = {}
        for key in keys:
            try:
                self._write(key, ours.get(key), theirs.get(key))
            except RequestRejected as error:
                said = "it has changed meanwhile" if error.code == FAILED_CHECK else str(error)
                refused[key] = said
        return refused

    def _write(self, key: str, ours: Image | None, theirs: Image | None) -> None:
        if ours is not None and theirs is not None and not differing(ours, theirs, self._attribute):
            return
        if ours is not None:
            body = {"Item": self._marked(key, ours, theirs)}
            self._target.ask("PutItem", body | self._unchanged(theirs))
        elif theirs is not None:
            self._delete(key, theirs)

    def _delete(self, key: str, theirs: Image) -> None:
        asked: dict[str, Any] = {"Key": _KEY.decode(key)}
        if not self._two_way or self._attribute is None:
            self._target.ask("DeleteItem", asked | self._unchanged(theirs))
            return
        mark = self._mark(key, theirs, deleting=True)
        condition = self._unchanged(theirs)
        condition["ExpressionAttributeNames"]["#v"] = self._attribute
        condition.setdefault("ExpressionAttributeValues", {})[":mark"] = mark.value
        self._target.ask("UpdateItem", asked | condition | {"UpdateExpression": "SET #v = :mark"})
        self._target.ask("DeleteItem", {**asked, **exactly(self._attribute, mark)})

    def _marked(self, key: str, ours: Image, theirs: Image | None) -> dict[str, Any]:
        if self._attribute is None:
            return dict(ours)
        if self._attribute in ours and Mark.read(ours[self._attribute]) is None:
            raise RequestRejected(
                f"the items of the source have an attribute {self._attribute} of their own; choose another version_attribute"
            )
        return {**ours, self._attribute: self._mark(key, theirs).value}

    def _mark(self, key: str, theirs: Image | None, *, deleting: bool = False) -> Mark:
        there = None if theirs is None or self._attribute is None else Mark.read(theirs.get(self._attribute))
        oldest = Mark.of(self._sides.origin, OLDEST, key)
        if there is None or there.origin != oldest.origin or there.item != oldest.item:
            there = oldest
        return there.repair(self._clock(), deleting=deleting)

    def _unchanged(self, theirs: Image | None) -> dict[str, Any]:
        """The condition that an item is what was read, as far as a condition can say it."""
        names = {"#k": self._sides.keys[0][0]}
        if theirs is None:
            return {"ConditionExpression": "attribute_not_exists(#k)", "ExpressionAttributeNames": names}
        checks, values = ["attribute_exists(#k)"], {}
        keys = dict(self._sides.keys)
        # The version first: where it is the same, a delivery has not come.
        told = sorted(theirs.keys() - keys.keys(), key=lambda name: (name != self._attribute, name))
        for number, name in enumerate(told[:_MOST_CHECKED]):
            names[f"#n{number}"], values[f":n{number}"] = name, theirs[name]
            checks.append(f"#n{number} = :n{number}")
        if self._attribute is not None and self._attribute not in theirs:
            names["#v"] = self._attribute
            checks.append("attribute_not_exists(#v)")
        found: dict[str, Any] = {
            "ConditionExpression": " AND ".join(checks),
            "ExpressionAttributeNames": names,
        }
        return found | ({"ExpressionAttributeValues": values} if values else {})
