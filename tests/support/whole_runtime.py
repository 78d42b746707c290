"""A whole runtime in this process: one simulated table behind a dataset of every engine, and one without a copy."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from headrace.access import Access
from headrace.config import load_pod
from headrace.runtime import Runtime
from headrace.simulator import Simulator
from support.deadline import eventually
from support.postgres_server import SUPERUSER, shared_server

CANARY = "canary-secret-value"
"""Stands in every secret of the Spicepod and in the folder's name: nothing that is answered may hold it."""

DATASETS = ("in_duckdb", "in_sqlite", "in_cayenne", "in_postgres", "far")
"""The names of the datasets: all hold the same rows."""

_POD = """\
runtime:
  query: {{timeout: 5s, memory_limit: 256MiB}}
datasets:
  - {{from: dynamodb:orders, name: in_duckdb, params: {params}, acceleration: {{mode: file, refresh_mode: changes}}}}
  - {{from: dynamodb:orders, name: in_sqlite, params: {params},
      acceleration: {{engine: sqlite, mode: file, refresh_mode: changes}}}}
  - {{from: dynamodb:orders, name: in_cayenne, params: {params},
      acceleration: {{engine: cayenne, mode: file, refresh_mode: changes}}}}
  - {{from: dynamodb:orders, name: in_postgres, params: {params}, acceleration: {{engine: postgres, refresh_mode: changes,
      params: {{pg_host: 127.0.0.1, pg_port: {port}, pg_db: postgres, pg_user: {user}, pg_schema: {schema},
      pg_pass: {canary}}}}}}}
  - {{from: dynamodb:orders, name: far, params: {params}}}
"""

_PARAMS = f"{{aws_region: us-east-1, aws_access_key_id: {CANARY}, aws_secret_access_key: {CANARY}}}"


class WholeRuntime:
    """``runtime`` over ``simulator``, whose files are below ``folder``."""

    def __init__(self, folder: Path, schema: str, port: int) -> None:
        self.folder = folder / CANARY
        self.folder.mkdir()
        self.simulator = Simulator(time.time, initial_shards=1)
        self.call(
            "CreateTable",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        text = _POD.format(params=_PARAMS, port=port, user=SUPERUSER, schema=schema, canary=CANARY)
        (self.folder / "spicepod.yaml").write_text(text)
        pod = load_pod(self.folder, {}, self.folder)
        self.access = Access(insecure=True)
        here = ("127.0.0.1", 0)
        self.runtime = Runtime(
            replace(pod, access=self.access),
            http=here,
            flight=here,
            metrics=here,
            connect=lambda _: self.simulator,
        )

    def call(self, operation: str, **request: Any) -> Any:
        response = self.simulator(operation, json.dumps({"TableName": "orders", **request}).encode())
        assert response.status == 200, response.body
        return json.loads(response.body)

    def put(self, key: str, **item: Any) -> None:
        self.call("PutItem", Item={"id": {"S": key}, **item})

    def value(self, sql: str) -> Any:
        """The first value of the answer, which may be one that was kept."""
        with self.runtime.query(sql) as answer:
            return answer.reader().read_all().column(0)[0].as_py()


@contextmanager
def whole_runtime(folder: Path) -> Iterator[WholeRuntime]:
    """It runs, and every dataset is ready with three rows, until the context ends."""
    server, schema = shared_server(), f"whole_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    whole = WholeRuntime(folder, schema, server.port)
    for number in range(3):
        whole.put(f"o{number}", n={"N": str(number)}, status={"S": "new"}, tags={"SS": ["a", "b"]})
    whole.runtime.start()
    try:
        eventually(
            lambda: all(one.ready for one in whole.runtime.statuses()), within=40, what="all are ready"
        )
        yield whole
    finally:
        whole.runtime.stop()
        with server.connect() as connection:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
