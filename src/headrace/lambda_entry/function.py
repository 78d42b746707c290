"""One execution environment of AWS Lambda: events in, responses out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import msgspec

from headrace.batch import Batch
from headrace.config import load_pod
from headrace.dataset import AwsAccess
from headrace.decoding import json_decoder
from headrace.dynamodb import botocore_transport, service_client
from headrace.errors import ConsumerFailed, ConsumerUnavailable, HeadraceError, TableUnusable
from headrace.lambda_entry.received import Received, StreamName, received
from headrace.lambda_entry.served import Part, Served
from headrace.lambda_entry.settings import PARTIAL_RESPONSES, Settings
from headrace.mapping_facts import MappingFact
from headrace.observe import Observation
from headrace.replicate.delivery.response import FAILURES, IDENTIFIER
from headrace.stream_record import StreamRecord
from headrace.wire import Transport

UNTOLD: Final = 60.0
"""Seconds that an event is given whose context does not tell."""

SHORT: Final = 30.0
"""Seconds below which a function's timeout is shorter than what targets wait for a service that throttles."""

_LOG: Final = logging.getLogger("headrace")


class _View(msgspec.Struct, rename={"view": "StreamViewType"}):
    view: str | None = None


class _Viewed(msgspec.Struct, rename={"change": "dynamodb"}):
    change: _View


_VIEWED: Final = json_decoder(_Viewed)


class LambdaFunction:
    """Hands each event to all that the Spicepod has for its table, one after the other.

    ``open_served`` makes that, given who hears what targets tell. ``partial``: failures of single records are reported, see ``Settings``.
    ``clock`` counts seconds.
    """

    def __init__(
        self,
        open_served: Callable[[Callable[[MappingFact | Observation], None]], Served],
        *,
        partial: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._partial = partial
        self._clock = clock
        self._until = 0.0
        self._asked = False
        self._served = open_served(_tell)

    @classmethod
    def opened(
        cls,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        connect: Callable[[AwsAccess], Transport] = botocore_transport,
        client: Callable[[str, AwsAccess], Any] = service_client,
        clock: Callable[[], float] = time.monotonic,
    ) -> LambdaFunction:
        """By the Spicepod that ``settings`` name. Raises ConfigError."""
        pod = load_pod(settings.spicepod, environ, settings.root)
        return cls(
            lambda observe: Served(pod, settings.names, observe, connect=connect, client=client, clock=clock),
            partial=settings.partial,
            clock=clock,
        )

    def __call__(self, event: Any, context: Any = None) -> dict[str, Any]:
        """Lambda's response to an event. Raises HeadraceError where the whole batch is to come again."""
        self._begin(context)
        got = received(event)
        first = None if got.stream is None else self._handed_over(got.batch, got.stream)
        return self._response(got, first)

    def close(self) -> None:
        """Let go of everything; Lambda never says that it is time to."""
        self._served.close()

    def _begin(self, context: Any) -> None:
        tell = getattr(context, "get_remaining_time_in_millis", None)
        seconds = UNTOLD if tell is None else tell() / 1000
        self._until = self._clock() + seconds
        if not self._asked and seconds < SHORT:
            _LOG.warning(
                "the function's timeout leaves %.0f s for an event; with less than %.0f s, waiting for a service that throttles "
                "ends in a timeout",
                seconds,
                SHORT,
            )
        self._asked = True

    def _handed_over(self, batch: Batch, stream: StreamName) -> StreamRecord | None:
        """The first record from which on the batch must come again. Raises HeadraceError where all of it must."""
        parts = self._served.of(stream)
        _expect_view(batch, parts)
        failed: dict[StreamRecord, list[str]] = {}
        raised: list[tuple[Part, HeadraceError]] = []
        # One that fails keeps nothing from the others: all of them take again what comes again.
        for place, part in enumerate(parts):
            # Whoever comes first leaves as much time to the others.
            seconds = (self._until - self._clock()) / (len(parts) - place)
            try:
                found = part.hand_over(batch, seconds)
            except HeadraceError as error:
                raised.append((part, error))
            else:
                if found is not None:
                    failed.setdefault(found[0], []).append(f"{part.name}: {found[1].message}")
        if raised:
            raise _whole(raised) from raised[0][1]
        first = next((record for record in batch.records if record in failed), None)
        if first is None:
            return None
        why = (
            f"from the record {first.sequence.text} on, the batch must come again: {'; '.join(failed[first])}"
        )
        if not self._partial:
            raise ConsumerFailed(
                "RecordsFailed",
                f"{why}. All of it comes again: where the event source mapping has ReportBatchItemFailures, set {PARTIAL_RESPONSES}=on",
            )
        _LOG.warning("%s", why)
        return first

    def _response(self, got: Received, first: StreamRecord | None) -> dict[str, Any]:
        """What Lambda is told.

        AWS Lambda developer guide, "Configuring partial batch response with DynamoDB and Lambda": of several identifiers the lowest
        sequence number counts, and everything from it on is retried; so the lowest is all that is said. "Implementing stateful
        DynamoDB stream processing in Lambda": with a window, the response must hold its state.
        """
        failures = [] if first is None else [{IDENTIFIER: first.sequence.text}]
        response: dict[str, Any] = {FAILURES: failures}
        return {**response, "state": got.state} if got.windowed else response


def _expect_view(batch: Batch, parts: Sequence[Part]) -> None:
    """Raise TableUnusable where the records do not hold what they are needed for."""
    try:
        view = _VIEWED.decode(batch.records[0].text).change.view
    except msgspec.MsgspecError:
        return
    for part in parts:
        if view is not None and part.views is not None and view not in part.views:
            raise TableUnusable(
                f"{part.name} needs a stream of the view type {' or '.join(sorted(part.views))}, and the records are {view}; turn the "
                "stream off, and on again with another type"
            )


def _whole(raised: Sequence[tuple[Part, HeadraceError]]) -> HeadraceError:
    """What is raised where something could not take the batch at all."""
    told = "; ".join(f"{part.name}: {error}" for part, error in raised)
    failed = [error for _, error in raised if isinstance(error, ConsumerFailed)]
    if failed:
        return ConsumerFailed(failed[0].type, told, failed[0].trace)
    kinds = {type(error).__name__ for _, error in raised}
    return ConsumerUnavailable(f"{told} ({', '.join(sorted(kinds))})")


def _tell(fact: MappingFact | Observation) -> None:
    """Log what a target tells."""
    if _LOG.isEnabledFor(logging.INFO):
        told = " ".join(f"{field.name}={getattr(fact, field.name)!r}" for field in fields(fact))
        _LOG.info("%s %s", type(fact).__name__, told)
