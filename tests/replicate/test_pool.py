"""Threads that a process can end without."""

import threading
import time

import pytest

from headrace.replicate.pool import Pool
from support.deadline import eventually


def test_every_job_is_done_by_no_more_threads_than_there_may_be():
    pool = Pool(4, "read orders")
    done, names = [], set()
    lock = threading.Lock()

    def job(number):
        with lock:
            names.add(threading.current_thread().name)
            done.append(number)

    for number in range(500):
        pool.submit(lambda number=number: job(number))
    eventually(lambda: len(done) == 500, within=10, what="every job is done")
    assert sorted(done) == list(range(500))
    assert names <= {f"read orders {n}" for n in range(4)}
    assert pool.close(5)


def test_jobs_run_at_once_as_long_as_there_are_threads():
    pool = Pool(3, "read orders")
    together = threading.Barrier(4)
    for _ in range(3):
        pool.submit(lambda: together.wait(10))
    together.wait(10)
    assert pool.close(10)


def test_one_that_hangs_is_waited_for_no_longer_than_was_said_and_what_waits_is_dropped():
    pool = Pool(1, "read orders")
    begun, hanging, dropped = threading.Event(), threading.Event(), []

    def hang():
        begun.set()
        hanging.wait()

    pool.submit(hang)
    assert begun.wait(10)
    pool.submit(lambda: dropped.append(1))
    began = time.monotonic()
    assert not pool.close(0.1)
    assert time.monotonic() - began < 5
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(hanging.wait)
    hanging.set()
    assert pool.close(5)
    assert dropped == []
    assert all(t.daemon for t in threading.enumerate() if t.name.startswith("read orders"))
