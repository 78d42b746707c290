"""aiodynamo's Table.scan over aiohttp, every 10,000 items into DuckDB through Arrow, in one transaction."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import duckdb
import pyarrow as pa
from aiodynamo.client import Client
from aiodynamo.credentials import Key, StaticCredentials
from aiodynamo.http.aiohttp import AIOHTTP
from aiohttp import ClientSession
from yarl import URL

from clients.columns import FLOATS, warm_up
from measure import Stopwatch, report

BATCH = 10_000


async def copy(url: str, path: str, table: str) -> None:
    credentials = StaticCredentials(Key("bench", "bench"))
    async with ClientSession() as session:
        client = Client(AIOHTTP(session), credentials, "us-east-1", endpoint=URL(url))
        with duckdb.connect(path) as connection:
            connection.register("empty", FLOATS.empty_table())
            connection.execute(f"BEGIN; CREATE TABLE {table} AS FROM empty")
            rows: list[dict[str, Any]] = []
            async for item in client.table(table).scan():
                rows.append(item)
                if len(rows) == BATCH:
                    insert(connection, table, rows)
                    rows.clear()
            insert(connection, table, rows)
            connection.execute("COMMIT")


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    connection.register("batch", pa.Table.from_pylist(rows, schema=FLOATS))
    connection.execute(f"INSERT INTO {table} FROM batch")


def main(url: str, path: str, table: str) -> None:
    warm_up()
    watch = Stopwatch()
    asyncio.run(copy(url, path, table))
    report(watch.cost())


main(*sys.argv[1:])
