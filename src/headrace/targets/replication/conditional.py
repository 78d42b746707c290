"""Writes that never replace what is newer: each item of the replica carries the version of the change that wrote it.

Steps of one batch, and what a crash after each leaves, to be done again when the batch comes again:

1. Deletions are remembered, durably. A crash: older puts of these items are left out from now on, which is right, as the items
   are to be gone; newer ones are not.
2. The writes are sent. A crash: some are done; done again, they find their own version there, or no item, and change nothing. In
   between, no item is older than it was: the condition looks at its version, and what is gone is looked up in step 1's file.
   Two-way, a deletion is two writes: the item is marked, then deleted. A crash between them: the mark is written once more, which
   is no change, and the item is deleted.
3. Two-way alone: what is written is remembered, durably. A crash before: the batch finds its versions on the items, except on one
   that an application has put anew on the replica since, without the version. That one is overwritten, as it is where an answer is
   lost and the write made again: the one case in which two sides that write an item in turn can end apart (``headrace replicate
   verify`` shows it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any, Final

from headrace.attribute import Image
from headrace.errors import ConsumerFailed, HeadraceError, RequestRejected, Unavailable
from headrace.targets.replication.mark import Mark
from headrace.targets.replication.remembered import Passed, Remembered
from headrace.targets.replication.write import Outcome, Verdict, Write, Writer
from headrace.targets.table import FAILED_CHECK, Table

_OLDER: Final = "attribute_not_exists(#v) OR NOT begins_with(#v, :origin) OR #v < :mark"
_DELETABLE: Final = (
    "attribute_exists(#k) AND (attribute_not_exists(#v) OR NOT begins_with(#v, :origin) OR #v <= :mark)"
)


class ConditionalWriter(Writer):
    """Writes to ``table`` with marks of ``origin`` in ``attribute``. ``clock`` gives epoch seconds."""

    def __init__(
        self,
        table: Table,
        origin: str,
        attribute: str,
        remembered: Remembered,
        workers: Executor,
        clock: Callable[[], float],
        *,
        two_way: bool,
    ) -> None:
        self._table = table
        self._origin = origin
        self._attribute = attribute
        self._remembered = remembered
        self._workers = workers
        self._clock = clock
        self._two_way = two_way

    def write(self, writes: list[Write]) -> dict[str, Outcome]:
        """How each went. Raises LedgerError where it cannot be remembered; then nothing is sent, or all may be done."""
        passed = self._remembered.passed(self._origin, [write.key for write in writes])
        due = [write for write in writes if not self._has_passed(write, passed.get(write.key))]
        deletions = {write.key: Passed(write.version, done=False) for write in due if write.item is None}
        self._remembered.remember(self._origin, deletions, self._clock())
        outcomes: dict[str, Outcome] = dict.fromkeys([write.key for write in writes], Verdict.NEWER)
        outcomes |= self._sent(due)
        if self._two_way:
            done = [write for write in due if isinstance(outcomes[write.key], Verdict)]
            settled = {write.key: Passed(write.version, done=True) for write in done}
            self._remembered.remember(self._origin, settled, self._clock())
        return outcomes

    def _has_passed(self, write: Write, passed: Passed | None) -> bool:
        if passed is None or passed.version < write.version:
            return False
        # A deletion that was remembered may not have been sent.
        return passed.version > write.version or passed.done or write.item is not None

    def _sent(self, writes: list[Write]) -> dict[str, Outcome]:
        unreachable: list[Unavailable] = []

        def tried(write: Write) -> Outcome:
            if unreachable:
                # Each would wait in vain for as long as the first.
                return unreachable[0]
            outcome = self._tried(write)
            if isinstance(outcome, Unavailable):
                unreachable.append(outcome)
            return outcome

        return dict(zip([write.key for write in writes], self._workers.map(tried, writes), strict=True))

    def _tried(self, write: Write) -> Outcome:
        try:
            return self._put(write, write.item) if write.item is not None else self._delete(write)
        except RequestRejected as error:
            if error.code == FAILED_CHECK:
                return Verdict.NEWER
            return error
        except HeadraceError as error:
            return error

    def _put(self, write: Write, item: Image) -> Outcome:
        if self._attribute in item and Mark.read(item[self._attribute]) is None:
            return ConsumerFailed(
                "VersionAttributeTaken",
                f"the items of the source have an attribute {self._attribute} of their own; choose another version_attribute",
            )
        mark = Mark.of(self._origin, write.version, write.key)
        marked = {**item, self._attribute: mark.value}
        self._table.ask("PutItem", {"Item": marked, **self._condition(_OLDER, mark)})
        return Verdict.WRITTEN

    def _delete(self, write: Write) -> Outcome:
        key = write.change.key
        if not self._two_way:
            mark = Mark.of(self._origin, write.version, write.key)
            self._table.ask("DeleteItem", {"Key": key, **self._condition(_OLDER, mark)})
            return Verdict.WRITTEN
        mark = Mark.of(self._origin, write.version, write.key, deleting=True)
        condition = self._condition(_DELETABLE, mark)
        condition["ExpressionAttributeNames"]["#k"] = next(iter(key))
        self._table.ask("UpdateItem", {"Key": key, "UpdateExpression": "SET #v = :mark", **condition})
        self._table.ask("DeleteItem", {"Key": key, **exactly(self._attribute, mark)})
        return Verdict.WRITTEN

    def _condition(self, expression: str, mark: Mark) -> dict[str, Any]:
        return {
            "ConditionExpression": expression,
            "ExpressionAttributeNames": {"#v": self._attribute},
            "ExpressionAttributeValues": {":mark": mark.value, ":origin": {"S": f"{self._origin}:"}},
        }


def exactly(attribute: str, mark: Mark) -> Mapping[str, Any]:
    """The condition that an item carries this mark in ``attribute``."""
    return {
        "ConditionExpression": "#v = :mark",
        "ExpressionAttributeNames": {"#v": attribute},
        "ExpressionAttributeValues": {":mark": mark.value},
    }
