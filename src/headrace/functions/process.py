"""One process of a function, seen from Headrace."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import headrace
from headrace.event_source_mapping import Function
from headrace.functions.frame import FrameReader
from headrace.functions.output import Output

# Headrace is found where this one is, whatever the paths and files around the function are called.
_PROGRAM = (
    "import sys,importlib.machinery as m,importlib.util as u;"
    "s=m.PathFinder.find_spec('headrace',[sys.argv.pop()]);"
    "h=u.module_from_spec(s);sys.modules['headrace']=h;s.loader.exec_module(h);"
    "from headrace.functions.child import main;main()"
)
_ROOT = str(Path(headrace.__file__).parents[1])
_MOST_ANSWER = 32 * 2**20
_READ = 1 << 16
_MOST_READS = 64
_LONGEST_POLL = 3600.0
_LAST_WORDS = 1.0


class Died(Exception):
    """The process ended, or is not what it was, before it answered."""


class Late(Exception):
    """The process did not answer in time."""


class Process:
    """A child process in a session of its own. One thread at a time may use it; ``kill`` is for any."""

    def __init__(self, function: Function, environment: Mapping[str, str], output: Output) -> None:
        """Start it. Raises OSError where that cannot be."""
        self.output = output
        self._frames = FrameReader(_MOST_ANSWER)
        self._unsent = memoryview(b"")
        self._lock = threading.Lock()
        self._reaped = False
        theirs: list[int] = []
        ours: list[int] = []
        try:
            for reads in (True, False, True):
                ends = os.pipe()
                theirs.append(ends[0 if reads else 1])
                ours.append(ends[1 if reads else 0])
            self._popen = _start(function, environment, theirs)
        except BaseException:
            _close(ours)
            raise
        finally:
            _close(theirs)
        self._requests, self._answers, self._life = ours
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self._streams = {self._popen.stdout.fileno(): "stdout", self._popen.stderr.fileno(): "stderr"}
        for pipe in (self._requests, self._answers, *self._streams):
            os.set_blocking(pipe, False)
        # Where a function has forked, its answers' end stays open beyond the process's own.
        self._exit = _exit_of(self.pid)

    @property
    def pid(self) -> int:
        """The id of the process, and of its group."""
        return self._popen.pid

    def pipes(self) -> list[int]:
        """What becomes readable when the process says something or ends."""
        return [self._answers, *self._streams, *([self._exit] if self._exit >= 0 else [])]

    def converse(self, request: bytes, deadline: float) -> tuple[bytes, bytes]:
        """Send a frame, none where it is empty, and wait for the answer; output is told meanwhile.

        ``deadline`` as time.monotonic counts. Raises Died and Late.
        """
        self._unsent = memoryview(request)
        poll = select.poll()
        for pipe in self.pipes():
            poll.register(pipe, select.POLLIN)
        if request:
            poll.register(self._requests, select.POLLOUT)
        ended = False
        while True:
            left = 0.0 if ended else max(0.0, min(deadline - time.monotonic(), _LONGEST_POLL))
            ready = [pipe for pipe, _ in poll.poll(left * 1000)]
            answer = self._attended(poll, ready)
            if answer is not None:
                self.listen()
                return answer
            if ended and self._answers not in ready:
                raise Died
            if self._exit in ready:
                # It may have answered before; what it has not read by now it never will.
                ended = True
                poll.unregister(self._exit)
            if not ended and time.monotonic() >= deadline:
                raise Late

    def is_alive(self) -> bool:
        """Whether it has not ended while nothing was asked of it; what it has written is told."""
        self.listen()
        try:
            self.converse(b"", time.monotonic())
        except Late:
            return True
        except Died:
            return False
        # An answer to nothing: something else has written to the pipe.
        return False

    def listen(self) -> None:
        """Tell what it has written."""
        for pipe in self._streams:
            for _ in range(_MOST_READS):
                if not self._heard(pipe, whole=True):
                    break

    def explain(self) -> None:
        """Have it write where it is, and end: faulthandler does both on SIGABRT, whatever holds the interpreter."""
        with self._lock:
            if self._reaped:
                return
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGABRT)
        with suppress(Died, Late):
            self.converse(b"", time.monotonic() + _LAST_WORDS)

    def dismiss(self) -> None:
        """Let it end by itself, as it has nothing to do."""
        with suppress(OSError):
            os.close(self._requests)
        self._requests = -1

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, so long at most."""
        with suppress(Died, Late):
            self.converse(b"", time.monotonic() + seconds)

    def kill(self) -> None:
        """End it and what it has started, unless that is in a group of its own."""
        with self._lock:
            if not self._reaped:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)

    def reap(self) -> str:
        """End it, tell the last that it wrote, and give everything back; how it ended, in Lambda's words.

        What has ended by itself keeps its own status.
        """
        self.kill()
        with self._lock:
            status = self._popen.wait()
            self._reaped = True
        self.listen()
        self.output.begin(None)
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self._popen.stdout.close()
        self._popen.stderr.close()
        _close([pipe for pipe in (self._requests, self._answers, self._life, self._exit) if pipe >= 0])
        return _told(status)

    def _attended(self, poll: select.poll, ready: list[int]) -> tuple[bytes, bytes] | None:
        """Read and write where that is possible; the answer, once it is whole. Raises Died."""
        if self._answers in ready:
            answer = self._answer()
            if answer is not None:
                return answer
        if self._requests in ready:
            self._send()
            if not self._unsent:
                poll.unregister(self._requests)
        for pipe in ready:
            if pipe in self._streams and not self._heard(pipe):
                poll.unregister(pipe)
        return None

    def _answer(self) -> tuple[bytes, bytes] | None:
        """What has come of an answer, once it is whole. Raises Died."""
        try:
            data = os.read(self._answers, 1 << 20)
        except BlockingIOError:
            return None
        if not data:
            raise Died
        try:
            return self._frames.feed(data)
        except ValueError as error:
            # Something else has written to the pipe; nothing that follows means anything.
            raise Died from error

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._requests, self._unsent) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            # The end of its answers tells the rest.
            self._unsent = self._unsent[:0]

    def _heard(self, pipe: int, *, whole: bool = False) -> bool:
        """Tell what has been written; False at the end of the stream, or with ``whole`` where nothing more is there."""
        try:
            data = os.read(pipe, _READ)
        except BlockingIOError:
            return not whole
        self.output.feed(self._streams[pipe], data)
        return bool(data)


