"""The receiver of the examples: it takes what is genuine, once, and keeps the newest."""

import importlib.util
import sqlite3
import threading
import time
from contextlib import closing
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from headrace.errors import ConsumerFailed
from support.outbox import OTHER_SECRET, SECRET, record

EXAMPLE = Path(__file__).parents[3] / "examples" / "receive_events.py"


@pytest.fixture
def example():
    spec = importlib.util.spec_from_file_location("receive_events", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def url(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORDERS_WEBHOOK_SECRET", SECRET)
    monkeypatch.setattr(example.Handler, "log_message", lambda *_: None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), example.Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def kept():
    with closing(sqlite3.connect("received.sqlite")) as orders:
        return dict(orders.execute("SELECT id, revision FROM orders"))


def change(number, revision):
    return record(number, old={}, new={"revision": {"N": str(revision)}, "total": {"N": "1.5"}})


def test_what_is_genuine_is_kept_and_neither_repeats_nor_older_events_change_it(url, sending):
    outbox = sending(url, clock=time.time, secrets=(OTHER_SECRET, SECRET))
    second = change(2, 20)
    for each in (second, second, change(1, 10)):
        outbox.deliver(each)
    assert kept() == {"a": 20}
    outbox.deliver(record(3, old={}))
    outbox.deliver(change(2, 20))
    assert kept() == {"a": None}


def test_what_a_stranger_sends_or_comes_late_is_refused(url, sending):
    with pytest.raises(ConsumerFailed, match="answers 401"):
        sending(url, clock=time.time, secrets=(OTHER_SECRET,)).deliver(change(1, 10))
    with pytest.raises(ConsumerFailed, match="answers 401"):
        sending(url, clock=lambda: time.time() - 301).deliver(change(1, 10))
    assert not Path("received.sqlite").exists()
