from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

import headrace
from headrace.cli.local import spicepod
from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from headrace.simulator.workload import Shop

STOCK = 300


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """A folder with a Spicepod over a simulated table of orders, whose copy is there soon: no stream is waited for."""
    simulator = Simulator(time.time, initial_shards=2)
    with SimulatorServer(simulator, "127.0.0.1", 0) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        shop = Shop(simulator, random.Random(1))
        shop.open()
        shop.stock(STOCK)
        place = tmp_path_factory.mktemp("pod")
        pod = spicepod(server.url, simulator.region).replace("refresh_mode: changes", "refresh_mode: full")
        (place / "spicepod.yaml").write_text(pod)
        yield place


@pytest.fixture(scope="session")
def running(folder):
    """It runs in this process, and answers over Flight too."""
    with headrace.open(folder, flight="127.0.0.1:0") as running:
        running.wait_ready(60)
        yield running
