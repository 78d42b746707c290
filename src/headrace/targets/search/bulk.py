"""Writes to an index, many in one request, and how each went.

Shapes: OpenSearch documentation, "Bulk API"; "Optimistic concurrency control" of if_seq_no and if_primary_term; external versions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from headrace.attribute import quoted
from headrace.errors import (
    ConsumerFailed,
    HeadraceError,
    RequestRejected,
    TableUnusable,
    Throttled,
    Unavailable,
)
from headrace.targets.search.service import (
    LINES,
    MISSING,
    TOO_LARGE,
    ErrorCause,
    SearchService,
    quoted_path,
    refusal,
)
from headrace.targets.table import Patience

MOST_BYTES: Final = 5 * 2**20
"""Of one request: OpenSearch's own advice is 5 to 15 MB, and AWS's smallest instances take 10 MiB."""

MOST_WRITES: Final = 1000
"""Of one request."""

_CONFLICT: Final = 409
_NOT_FOUND: Final = 404
_OK: Final = range(200, 300)


class Verdict(StrEnum):
    """How a write went: it is done, or its condition does not hold."""

    DONE = "done"
    CONFLICT = "conflict"


Outcome = Verdict | HeadraceError
"""An error is ConsumerFailed where the index refuses the document for good; of any other the write may be done or not."""


@dataclass(frozen=True, slots=True)
class Write:
    """A document that is to be as ``document`` says, None for gone, on a ``condition``: members of the action, as JSON."""

    id: str
    document: bytes | None
    condition: bytes
    operation: str

    @classmethod
    def numbered(cls, id_: str, document: bytes | None, number: int) -> Write:
        """Unless the document, or its deletion, has this version or a greater one."""
        condition = b'"version":%d,"version_type":"external"' % number
        return cls(id_, document, condition, "delete" if document is None else "index")

    @classmethod
    def unchanged(cls, id_: str, document: bytes | None, sequence: int, term: int) -> Write:
        """If nobody has written the document since it had this sequence number."""
        condition = b'"if_seq_no":%d,"if_primary_term":%d' % (sequence, term)
        return cls(id_, document, condition, "delete" if document is None else "index")

    @classmethod
    def absent(cls, id_: str, document: bytes) -> Write:
        """If there is no document."""
        return cls(id_, document, b"", "create")

    def lines(self) -> bytes:
        """As the body of a request has it."""
        condition = b"," + self.condition if self.condition else b""
        head = b'{"%b":{"_id":%b%b}}\n' % (self.operation.encode(), quoted(self.id).encode(), condition)
        return head if self.document is None else head + self.document + b"\n"


class _Item(msgspec.Struct):
    status: int
    id: str | None = msgspec.field(name="_id", default=None)
    error: ErrorCause | str | None = None


class _Answer(msgspec.Struct):
    items: list[dict[str, _Item]]


class Bulk:
    """Writes to ``index`` of ``service``. Any thread may call; what fails only now is tried again within ``patience``."""

    def __init__(self, service: SearchService, index: str, patience: Patience) -> None:
        self._service = service
        self._index = index
        self._patience = patience
        self._path = quoted_path(index, "_bulk")

    def send(self, writes: Sequence[Write]) -> list[Outcome]:
        """How each went, in their order; no two are of one document.

        Raises AccessDenied and ConfigError; TableUnusable where there is no index. Then some may be done.
        """
        outcomes: list[Outcome] = []
        for part in _parts(writes):
            outcomes += self._part(part)
        return outcomes

    def _part(self, writes: Sequence[Write]) -> list[Outcome]:
        outcomes: dict[str, Outcome] = {}
        left = list(writes)
        attempt, waited = 0, 0.0
        while left:
            found = self._once(left)
            outcomes |= found
            again = [write for write in left if isinstance(found[write.id], (Throttled, Unavailable))]
            if again:
                # Some were taken: the next try is the first one for the rest.
                attempt = attempt + 1 if len(again) == len(left) else 1
                error = found[again[0].id]
                assert isinstance(error, (Throttled, Unavailable)), "it is one of those"
                try:
                    waited = self._patience.rest(error, attempt, waited)
                except (Throttled, Unavailable) as stopped:
                    if stopped is not error:
                        outcomes |= dict.fromkeys([write.id for write in again], stopped)
                    break
            left = again
        return [outcomes[write.id] for write in writes]

    def _once(self, writes: Sequence[Write]) -> dict[str, Outcome]:
        """One request, or more where it is refused whole."""
        body = b"".join(write.lines() for write in writes)
        try:
            answer = self._service.ask("POST", self._path, _Answer, body, kind=LINES)
            return dict(zip([write.id for write in writes], self._judged(writes, answer), strict=True))
        except (Throttled, Unavailable) as error:
            return dict.fromkeys([write.id for write in writes], error)
        except RequestRejected as error:
            if error.code == MISSING:
                raise self._missing() from error
            if len(writes) == 1:
                code = "TooLarge" if error.code == TOO_LARGE else error.code
                return {writes[0].id: ConsumerFailed(code, str(error))}
        half = len(writes) // 2
        return self._once(writes[:half]) | self._once(writes[half:])

    def _judged(self, writes: Sequence[Write], answer: _Answer) -> list[Outcome]:
        if len(answer.items) != len(writes):
            raise Unavailable(
                f"{self._service}: the answer tells of {len(answer.items)} of {len(writes)} writes; all are made again"
            )
        return [self._outcome(write, item) for write, item in zip(writes, answer.items, strict=True)]

    def _outcome(self, write: Write, item: dict[str, _Item]) -> Outcome:
        told = item.get(write.operation)
        if told is None or (told.id is not None and told.id != write.id):
            raise Unavailable(
                f"{self._service}: the answer tells of other writes than those that were asked for; all are made again"
            )
        if told.status in _OK:
            return Verdict.DONE
        if told.status == _CONFLICT:
            return Verdict.CONFLICT
        if told.status == _NOT_FOUND and told.error is None and write.document is None:
            # There was nothing to delete.
            return Verdict.DONE
        cause = told.error if isinstance(told.error, ErrorCause) else ErrorCause("", told.error)
        if cause.type == MISSING:
            raise self._missing()
        error = refusal(told.status, cause, f"document {write.id!r} of index {self._index}")
        if isinstance(error, RequestRejected):
            return ConsumerFailed(error.code, str(error))
        if not isinstance(error, (Throttled, Unavailable)):
            raise error
        return error

    def _missing(self) -> TableUnusable:
        return TableUnusable(f"there is no index {self._index} in {self._service}; it is made anew")


def _parts(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    first, size = 0, 0
    for place, write in enumerate(writes):
        weight = len(write.document or b"") + len(write.id) + 100
        if place > first and (place - first == MOST_WRITES or size + weight > MOST_BYTES):
            yield writes[first:place]
            first, size = place, 0
        size += weight
    if first < len(writes):
        yield writes[first:]
