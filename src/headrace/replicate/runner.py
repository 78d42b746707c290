"""Runs a machine in production: the only place that waits."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Protocol

from headrace.accelerator import ChangeSink, Which
from headrace.errors import HeadraceError, InternalError, QueryError, QueryFault
from headrace.observe import Observer, StatusChanged
from headrace.replicate.commands import (
    Apply,
    CheckStore,
    Command,
    Discard,
    Done,
    Event,
    Explain,
    Explained,
    Failed,
    FindExpired,
    FindNewest,
    ListSnapshots,
    OpenStore,
    ReadLetters,
    Redrive,
    RefreshNow,
    Reply,
    Request,
    Reselect,
    RestoreSnapshot,
    SaveSnapshot,
    TakeSnapshot,
    Tell,
    Tick,
    WakeAt,
)
from headrace.replicate.perform import perform
from headrace.replicate.pool import Pool
from headrace.replicate.scan_pages import REQUESTS
from headrace.selection import Kept, Selection
from headrace.snapshot import Shelf
from headrace.source import Source
from headrace.status import State

STOP_PATIENCE = 30.0
"""Seconds that a stop waits for the transaction under way."""

READ_PATIENCE = 2.0
"""Seconds that it waits for answers of the source, which nobody needs any more: one that hangs is left."""

KEEP_PATIENCE = 10.0
"""Seconds that it waits for a snapshot under way, which ends with the accelerator unless its place hangs."""

EXPLAIN_PATIENCE = 5.0
"""Seconds that an explanation waits for the machine, whose steps take milliseconds."""


def steady_wall_clock() -> Callable[[], float]:
    """Epoch seconds that never jump: the wall clock of this moment, carried on by the monotonic one."""
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()


class PureMachine(Protocol):
    """What decides for one dataset, and does nothing: Machine, or Refresher."""

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        ...

    def step(self, event: Event, now: float) -> list[Command]:
        """Take in what happened by ``now`` (seconds, never decreasing) and say what to do next."""
        ...


class ThreadRunner:
    """One dataset's machine on a thread of its own, its requests on a pool, its transactions on one lane.

    ``stop`` lets a transaction that is under way finish, and nothing else: what was read and not applied
    is read again after the next start. ``shelf`` None: the dataset has no snapshots.
    """

    def __init__(
        self,
        machine: PureMachine,
        source: Source,
        sink: ChangeSink,
        observe: Observer,
        shelf: Shelf | None = None,
        kept: Kept | None = None,
    ) -> None:
        self._machine = machine
        self._source = source
        self._sink = sink
        self._shelf = shelf
        self._kept = kept
        self._observe = observe
        self._clock = steady_wall_clock()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._tickets = itertools.count(1)
        self._dead = False
        self._asked: dict[int, Future[Reply]] = {}
        self._asking = threading.Lock()
        self._explaining: dict[int, Future[Explained]] = {}
        name = machine.dataset
        # Twice the requests at once: those that hang, and that the machine has given up, hold their threads.
        self._pool = Pool(2 * REQUESTS, f"read {name}")
        self._lane = ThreadPoolExecutor(1, thread_name_prefix=f"apply {name}")
        self._keeper = Pool(1, f"snapshot {name}")
        self._thread = threading.Thread(target=self._loop, name=f"replicate {name}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def redrive(self, names: tuple[str, ...] | None) -> Future[Reply]:
        """Try dead letters again: those with these ids or sequence numbers, None all that wait. Any thread."""
        return self._ask(lambda ticket: Redrive(ticket, names))

    def discard(self, names: tuple[str, ...] | None, which: Which) -> Future[Reply]:
        """Forget dead letters: named as for ``redrive``, and of all only ``which``. Any thread."""
        return self._ask(lambda ticket: Discard(ticket, names, which))

    def snapshot(self) -> Future[Reply]:
        """Store the copy as a snapshot now. Any thread."""
        return self._ask(TakeSnapshot)

    def refresh(
        self, selection: Selection | None, *, whole: bool | None = None, jitter: float = 0.0
    ) -> Future[Reply]:
        """Refresh the copy, as RefreshNow says; only where the machine is a Refresher. Any thread."""
        return self._ask(lambda ticket: RefreshNow(ticket, selection, whole, jitter))

    def reselect(self, selection: Selection) -> None:
        """Have another selection from the next refresh on; only where the machine is a Refresher. Any thread."""
        self._events.put(Reselect(selection))

    def explain(self) -> Explained:
        """What the machine does at this moment. Any thread. Raises QueryError if it gives no answer."""
        name, id_ = self._machine.dataset, next(self._tickets)
        answer: Future[Explained] = Future()
        self._explaining[id_] = answer
        self._events.put(Explain(id_))
        try:
            if not self._thread.is_alive():
                raise QueryError(QueryFault.NOT_READY, f"{name} is not being replicated; see its status")
            return answer.result(EXPLAIN_PATIENCE)
        except TimeoutError:
            raise QueryError(
                QueryFault.TIMEOUT, f"the replication of {name} gave no answer in {EXPLAIN_PATIENCE:.0f} s"
            ) from None
        finally:
            self._explaining.pop(id_, None)

    def stop(self) -> None:
        """Stop reading, let the transaction under way finish, close the accelerator. Safe to call twice."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._events.put(Tick())
        if self._thread.ident is not None:
            self._thread.join(STOP_PATIENCE)
        if self._shelf is not None:
            self._shelf.close()
        self._keeper.close(0.0)
        self._lane.shutdown(wait=True, cancel_futures=True)
        self._pool.close(READ_PATIENCE)
        # A snapshot that is being written ends with the accelerator.
        self._sink.close()
        self._keeper.close(KEEP_PATIENCE)
        self._give_up("headrace is stopping; what was not settled is kept")

    def _ask(self, make: Callable[[int], Redrive | Discard | TakeSnapshot | RefreshNow]) -> Future[Reply]:
        ticket = next(self._tickets)
        future: Future[Reply] = Future()
        with self._asking:
            self._asked[ticket] = future
        self._events.put(make(ticket))
        if self._dead or self._stopping.is_set():
            self._give_up("the dataset is not served any more")
        return future

    def _answer(self, reply: Reply) -> None:
        with self._asking:
            future = self._asked.pop(reply.ticket, None)
        if future is not None:
            future.set_result(reply)

    def _give_up(self, why: str) -> None:
        for ticket in tuple(self._asked):
            self._answer(Reply(ticket, None, why))

    def _loop(self) -> None:
        event: Event = Tick()
        try:
            while not self._stopping.is_set():
                wake_at = self._execute(self._machine.step(event, self._clock()))
                event = self._next(wake_at)
        except BaseException as error:
            # The machine is wrong: no request of its would be safe to make, so it says so and stays dead.
            self._dead = True
            reason = f"internal error: {error!r}; restart headrace and report this"
            self._observe(
                StatusChanged(
                    self._machine.dataset,
                    State.ERROR,
                    ready=False,
                    live=False,
                    fresh=False,
                    lag=None,
                    reason=reason,
                )
            )
            self._give_up(reason)
            raise

    def _next(self, wake_at: float) -> Event:
        with contextlib.suppress(queue.Empty):
            return self._events.get(timeout=max(0.0, wake_at - self._clock()))
        return Tick()

    def _execute(self, commands: list[Command]) -> float:
        wake_at = self._clock() + 1.0
        for command in commands:
            match command:
                case Tell(observation=observation):
                    self._observe(observation)
                case Reply():
                    self._answer(command)
                case WakeAt(at=at):
                    wake_at = at
                case Explained(id=id_):
                    asked = self._explaining.pop(id_, None)
                    if asked is not None:
                        asked.set_result(command)
                case OpenStore() | CheckStore() | ReadLetters() | FindNewest() | FindExpired():
                    self._submit(self._lane, command)
                case Apply() | RestoreSnapshot():
                    self._submit(self._lane, command)
                case ListSnapshots() | SaveSnapshot():
                    self._submit(self._keeper, command)
                case _:
                    self._submit(self._pool, command)
        return wake_at

    def _submit(self, pool: ThreadPoolExecutor | Pool, request: Request) -> None:
        try:
            pool.submit(partial(self._perform, request))
        except RuntimeError as error:
            # No thread is to be had, or the pool is shutting down: the machine asks again.
            self._events.put(Failed(request.id, InternalError(f"no thread for it: {error}")))

    def _perform(self, request: Request) -> None:
        if self._stopping.is_set():
            return
        try:
            answer = perform(request, self._source, self._sink, self._shelf, self._kept)
            event: Event = Done(request.id, answer)
        except HeadraceError as error:
            event = Failed(request.id, error)
        except Exception as error:  # noqa: BLE001  # A defect must surface as a status, not as a hang.
            event = Failed(request.id, InternalError(f"internal error: {error!r}"))
        self._events.put(event)
