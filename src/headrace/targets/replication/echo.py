"""Whether a change was made by a replicator: two tables that are replicated to each other would write for ever else.

A replicator's put changes the mark of its item. An application's UpdateItem leaves it as it is, and its PutItem takes it away or
puts back what it has read: none of these changes it. A replicator's deletion marks the item first.
"""

from __future__ import annotations

from typing import Final

from headrace.attribute import Image
from headrace.targets.change import Change
from headrace.targets.replication.mark import Mark, item_of

_NONE: Final[Image] = {}


def is_echo(change: Change, origin: str) -> bool:
    """Whether it was written by the replicator of another table than that of ``origin``, whatever its version_attribute is."""
    own = item_of(change.record.key)
    old = _NONE if change.old is None else change.old
    if change.removed:
        marks = [Mark.read(value) for value in old.values()]
        return any(mark is not None and mark.deleting and _is_others(mark, own, origin) for mark in marks)
    new = _NONE if change.new is None else change.new
    changed = [Mark.read(value) for name, value in new.items() if old.get(name) != value]
    return any(mark is not None and _is_others(mark, own, origin) for mark in changed)


def _is_others(mark: Mark, item: str, origin: str) -> bool:
    return mark.origin != origin and mark.item == item
