"""``webhook:``: each event as an HTTP request of its own, signed, in the order of its item."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3

from headrace import __version__
from headrace.errors import ConsumerFailed, HeadraceError, Throttled, Unavailable
from headrace.targets.outbox.answer import Refusal, refusal
from headrace.targets.outbox.connections import Connections
from headrace.targets.outbox.event import Event, Format, Place, by_item
from headrace.targets.outbox.signature import signature
from headrace.targets.outbox.waiting import Tries

SENDERS: Final = 16
"""Requests that are under way at once, over all lanes."""

PATIENCE: Final = 10.0
"""Seconds after which an event that was not taken is not sent again until its batch is."""

_ANSWER_BYTES: Final = 4096
_ANSWER_SHOWN: Final = 300

_PARTS: Final = re.compile(r"[\s,;=/?&]+")
_SECRET: Final = 6
"""Letters of a part of a path or header that may be a secret by itself."""

_TIMEOUT: Final = "Timeout"
_LOST: Final = "ConnectionLost"
_NO_ANSWER: Final = (_TIMEOUT, _LOST)

_NO_CONNECTION: Final = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NameResolutionError,
    urllib3.exceptions.SSLError,
    urllib3.exceptions.ProxyError,
)


class Webhook(Place):
    """Requests to ``url``, which may hold a secret in its path and is never told whole.

    ``keys`` sign, all of them; ``headers`` are added to each request. ``timeout`` (seconds) is for the connection and for the answer.
    ``certificates`` is a file of those that are trusted, None for the system's. ``clock`` gives epoch seconds, ``monotonic`` seconds that only go forward, and ``pause`` waits so many.
    """

    def __init__(
        self,
        mapping: str,
        url: str,
        format_: Format,
        keys: Sequence[bytes],
        headers: Mapping[str, str],
        *,
        timeout: float,
        certificates: Path | None = None,
        patience: float = PATIENCE,
        senders: int = SENDERS,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._place = f"{parts.scheme}://{parts.netloc}"
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._mapping = mapping
        self._format = format_
        self._keys = keys
        agent = {"User-Agent": f"headrace/{__version__}"}
        self._headers = {**agent, **headers, "Content-Type": format_.media_type}
        self._hidden = _confidential(self._path, headers.values())
        self._patience = patience
        self._timeout = timeout
        self._clock = clock
        self._monotonic = monotonic
        self._closing = threading.Event()
        self._wait = pause or self._pause
        self._resting = _Resting(monotonic)
        self._workers = ThreadPoolExecutor(senders, thread_name_prefix=f"headrace-outbox {mapping}")
        self._pool = urllib3.connection_from_url(
            self._place,
            maxsize=senders,
            timeout=urllib3.Timeout(connect=timeout, read=timeout),
            **_trusted(parts.scheme, certificates),
        )
        self._open = Connections(self._pool)

    def deliver(self, events: Sequence[Event]) -> Mapping[Event, HeadraceError]:
        """See ``Place``."""
        going = _Going()
        chains = by_item(events).values()
        try:
            waiting = [self._workers.submit(self._chain, chain, going) for chain in chains]
            ended = [future.result() for future in waiting]
        except (CancelledError, RuntimeError) as error:
            if self._closing.is_set():
                raise self._stopped() from error
            raise
        return dict(end for end in ended if end is not None)

    def close(self) -> None:
        """See ``Place``."""
        self._closing.set()
        self._open.hang_up()
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._pool.close()

    def _chain(self, events: Sequence[Event], going: _Going) -> tuple[Event, HeadraceError] | None:
        """Send the events of one item, one after the other: the first that was not taken, and why."""
        for event in events:
            if going.is_over:
                return event, Unavailable(f"{self._place} takes nothing now")
            try:
                self._send(event)
            except HeadraceError as error:
                going.failed(error)
                return event, error
            going.has_taken = True
        return None

    def _send(self, event: Event) -> None:
        tries = Tries(self._patience, event.id, self._monotonic, self._wait)
        body = b"[%b]" % event.body if self._format.together else event.body
        while True:
            left = self._resting.left()
            if left > 0:
                tries.wait(left, Throttled(f"{self._place} asks to be left alone for {left:.0f} s more"))
            refused = self._posted(event.id, body)
            if refused is None:
                return
            if not refused.again:
                raise refused.error
            self._resting.rest(refused.rest)
            tries.rest(refused.error, refused.rest)

    def _posted(self, id_: str, body: bytes) -> Refusal | None:
        if self._closing.is_set():
            raise self._stopped()
        try:
            response = self._pool.urlopen(
                "POST",
                self._path,
                body=body,
                headers=self._headers | self._signed(id_, body),
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except _NO_CONNECTION as error:
            return Refusal(Unavailable(self._told(f"no connection to {self._place}", error)), again=True)
        except urllib3.exceptions.TimeoutError as error:
            told = self._told(f"{self._place} took the event and did not answer in time", error)
            return Refusal(ConsumerFailed(_TIMEOUT, told), again=True)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if self._closing.is_set():
                raise self._stopped() from error
            told = self._told(f"{self._place} hung up before it had answered", error)
            return Refusal(ConsumerFailed(_LOST, told), again=True)
        text = _text(response, self._monotonic() + self._timeout, self._monotonic)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return refusal(
            response.status,
            headers,
            self._hide(text),
            self._place,
            self._clock(),
            partly=self._format.together,
        )

    def _signed(self, id_: str, body: bytes) -> dict[str, str]:
        timestamp = int(self._clock())
        stamped = {"webhook-id": id_, "webhook-timestamp": str(timestamp)}
        if self._keys:
            stamped["webhook-signature"] = signature(self._keys, id_, timestamp, body)
        return stamped

    def _told(self, what: str, error: Exception) -> str:
        return f"{what} ({type(error).__name__}: {self._hide(str(error))})"

    def _hide(self, text: str) -> str:
        """``text`` without what a receiver may have been told in confidence, and repeats."""
        for hidden in self._hidden:
            text = text.replace(hidden, "***")
        return " ".join(text.split())[:_ANSWER_SHOWN]

    def _pause(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise self._stopped()

    def _stopped(self) -> Unavailable:
        return Unavailable(f"{self._mapping}: the outbox is being stopped")


class _Going:
    """How one delivery goes: once one event has found nobody there in all its patience, others would wait as long for nothing."""

    def __init__(self) -> None:
        self.has_taken = False
        self.is_over = False

    def failed(self, error: HeadraceError) -> None:
        """An event was not taken. Where no answer came it may be the event's fault, if another's was taken."""
        if not isinstance(error, ConsumerFailed) or (error.type in _NO_ANSWER and not self.has_taken):
            self.is_over = True


class _Resting:
    """How long the receiver is left alone, because it has asked for it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until = 0.0

    def rest(self, seconds: float) -> None:
        """From now on, for so long."""
        if seconds > 0:
            with self._lock:
                self._until = max(self._until, self._clock() + seconds)

    def left(self) -> float:
        """Seconds; 0 and less where it is over."""
        with self._lock:
            return self._until - self._clock()


def _text(response: Any, until: float, clock: Callable[[], float]) -> str:
    """The beginning of what an answer says: its status is what counts. The connection is used again only where that is all."""
    read = b""
    try:
        while len(read) < _ANSWER_BYTES and clock() < until:
            more = response.read1(_ANSWER_BYTES - len(read), decode_content=False)
            if not more:
                response.release_conn()
                return read.decode("utf-8", "replace")
            read += more
    except (urllib3.exceptions.HTTPError, OSError):
        pass
    response.close()
    return read.decode("utf-8", "replace")


def _confidential(path: str, values: Iterable[str]) -> list[str]:
    """What is told to nobody: a path and headers' values, and their longer parts, a token behind its scheme for example. Longest first."""
    whole = [path, *values]
    parts = {part for one in whole for part in _PARTS.split(one) if len(part) >= _SECRET}
    return sorted(parts | {one for one in whole if len(one) > 1}, key=lambda one: (-len(one), one))


def _trusted(scheme: str, certificates: Path | None) -> dict[str, Any]:
    if scheme != "https":
        return {}
    return {"cert_reqs": "CERT_REQUIRED", "ca_certs": None if certificates is None else str(certificates)}
