"""``headrace.open``: all that a Spicepod asks for, inside this process."""

from __future__ import annotations

import atexit
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import pyarrow as pa

from headrace.address import Address, parse_address
from headrace.config import Pod, load_pod
from headrace.errors import ConfigError, HeadraceError, QueryError, QueryFault
from headrace.program.interruptible import interruptible
from headrace.program.result import Result
from headrace.refresh import RefreshAsked, RefreshOutcome, RefreshState
from headrace.runtime import Runtime
from headrace.status import DatasetStatus

if TYPE_CHECKING:
    from headrace.query.results import AnyAnswer

_LOOK_EVERY: Final = 0.02

_LOG: Final = logging.getLogger("headrace")


def open(  # noqa: A001 - `headrace.open` is its name
    spicepod: str | Path | None = None,
    *,
    http: str | None = None,
    flight: str | None = None,
    metrics: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Headrace:
    """Run a Spicepod in this process: copy its tables, follow their streams, answer SQL.

    ``spicepod`` is a file, or the folder of spicepod.yaml; by default, the working directory. No port is opened
    unless it is asked for: ``http``, ``flight`` and ``metrics`` are ``HOST:PORT``, port 0 any free one. ``environ`` takes
    the place of the process's environment for secrets and ``${env:...}``.

    It returns at once, while the copies are being made: see ``Headrace.wait_ready``. Raises ConfigError.
    """
    pod = load_pod(
        Path(spicepod) if spicepod is not None else None,
        os.environ if environ is None else environ,
        Path.cwd(),
    )
    return Headrace(
        pod,
        http=_address("http", http),
        flight=_address("flight", flight),
        metrics=_address("metrics", metrics),
    )


class Headrace:
    """A running system, until ``close``, which the end of a ``with`` block and of the interpreter call too.

    Any thread may call any method. All raise HeadraceError and nothing else of their own.
    """

    def __init__(
        self,
        pod: Pod,
        *,
        http: Address | None = None,
        flight: Address | None = None,
        metrics: Address | None = None,
    ) -> None:
        for sentence in (
            *pod.warnings,
            *pod.unbuilt,
            *(part for one in pod.datasets for part in one.unbuilt),
        ):
            _LOG.warning("%s", sentence)
        self._closed = False
        self._runtime = Runtime(pod, http=http, flight=flight, metrics=metrics)
        # Held by the interpreter until it is closed: a program that forgets to must not lose a transaction.
        atexit.register(self.close)
        try:
            self._runtime.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let transactions under way finish, and close everything. Safe to call twice."""
        self._closed = True
        atexit.unregister(self.close)
        self._runtime.stop()

    def sql(self, statement: str, parameters: Sequence[object] = ()) -> Result:
        """All rows of the answer. ``parameters`` are the values of ``?``, or of ``$1`` and so on. Raises QueryError.

        A value is what Arrow makes of it: None, bool, int, float, str, bytes, Decimal, date, time, datetime, timedelta, list,
        dict, or a ``pyarrow.Scalar`` for another type.
        """
        with self._statement(statement, parameters) as running:
            return Result(interruptible(lambda: running.reader().read_all(), running.cancel))

    def stream(self, statement: str, parameters: Sequence[object] = ()) -> Rows:
        """The rows batch by batch, for an answer that is larger than memory: read it in a ``with`` block.

        It holds a place among the statements that run at once, and loses it if nobody reads for a minute. Raises QueryError.
        """
        return Rows(self._statement(statement, parameters))

    def _statement(self, statement: str, parameters: Sequence[object]) -> AnyAnswer:
        if self._closed:
            raise QueryError(QueryFault.FAILED, "this Spicepod was closed; headrace.open opens it again")
        return self._runtime.query(statement, [_scalar(n, value) for n, value in enumerate(parameters, 1)])

    def status(self) -> tuple[DatasetStatus, ...]:
        """What is known of every dataset now."""
        return self._runtime.statuses()

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until every dataset may be queried. Raises QueryError TIMEOUT, with the reasons, after so many seconds."""
        deadline = time.monotonic() + timeout
        while waiting := [one for one in self._runtime.statuses(rows=False) if not one.ready]:
            if time.monotonic() >= deadline:
                reasons = "; ".join(f"{one.name}: {one.reason or one.status}" for one in waiting)
                raise QueryError(QueryFault.TIMEOUT, f"not ready after {timeout:g} s: {reasons}")
            time.sleep(_LOOK_EVERY)

    def refresh(self, name: str, *, sql: str | None = None, mode: str | None = None) -> RefreshOutcome:
        """Copy a dataset anew, and wait for it; with another ``refresh_sql`` or ``refresh_mode`` for this once.

        Raises HeadraceError: ConfigError for one that follows its stream, which is always current.
        """
        known = self._known(name)
        number = self._runtime.refresh(known, RefreshAsked(sql, mode))
        while True:
            outcome = self._runtime.refresh_outcome(known, number)
            if outcome is None or outcome.state is RefreshState.FAILED:
                reason = "nothing is known of it any more" if outcome is None else outcome.reason
                raise HeadraceError(f"{known}: the refresh failed: {reason}")
            if outcome.state is RefreshState.DONE:
                return outcome
            time.sleep(_LOOK_EVERY)

    def _known(self, name: str) -> str:
        names = [one.name for one in self._runtime.statuses(rows=False)]
        found = next((one for one in names if one.casefold() == name.casefold()), None)
        if found is None:
            raise QueryError(
                QueryFault.UNKNOWN_NAME,
                f"there is no dataset {name!r}; the datasets are: {', '.join(names) or 'none'}",
            )
        return found

    @property
    def http_url(self) -> str:
        """Where SQL is answered over HTTP; empty if nowhere."""
        return self._runtime.http_url

    @property
    def flight_url(self) -> str:
        """Where SQL is answered over Arrow Flight, for ``headrace.connect``; empty if nowhere."""
        return self._runtime.flight_url

    @property
    def metrics_url(self) -> str:
        """Where metrics are served; empty if nowhere."""
        return self._runtime.metrics_url


class Rows:
    """The rows of an answer that is being read, once, by one thread at a time."""

    def __init__(self, statement: AnyAnswer) -> None:
        self._statement = statement
        schema = interruptible(statement.run, statement.cancel)
        self.reader: pa.RecordBatchReader = pa.RecordBatchReader.from_batches(schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        batches = self._statement.batches()
        while True:
            batch = interruptible(lambda: next(batches, None), self._statement.cancel)
            if batch is None:
                return
            yield batch

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self.reader)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Arrow's PyCapsule interface, as ``Result``'s."""
        return self.reader.__arrow_c_stream__(requested_schema)

    def close(self) -> None:
        """Give up what is not read. Safe to call twice."""
        self._statement.close()


def _scalar(number: int, value: object) -> pa.Scalar:
    if isinstance(value, pa.Scalar):
        return value
    try:
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return pa.scalar(Decimal(value), pa.decimal128(38, 0))
        return pa.scalar(value)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise QueryError(
            QueryFault.INVALID,
            f"parameter {number}: Arrow has no type for this {type(value).__name__}: {error}",
        ) from None


def _address(name: str, given: str | None) -> Address | None:
    if given is None:
        return None
    try:
        return parse_address(given)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None
