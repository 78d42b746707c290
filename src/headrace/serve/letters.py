"""What a person may ask for dead letters: to be tried again, or to be forgotten."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.responses import JSONResponse

from headrace.accelerator import LetterOutcome, Which
from headrace.decoding import decoded
from headrace.errors import QueryError, QueryFault
from headrace.serve.media import is_json
from headrace.serve.running import Running

_RETRY: Final = '{"letters": ["ID", ...]} or {"all": true}'
_DISCARD: Final = '{"letters": ["ID", ...]}, {"superseded": true} or {"all": true}'


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    letters: list[str] | None = None
    all: bool = False
    superseded: bool = False


def retry(running: Running, dataset: str, body: bytes, content_type: str) -> JSONResponse:
    """Try the letters again that ``body`` names. Raises QueryError."""
    asked = _asked(_RETRY, body, content_type)
    outcome = running.retry_letters(dataset, _names(asked))
    return _answer(outcome, "retried", "failing", "superseded")


def discard(running: Running, dataset: str, body: bytes, content_type: str) -> JSONResponse:
    """Forget the letters that ``body`` names. Raises QueryError."""
    asked = _asked(_DISCARD, body, content_type)
    which = Which.SUPERSEDED if asked.superseded else Which.ANY
    return _answer(running.discard_letters(dataset, _names(asked), which), "discarded")


def _names(asked: _Asked) -> tuple[str, ...] | None:
    return None if asked.letters is None else tuple(dict.fromkeys(asked.letters))


def _asked(form: str, body: bytes, content_type: str) -> _Asked:
    # A web page of another origin may send plain text here, but not JSON.
    if not is_json(content_type):
        raise QueryError(QueryFault.INVALID, f"send JSON with Content-Type: application/json, {form}")
    try:
        asked = decoded(body, _Asked)
    except msgspec.MsgspecError as error:
        raise QueryError(QueryFault.INVALID, f"the body is not {form}: {error}") from None
    named = asked.letters is not None
    if (
        named + asked.all + asked.superseded != 1
        or asked.letters == []
        or (form is _RETRY and asked.superseded)
    ):
        raise QueryError(QueryFault.INVALID, f"say which letters, in one way: {form}")
    return asked


def _answer(outcome: LetterOutcome, *fields: str) -> JSONResponse:
    said: dict[str, Any] = {field: getattr(outcome, field) for field in fields}
    return JSONResponse({**said, "unknown": list(outcome.unknown)}, HTTPStatus.OK)
