"""What a person may ask of event source mappings: how they are, what failed, what is parked, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headrace.decoding import decoded
from headrace.errors import QueryError, QueryFault
from headrace.ledger import FailureOutcome, ParkedKey, StoredFailure
from headrace.serve.explanation import time_text
from headrace.serve.fault import Missing
from headrace.serve.media import is_json
from headrace.serve.requests import expect_parameters, known, whole_body
from headrace.serve.running import Running
from headrace.serve.streamed import Workers
from headrace.status import MappingStatus

MOST_LISTED: Final = 1000
"""What one answer lists at most."""

_USUALLY_LISTED: Final = 100
_PAGING: Final = frozenset({"after", "limit"})
_FORM: Final = '{"failures": ["ID", ...]} or {"all": true}'

Json = dict[str, Any]


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    failures: list[str] | None = None
    all: bool = False


def mapping_routes(running: Running) -> list[Route]:
    """The paths below ``/v1/event_source_mappings``."""
    ends = _Endpoints(running)
    of_one = "/v1/event_source_mappings/{name}"
    return [
        Route("/v1/event_source_mappings", ends.mappings, methods=["GET"]),
        Route(f"{of_one}/failures", ends.failures, methods=["GET"]),
        Route(f"{of_one}/failures/redrive", ends.redrive, methods=["POST"]),
        Route(f"{of_one}/failures/discard", ends.discard, methods=["POST"]),
        Route(f"{of_one}/failures/{{id}}", ends.failure, methods=["GET"]),
        Route(f"{of_one}/parked", ends.parked, methods=["GET"]),
        Route(f"{of_one}/fill", ends.fill, methods=["POST"]),
        Route(f"{of_one}/verify", ends.verify, methods=["POST"]),
    ]


class _Endpoints:
    """Those that ask the running system."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._workers = Workers()

    def mappings(self, request: Request) -> Response:
        """Every mapping with its status."""
        expect_parameters(request, frozenset())
        return JSONResponse([status_json(status) for status in self._running.mappings.statuses()])

    def failures(self, request: Request) -> Response:
        """A page of a mapping's failures, without their records."""
        name = self._known(request)
        after, limit = _page(request)
        found = self._running.mappings.failures(name, None, after, limit)
        following = found[-1].failure.id if found else None
        return JSONResponse({"failures": [failure_json(stored) for stored in found], "next": following})

    def failure(self, request: Request) -> Response:
        """One failure, whole."""
        expect_parameters(request, frozenset())
        name, id_ = self._known(request), request.path_params["id"]
        found = self._running.mappings.failures(name, [id_], None, 1)
        if not found:
            raise Missing(f"{name} has no failure {id_!r}: it is settled or discarded, or never was")
        (stored,) = found
        fault = stored.failure.fault
        whole = {
            **failure_json(stored),
            "stack_trace": list(fault.trace) if fault else [],
            "records": [msgspec.Raw(record.text) for record in stored.failure.records],
        }
        return Response(msgspec.json.encode(whole), media_type="application/json")

    def parked(self, request: Request) -> Response:
        """A page of the items of which records wait."""
        name = self._known(request)
        after, limit = _page(request)
        found = self._running.mappings.parked_keys(name, after, limit)
        following = found[-1].key if found else None
        return JSONResponse({"parked": [_parked_json(name, key) for key in found], "next": following})

    async def fill(self, request: Request) -> Response:
        """Begin to give a target all items of its table."""
        name = await self._asked(request)
        self._running.mappings.fill(name)
        return JSONResponse({"name": name, "fill": "asked for"}, status_code=202)

    async def verify(self, request: Request) -> Response:
        """Compare what a target keeps with its table, and answer when that is done."""
        name = await self._asked(request)
        verified = await self._workers.start(lambda: self._running.mappings.verify(name))
        return JSONResponse({"name": name, "equal": verified.is_equal, **asdict(verified)})

    async def _asked(self, request: Request) -> str:
        """The mapping that is meant, of which nothing else is said."""
        expect_parameters(request, frozenset())
        if (await whole_body(request)).strip() not in (b"", b"{}"):
            raise QueryError(QueryFault.INVALID, "there is nothing to say here; send {} or nothing")
        return self._known(request)

    async def redrive(self, request: Request) -> Response:
        """Try failures again."""
        outcome = await self._settled(request, self._running.mappings.redrive)
        return _answer(outcome, "done", "failing", "released", "left")

    async def discard(self, request: Request) -> Response:
        """Forget failures."""
        return _answer(await self._settled(request, self._running.mappings.discard), "done", "released")

    async def _settled(
        self, request: Request, do: Callable[[str, tuple[str, ...] | None], FailureOutcome]
    ) -> FailureOutcome:
        ids = _ids(await whole_body(request), request.headers.get("content-type", ""))
        return await self._workers.start(lambda: do(self._known(request), ids))

    def _known(self, request: Request) -> str:
        names = (status.name for status in self._running.mappings.statuses())
        return known(request.path_params["name"], names, "event source mapping")


