"""Errors as HTTP answers: ``{"error": {"code": ..., "message": ...}}``."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headrace.errors import HeadraceError, LedgerError, QueryError, QueryFault

_STATUS: Final = {
    QueryFault.INVALID: HTTPStatus.BAD_REQUEST,
    QueryFault.UNKNOWN_NAME: HTTPStatus.BAD_REQUEST,
    QueryFault.REFUSED: HTTPStatus.FORBIDDEN,
    QueryFault.TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
    QueryFault.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    QueryFault.NOT_READY: HTTPStatus.SERVICE_UNAVAILABLE,
    QueryFault.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    QueryFault.FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class Missing(QueryError):
    """A path names what there is none of: 404, not 400."""

    def __init__(self, message: str) -> None:
        super().__init__(QueryFault.UNKNOWN_NAME, message)


_RETRY_SECONDS: Final = "1"


def complaint(status: int, code: str, message: str) -> JSONResponse:
    """An error answer."""
    headers = {"Retry-After": _RETRY_SECONDS} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


def of_query(error: QueryError) -> JSONResponse:
    """The answer to a statement that was not answered."""
    if error.fault is QueryFault.FAILED:
        log_failure(error)
    if isinstance(error, Missing):
        return complaint(HTTPStatus.NOT_FOUND, error.fault, str(error))
    return complaint(_STATUS[error.fault], error.fault, str(error))


def log_failure(error: Exception) -> None:
    """Tell the log what the client is not told: what the engine itself said."""
    cause = error.__cause__ or error
    structlog.get_logger().error("statement_failed", error=f"{type(cause).__name__}: {cause}")


def on_query(_: Request, error: Exception) -> Response:
    """Starlette's handler of QueryError."""
    if not isinstance(error, QueryError):
        raise error
    return of_query(error)


def on_headrace(_: Request, error: Exception) -> Response:
    """Starlette's handler of every other error of ours: what was asked for cannot be done."""
    return complaint(HTTPStatus.BAD_REQUEST, QueryFault.INVALID, str(error))


def on_ledger(_: Request, error: Exception) -> Response:
    """Starlette's handler of what is durable of mappings and cannot be reached now."""
    return complaint(HTTPStatus.SERVICE_UNAVAILABLE, QueryFault.NOT_READY, str(error))


def on_http(_: Request, error: Exception) -> Response:
    """Starlette's handler of paths and methods that there are none of."""
    if not isinstance(error, HTTPException):
        raise error
    code = HTTPStatus(error.status_code).name.lower()
    answer = complaint(error.status_code, code, f"{error.detail}; GET /v1/openapi.json says what there is")
    answer.headers.update(error.headers or {})
    return answer


def on_anything(_: Request, error: Exception) -> Response:
    """Starlette's handler of what nobody expected."""
    log_failure(error)
    return complaint(
        HTTPStatus.INTERNAL_SERVER_ERROR, QueryFault.FAILED, "Headrace failed; its log says at what"
    )


HANDLERS: Final = {
    QueryError: on_query,
    LedgerError: on_ledger,
    HeadraceError: on_headrace,
    HTTPException: on_http,
    Exception: on_anything,
}
"""For ``Starlette(exception_handlers=...)``."""
