"""Headrace as a library: the whole runtime on a Spicepod of six lines, until the last item is durable.

The stream is read beside the Scan and SQL is served, as in production. ``ready`` is when SQL was let in; it
comes later, because the stream must first be seen to be past the Scan's end.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa

from headrace.config import load_pod
from headrace.observe import BootstrapFinished, Observation, StatusChanged
from headrace.runtime import Runtime
from measure import Stopwatch, report

POD = """\
version: v2
kind: Spicepod
name: bench
datasets:
  - from: dynamodb:{table}
    name: {table}
    params: {{endpoint_url: "{url}", aws_region: us-east-1}}
    acceleration:
      engine: duckdb
      mode: file
      refresh_mode: changes
      params: {{duckdb_file: "{path}", duckdb_memory_limit: 128MB}}
"""

PATIENCE = 1800.0


class Finish:
    """Waits for the end of the bootstrap."""

    def __init__(self) -> None:
        self.durable = threading.Event()
        self.failed: str | None = None

    def __call__(self, observation: Observation, /) -> None:
        if isinstance(observation, BootstrapFinished):
            self.durable.set()
        if isinstance(observation, StatusChanged) and observation.status == "Error":
            print(observation.reason, file=sys.stderr)


def main(url: str, path: str, table: str) -> None:
    # As ``headrace run`` does.
    pa.set_memory_pool(pa.system_memory_pool())
    file = Path(path).with_suffix(".yaml")
    file.write_text(POD.format(url=url, path=path, table=table))
    watch, began = Stopwatch(), time.perf_counter()
    finish = Finish()
    pod = load_pod(file, os.environ, file.parent)
    runtime = Runtime(pod, http=("127.0.0.1", 0), metrics=("127.0.0.1", 0), observers=[finish])
    try:
        runtime.start()
        if not finish.durable.wait(PATIENCE):
            raise SystemExit(f"the copy was not complete within {PATIENCE} s")
        durable = time.perf_counter() - began
    finally:
        runtime.stop()
    report(watch.cost(), durable=durable)


main(*sys.argv[1:])
