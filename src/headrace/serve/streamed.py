"""A statement's rows on their way to the client: piece by piece, ended when the client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

import pyarrow as pa
from starlette.types import Receive, Scope, Send

from headrace.errors import QueryError, QueryFault
from headrace.serve.fault import log_failure, of_query
from headrace.serve.media import Form, Rows
from headrace.serve.pieces import parts
from headrace.serve.running import Answer

SMALL_ROWS: Final = 8192
SMALL_BYTES: Final = 2**18
"""What waits for more rows before it is sent: less than DuckDB's own batch."""

Piece = tuple[bytes, bool]
"""Bytes, and whether more come."""

T = TypeVar("T")


class Workers:
    """The threads that wait for the engine, so that the event loop never does.

    Those that wait for a place must not keep those that read from going on, so each has its own.
    """

    def __init__(self) -> None:
        self._starting = ThreadPoolExecutor(64, "headrace-start")
        self._reading = ThreadPoolExecutor(16, "headrace-read")

    async def start(self, work: Callable[[], T]) -> T:
        """``work``, which may wait long for its turn."""
        return await self._in(self._starting, work)

    async def read(self, work: Callable[[], T]) -> T:
        """``work`` that has had its turn."""
        return await self._in(self._reading, work)

    async def _in(self, executor: Executor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, work)


class Streamed:
    """An ASGI answer with the rows of ``answer`` in the form that the client wants.

    An error before the first byte is an error answer. One that comes later breaks the connection off: a
    client that reads to the end of a whole answer has all the rows.
    """

    def __init__(self, answer: Answer, form: Form, workers: Workers) -> None:
        self._answer = answer
        self._form = form
        self._workers = workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        watching = asyncio.create_task(self._cancel_when_gone(receive))
        try:
            await self._answer_to(scope, receive, send)
        finally:
            watching.cancel()
            # Nothing where all rows are sent; else the threads and the engine let go by themselves.
            self._answer.cancel()

    async def _cancel_when_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._answer.cancel()

    async def _answer_to(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            rows, pieces, (piece, more) = await self._workers.start(self._begun)
        except QueryError as error:
            await of_query(error)(scope, receive, send)
            return
        headers = [
            (b"content-type", rows.media_type.encode()),
            (b"cache-control", b"no-store"),
            (b"x-cache", self._answer.origin.encode()),
        ]
        if not more:
            headers.append((b"content-length", str(len(piece)).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            while more:
                # The next piece is made while this one is on its way.
                coming = asyncio.ensure_future(self._workers.read(lambda: next(pieces)))
                coming.add_done_callback(_heard)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece, more = await coming
        except QueryError as error:
            if error.fault is QueryFault.FAILED and error.__cause__ is not None:
                log_failure(error)
            # Left unfinished, the server closes the connection without the mark of a whole answer.
            return
        await send({"type": "http.response.body", "body": piece, "more_body": False})

    def _begun(self) -> tuple[Rows, Iterator[Piece], Piece]:
        """Run the statement up to its first piece."""
        schema = self._answer.run()
        rows = self._form(schema)
        pieces = self._pieces(rows)
        return rows, pieces, next(pieces)

    def _pieces(self, rows: Rows) -> Iterator[Piece]:
        """The text of the rows; the head goes with the first of them, so that an early error has a status.

        A small result is one piece: each way to a thread and back costs as much as a small statement.
        """
        pending, waiting = [rows.head()], 0
        try:
            for batch in self._answer.batches():
                for part in parts(batch):
                    pending.append(rows.rows(part))
                    waiting += part.num_rows
                    if waiting >= SMALL_ROWS or sum(map(len, pending)) >= SMALL_BYTES:
                        yield b"".join(pending), True
                        pending, waiting = [], 0
            yield b"".join([*pending, rows.tail()]), False
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise QueryError(
                QueryFault.FAILED,
                "a value of the result cannot be written in this form; Headrace's log says which",
            ) from error
        finally:
            with suppress(QueryError):
                self._answer.close()


def _heard(piece: asyncio.Future[Piece]) -> None:
    """A piece that nobody waits for any more, as its client has gone, fails without a word."""
    if not piece.cancelled():
        piece.exception()
