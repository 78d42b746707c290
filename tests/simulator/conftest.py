"""A simulator on a clock that the test moves, and a caller that speaks JSON to it."""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32

import pytest

from headrace.simulator import Simulator

NOON = 1_700_000_000.25


class Caller:
    """Calls a simulator; ``now`` is its clock."""

    def __init__(self, **options: Any) -> None:
        self.now = NOON
        self.simulator = Simulator(lambda: self.now, **options)

    def __call__(self, operation: str, **request: Any) -> Any:
        """The answer, which must not be an error and whose CRC must hold."""
        response = self.simulator(operation, json.dumps(request).encode())
        assert response.status == 200, response.body
        assert response.headers["x-amz-crc32"] == str(crc32(response.body))
        return json.loads(response.body)

    def refused(self, operation: str, **request: Any) -> str:
        """The error, as ``Code: message``."""
        response = self.simulator(operation, json.dumps(request).encode())
        assert response.status in {400, 500}, response.body
        assert response.headers["x-amz-crc32"] == str(crc32(response.body))
        body = json.loads(response.body)
        return f"{body['__type'].partition('#')[2]}: {body.get('message', body.get('Message'))}"

    def table(
        self, name: str = "orders", *, sort: str | None = None, view: str | None = None, hash_kind: str = "S"
    ) -> str:
        """A table with partition key ``id`` and sort key ``at`` of type ``sort``; gives its stream's ARN."""
        keys, kinds = [("id", "HASH")], [("id", hash_kind)]
        if sort is not None:
            keys, kinds = [*keys, ("at", "RANGE")], [*kinds, ("at", sort)]
        request: dict[str, Any] = {
            "TableName": name,
            "KeySchema": [{"AttributeName": key, "KeyType": role} for key, role in keys],
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind} for key, kind in kinds],
            "BillingMode": "PAY_PER_REQUEST",
        }
        if view is not None:
            request["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": view}
        return str(self("CreateTable", **request)["TableDescription"].get("LatestStreamArn", ""))

    def put(self, identity: str, /, **attributes: Any) -> Any:
        """PutItem into ``orders``."""
        return self("PutItem", TableName="orders", Item={"id": {"S": identity}, **attributes})

    def get(self, identity: str) -> Any:
        """The item of ``orders``, None if there is none."""
        return self("GetItem", TableName="orders", Key={"id": {"S": identity}}).get("Item")

    def shards(self, arn: str) -> list[dict[str, Any]]:
        """All shards of a stream."""
        found: list[dict[str, Any]] = self("DescribeStream", StreamArn=arn)["StreamDescription"]["Shards"]
        return found

    def iterator(self, arn: str, shard: str, kind: str = "TRIM_HORIZON", **request: Any) -> str:
        """A shard iterator."""
        answer = self("GetShardIterator", StreamArn=arn, ShardId=shard, ShardIteratorType=kind, **request)
        return str(answer["ShardIterator"])

    def records(self, arn: str, shard: str, kind: str = "TRIM_HORIZON", **request: Any) -> list[Any]:
        """The records from there to the shard's end or tip."""
        found: list[Any] = []
        iterator: str | None = self.iterator(arn, shard, kind, **request)
        while iterator is not None:
            page = self("GetRecords", ShardIterator=iterator)
            found += page["Records"]
            iterator = page.get("NextShardIterator") if page["Records"] else None
        return found

    def changes(self, arn: str) -> list[Any]:
        """Every record of a stream, shard by shard, parents first."""
        shards = self.shards(arn)
        known = {shard["ShardId"] for shard in shards}
        done: list[str] = []
        found: list[Any] = []
        while len(done) < len(shards):
            for shard in shards:
                parent = shard.get("ParentShardId")
                if shard["ShardId"] not in done and (parent not in known or parent in done):
                    found += self.records(arn, shard["ShardId"])
                    done.append(shard["ShardId"])
        return found


@pytest.fixture
def call() -> Caller:
    """One shard a stream, rotated by the clock as on AWS."""
    return Caller()


@pytest.fixture(scope="session")
def caller() -> type[Caller]:
    """For tests that choose the simulator's options."""
    return Caller
