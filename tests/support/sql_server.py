"""A small real runtime's HTTP, over an in-memory DuckDB: what the terminal's verbs talk to in tests."""

import io
import json
import socket
import threading
from contextlib import contextmanager

import duckdb
import pyarrow as pa
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from support.deadline import eventually

ARROW = "application/vnd.apache.arrow.stream"


class SqlServer:
    """What the server answers with; tests change it while it runs."""

    def __init__(self):
        self.url = ""
        self.database = duckdb.connect()
        self.datasets = []
        self.mappings = []
        self.not_ready = None
        self.statements = []
        self.refreshed = []
        self.outcomes = []
        self.settled = []
        self.done = {}
        self.cut_off = False
        self._engine = QueryEngine(self.database.cursor, self._catalog)

    def _catalog(self):
        return {
            name: TableFacts(ready=True) for (name,) in self.database.cursor().sql("show tables").fetchall()
        }

    async def sql(self, request):
        statement = (await request.body()).decode()
        self.statements.append(statement)
        return await run_in_threadpool(self._answer, statement, request.headers["accept"])

    def _answer(self, statement, accept):
        try:
            if statement.lower().startswith(("desc", "show")):
                with self._engine.query(statement) as checked:
                    table = checked.reader().read_all()
            else:
                table = self.database.cursor().sql(statement).to_arrow_table()
        except duckdb.Error as error:
            return JSONResponse({"error": {"code": "invalid", "message": str(error)}}, 400)
        if accept == "application/json":
            return JSONResponse(table.to_pylist())
        if accept == "text/csv":
            lines = [
                ",".join(table.column_names),
                *(",".join(map(str, row.values())) for row in table.to_pylist()),
            ]
            return PlainTextResponse("\n".join(lines) + "\n", media_type="text/csv")
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=500)
        body = sink.getvalue()
        return Response(body[: len(body) // 2] if self.cut_off else body, media_type=ARROW)

    async def list_datasets(self, request):
        assert request.query_params["status"] == "true"
        return JSONResponse(self.datasets)

    async def list_mappings(self, request):
        return JSONResponse(self.mappings)

    async def ready(self, request):
        if self.not_ready is None:
            return PlainTextResponse("Ready")
        return JSONResponse({"error": {"code": "not_ready", "message": self.not_ready}}, 503)

    async def refresh(self, request):
        name = request.path_params["name"]
        if name not in {dataset["name"] for dataset in self.datasets}:
            return JSONResponse({"error": {"code": "unknown_name", "message": f"no dataset {name!r}"}}, 400)
        self.refreshed.append((name, json.loads(await request.body() or b"{}")))
        message = f"Dataset refresh triggered for {name}."
        return JSONResponse({"message": message, "refresh": len(self.refreshed)}, 201)

    async def outcome(self, request):
        assert request.path_params["number"] == str(len(self.refreshed))
        return JSONResponse(self.outcomes.pop(0))

    async def settle(self, request):
        name, action = request.path_params["name"], request.path_params["action"]
        if name not in {dataset["name"] for dataset in self.datasets}:
            return JSONResponse({"error": {"code": "unknown_name", "message": f"no dataset {name!r}"}}, 404)
        assert request.headers["content-type"] == "application/json"
        self.settled.append((name, action, await request.json()))
        return JSONResponse(self.done)


@contextmanager
def serving():
    """A SqlServer that listens on a free port of the loopback address until the context ends."""
    server = SqlServer()
    app = Starlette(
        routes=[
            Route("/v1/sql", server.sql, methods=["POST"]),
            Route("/v1/datasets", server.list_datasets),
            Route("/v1/event_source_mappings", server.list_mappings),
            Route("/v1/ready", server.ready),
            Route("/v1/datasets/{name}/acceleration/refresh", server.refresh, methods=["POST"]),
            Route("/v1/datasets/{name}/acceleration/refresh/{number}", server.outcome),
            Route("/v1/datasets/{name}/dead-letters/{action}", server.settle, methods=["POST"]),
        ]
    )
    listener = socket.create_server(("127.0.0.1", 0))
    server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    shell = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=shell.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        eventually(lambda: shell.started, within=20, what="the server accepts connections")
        yield server
    finally:
        shell.should_exit = True
        thread.join(20)
        listener.close()
        server.database.close()
