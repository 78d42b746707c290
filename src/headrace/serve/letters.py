"""What a person may ask for dead letters: to be tried again, or to be forgotten."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.responses import JSONResponse

from headrace.accelerator import LetterOutcome, Which
from headrace.errors import QueryError, QueryFault
from headrace.serve.running import Running

RETRY: Final = "retry"

DISCARD: Final = "discard"

_FORMS: Final = {
    RETRY: '{"letters": ["ID", ...]} or {"all": true}',
    DISCARD: '{"letters": ["ID", ...]}, {"superseded": true} or {"all": true}',
}


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    letters: list[str] | None = None
    all: bool = False
    superseded: bool = False


def settle(running: Running, dataset: str, action: str, body: bytes, content_type: str) -> JSONResponse:
    """Do ``action`` (RETRY or DISCARD) with the letters that ``body`` names. Raises QueryError."""
    asked = _asked(action, body, content_type)
    names = None if asked.letters is None else tuple(dict.fromkeys(asked.letters))
    if action == RETRY:
        return _answer(running.retry_letters(dataset, names), "retried", "failing", "superseded")
    which = Which.SUPERSEDED if asked.superseded else Which.ANY
    return _answer(running.discard_letters(dataset, names, which), "discarded")


def _asked(action: str, body: bytes, content_type: str) -> _Asked:
    form = _FORMS[action]
    # A web page of another origin may send plain text here, but not JSON.
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise QueryError(QueryFault.INVALID, f"send JSON with Content-Type: application/json, {form}")
    try:
        asked = msgspec.json.decode(body, type=_Asked)
    except msgspec.MsgspecError as error:
        raise QueryError(QueryFault.INVALID, f"the body is not {form}: {error}") from None
    named = asked.letters is not None
    if (
        named + asked.all + asked.superseded != 1
        or asked.letters == []
        or (action == RETRY and asked.superseded)
    ):
        raise QueryError(QueryFault.INVALID, f"say which letters, in one way: {form}")
    return asked


def _answer(outcome: LetterOutcome, *fields: str) -> JSONResponse:
    said: dict[str, Any] = {field: getattr(outcome, field) for field in fields}
    return JSONResponse({**said, "unknown": list(outcome.unknown)}, HTTPStatus.OK)
