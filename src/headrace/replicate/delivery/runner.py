"""Runs a delivery machine in production: the only place of a mapping that waits."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from headrace.batch import Consumer
from headrace.errors import HeadraceError, InternalError
from headrace.event_source import EventSource
from headrace.ledger import Destination, Ledger
from headrace.mapping_facts import MappingObserver, MappingStatusChanged
from headrace.replicate.commands import Done, Explained, Failed, Reply, Request, Tell, Tick, WakeAt
from headrace.replicate.delivery.commands import (
    Answered,
    CommitDelivery,
    DeliveryCommand,
    DeliveryEvent,
    DeliveryRequest,
    DiscardFailures,
    FindSuccessor,
    Invoke,
    OpenLedger,
    ReadFailures,
    ReadParked,
    RedriveFailures,
    Refused,
    Report,
    Rest,
    Rested,
    SendFailure,
    Settled,
)
from headrace.replicate.delivery.handover import MOST_INVOCATIONS
from headrace.replicate.delivery.machine import DeliveryMachine
from headrace.replicate.delivery.perform import ask_source, perform
from headrace.replicate.pool import Pool
from headrace.replicate.runner import READ_PATIENCE, steady_wall_clock
from headrace.replicate.scan_pages import REQUESTS
from headrace.status import State

REST_PATIENCE = 10.0
"""Seconds that a stop waits for batches under way: what is done then is durable, and does not come again."""


class DeliveryRunner:
    """One mapping's machine on a thread of its own, its requests and invocations on pools, its ledger on one lane.

    ``stop`` lets what was handed over come to its end, for a while, and closes consumer, ledger and destination: what was
    not done is handed over again after the next start.
    """

    def __init__(
        self,
        machine: DeliveryMachine,
        source: EventSource,
        consumer: Consumer,
        ledger: Ledger,
        destination: Destination | None,
        observe: MappingObserver,
    ) -> None:
        self._machine = machine
        self._source = source
        self._consumer = consumer
        self._ledger = ledger
        self._destination = destination
        self._observe = observe
        self._clock = steady_wall_clock()
        self._events: queue.SimpleQueue[DeliveryEvent] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._rested = threading.Event()
        self._rest_by = 0.0
        self._tickets = itertools.count(1)
        self._asked: dict[int, Future[Settled]] = {}
        self._asking = threading.Lock()
        self._over: str | None = None
        name = machine.mapping
        # Twice the requests at once: those that hang, and that the machine has given up, hold their threads.
        self._reads = Pool(2 * REQUESTS, f"read {name}")
        # One more than lanes may use: what is redriven never waits for them.
        self._invokes = Pool(MOST_INVOCATIONS + 1, f"invoke {name}")
        self._sends = Pool(1, f"send {name}")
        self._lane = ThreadPoolExecutor(1, thread_name_prefix=f"ledger {name}")
        self._thread = threading.Thread(target=self._loop, name=f"deliver {name}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def redrive(self, ids: tuple[str, ...] | None) -> Future[Settled]:
        """Try failures again: of these ids, or keys of parked items; None all of both. Any thread."""
        return self._ask(lambda ticket: RedriveFailures(ticket, ids))

    def discard(self, ids: tuple[str, ...] | None) -> Future[Settled]:
        """Forget failures, named as for ``redrive``. Any thread."""
        return self._ask(lambda ticket: DiscardFailures(ticket, ids))

    def rest(self) -> None:
        """Hand nothing more over; returns at once. For several mappings that are to stop together, before their ``stop``."""
        self._rest_by = self._rest_by or time.monotonic() + REST_PATIENCE
        self._events.put(Rest())

    def stop(self) -> None:
        """Hand nothing more over, wait for what is under way, close everything. Safe to call twice."""
        if self._stopping.is_set():
            return
        self.rest()
        if self._thread.ident is not None and self._over is None:
            self._rested.wait(max(0.0, self._rest_by - time.monotonic()))
        self._stopping.set()
        self._events.put(Tick())
        if self._thread.ident is not None:
            self._thread.join(REST_PATIENCE)
        with contextlib.ExitStack() as last_first:
            # Each is closed, even where the one before raises.
            last_first.callback(self._give_up, "headrace is stopping; what was not settled is kept")
            last_first.callback(self._ledger.close)
            if self._destination is not None:
                last_first.callback(self._destination.close)
            last_first.callback(self._sends.close, READ_PATIENCE)
            last_first.callback(self._invokes.close, READ_PATIENCE)
            last_first.callback(self._consumer.close)
            last_first.callback(self._reads.close, READ_PATIENCE)
            last_first.callback(self._lane.shutdown, wait=True, cancel_futures=True)

    def _ask(self, make: Callable[[int], RedriveFailures | DiscardFailures]) -> Future[Settled]:
        ticket = next(self._tickets)
        future: Future[Settled] = Future()
        with self._asking:
            self._asked[ticket] = future
        self._events.put(make(ticket))
        if self._over is not None or self._stopping.is_set():
            self._give_up(self._over or "the mapping is not delivered any more")
        return future

    def _answer(self, settled: Settled) -> None:
        with self._asking:
            future = self._asked.pop(settled.ticket, None)
        if future is not None:
            future.set_result(settled)

    def _give_up(self, why: str) -> None:
        for ticket in tuple(self._asked):
            self._answer(Settled(ticket, None, why))

    def _loop(self) -> None:
        event: DeliveryEvent = Tick()
        try:
            while not self._stopping.is_set():
                wake_at = self._execute(self._machine.step(event, self._clock()))
                event = self._next(wake_at)
        except BaseException as error:
            # The machine is wrong: no request of its would be safe to make, so it says so and stays dead.
            self._over = f"internal error: {error!r}; restart headrace and report this"
            self._rested.set()
            self._give_up(self._over)
            self._observe(
                MappingStatusChanged(
                    self._machine.mapping, State.ERROR, live=False, lag=None, reason=self._over
                )
            )
            raise

    def _next(self, wake_at: float) -> DeliveryEvent:
        with contextlib.suppress(queue.Empty):
            return self._events.get(timeout=max(0.0, wake_at - self._clock()))
        return Tick()

    def _execute(self, commands: list[DeliveryCommand]) -> float:
        wake_at = self._clock() + 1.0
        for command in commands:
            match command:
                case Tell(observation=fact) | Report(fact=fact):
                    self._observe(fact)
                case Settled():
                    self._answer(command)
                case Rested():
                    self._rested.set()
                case WakeAt(at=at):
                    wake_at = at
                case Reply() | Explained():
                    raise InternalError(f"{command} was not asked for")
                case OpenLedger() | CommitDelivery() | ReadFailures() | ReadParked():
                    self._submit(self._lane, command)
                case Invoke() | SendFailure() | FindSuccessor():
                    self._submit(self._pool_of(command), command)
                case _:
                    self._submit_read(command)
        return wake_at

    def _pool_of(self, request: Invoke | SendFailure | FindSuccessor) -> Pool:
        match request:
            case Invoke():
                return self._invokes
            case SendFailure():
                return self._sends
            case FindSuccessor():
                return self._reads

    def _submit(self, pool: ThreadPoolExecutor | Pool, request: DeliveryRequest) -> None:
        try:
            pool.submit(partial(self._perform, request))
        except RuntimeError as error:
            # No thread is to be had, or the pool is shutting down: the machine asks again.
            self._events.put(Refused(request.id, InternalError(f"no thread for it: {error}")))

    def _submit_read(self, request: Request) -> None:
        try:
            self._reads.submit(partial(self._read, request))
        except RuntimeError as error:
            self._events.put(Failed(request.id, InternalError(f"no thread for it: {error}")))

    def _perform(self, request: DeliveryRequest) -> None:
        try:
            answer = perform(request, self._source, self._consumer, self._ledger, self._destination)
            event: DeliveryEvent = Answered(request.id, answer)
        except HeadraceError as error:
            event = Refused(request.id, error)
        except Exception as error:  # noqa: BLE001  # A defect must surface as a status, not as a hang.
            event = Refused(request.id, InternalError(f"internal error: {error!r}"))
        self._events.put(event)

    def _read(self, request: Request) -> None:
        if self._stopping.is_set():
            return
        try:
            event: DeliveryEvent = Done(request.id, ask_source(request, self._source))
        except HeadraceError as error:
            event = Failed(request.id, error)
        except Exception as error:  # noqa: BLE001  # A defect must surface as a status, not as a hang.
            event = Failed(request.id, InternalError(f"internal error: {error!r}"))
        self._events.put(event)