def status_json(status: MappingStatus) -> Json:
    """A mapping's status."""
    return {
        "name": status.name,
        "from": status.source,
        "consumer": status.consumer,
        "status": status.status,
        "live": status.live,
        "iterator_age_ms": status.iterator_age_ms,
        "lag_ms": status.lag_ms,
        "shards": dict(status.shards),
        "invocations": status.invocations,
        "errors": status.errors,
        "retries": status.retries,
        "bisected": status.bisected,
        "delivered": status.delivered,
        "filtered": status.filtered,
        "given_up": status.given_up,
        "parked": status.parked,
        "failures": status.failures,
        "filling": status.filling,
        "filled": status.filled,
        "reason": status.reason,
    }


def failure_json(stored: StoredFailure) -> Json:
    """A failure without its records."""
    failure = stored.failure
    fault, records = failure.fault, failure.records
    return {
        "id": failure.id,
        "mapping": failure.mapping,
        "consumer": failure.consumer,
        "condition": failure.condition,
        "at": time_text(failure.at),
        "invoked": failure.invoked,
        "redriven": stored.redriven,
        "sent": stored.sent,
        "stream_arn": failure.stream_arn,
        "shard": failure.shard,
        "start_sequence_number": records[0].sequence.text if records else None,
        "end_sequence_number": records[-1].sequence.text if records else None,
        "batch_size": len(records),
        "error_type": fault.type if fault else None,
        "error_message": fault.message if fault else None,
    }


def _parked_json(mapping: str, parked: ParkedKey) -> Json:
    return {
        "mapping": mapping,
        "key": parked.key,
        "records": parked.records,
        "oldest": time_text(parked.oldest),
    }


def _page(request: Request) -> tuple[str | None, int]:
    expect_parameters(request, _PAGING)
    text = request.query_params.get("limit", str(_USUALLY_LISTED))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_LISTED):
        raise QueryError(QueryFault.INVALID, f"limit is a whole number from 1 to {MOST_LISTED}, not {text!r}")
    return request.query_params.get("after"), int(text)


def _ids(body: bytes, content_type: str) -> tuple[str, ...] | None:
    # A web page of another origin may send plain text here, but not JSON.
    if not is_json(content_type):
        raise QueryError(QueryFault.INVALID, f"send JSON with Content-Type: application/json, {_FORM}")
    try:
        asked = decoded(body, _Asked)
    except msgspec.MsgspecError as error:
        raise QueryError(QueryFault.INVALID, f"the body is not {_FORM}: {error}") from None
    if (asked.failures is not None) == asked.all or asked.failures == []:
        raise QueryError(QueryFault.INVALID, f"say which failures, in one way: {_FORM}")
    return None if asked.failures is None else tuple(dict.fromkeys(asked.failures))


def _answer(outcome: FailureOutcome, *fields: str) -> JSONResponse:
    said: Json = {field: getattr(outcome, field) for field in fields}
    return JSONResponse({**said, "unknown": list(outcome.unknown)})
