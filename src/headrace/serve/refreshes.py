"""What a person may ask of a dataset's refreshes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.responses import JSONResponse

from headrace.decoding import decoded
from headrace.errors import QueryError, QueryFault
from headrace.refresh import RefreshAsked
from headrace.serve.fault import Missing
from headrace.serve.media import is_json
from headrace.serve.running import Running

_REFRESH: Final = (
    '{"refresh_sql": "SELECT ...", "refresh_mode": "full" or "append", "refresh_jitter_max": "10s"}, each only where '
    "this refresh is to be another than the dataset's"
)
_RESELECT: Final = '{"refresh_sql": "SELECT ..."}'


class _Refresh(msgspec.Struct, forbid_unknown_fields=True):
    refresh_sql: str | None = None
    refresh_mode: str | None = None
    refresh_jitter_max: str | None = None


class _Reselect(msgspec.Struct, forbid_unknown_fields=True):
    refresh_sql: str


def refresh(running: Running, dataset: str, body: bytes, content_type: str) -> JSONResponse:
    """Begin a refresh, as ``body`` has it. Raises HeadraceError."""
    asked = RefreshAsked()
    if body.strip() not in (b"", b"{}"):
        # A web page of another origin may send plain text here, but not JSON.
        if not is_json(content_type):
            raise QueryError(QueryFault.INVALID, f"send JSON with Content-Type: application/json, {_REFRESH}")
        told = _decoded(body, _Refresh, _REFRESH)
        asked = RefreshAsked(told.refresh_sql, told.refresh_mode, told.refresh_jitter_max)
    number = running.refresh(dataset, asked)
    message = f"Dataset refresh triggered for {dataset}."
    return JSONResponse({"message": message, "refresh": number}, HTTPStatus.CREATED)


def reselect(running: Running, dataset: str, body: bytes, content_type: str) -> JSONResponse:
    """Change the dataset's ``refresh_sql`` until the process ends. Raises HeadraceError."""
    if not is_json(content_type):
        raise QueryError(QueryFault.INVALID, f"send JSON with Content-Type: application/json, {_RESELECT}")
    told = _decoded(body, _Reselect, _RESELECT)
    running.reselect(dataset, told.refresh_sql)
    return JSONResponse({"message": f"Dataset {dataset} has another refresh_sql from its next refresh on."})


def outcome(running: Running, dataset: str, number: str) -> JSONResponse:
    """What became of a refresh that was asked for. Raises HeadraceError."""
    found = running.refresh_outcome(dataset, int(number)) if number.isdecimal() else None
    if found is None:
        raise Missing(f"nothing is known of a refresh {number!r} of {dataset} since this runtime started")
    return JSONResponse(
        {
            "refresh": int(number),
            "state": found.state,
            "rows": found.rows,
            "seconds": None if found.seconds is None else round(found.seconds, 3),
            "reason": found.reason,
        }
    )


def _decoded(body: bytes, type_: type[Any], form: str) -> Any:
    try:
        return decoded(body, type_)
    except msgspec.MsgspecError as error:
        raise QueryError(QueryFault.INVALID, f"the body is not {form}: {error}") from None
