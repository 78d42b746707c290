"""A DynamoDB that has nothing to do: it answers from memory, so that only its clients are measured.

Scan (whole or by segments) of one table, DescribeTable, and a stream with one open shard that stays empty.
Answers carry a valid x-amz-crc32. Anything else is refused, never ignored. Nobody is asked for credentials.

    python bench/canned.py --items 100000

It prints its URL, then serves until its standard input ends or it is told to stop.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import zlib
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from pages import Table

TABLE = "orders"
_ARN = f"arn:aws:dynamodb:us-east-1:000000000000:table/{TABLE}"
_LABEL = "2026-01-01T00:00:00.000"
_STREAM = f"{_ARN}/stream/{_LABEL}"
_SHARD = "shardId-00000001767225600000-00000001"
_KEYS = [{"AttributeName": "id", "KeyType": "HASH"}]
_BORN = 1767225600
_SCAN_MEMBERS = {
    "TableName",
    "Segment",
    "TotalSegments",
    "ExclusiveStartKey",
    "ConsistentRead",
    "ReturnConsumedCapacity",
}


class Refused(Exception):
    """The request is not one that this server answers."""


class Answers:
    """Answers as parts of a body, and their CRC-32."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.scanned = 0
        self._fixed = {
            "DescribeTable": {"Table": _description(table)},
            "DescribeStream": {"StreamDescription": _stream()},
            "GetShardIterator": {"ShardIterator": f"{_STREAM}|1|empty"},
            "GetRecords": {"Records": [], "NextShardIterator": f"{_STREAM}|1|empty"},
        }

    def answer(self, operation: str, body: bytes) -> tuple[list[bytes], int]:
        """Answer one request. Raises Refused."""
        if operation == "Scan":
            return self.scan(json.loads(body))
        if operation in self._fixed:
            text = json.dumps(self._fixed[operation]).encode()
            return [text], zlib.crc32(text)
        known = ", ".join(("Scan", *self._fixed))
        raise Refused(f"operation {operation}: this server answers {known}")

    def scan(self, request: Mapping[str, Any]) -> tuple[list[bytes], int]:
        """One page of a Scan."""
        if not request.keys() <= _SCAN_MEMBERS or request.get("TableName") != TABLE:
            raise Refused(f"Scan of table {TABLE} with nothing but {', '.join(sorted(_SCAN_MEMBERS))}")
        pages = self._table.segment(request.get("Segment", 0), request.get("TotalSegments", 1))
        number = pages.start
        if "ExclusiveStartKey" in request:
            number = self._table.page_after(request["ExclusiveStartKey"]["id"]["S"])
        if number not in pages:
            text = b'{"Count":0,"ScannedCount":0,"Items":[]}'
            return [text], zlib.crc32(text)
        page = self._table.page(number)
        key = self._table.last_key(number).encode()
        tail, crc = page.ending(
            b',"LastEvaluatedKey":{"id":{"S":"%b"}}}' % key if number + 1 in pages else b"}"
        )
        self.scanned += self._table.rows_in(number)
        return [page.body, tail], crc


class Connection(asyncio.Protocol):
    """One kept-alive connection: requests in, answers out, in order."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            headers = _headers(self._received[:end])
            if headers.get("expect") == "100-continue":
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            whole = end + 4 + int(headers.get("content-length", "0"))
            if len(self._received) < whole:
                return
            body, self._received = self._received[end + 4 : whole], self._received[whole:]
            self._answer(headers.get("x-amz-target", ""), body)

    def _answer(self, target: str, body: bytes) -> None:
        status = b"200 OK"
        try:
            parts, crc = self._answers.answer(target.partition(".")[2], body)
        except (Refused, ValueError, KeyError) as error:
            text = {"__type": "com.amazonaws.dynamodb.v20120810#ValidationException", "message": str(error)}
            parts, status = [json.dumps(text).encode()], b"400 Bad Request"
            crc = zlib.crc32(parts[0])
        head = (
            b"HTTP/1.1 %b\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\nDate: %b\r\n"
            b"x-amzn-RequestId: CANNED\r\nx-amz-crc32: %d\r\n\r\n"
        ) % (status, sum(map(len, parts)), _date(), crc)
        self._transport.writelines([head, *parts])


def _headers(text: bytes) -> dict[str, str]:
    lines = text.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _date() -> bytes:
    return formatdate(time.time(), usegmt=True).encode()


def _description(table: Table) -> dict[str, Any]:
    return {
        "TableName": TABLE,
        "TableStatus": "ACTIVE",
        "TableArn": _ARN,
        "TableId": "5b6f6d7e-0000-4000-8000-000000000001",
        "CreationDateTime": _BORN,
        "ItemCount": table.items,
        "TableSizeBytes": table.items * 260,
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": _KEYS,
        "ProvisionedThroughput": {
            "ReadCapacityUnits": 0,
            "WriteCapacityUnits": 0,
            "NumberOfDecreasesToday": 0,
        },
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        "LatestStreamArn": _STREAM,
        "LatestStreamLabel": _LABEL,
    }


def _stream() -> dict[str, Any]:
    return {
        "StreamArn": _STREAM,
        "StreamLabel": _LABEL,
        "StreamStatus": "ENABLED",
        "StreamViewType": "NEW_AND_OLD_IMAGES",
        "CreationRequestDateTime": _BORN,
        "TableName": TABLE,
        "KeySchema": _KEYS,
        "Shards": [
            {"ShardId": _SHARD, "SequenceNumberRange": {"StartingSequenceNumber": "100000000000000000001"}}
        ],
    }


async def serve(items: int, port: int) -> None:
    """Serve until standard input ends."""
    table = Table(items)
    for page in range(min(table.pages, 44)):
        table.page(page)
    answers = Answers(table)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answers), "127.0.0.1", port)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    # Whoever started this process holds its standard input, so that it never outlives them.
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.items, arguments.port))


if __name__ == "__main__":
    main()