def _start(function: Function, environment: Mapping[str, str], pipes: list[int]) -> subprocess.Popen[bytes]:
    told = {
        "reference": function.reference,
        "folder": str(function.folder),
        "memory": function.memory,
        "pipes": pipes,
        "parent": os.getpid(),
    }
    # -P: no path of the directory at hand; -u: what is written is there before a crash; UTF-8 as in Lambda.
    command = [sys.executable, "-P", "-u", "-X", "utf8", "-c", _PROGRAM, json.dumps(told), _ROOT]
    return subprocess.Popen(  # noqa: S603 - our own interpreter; no shell.
        command,
        cwd=function.folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        pass_fds=pipes,
        start_new_session=True,
    )


def _exit_of(pid: int) -> int:
    """A descriptor that becomes readable when the process ends; -1 where the system has none."""
    if hasattr(os, "pidfd_open"):
        with suppress(OSError):
            return os.pidfd_open(pid)
    return -1


def _close(pipes: list[int]) -> None:
    for pipe in pipes:
        os.close(pipe)


def _told(status: int) -> str:
    """As Lambda says it: aws/aws-lambda-runtime-interface-emulator, ``Runtime.ExitError``."""
    if status == 0:
        return "Runtime exited without providing a reason"
    if status < 0:
        name = signal.strsignal(-status) or f"signal {-status}"
        return f"Runtime exited with error: signal: {name.lower()}"
    return f"Runtime exited with error: exit status {status}"
