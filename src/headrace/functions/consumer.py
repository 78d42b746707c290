"""A function as the consumer of a mapping: a pool of processes that take its batches."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from headrace.batch import Batch, function_arn
from headrace.errors import ConsumerFailed, ConsumerUnavailable
from headrace.event_source_mapping import Function
from headrace.functions.crash_loop import CrashLoop
from headrace.functions.environment import VERSION, function_environment
from headrace.functions.frame import frame
from headrace.functions.keeper import Keeper
from headrace.functions.output import Output
from headrace.functions.process import Died, Late, Process
from headrace.mapping_facts import FunctionProcess, MappingObserver

_LONGEST_START = 10.0
_LEAVE = 1.0


class FunctionConsumer:
    """Runs ``function`` on the batches of ``mapping``, in at most ``function.processes`` processes.

    A process is started when a batch finds none free, and kept: what a module holds is there for later invocations, as in
    Lambda. It is replaced when it ends, runs out of memory, or exceeds its time. ``region`` is what AWS's SDKs find
    in the function's environment; None leaves it as Headrace's own.
    """

    def __init__(
        self, mapping: str, function: Function, observe: MappingObserver, *, region: str | None = None
    ) -> None:
        self._mapping = mapping
        self._function = function
        self._observe = observe
        self._region = region
        self._crash_loop = CrashLoop(mapping)
        self._keeper = Keeper(f"headrace-{mapping}-functions", self._start, self._lost)
        self._changed = threading.Condition()
        # All that follows is read and written under it.
        self._places = function.processes
        self._calls = 0
        self._busy: set[Process] = set()
        self._closed = False

    def consume(self, batch: Batch) -> object:
        """Invoke the function; its response, parsed.

        Raises ConsumerFailed where it raised, exceeded its time or memory, ended its process, cannot be imported, or
        returned what is not JSON. Raises ConsumerUnavailable where no process can be started, or ``close`` was called.
        """
        event = batch.event()
        process = self._taken()
        try:
            return self._invoked(process, batch, event)
        finally:
            self._done()

    def close(self) -> None:
        """End all processes: those that run a batch at once, the others by themselves or after a second."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            for process in self._busy:
                process.kill()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._calls == 0)
        self._keeper.stop(_LEAVE)

    def _invoked(self, process: Process | None, batch: Batch, event: bytes) -> object:
        """Hand the event over to the process, or to a new one where it is None."""
        request = str(uuid4())
        if process is None:
            process = self._new(request)
        deadline = time.monotonic() + self._function.timeout
        asked = {
            "aws_request_id": request,
            "invoked_function_arn": function_arn(self._mapping, batch.stream_arn),
            "shard": batch.shard,
            "deadline": deadline,
        }
        process.output.begin(request)
        head, body = self._conversed(
            process, request, frame(json.dumps(asked).encode(), event), self._function.timeout, deadline
        )
        if head.get("ends"):
            process.wait(_LEAVE)
            self._discard(process, "out_of_memory", f"more than {self._function.memory // 2**20} MB")
        else:
            self._rest(process)
        if "error" in head:
            raise _failed(head["error"])
        return _parsed(body)

    def _taken(self) -> Process | None:
        """A process that rests; None where there is a place for a new one. Counts the call."""
        while True:
            with self._changed:
                process = self._waited()
                self._calls += 1
                if process is None:
                    return None
                self._busy.add(process)
            if process.is_alive():
                return process
            try:
                self._discard(process, "exited")
            finally:
                self._done()

    def _done(self) -> None:
        with self._changed:
            self._calls -= 1
            self._changed.notify_all()

    def _waited(self) -> Process | None:
        while True:
            if self._closed:
                raise self._stopped()
            process = self._keeper.take()
            if process is not None:
                return process
            wait = self._crash_loop.wait(time.monotonic()) if self._places else None
            if wait == 0.0:
                self._places -= 1
                return None
            self._changed.wait(wait)

    def _new(self, request: str) -> Process:
        """A process that has imported the function."""
        reference = self._function.reference
        try:
            process = self._keeper.start()
        except (OSError, RuntimeError, ValueError) as error:
            self._freed(crashed=True)
            raise ConsumerUnavailable(
                f"mapping {self._mapping}: no process can be started for {reference}: {error}"
            ) from error
        with self._changed:
            self._busy.add(process)
            if self._closed:
                process.kill()
        self._observe(FunctionProcess(self._mapping, process.pid, "started"))
        seconds = max(self._function.timeout, _LONGEST_START)
        head, _ = self._conversed(process, request, b"", seconds, time.monotonic() + seconds)
        if "error" in head:
            failed = _failed(head["error"])
            self._discard(process, "import_failed", str(failed))
            raise failed
        return process

    def _conversed(
        self, process: Process, request: str, message: bytes, seconds: float, deadline: float
    ) -> tuple[dict[str, Any], bytes]:
        """Its answer. Raises ConsumerFailed, or ConsumerUnavailable, where there is none; then it is given back."""
        try:
            head, body = process.converse(message, deadline)
            return _object(head), body
        except Died:
            told = self._discard(process, "exited")
            type_ = "Runtime.ExitError"
        except Late:
            process.explain()
            self._discard(process, "timed_out", f"after {seconds:.2f} seconds")
            # aws/aws-lambda-runtime-interface-emulator, cmd/aws-lambda-rie/handlers.go.
            told = f"Task timed out after {seconds:.2f} seconds"
            type_ = "Sandbox.Timedout"
        except BaseException:
            self._discard(process, "exited")
            raise
        if self._closed:
            raise self._stopped()
        raise ConsumerFailed(type_, f"RequestId: {request} Error: {told}")

    def _rest(self, process: Process) -> None:
        process.output.begin(None)
        with self._changed:
            self._crash_loop.worked()
            self._busy.discard(process)
            self._keeper.rest(process)
            self._changed.notify_all()

    def _discard(self, process: Process, event: str, detail: str | None = None) -> str:
        """End it, and tell; how it ended."""
        status = process.reap()
        with self._changed:
            self._busy.discard(process)
            closed = self._closed
        self._freed(crashed=not closed)
        told = "stopped" if closed else detail or status
        self._observe(FunctionProcess(self._mapping, process.pid, "exited" if closed else event, told))
        return status

    def _freed(self, *, crashed: bool) -> None:
        with self._changed:
            self._places += 1
            if crashed:
                self._crash_loop.died(time.monotonic())
            self._changed.notify_all()

    def _start(self) -> Process:
        """Run by the keeper's thread."""
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[{VERSION}]{uuid4().hex}"
        environment = function_environment(os.environ, self._mapping, self._function, self._region, stream)
        return Process(self._function, environment, Output(self._mapping, self._observe))

    def _lost(self, process: Process) -> None:
        """Run by the keeper's thread, and by ``close``: a process that rested is to end, or has."""
        self._discard(process, "exited")

    def _stopped(self) -> ConsumerUnavailable:
        return ConsumerUnavailable(f"mapping {self._mapping}: its function is being stopped")


def _object(head: bytes) -> dict[str, Any]:
    """Raises Died where it is none of ours: something else has written to the pipe."""
    try:
        found = json.loads(head)
    except ValueError as error:
        raise Died from error
    if not isinstance(found, dict):
        raise Died
    return found


def _failed(error: dict[str, Any]) -> ConsumerFailed:
    trace = tuple(_text(entry) for entry in error["stackTrace"])
    return ConsumerFailed(_text(error["errorType"]), _text(error["errorMessage"]), trace)


def _text(told: str) -> str:
    """Without halves of surrogate pairs, which Python's texts may have and no file or message."""
    return told.encode("utf-8", "backslashreplace").decode()


def _parsed(body: bytes) -> object:
    """A function may return bytes that are no JSON: then they are a text. Raises ConsumerFailed."""
    try:
        response = json.loads(body)
        if b"\\u" in body:
            json.dumps(response, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ConsumerFailed("Runtime.MarshalError", f"Unable to marshal response: {error}") from None
    except (ValueError, RecursionError):
        return body.decode(errors="replace")
    return response
