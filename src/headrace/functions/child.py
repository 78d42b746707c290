"""What runs in a function's process: it waits for events, calls the handler, and answers.

It knows next to nothing of Headrace, so that it starts fast and a function finds an interpreter that is its own.
"""

from __future__ import annotations

import _thread
import faulthandler
import json
import logging
import os
import resource
import signal
import sys
import time
import traceback

from headrace.functions.frame import FrameReader, frame
from headrace.functions.handler import Fault, Handler, encoded, find_handler, raised, within_user_code
from headrace.lambda_context import LambdaContext

_PR_SET_PDEATHSIG = 1
_NO_LIMIT = 1 << 32
_READ = 1 << 20


def main() -> None:
    """Serve until the pipe of requests ends. ``sys.argv[1]`` is the JSON of what the process needs to know."""
    given = json.loads(sys.argv[1])
    sys.argv = [given["reference"]]
    pipes = _Pipes(*given["pipes"])
    _die_with(given["parent"], pipes.life)
    _bound(given["memory"])
    # A traceback tells of crashes, and of where a function was when its time was over.
    faulthandler.enable()
    # Who stops a service may signal all its processes at once: Headrace alone decides when a function ends.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignored)
    log = _log_as_lambda()
    sys.path.insert(0, given["folder"])
    try:
        handler = find_handler(given["reference"])
    except Fault as fault:
        _tell(fault)
        pipes.answer({"error": fault.payload()})
        sys.exit(1)
    pipes.answer({})
    while (request := pipes.next()) is not None:
        _serve(handler, pipes, log, *request)


def _serve(handler: Handler, pipes: _Pipes, log: _RequestFilter, head: bytes, event: bytes) -> None:
    """One invocation."""
    asked = json.loads(head)
    log.request = asked["aws_request_id"]
    context = LambdaContext(
        function_name=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", ""),
        function_version=os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", ""),
        memory_limit_in_mb=os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", ""),
        log_group_name=os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", ""),
        log_stream_name=os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", ""),
        **asked,
    )
    # Given back where memory has run out, so that this can still be told.
    reserve = bytearray(1 << 18)
    try:
        answer = encoded(handler(json.loads(event), context))
    except Fault as fault:
        _tell(fault)
        pipes.answer({"error": fault.payload()})
    except MemoryError as error:
        del reserve
        last = raised(error)
        error.__traceback__ = None
        pipes.answer({"error": last.payload(), "ends": True})
        _tell(last)
        # What fills the memory may be the module's own, and would fail every later invocation.
        os._exit(1)
    except Exception as error:  # noqa: BLE001 - whatever user code raises is the answer.
        of_user = raised(error)
        of_user.__cause__ = error
        _tell(of_user)
        pipes.answer({"error": of_user.payload()})
    else:
        pipes.answer({}, answer)


class _Pipes:
    """The ends of the pipes that lead to Headrace; what a function starts does not inherit them."""

    def __init__(self, requests: int, answers: int, life: int) -> None:
        self._requests, self._answers, self.life = requests, answers, life
        for pipe in (requests, answers, life):
            os.set_inheritable(pipe, False)  # noqa: FBT003 - it takes no keywords.
        self._reader = FrameReader(_NO_LIMIT)
        self._owner = os.getpid()

    def next(self) -> tuple[bytes, bytes] | None:
        """Wait for a request; None at the end."""
        while data := os.read(self._requests, _READ):
            found = self._reader.feed(data)
            if found is not None:
                return found
        return None

    def answer(self, head: dict[str, object], body: bytes = b"") -> None:
        if os.getpid() != self._owner:
            # A copy that the function has forked, and forgotten to end: the invocation is not its own.
            os._exit(0)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):
                # User code may have closed or replaced it; its answer counts all the same.
                continue
        rest = memoryview(frame(json.dumps(head).encode(), body))
        while rest:
            rest = rest[os.write(self._answers, rest) :]


def _die_with(parent: int, life: int) -> None:
    """End when Headrace does, however it does: by the kernel on Linux, and by a pipe's end everywhere."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:
            os._exit(1)
    _thread.start_new_thread(_watch, (life,))


def _watch(life: int) -> None:
    """Nothing is ever written to this pipe. With its end, all goes that the function has started and not set apart."""
    os.read(life, 1)
    os.killpg(0, signal.SIGKILL)


def _bound(memory: int) -> None:
    """Of memory, what the process writes to counts: maps of files and address space that is only reserved do not."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = memory if most == resource.RLIM_INFINITY else min(memory, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def _ignored(number: int, where: object) -> None:
    """As a handler, unlike SIG_IGN, it does not pass on to programs that the function starts."""
    del number, where


class _RequestFilter(logging.Filter):
    """Adds to each record of a log the invocation within which it was made."""

    request = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.request
        return True


class _ToStdout(logging.Handler):
    """Writes to whatever standard output is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stdout.write(self.format(record))
        except Exception:  # noqa: BLE001 - logging's own rule: a log does not stop the work.
            self.handleError(record)


def _log_as_lambda() -> _RequestFilter:
    """The handler that the root logger has in Lambda, in Lambda's form: bootstrap.py, ``_setup_logging``."""
    found = _RequestFilter()
    written = _ToStdout()
    form = logging.Formatter(
        "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S"
    )
    form.converter = time.gmtime
    written.setFormatter(form)
    written.addFilter(found)
    logging.getLogger().addHandler(written)
    return found


def _tell(fault: Fault) -> None:
    """Errors stand in the log too, with what caused them."""
    cause = fault.__cause__
    try:
        if cause is None:
            sys.stderr.write(f"[ERROR] {fault.type}: {fault.message}\n")
        else:
            traceback.print_exception(type(cause), cause, within_user_code(cause.__traceback__))
    except Exception:  # noqa: BLE001 - as for logs: the error itself is told by the answer.
        return
