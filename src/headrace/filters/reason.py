"""Why a pattern does not let a record through, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from headrace.filters.arrays import found_at
from headrace.filters.compiled import branch_asks
from headrace.filters.document import written
from headrace.filters.pattern import IMAGES, Branch, Condition
from headrace.filters.plain import plain

TOGETHER = "every field matches, but not all within one element of an array"

_LONGEST = 60
"""Characters of a value that are shown."""

_JSON = msgspec.json.Encoder(decimal_format="number", enc_hook=lambda _: None)


def why_not(branches: Sequence[Branch], text: bytes) -> str | None:
    """The first field of the pattern that fails, None if the record passes.

    Of several branches, by ``$or``, the one is told that gets furthest. Raises ValueError where the text is not a JSON object.
    """
    record = _record(text)
    furthest, reason = -1, None
    for branch in branches:
        if _holds(branch, record):
            return None
        at = next((at for at, one in enumerate(branch) if not _holds((one,), record)), len(branch))
        if at > furthest:
            furthest, reason = at, TOGETHER if at == len(branch) else _failing(branch[at], record)
    return reason


def _record(text: bytes) -> dict[str, Any]:
    try:
        record = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"this is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise ValueError("a record is a JSON object")  # noqa: TRY004 - the text is at fault, not its type
    return record


def _holds(branch: Branch, record: object) -> bool:
    return all(ask(record) for ask in branch_asks(branch))


def _failing(condition: Condition, record: dict[str, Any]) -> str:
    path: tuple[str, ...] = condition.path
    value: object = record
    if condition.is_plain:
        image = found_at(record, ("dynamodb", IMAGES[path[0]]))
        value, path = plain({"M": image}), path[1:]
    found = found_at(value, path)
    shown = "not there" if found is UNSET else _JSON.encode(found).decode()
    if len(shown) > _LONGEST:
        shown = shown[:_LONGEST] + "..."
    return f"{written(condition.path)} does not match: it is {shown}"
