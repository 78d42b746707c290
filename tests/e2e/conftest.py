from __future__ import annotations

import time

import pytest

from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from support.ministack import Ministack
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
def pod(tmp_path):
    """Writes a Spicepod into a folder of its own; gives the folder."""

    def write(url: str, *, mode: str = "file", more: str = "") -> object:
        (tmp_path / "spicepod.yaml").write_text(
            "datasets:\n"
            "  - from: dynamodb:orders\n"
            "    name: orders\n"
            f"    params: {{endpoint_url: '{url}', aws_region: us-east-1{more}}}\n"
            f"    acceleration: {{engine: duckdb, mode: {mode}, refresh_mode: changes}}\n"
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
