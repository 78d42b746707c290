"""The canned server as a process, asked over HTTP as its clients ask."""

import http.client
import json
import subprocess
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
# Behind all else: what lies there may have the name of a module that a package needs.
sys.path.append(str(BENCH))


class Client:
    """One kept-alive connection; every answer's CRC-32 is checked."""

    def __init__(self, url):
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"))
        self.sizes = []

    def ask(self, operation, status=200, **request):
        self._connection.request(
            "POST", "/", json.dumps(request), {"X-Amz-Target": f"DynamoDB_20120810.{operation}"}
        )
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == status, body
        assert zlib.crc32(body) == int(answer.headers["x-amz-crc32"])
        self.sizes.append(len(body))
        return json.loads(body)

    def scan(self, **request):
        items = []
        while True:
            answer = self.ask("Scan", TableName="orders", **request)
            assert answer["Count"] == answer["ScannedCount"] == len(answer["Items"])
            items += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return items
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


@contextmanager
def serving(items):
    process = subprocess.Popen(
        [sys.executable, BENCH / "canned.py", "--items", str(items)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        assert process.wait(10) == 0
        process.stdout.close()


@pytest.fixture(scope="module")
def url():
    with serving(10_000) as url:
        yield url


@pytest.fixture
def client(url):
    client = Client(url)
    yield client
    client._connection.close()
