from __future__ import annotations

import time
import uuid

import pytest

from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from support.ministack import Ministack
from support.postgres_server import SUPERUSER, shared_server
from support.process import HeadraceProcess


@pytest.fixture(params=["simulator", "ministack"])
def endpoint(request):
    """The URL of something that speaks DynamoDB: ours, and an independent one."""
    if request.param == "ministack":
        with Ministack() as stand_in:
            yield stand_in.url
        return
    with SimulatorServer(Simulator(time.time, initial_shards=2), "127.0.0.1", 0) as server:
        yield server.url


@pytest.fixture
def engine(request):
    """The engine of ``pod``: duckdb, unless a test is parametrized with others."""
    return getattr(request, "param", "duckdb")


@pytest.fixture
def server_of(engine, tmp_path):
    """The lines of an acceleration that say where PostgreSQL is; empty for other engines."""
    if engine != "postgres":
        yield ""
        return
    server, schema = shared_server(), f"e2e_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    (tmp_path / ".env").write_text("PG_PASS=hunter2\n")
    yield (
        f", params: {{pg_host: 127.0.0.1, pg_port: {server.port}, pg_db: postgres, pg_user: {SUPERUSER}, "
        f"pg_pass: '${{secrets:pg_pass}}', pg_schema: {schema}}}"
    )
    with server.connect() as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def pod(tmp_path, engine, server_of):
    """Writes a Spicepod into a folder of its own; gives the folder."""

    def write(
        url: str,
        *,
        mode: str = "file",
        more: str = "",
        refresh: str = "changes",
        acceleration: str = "",
        dataset: str = "",
    ) -> object:
        kept = server_of or f", mode: {mode}"
        (tmp_path / "spicepod.yaml").write_text(
            "datasets:\n"
            "  - from: dynamodb:orders\n"
            "    name: orders\n"
            f"    params: {{endpoint_url: '{url}', aws_region: us-east-1{more}}}\n"
            f"    acceleration: {{engine: {engine}, refresh_mode: {refresh}{kept}{acceleration}}}\n{dataset}"
        )
        return tmp_path

    return write


@pytest.fixture
def headrace():
    """Starts ``headrace run`` in a folder; whatever a test leaves running is killed."""
    started = []

    def start(folder, **more):
        started.append(HeadraceProcess(folder, **more))
        return started[-1]

    yield start
    for process in started:
        if process.process.poll() is None:
            process.kill()
