"""One DynamoDB endpoint over bare HTTP, and two of them asked the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import urllib3

STREAM_OPERATIONS = ("ListStreams", "DescribeStream", "GetShardIterator", "GetRecords")
_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=0000"
)
# What each may say in its own way; that it says it is compared.
_OWN = frozenset(
    {
        *("TableId", "TableArn", "CreationDateTime", "LatestStreamArn", "LatestStreamLabel", "StreamArn"),
        *("StreamLabel", "CreationRequestDateTime", "ShardId", "SequenceNumber", "StartingSequenceNumber"),
        *("EndingSequenceNumber", "ShardIterator", "NextShardIterator", "eventID"),
        *("ApproximateCreationDateTime", "LastUpdateToPayPerRequestDateTime"),
    }
)
_TABLE = (
    *("TableName", "TableStatus", "KeySchema", "AttributeDefinitions", "ItemCount", "TableArn", "TableId"),
    *("CreationDateTime", "LatestStreamArn", "LatestStreamLabel"),
)
_SETS = ({"SS"}, {"NS"}, {"BS"})


@dataclass(frozen=True, slots=True)
class Answer:
    """``code`` is empty where the request was done, else the error's; ``body`` as it came."""

    code: str
    message: str
    body: dict[str, Any]


class Endpoint:
    """Asks one server. ``kept`` holds what it said in its own way: ARNs, shards, iterators."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = urllib3.PoolManager()
        self.kept: dict[str, str] = {}

    def __call__(self, operation: str, request: dict[str, Any]) -> Answer:
        service = "DynamoDBStreams_20120810" if operation in STREAM_OPERATIONS else "DynamoDB_20120810"
        headers = {
            "X-Amz-Target": f"{service}.{operation}",
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": _AUTHORIZATION,
        }
        response = self._http.request(
            "POST", self._url, body=json.dumps(request).encode(), headers=headers, retries=False
        )
        body = json.loads(response.data)
        if response.status == 200:
            return Answer("", "", body)
        return Answer(body["__type"].rpartition("#")[2], body.get("message", body.get("Message", "")), body)

    def close(self) -> None:
        self._http.clear()


Request = dict[str, Any] | Callable[[Endpoint], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and both answers, each without what is its own."""

    operation: str
    request: dict[str, Any]
    ours: Answer
    theirs: Answer

    @property
    def is_same(self) -> bool:
        """Whether both did it with one result, or refused it with one error. Words are not compared."""
        return self.ours.code == self.theirs.code and self.ours.body == self.theirs.body


def plain(operation: str, answer: Answer) -> Answer:
    """The answer without what is legitimately its own: ids, times, the order of sets and of a Scan."""
    if answer.code:
        reasons = answer.body.get("CancellationReasons")
        kept = {} if reasons is None else {"codes": [reason["Code"] for reason in reasons]}
        kept |= {name: _plain(answer.body[name]) for name in ("Item",) if name in answer.body}
        return Answer(answer.code, answer.message, kept)
    body = _plain(answer.body)
    for name in {"Table", "TableDescription"}.intersection(body):
        body[name] = _table(body[name])
    if operation == "Scan" and "Items" in body:
        body["Items"].sort(key=_text)
    for items in body["Responses"].values() if operation == "BatchGetItem" else ():
        items.sort(key=_text)
    return Answer("", "", body)


def _table(description: dict[str, Any]) -> dict[str, Any]:
    """What both must say of a table, whatever more each says."""
    told = {name: description[name] for name in _TABLE if name in description}
    told["DeletionProtectionEnabled"] = description.get("DeletionProtectionEnabled", False)
    if "AttributeDefinitions" in told:
        told["AttributeDefinitions"].sort(key=_text)
    return told


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if not isinstance(value, dict):
        return value
    if value.keys() in _SETS:
        return {kind: sorted(members) for kind, members in value.items()}
    return {name: f"<{name}>" if name in _OWN else _plain(member) for name, member in value.items()}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


class Pair:
    """Our endpoint and another, asked the same in the same order; ``asked`` is the record of it."""

    def __init__(self, ours: Endpoint, theirs: Endpoint) -> None:
        self.ours, self.theirs = ours, theirs
        self.asked: list[Asked] = []

    def __call__(
        self, operation: str, request: Request, keep: Callable[[dict[str, Any]], dict[str, str]] | None = None
    ) -> Asked:
        """Ask both; ``keep`` picks from each one's answer what later requests to it need."""
        requests = [request(side) if callable(request) else request for side in (self.ours, self.theirs)]
        answers = [
            side(operation, each) for side, each in zip((self.ours, self.theirs), requests, strict=True)
        ]
        if keep is not None and not any(answer.code for answer in answers):
            self.ours.kept |= keep(answers[0].body)
            self.theirs.kept |= keep(answers[1].body)
        asked = Asked(operation, requests[0], *(plain(operation, answer) for answer in answers))
        self.asked.append(asked)
        return asked
