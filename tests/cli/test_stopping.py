"""Verbs that run until they are told to stop."""

import os
import signal
import sys
import threading
from collections.abc import Iterator

from headrace.cli.stopping import told_to_stop
from support.deadline import eventually


def test_a_signal_that_another_thread_gets_ends_the_wait():
    with told_to_stop() as told:
        # Only that thread takes it, as the system may decide by itself.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

        main = threading.get_ident()

        def other() -> None:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            looks = _stands_still(main)
            eventually(lambda: next(looks), within=10, what="a main thread that waits")
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


def _stands_still(thread: int) -> Iterator[bool]:
    """Whether a thread has been at one place of its wait for three looks: between them, it could have run on."""
    places: list[int] = []
    while True:
        frame = sys._current_frames().get(thread)
        waits = frame is not None and frame.f_code is threading.Condition.wait.__code__
        places = [*places, frame.f_lasti][-3:] if waits else []
        yield len(places) == 3 and len(set(places)) == 1
