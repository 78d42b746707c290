"""What it costs to run a function in a process of its own: ``python bench/functions.py [seconds]``.

Against the same handler called here, with the event parsed for it as it is there; and the start of a process against that
of an interpreter which does nothing. All within one run, for the ratios.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import report
from headrace.batch import Batch
from headrace.event_source_mapping import Function
from headrace.functions import FunctionConsumer
from headrace.position import SequenceNumber
from headrace.stream_record import StreamRecord

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"
STARTS = 15
RECORDS = (1, 100, 10_000)


def batch(size: int) -> Batch:
    return Batch("bench", ARN, "shardId-1", tuple(record(number) for number in range(size)))


def record(number: int) -> StreamRecord:
    key = {"id": {"S": f"order-{number}"}}
    sequence = str(10**21 + number)
    told = {
        "eventID": f"{number:032x}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1767225600,
            "Keys": key,
            "NewImage": {**key, "total": {"N": "12.5"}, "note": {"S": "by the back door"}},
            "SequenceNumber": sequence,
            "SizeBytes": 80,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": ARN,
    }
    return StreamRecord(SequenceNumber(sequence), 1767225600.0, json.dumps(key), json.dumps(told).encode())


def a_second(call: Callable[[], object], seconds: float) -> float:
    """How often it can be called in a second."""
    call()
    begin = time.perf_counter()
    calls = 0
    while time.perf_counter() - begin < seconds:
        call()
        calls += 1
    return calls / (time.perf_counter() - begin)


def best(call: Callable[[], object]) -> float:
    """Seconds of the fastest of some calls."""
    times = []
    for _ in range(STARTS):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.joinpath("handlers.py").write_text("def empty(event, context): return None\n")

        def consumer(processes: int = 1) -> FunctionConsumer:
            function = Function("handlers:empty", folder, processes=processes)
            return FunctionConsumer("bench", function, lambda _: None)

        def started() -> None:
            one = consumer()
            one.consume(batch(1))
            one.close()

        idle = best(lambda: subprocess.run([sys.executable, "-P", "-c", "pass"], check=True))
        whole = best(started)
        print(
            f"a process started, one batch, ended: {whole * 1e3:.0f} ms; an idle interpreter: {idle * 1e3:.0f} ms"
        )
        rows = []
        for size in RECORDS:
            given = batch(size)
            here = a_second(lambda given=given: json.loads(given.event()), seconds)
            with_one = consumer()
            there = a_second(lambda given=given, one=with_one: one.consume(given), seconds)
            with_one.close()
            two = consumer(2)
            with ThreadPoolExecutor(2) as lanes:
                pair = lambda given=given, two=two, lanes=lanes: list(lanes.map(two.consume, [given] * 20))  # noqa: E731
                both = 20 * a_second(pair, seconds)
            two.close()
            cells = [here, there, both]
            rows.append(
                [
                    f"{size:,}",
                    *(f"{each:,.0f}" for each in cells),
                    f"{(1 / there - 1 / here) * 1e6:,.0f}",
                    f"{there * size:,.0f}",
                ]
            )
        heads = ["records", "in-process/s", "one process/s", "two/s", "extra us", "records/s"]
        print(report.table(heads, rows))


if __name__ == "__main__":
    main()
