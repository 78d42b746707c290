"""A function's package in a folder, and the events that Lambda gives it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from headrace.dataset import AwsAccess
from headrace.lambda_entry.function import LambdaFunction
from headrace.lambda_entry.settings import read_settings
from headrace.wire import Transport

DATA = Path(__file__).parents[1] / "lambda_entry" / "data"
ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-06-27T00:48:05.899"
FIRST = 4421584500000000017450439091

TAKER = """
from headrace.targets import ConsumerFailed

class Taker:
    def __init__(self, context, **params):
        self.context, self.params = context, params
        takers.append(self)
        self.batches = []

    def consume(self, batch):
        self.batches.append(batch)
        return answers.pop(0)(batch) if answers else {}

    def close(self):
        self.batches = None

takers, answers = [], []
"""
"""A target of a user's own that shows what it gets, and answers as it is told to."""


def recorded(name: str) -> dict[str, Any]:
    """A recorded event, as Lambda's runtime hands it over."""
    return json.loads((DATA / f"{name}.json").read_text())


def change(
    number: int, key: str, image: Mapping[str, Any] | None, *, arn: str = ARN, created: float | None = None
) -> dict[str, Any]:
    """A record of a change of the item ``key`` to ``image`` beside its key; None: it is gone."""
    keys = {"id": {"S": key}}
    told = {
        "ApproximateCreationDateTime": 1790000000.0 + number if created is None else created,
        "Keys": keys,
        "SequenceNumber": str(FIRST + number),
        "SizeBytes": 26,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    if image is not None:
        told["NewImage"] = {**keys, **image}
    return {
        "eventID": f"{number:032x}",
        "eventName": "REMOVE" if image is None else "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": told,
        "eventSourceARN": arn,
    }


def event(*records: dict[str, Any]) -> dict[str, Any]:
    """An event of these records."""
    return json.loads(json.dumps({"Records": list(records)}))


class Package:
    """What ``pip install -t`` and a Spicepod leave in ``folder``; ``transport`` stands for AWS. Time goes by as ``now`` is set."""

    def __init__(self, folder: Path, transport: Transport | None = None) -> None:
        self.folder = folder
        self._transport = transport
        self._functions: list[LambdaFunction] = []
        self.now = 0.0

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(textwrap.dedent(text))

    def spicepod(self, **blocks: Any) -> None:
        YAML().dump(blocks, self.folder / "spicepod.yaml")

    def function(self, **environ: str) -> LambdaFunction:
        """A new execution environment."""
        settings = read_settings({"LAMBDA_TASK_ROOT": str(self.folder), **environ})
        made = LambdaFunction.opened(
            settings, environ, connect=self._connect, client=_no_client, clock=lambda: self.now
        )
        self._functions.append(made)
        return made

    def close(self) -> None:
        for function in self._functions:
            function.close()

    @property
    def _connect(self) -> Callable[[AwsAccess], Transport]:
        transport = self._transport
        return lambda _: transport if transport is not None else _no_service


def _no_service(operation: str, body: bytes) -> Any:
    raise AssertionError(f"{operation} is asked of a service: {body!r}")


def _no_client(service: str, access: AwsAccess) -> Any:
    raise AssertionError(f"a client for {service} is asked for")
