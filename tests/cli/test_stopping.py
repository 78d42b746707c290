"""Verbs that run until they are told to stop."""

import os
import signal
import sys
import threading

from headrace.cli.stopping import told_to_stop
from support.deadline import eventually


def test_a_signal_that_another_thread_gets_ends_the_wait():
    with told_to_stop() as told:
        # Only that thread takes it, as the system may decide by itself.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

        main = threading.get_ident()

        def other() -> None:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            eventually(lambda: _is_waiting(main), within=10, what="a main thread that waits")
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

        thread = threading.Thread(target=other)
        thread.start()
        try:
            assert told.wait()
        finally:
            thread.join()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def test_a_second_signal_is_the_systems():
    with told_to_stop() as told:
        os.kill(os.getpid(), signal.SIGINT)
        assert told.wait(5)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL


def _is_waiting(thread: int) -> bool:
    frame = sys._current_frames().get(thread)
    return frame is not None and frame.f_code is threading.Condition.wait.__code__
