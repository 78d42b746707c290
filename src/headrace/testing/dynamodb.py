"""DynamoDB and its streams in this process, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from headrace.simulator import Simulator
from headrace.simulator.control import StreamControl
from headrace.simulator.server import SimulatorServer
from headrace.simulator.weather import READS, Weather
from headrace.testing.asking import ask
from headrace.testing.clients import botocore_session
from headrace.testing.clock import START, ManualClock
from headrace.testing.events import EventSource
from headrace.wire import Response

REGION = "us-east-1"
_KINDS = ("S", "N", "B")
_MOST_KEYS = 2


class SimulatedDynamoDB:
    """One account in one region, empty at first.

    ``now`` is the time in epoch seconds, at which the clock stands until ``advance``. A stream begins with
    ``initial_shards`` shards. ``weather`` are rates of faults by name (docs/simulator.md), which befall the
    requests ``operations`` of clients; by default those that read a table and its stream, so that an
    application's writes succeed. ``seed`` decides everything that is left to chance. Raises ValueError for
    weather that there is not, naming what there is.
    """

    def __init__(
        self,
        *,
        now: float = START,
        seed: int = 0,
        initial_shards: int = 1,
        weather: Mapping[str, float] | None = None,
        operations: Collection[str] = READS,
    ) -> None:
        self.clock = ManualClock(now)
        self.weather = Weather(seed, weather or {}, self.clock, operations)
        self.simulator = Simulator(
            self.clock, seed, REGION, initial_shards=initial_shards, faults=self.weather
        )
        self._seed = seed

    @property
    def streams(self) -> StreamControl:
        """Commands: split and rotate shards, trim records, expire iterators and items."""
        return self.simulator.streams

    def create_table(
        self,
        name: str,
        *key: str,
        view_type: str = "NEW_AND_OLD_IMAGES",
        time_to_live: str | None = None,
    ) -> str:
        """Create a table with a stream, and give the stream's ARN.

        ``key`` names the partition key and perhaps the sort key, each with its type S, N or B after a colon, S
        where none is given: ``create_table("orders", "customer", "placed_at:N")``. ``time_to_live`` names the
        attribute by which items expire. Raises ValueError for a key that is none.
        """
        attributes = [_attribute(each) for each in key]
        if not 1 <= len(attributes) <= _MOST_KEYS:
            raise ValueError(f"table {name!r} needs a partition key, and may have a sort key; given: {key}")
        described = self.call(
            "CreateTable",
            TableName=name,
            KeySchema=[
                {"AttributeName": attribute, "KeyType": role}
                for (attribute, _), role in zip(attributes, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[
                {"AttributeName": attribute, "AttributeType": kind} for attribute, kind in attributes
            ],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": view_type},
        )
        if time_to_live is not None:
            specification = {"Enabled": True, "AttributeName": time_to_live}
            self.call("UpdateTimeToLive", TableName=name, TimeToLiveSpecification=specification)
        return str(described["TableDescription"]["LatestStreamArn"])

    def events(self, table: str, *, batch_size: int = 100, repeats: float = 0.0) -> Iterator[dict[str, Any]]:
        """Lambda's events of all that the table's stream holds, from its beginning at each call.

        In lineage order; ``event_source`` has the particulars, and goes on where it stopped.
        """
        return iter(self.event_source(table, batch_size=batch_size, repeats=repeats))

    def event_source(self, table: str, *, batch_size: int = 100, repeats: float = 0.0) -> EventSource:
        """The table's stream, mapped to a function: each loop over it gives what has come since the last.

        Weather does not befall it, for Lambda hides it from functions; but ``repeats`` gives records again.
        """
        described = self.call("DescribeTable", TableName=table)["Table"]
        if "LatestStreamArn" not in described:
            raise ValueError(f"table {table!r} has no stream")
        return EventSource(
            self._unweathered,
            described["LatestStreamArn"],
            batch_size,
            repeats=repeats,
            seed=self._seed,
        )

    def advance(self, seconds: float) -> None:
        """Let time pass: items expire, shards rotate, records are trimmed.

        Then weather happens, once to each table, which may take more time.
        """
        self.clock.advance(seconds)
        for table in self.call("ListTables")["TableNames"]:
            self.clock.advance(self.weather.act(self.simulator, table))

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Any operation, in DynamoDB's JSON; it meets no weather. Raises RequestRejected."""
        return ask(self._unweathered, operation, **request)

    def client(self, service: str = "dynamodb", **options: Any) -> Any:
        """A botocore client, as of boto3: ``dynamodb`` or ``dynamodbstreams``. ``options`` as create_client's."""
        return self._botocore_session().create_client(service, **options)

    def session(self) -> Any:
        """A boto3 Session, whose clients and resources for DynamoDB talk to this one. Needs boto3."""
        try:
            import boto3
        except ImportError as missing:
            raise ImportError("session() needs boto3: `pip install boto3`; client() does not") from missing
        return boto3.Session(botocore_session=self._botocore_session(), region_name=REGION)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve it over HTTP while the block lasts; gives the endpoint's URL."""
        with SimulatorServer(self.simulator) as server:
            yield server.url

    def _botocore_session(self) -> Any:
        return botocore_session(self.simulator, REGION, self.clock.advance)

    def _unweathered(self, operation: str, body: bytes) -> Response:
        with self.weather.paused():
            return self.simulator(operation, body)


def _attribute(text: str) -> tuple[str, str]:
    name, _, kind = text.partition(":")
    kind = kind or "S"
    if not name or kind not in _KINDS:
        raise ValueError(
            f"{text!r} is no key attribute; give NAME or NAME:TYPE, where TYPE is {', '.join(_KINDS)}"
        )
    return name, kind
