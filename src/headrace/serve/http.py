"""The HTTP interface: SQL, readiness, datasets; and metrics on a port of their own."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from headrace.access import Access
from headrace.errors import QueryError, QueryFault
from headrace.serve import refreshes
from headrace.serve.asked import TIMEOUT_HEADER, read_asked, read_freshness, read_timeout
from headrace.serve.explanation import family, key_json, stream_json, time_text
from headrace.serve.fault import HANDLERS, complaint
from headrace.serve.guard import ADMITTED, Guard
from headrace.serve.letters import discard, retry
from headrace.serve.mappings import mapping_routes
from headrace.serve.media import wanted
from headrace.serve.openapi import openapi
from headrace.serve.requests import expect_parameters, known, whole_body
from headrace.serve.running import Running
from headrace.serve.snapshots import last_snapshot_json, snapshot_json
from headrace.serve.streamed import Streamed, Workers
from headrace.status import DatasetStatus, LastChange


def app(running: Running, access: Access) -> ASGIApp:
    """The interface over ``running`` for whoever ``access`` admits, as an ASGI application.

    ``serve.openapi`` says what there is, and so does GET /v1/openapi.json. Errors are ``{"error": {"code", "message"}}``.
    """
    ends = _Endpoints(running)
    described = openapi(authenticates=access.authenticates)
    interface = Starlette(
        routes=[
            Route("/v1/openapi.json", lambda _: JSONResponse(described), methods=["GET"]),
            Route("/health", _health, methods=["GET"]),
            Route("/v1/ready", ends.ready, methods=["GET"]),
            Route("/v1/sql", ends.sql, methods=["POST"]),
            Route("/v1/datasets", ends.datasets, methods=["GET"]),
            Route("/v1/datasets/{name:path}/shards", ends.shards, methods=["GET"]),
            Route("/v1/datasets/{name:path}/shards/{shard}", ends.shards, methods=["GET"]),
            Route("/v1/datasets/{name:path}/key", ends.key, methods=["GET"]),
            Route("/v1/datasets/{name:path}/acceleration/refresh", ends.refresh, methods=["POST"]),
            Route("/v1/datasets/{name:path}/acceleration/snapshots", ends.snapshot, methods=["POST"]),
            Route("/v1/datasets/{name:path}/acceleration/refresh/{number}", ends.refreshed, methods=["GET"]),
            Route("/v1/datasets/{name:path}/acceleration", ends.reselect, methods=["PATCH"]),
            Route("/v1/datasets/{name:path}/dead-letters/retry", ends.retry_letters, methods=["POST"]),
            Route("/v1/datasets/{name:path}/dead-letters/discard", ends.discard_letters, methods=["POST"]),
            *mapping_routes(running),
        ],
        exception_handlers=HANDLERS,
    )
    return Guard(interface, access)


def metrics_app(render: Callable[[], tuple[bytes, str]]) -> Starlette:
    """GET /metrics, as ``render`` gives it: the text and its content type."""

    def metrics(_: Request) -> Response:
        text, content_type = render()
        # Not media_type: that would add a second charset.
        return Response(text, headers={"Content-Type": content_type})

    return Starlette(
        routes=[Route("/metrics", metrics, methods=["GET"]), Route("/health", _health, methods=["GET"])],
        exception_handlers=HANDLERS,
    )


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok")


class _Endpoints:
    """Those that ask the running system. The plain ones run in Starlette's threads."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._workers = Workers()

    def ready(self, request: Request) -> Response:
        """``Ready`` if every dataset may be queried and what answers lives; else, to who may ask, the reasons."""
        statuses = self._running.statuses(rows=False)
        waiting = [status for status in statuses if not (status.ready and (status.live or status.remote))]
        if not waiting:
            return PlainTextResponse("Ready")
        if not request.scope[ADMITTED]:
            return complaint(
                HTTPStatus.SERVICE_UNAVAILABLE, QueryFault.NOT_READY, "not ready; with a key, it is said why"
            )
        reasons = "; ".join(f"{status.name}: {_reason(status)}" for status in waiting)
        return complaint(HTTPStatus.SERVICE_UNAVAILABLE, QueryFault.NOT_READY, reasons)

    def datasets(self, request: Request) -> Response:
        """Every dataset; with ``status=true`` its status too."""
        asked = request.query_params.get("status", "false").lower()
        if asked not in ("true", "false") or set(request.query_params) - {"status"}:
            raise QueryError(QueryFault.INVALID, "the only parameter here is status: true or false")
        return JSONResponse(
            [
                _listed(status, whole=asked == "true")
                for status in self._running.statuses(rows=asked == "true")
            ]
        )

    async def refresh(self, request: Request) -> Response:
        """Begin a refresh."""
        return await self._asked(request, refreshes.refresh)

    async def reselect(self, request: Request) -> Response:
        """Change what refreshes copy, until the process ends."""
        return await self._asked(request, refreshes.reselect)

    async def _asked(
        self, request: Request, do: Callable[[Running, str, bytes, str], JSONResponse]
    ) -> Response:
        body, content_type = await whole_body(request), request.headers.get("content-type", "")
        name: str = request.path_params["name"]
        return await self._workers.start(lambda: do(self._running, self._known(name), body, content_type))

    def refreshed(self, request: Request) -> Response:
        """What became of a refresh that was asked for."""
        name = self._known(request.path_params["name"])
        return refreshes.outcome(self._running, name, request.path_params["number"])

    async def snapshot(self, request: Request) -> Response:
        """Store a dataset's copy as a snapshot now."""
        if (await whole_body(request)).strip() not in (b"", b"{}"):
            raise QueryError(QueryFault.INVALID, "a snapshot takes no body")
        name: str = request.path_params["name"]
        taken = await self._workers.start(lambda: self._running.take_snapshot(self._known(name)))
        return JSONResponse(snapshot_json(taken), HTTPStatus.CREATED)

    async def shards(self, request: Request) -> Response:
        """What is known of a dataset's shards, or of one and those that it descends from or that descend from it."""
        expect_parameters(request, frozenset())
        name, shard = request.path_params["name"], request.path_params.get("shard")
        explained = await self._workers.start(lambda: self._running.explain_stream(self._known(name)))
        return JSONResponse(stream_json(explained if shard is None else family(explained, shard)))

    async def key(self, request: Request) -> Response:
        """The life of one key."""
        expect_parameters(request, frozenset({"partition", "sort"}))
        name: str = request.path_params["name"]
        asked = request.query_params
        if "partition" not in asked:
            raise QueryError(
                QueryFault.INVALID, "name the key: ?partition=VALUE, and &sort=VALUE where it has one"
            )
        parts = [asked[part] for part in ("partition", "sort") if part in asked]
        explained = await self._workers.start(lambda: self._running.explain_key(self._known(name), parts))
        return Response(key_json(explained), media_type="application/json")

    def _known(self, name: str) -> str:
        """The dataset that ``name`` is, whatever its case. Raises Missing."""
        return known(name, (status.name for status in self._running.statuses(rows=False)), "dataset")

    async def retry_letters(self, request: Request) -> Response:
        """Try dead letters of a dataset again."""
        return await self._asked(request, retry)

    async def discard_letters(self, request: Request) -> Response:
        """Forget dead letters of a dataset."""
        return await self._asked(request, discard)

    async def sql(self, request: Request) -> ASGIApp:
        """Run the statement in the body."""
        form = wanted(request.headers.get("accept", ""))
        headers = request.headers
        timeout = read_timeout(headers.get(TIMEOUT_HEADER))
        freshness = read_freshness(headers.get("cache-control", ""))
        asked = read_asked(await whole_body(request), headers.get("content-type", ""))
        answer = await self._workers.start(
            lambda: self._running.query(asked.sql, asked.parameters, freshness=freshness)
        )
        if timeout is not None:
            answer.limit(timeout)
        return Streamed(answer, form, self._workers)


def _reason(status: DatasetStatus) -> str:
    if status.reason:
        return status.reason
    return f"{status.status}, not live" if status.ready else str(status.status)


def _listed(status: DatasetStatus, *, whole: bool) -> dict[str, Any]:
    listed: dict[str, Any] = {"name": status.name, "from": status.source, "engine": status.engine}
    if whole:
        listed |= {
            "status": status.status,
            "ready": status.ready,
            "live": status.live,
            "fresh": status.fresh,
            "lag_ms": status.lag_ms,
            "rows": status.rows,
            "reason": status.reason,
            "dead_letters": status.dead_letters,
            "columns": status.columns,
            "schema_changes": status.schema_changes,
            "last_schema_change": _change(status.last_schema_change),
            "waiting_indexes": list(status.waiting_indexes),
            "snapshot": last_snapshot_json(status.snapshot),
        }
    return listed


def _change(change: LastChange | None) -> dict[str, str] | None:
    if change is None:
        return None
    return {"text": change.text, "at": time_text(change.at)}
