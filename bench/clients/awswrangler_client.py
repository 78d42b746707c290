"""awswrangler.dynamodb.read_items to one DataFrame, which DuckDB reads into a table.

With threads, its default, it scans in parallel segments.
"""

from __future__ import annotations

import os
import sys

import awswrangler
import duckdb

from clients.columns import warm_up
from measure import Stopwatch, report


def main(url: str, path: str, table: str) -> None:
    warm_up()
    os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = url
    watch = Stopwatch()
    items = awswrangler.dynamodb.read_items(table, allow_full_scan=True)
    with duckdb.connect(path) as connection:
        connection.register("items", items)
        connection.execute(f"CREATE TABLE {table} AS FROM items")
    report(watch.cost())


main(*sys.argv[1:])
