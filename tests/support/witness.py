"""A reader over HTTP that never looks away, and remembers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping

import pyarrow as pa
import urllib3

from support.history import History, Memory

BEHIND = 4.0
"""Seconds that a table which is Ready may be behind: ``ready_lag``, and two to which the service rounds."""

_ARROW = "application/vnd.apache.arrow.stream"


class Witness:
    """Asks for all keys and versions of each table, over and over, through one process after another.

    Whatever is answered must hold everything that was answered before, restarts included; and, where the
    question before was refused as not ready, every write that was old enough by then. ``wrong`` says what
    did not. Answers may break off only while ``unsteady``.
    """

    def __init__(self, histories: Mapping[str, History]) -> None:
        self._memories = {name: Memory(history) for name, history in histories.items()}
        self._refused_at = dict.fromkeys(histories, time.monotonic())
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(30))
        self._url: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="witness", daemon=True)
        self.unsteady = True
        self.wrong: list[str] = []

    @property
    def looks(self) -> int:
        """How many answers were checked."""
        return sum(memory.looks for memory in self._memories.values())

    def follow(self, url: str) -> None:
        """Ask this process from now on, which is expected to answer."""
        self._url = url
        self.unsteady = False

    def expect_the_end(self) -> None:
        """The process is about to be ended."""
        self.unsteady = True

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more. Safe to call twice."""
        self._stopping.set()
        self._thread.join(40)
        self._http.clear()

    def _look_on(self) -> None:
        while not self._stopping.is_set() and not self.wrong:
            url = self._url
            for name in self._memories:
                if url is None:
                    self._refused_at[name] = time.monotonic()
                else:
                    self._ask(url, name)
            # As often as a busy page would, and not so often that nothing else runs.
            self._stopping.wait(0.03)

    def _ask(self, url: str, name: str) -> None:
        asked_at = time.monotonic()
        statement = f'SELECT id, CAST(revision AS BIGINT) AS revision FROM "{name}"'
        try:
            answer = self._http.request(
                "POST", f"{url}/v1/sql", body=statement.encode(), headers={"Accept": _ARROW}
            )
            if answer.status == 200:
                with pa.ipc.open_stream(answer.data) as stream:
                    table = stream.read_all()
                self._seen(name, table)
                return
        except (urllib3.exceptions.HTTPError, pa.ArrowException, OSError) as error:
            self._refused_at[name] = asked_at
            if not self.unsteady and self._url == url:
                self.wrong.append(f"{name}: a steady process broke its answer off: {error!r}")
            return
        if answer.status == 503 and json.loads(answer.data)["error"]["code"] == "not_ready":
            self._refused_at[name] = asked_at
        elif not self.unsteady:
            self.wrong.append(f"{name}: answered {answer.status}: {answer.data[:500]!r}")

    def _seen(self, name: str, table: pa.Table) -> None:
        keys = table.column("id").to_pylist()
        versions = table.column("revision").to_pylist()
        memory = self._memories[name]
        refused_at = self._refused_at.pop(name, None)
        if refused_at is not None:
            memory.expect(refused_at - BEHIND)
        rows = dict(zip(keys, versions, strict=True))
        wrong = memory.look(rows)
        if len(rows) != len(keys):
            wrong.append("a key is there twice")
        if wrong:
            self.wrong.append(f"{name}, look {memory.looks}: {len(wrong)} wrong: " + "; ".join(wrong[:5]))
