"""What becomes of a function's processes: limits, crashes, output, and their end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from headrace.errors import ConsumerFailed, ConsumerUnavailable
from headrace.functions.crash_loop import CrashLoop
from headrace.functions.output import MOST_LINE_BYTES, MOST_LINES
from headrace.mapping_facts import FunctionOutput
from support.deadline import eventually
from support.functions import batch

STUCK = {
    "asleep": "time.sleep(60)",
    # A regular expression of this kind holds the interpreter, so that no other thread of it can run.
    "busy": "re.match(r'(a+)+$', 'a' * 60 + 'b')",
}


def failed(consumer):
    with pytest.raises(ConsumerFailed) as raised:
        consumer.consume(batch())
    return raised.value


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pipes():
    return len(list(Path("/proc/self/fd").iterdir()))


def gone(pid):
    eventually(lambda: not is_running(pid), within=20, what=f"process {pid} is gone")


@pytest.fixture
def soon(monkeypatch):
    """What happens between invocations is looked after at once."""
    monkeypatch.setattr("headrace.functions.keeper._LOOK", 10)


@pytest.mark.parametrize("stuck", STUCK)
def test_a_function_that_takes_too_long_is_ended_with_all_it_has_started(pod, stuck):
    pod.write(
        "m.py",
        f"""
        import os, pathlib, re, subprocess, time
        def f(e, c):
            if pathlib.Path("stuck").exists(): return os.getpid()
            pathlib.Path("stuck").touch()
            child = subprocess.Popen(["sleep", "60"])
            print(child.pid)
            {STUCK[stuck]}
        """,
    )
    consumer = pod.consumer("m:f", timeout=1.0)
    error = failed(consumer)
    assert error.type == "Sandbox.Timedout"
    assert str(error).endswith(" Error: Task timed out after 1.00 seconds")
    assert str(error).startswith("RequestId: ")
    started, ended = pod.facts.processes()
    assert (started.event, ended.event, ended.detail) == ("started", "timed_out", "after 1.00 seconds")
    # Where it was stands in its output.
    assert any("m.py" in line and line.endswith(" in f") for line in pod.facts.lines("stderr"))
    gone(int(pod.facts.lines("stdout")[0]))
    gone(started.process)
    assert consumer.consume(batch()) != started.process


def test_an_import_that_does_not_end_is_ended(pod, monkeypatch):
    monkeypatch.setattr("headrace.functions.consumer._LONGEST_START", 0.3)
    pod.write("m.py", "import time; time.sleep(60)")
    error = failed(pod.consumer("m:f", timeout=0.2))
    assert (error.type, str(error).partition("Error: ")[2]) == (
        "Sandbox.Timedout",
        "Task timed out after 0.30 seconds",
    )


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ("os._exit(3)", "Runtime exited with error: exit status 3"),
        ("sys.exit('no more')", "Runtime exited with error: exit status 1"),
        ("sys.exit()", "Runtime exited without providing a reason"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
        ("ctypes.string_at(0)", "Runtime exited with error: signal: segmentation fault"),
        (
            "multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,)).start(); os._exit(5)",
            "Runtime exited with error: exit status 5",
        ),
    ],
)
def test_a_process_that_ends_fails_the_invocation_and_is_replaced(pod, ending, told):
    pod.write(
        "m.py",
        f"""
        import ctypes, multiprocessing, os, pathlib, sys, time
        def f(e, c):
            if pathlib.Path("ended").exists(): return "well"
            pathlib.Path("ended").touch()
            print("last words", end="")
            {ending}
        """,
    )
    consumer = pod.consumer("m:f")
    error = failed(consumer)
    assert error.type == "Runtime.ExitError"
    assert str(error).endswith(f" Error: {told}")
    assert pod.facts.lines("stdout") == ["last words"]
    [exited] = pod.facts.processes("exited")
    assert exited.detail == told
    assert consumer.consume(batch()) == "well"


def test_memory_is_limited_and_what_fills_it_goes_with_its_process(pod):
    pod.write(
        "m.py",
        """
        kept = []
        def f(e, c):
            kept.append(bytearray(60 * 2**20))
            return len(kept)
        """,
    )
    consumer = pod.consumer("m:f", memory=150 * 2**20)
    assert [consumer.consume(batch()), consumer.consume(batch())] == [1, 2]
    error = failed(consumer)
    assert error.type == "MemoryError"
    assert "kept.append" in error.trace[-1]
    [ended] = pod.facts.processes("out_of_memory")
    assert ended.detail == "more than 150 MB"
    assert consumer.consume(batch()) == 1


def test_a_process_that_ends_while_it_rests_costs_no_attempt(pod, soon):
    pod.write(
        "m.py",
        "import os, threading\ndef f(e, c): threading.Timer(0.05, os._exit, [0]).start(); return os.getpid()",
    )
    consumer = pod.consumer("m:f")
    first = consumer.consume(batch())
    eventually(lambda: pod.facts.processes("exited"), within=20, what="its end is noticed")
    gone(first)
    assert consumer.consume(batch()) != first


def test_a_process_that_has_just_ended_is_noticed_before_it_is_asked(pod):
    pod.write("m.py", "import os\ndef f(e, c): return os.getpid()")
    consumer = pod.consumer("m:f")
    first = consumer.consume(batch())
    ended = os.pidfd_open(first)
    os.kill(first, signal.SIGKILL)
    assert select.select([ended], [], [], 20)[0]
    os.close(ended)
    assert consumer.consume(batch()) != first


def test_lines_are_told_with_their_invocation(pod):
    pod.write(
        "m.py",
        """
        import os, sys
        print("while it is imported")
        def f(e, c):
            print("one"); print("two", end="")
            sys.stderr.write("of stderr\\r\\n\\n")
            os.write(1, b"\\xff\\n" + b"past Python")
            return c.aws_request_id
        """,
    )
    consumer = pod.consumer("m:f")
    first, second = consumer.consume(batch()), consumer.consume(batch())
    told = [
        (fact.request, fact.stream, fact.line) for fact in pod.facts.all if isinstance(fact, FunctionOutput)
    ]
    assert told[0] == (None, "stdout", "while it is imported")
    of_one = {
        ("stdout", "one"),
        ("stdout", "two\ufffd"),
        ("stdout", "past Python"),
        ("stderr", "of stderr"),
        ("stderr", ""),
    }
    for request in (first, second):
        assert {(stream, line) for by, stream, line in told if by == request} == of_one
    assert len(told) == 11


def test_lines_and_floods_are_bounded_and_what_is_left_out_is_counted(pod):
    pod.write(
        "m.py",
        f"def f(e, c): print('x' * {MOST_LINE_BYTES + 7}); print('y\\n' * {MOST_LINES + 4}, end='')\ndef g(e, c): print('well')",
    )
    pod.consumer("m:f").consume(batch())
    lines = pod.facts.lines()
    assert lines[0] == "x" * MOST_LINE_BYTES + " [7 more bytes]"
    assert len(lines) == MOST_LINES + 1
    assert lines[-1] == "[5 more lines are left out]"


def test_output_between_invocations_is_told_and_belongs_to_none(pod, soon):
    pod.write("m.py", "import threading\ndef f(e, c): threading.Timer(0.05, print, ['later']).start()")
    pod.consumer("m:f").consume(batch())
    eventually(lambda: pod.facts.lines() == ["later"], within=20, what="the line is told")
    [line] = [fact for fact in pod.facts.all if isinstance(fact, FunctionOutput)]
    assert line.request is None


def test_signals_to_a_services_processes_do_not_end_a_batch(pod):
    pod.write(
        "m.py",
        "import os, signal, subprocess\ndef f(e, c):\n    for s in (signal.SIGTERM, signal.SIGINT): os.kill(os.getpid(), s)\n    return subprocess.run(['sh', '-c', 'kill $$']).returncode",
    )
    assert pod.consumer("m:f").consume(batch()) == -signal.SIGTERM


@pytest.mark.parametrize("junk", [b"\xff" * 16, b"\x00" * 16, b"\x00\x00\x00\x01\x00\x00\x00\x007"])
def test_whoever_writes_to_the_pipe_of_answers_is_replaced(pod, junk):
    pod.write(
        "m.py",
        f"""
        import os, pathlib
        def f(e, c):
            if pathlib.Path("written").exists(): return "well"
            pathlib.Path("written").touch()
            for number in range(3, 4096):
                try: os.write(number, {junk})
                except OSError: pass
        """,
    )
    consumer = pod.consumer("m:f")
    assert failed(consumer).type == "Runtime.ExitError"
    assert consumer.consume(batch()) == "well"


def test_a_copy_that_a_function_forks_answers_nothing(pod):
    pod.write(
        "m.py",
        "import os\ndef f(e, c):\n    child = os.fork()\n    if child: os.waitpid(child, 0)\n    return os.getpid()",
    )
    consumer = pod.consumer("m:f")
    [started] = {consumer.consume(batch()) for _ in range(3)}
    assert started == pod.facts.processes("started")[0].process


def test_closing_while_a_dead_process_is_replaced_comes_to_its_end(pod):
    pod.write("m.py", "import os\ndef f(e, c): return os.getpid()")
    consumer = pod.consumer("m:f")
    ended = os.pidfd_open(pid := consumer.consume(batch()))
    os.kill(pid, signal.SIGKILL)
    assert select.select([ended], [], [], 20)[0]
    os.close(ended)
    closing = threading.Thread(target=consumer.close)
    tell = consumer._observe

    def observe(fact):
        tell(fact)
        if getattr(fact, "event", "") == "exited":
            closing.start()
            eventually(lambda: consumer._closed, within=20, what="close is called")

    consumer._observe = observe
    with pytest.raises(ConsumerUnavailable):
        consumer.consume(batch())
    closing.join(20)
    assert not closing.is_alive()


def test_a_function_may_close_its_streams(pod):
    pod.write(
        "m.py", "import os, sys\ndef f(e, c): sys.stdout.close(); sys.stderr = None; os.close(2); return 1"
    )
    consumer = pod.consumer("m:f")
    assert [consumer.consume(batch()), failed(consumer).type] == [1, "OSError"]


def test_nothing_is_left_of_a_consumer_that_is_closed(pod):
    pod.write(
        "m.py",
        "import atexit, os, pathlib\natexit.register(pathlib.Path('left').touch)\ndef f(e, c): return os.getpid()",
    )
    pod.consumer("m:f").consume(batch())
    pod.close()
    before = threading.active_count(), pipes()
    (pod.folder / "left").unlink()
    consumer = pod.consumer("m:f")
    pid = consumer.consume(batch())
    assert is_running(pid)
    consumer.close()
    assert not Path(f"/proc/{pid}").exists()
    assert (pod.folder / "left").exists()
    assert (threading.active_count(), pipes()) == before


def test_failed_starts_leave_nothing_either(pod, monkeypatch):
    consumer = pod.consumer("m:f")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ConsumerUnavailable):
        consumer.consume(batch())
    before = pipes()
    with pytest.raises(ConsumerUnavailable, match="/nowhere/python"):
        consumer.consume(batch())
    assert pipes() == before


@pytest.mark.parametrize("stuck", STUCK)
def test_a_process_dies_with_headrace_even_while_it_runs(pod, stuck):
    pod.write("m.py", f"import os, re, time\ndef f(e, c): print(os.getpid()); {STUCK[stuck]}")
    program = f"""
        import sys
        from headrace.event_source_mapping import Function
        from headrace.functions import FunctionConsumer
        from headrace.mapping_facts import FunctionOutput
        from pathlib import Path
        from headrace.batch import Batch
        def observe(fact):
            if isinstance(fact, FunctionOutput): print(fact.line, flush=True)
        consumer = FunctionConsumer("m", Function("m:f", Path({str(pod.folder)!r})), observe)
        consumer.consume(Batch("m", "arn:aws:dynamodb:r:1:table/t/stream/s", "shard", ()))
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    ) as headrace:
        pid = int(headrace.stdout.readline())
        headrace.kill()
    gone(pid)


def test_deaths_in_a_row_make_the_next_start_wait_longer():
    loop = CrashLoop("m")
    waits = []
    for _ in range(12):
        loop.died(100.0)
        waits.append(loop.wait(100.0))
    assert 0 < waits[0] < 0.1
    assert waits[4] > 4 * waits[0]
    assert 10 <= waits[-1] <= 20
    assert loop.wait(120.0) == 0
    loop.worked()
    assert loop.wait(100.0) == 0


def test_a_loop_of_crashes_waits_and_does_not_outlast_close(pod, monkeypatch):
    monkeypatch.setattr("headrace.functions.crash_loop.delay", lambda error, attempt, salt: 60.0)
    pod.write("m.py", "import os\ndef f(e, c): os._exit(1)")
    consumer = pod.consumer("m:f")
    failed(consumer)
    raised = []

    def call():
        try:
            consumer.consume(batch())
        except ConsumerUnavailable as error:
            raised.append(error)

    lane = threading.Thread(target=call)
    lane.start()
    consumer.close()
    lane.join(20)
    assert len(raised) == 1
    assert len(pod.facts.processes("started")) == 1
