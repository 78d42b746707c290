"""An OpenSearch behind a bad network: requests and answers get lost, are cut off, or turned away; writes of a batch are put off."""

from __future__ import annotations

import json
import random
import threading
from typing import Any

import urllib3

from support.canned_http import Canned, CannedServer, Received

_POOL = urllib3.PoolManager(maxsize=16)
_BUSY = {"type": "es_rejected_execution_exception", "reason": "queue is full"}


class RoughSearch(CannedServer):
    """Passes on to ``url``. Each trouble befalls a request at ``rate``, until ``calm`` is called."""

    def __init__(self, url: str, seed: int, rate: float = 0.03) -> None:
        super().__init__(self._passed)
        self._upstream = url
        self._random = random.Random(seed)
        self._dice = threading.Lock()
        self._rate = rate
        self.troubles: list[str] = []

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self._rate = 0.0

    def _befalls(self, trouble: str) -> bool:
        with self._dice:
            happens = self._random.random() < self._rate
            if happens:
                self.troubles.append(trouble)
            return happens

    def _passed(self, request: Received) -> Canned:
        if self._befalls("lost request"):
            return Canned(silent=True)
        if self._befalls("unavailable"):
            return Canned(b'{"error": {"type": "no_master", "reason": "try later"}, "status": 503}', 503)
        if self._befalls("busy"):
            return Canned(json.dumps({"error": _BUSY, "status": 429}).encode(), 429)
        if request.path.endswith("/_bulk") and self._befalls("too large"):
            return Canned(b"", 413)
        if request.path.endswith("/_bulk") and self._befalls("some put off"):
            return self._some_put_off(request)
        answer = self._asked(request, request.body)
        if self._befalls("lost answer"):
            return Canned(silent=True)
        if self._befalls("cut answer"):
            return Canned(
                answer.body[: len(answer.body) // 2], answer.status, answer.headers, len(answer.body)
            )
        if self._befalls("short answer"):
            return Canned(answer.body[: len(answer.body) // 2], answer.status, answer.headers)
        return answer

    def _asked(self, request: Received, body: bytes) -> Canned:
        kind = request.headers.get("content-type", "application/json")
        answer = _POOL.request(
            request.method,
            self._upstream + request.path,
            body=body or None,
            headers={"Content-Type": kind},
            retries=False,
        )
        return Canned(answer.data, answer.status, {"Content-Type": answer.headers["Content-Type"]})

    def _some_put_off(self, request: Received) -> Canned:
        """Every other write is turned away."""
        writes: list[list[bytes]] = []
        for line in request.body.splitlines():
            if writes and len(writes[-1]) == 1 and b'{"delete"' not in writes[-1][0][:12]:
                writes[-1].append(line)
            else:
                writes.append([line])
        taken = b"".join(line + b"\n" for write in writes[::2] for line in write)
        answered = self._asked(request, taken)
        items = iter(json.loads(answered.body)["items"])
        told: list[Any] = []
        for place, write in enumerate(writes):
            if place % 2 == 0:
                told.append(next(items))
                continue
            ((operation, action),) = json.loads(write[0]).items()
            told.append({operation: {"_id": action["_id"], "status": 429, "error": _BUSY}})
        return Canned(json.dumps({"took": 1, "errors": True, "items": told}).encode(), 200, answered.headers)
