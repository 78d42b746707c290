"""boto3's Scan paginator and TypeDeserializer, page by page into DuckDB through Arrow, in one transaction."""

from __future__ import annotations

import sys

import boto3
import duckdb
import pyarrow as pa
from boto3.dynamodb.types import TypeDeserializer

from clients.columns import SCHEMA, warm_up
from measure import Stopwatch, report


def main(url: str, path: str, table: str) -> None:
    warm_up()
    watch = Stopwatch()
    client = boto3.client("dynamodb", endpoint_url=url)
    deserialize = TypeDeserializer().deserialize
    with duckdb.connect(path) as connection:
        connection.register("empty", SCHEMA.empty_table())
        connection.execute(f"BEGIN; CREATE TABLE {table} AS FROM empty")
        for page in client.get_paginator("scan").paginate(TableName=table):
            rows = [{name: deserialize(value) for name, value in item.items()} for item in page["Items"]]
            batch = pa.Table.from_pylist(rows, schema=SCHEMA)
            connection.register("batch", batch)
            connection.execute(f"INSERT INTO {table} FROM batch")
        connection.execute("COMMIT")
    report(watch.cost())


main(*sys.argv[1:])
