"""The thread that starts processes, and looks after those that have nothing to do."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from headrace.functions.process import Process

_LOOK = 1000
"""Milliseconds: a process that rests is looked after from then on at the latest."""


class Keeper:
    """Starts processes by ``start`` and tells ``lost`` of those that have ended while they rested.

    All are started by one thread that stays: on Linux a child dies with the thread that started it, not with the process.
    """

    def __init__(self, name: str, start: Callable[[], Process], lost: Callable[[Process], None]) -> None:
        self._name = name
        self._start = start
        self._lost = lost
        self._lock = threading.Lock()
        self._resting: list[Process] = []
        self._orders: list[Future[Process]] = []
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._woken = self._wake = -1

    def start(self) -> Process:
        """A new process. Raises OSError where there cannot be one, RuntimeError where there cannot be a thread, or not any more."""
        order: Future[Process] = Future()
        with self._lock:
            if self._stopping:
                raise RuntimeError("it is stopped")
            if self._thread is None:
                self._begin()
            self._orders.append(order)
            os.write(self._wake, b"\0")
        return order.result()

    def rest(self, process: Process) -> None:
        """It has nothing to do until it is taken."""
        with self._lock:
            self._resting.append(process)

    def take(self) -> Process | None:
        """The process that rested last; None if none does."""
        with self._lock:
            return self._resting.pop() if self._resting else None

    def stop(self, seconds: float) -> None:
        """End the thread, and what rests: by itself within so many seconds, or by force."""
        with self._lock:
            self._stopping = True
            resting, self._resting = self._resting, []
            thread = self._thread
        deadline = time.monotonic() + seconds
        for process in resting:
            process.dismiss()
        for process in resting:
            process.wait(max(0.0, deadline - time.monotonic()))
            self._lost(process)
        if thread is not None:
            os.write(self._wake, b"\0")
            thread.join()
            os.close(self._woken)
            os.close(self._wake)

    def _begin(self) -> None:
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._woken, False)
        thread = threading.Thread(target=self._keep, name=self._name, daemon=True)
        try:
            thread.start()
        except BaseException:
            os.close(self._woken)
            os.close(self._wake)
            raise
        self._thread = thread

    def _keep(self) -> None:
        try:
            while not self._stopping:
                self._turn()
        finally:
            with self._lock:
                self._stopping = True
                orders, self._orders = self._orders, []
            for order in orders:
                order.set_exception(RuntimeError("it is stopped"))

    def _turn(self) -> None:
        with self._lock:
            watched = {pipe: process for process in self._resting for pipe in process.pipes()}
        self._look_after(self._heard(watched))
        with self._lock:
            orders, self._orders = self._orders, []
        for order in orders:
            self._fulfil(order)

    def _heard(self, watched: dict[int, Process]) -> list[Process]:
        """Wait for those that have something to tell, or for what this thread is asked."""
        poll = select.poll()
        for pipe in (self._woken, *watched):
            poll.register(pipe, select.POLLIN)
        heard = {pipe for pipe, _ in poll.poll(_LOOK)}
        if self._woken in heard:
            os.read(self._woken, 4096)
        return list({watched[pipe] for pipe in heard if pipe in watched})

    def _look_after(self, heard: list[Process]) -> None:
        dead = []
        with self._lock:
            # Whoever has been taken meanwhile is another thread's.
            for process in heard:
                if process in self._resting and not process.is_alive():
                    self._resting.remove(process)
                    dead.append(process)
        for process in dead:
            self._lost(process)

    def _fulfil(self, order: Future[Process]) -> None:
        try:
            order.set_result(self._start())
        except BaseException as error:  # noqa: BLE001 - whoever asked is told, whatever it is.
            order.set_exception(error)
