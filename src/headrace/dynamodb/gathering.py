"""All items of a table, by one Scan, in memory: for a statement that DynamoDB answers itself."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import pyarrow as pa

from headrace.backoff import delay
from headrace.change import ScanPage
from headrace.dynamodb.source import DynamoDBSource
from headrace.errors import HeadraceError, InternalError, QueryError, QueryFault, Throttled, Unavailable
from headrace.schema import TableSchema
from headrace.source import SourceTable

MOST_BYTES: Final = 128 * 2**20
"""Bytes of decoded rows that a statement may gather."""

MOST_READERS: Final = 8
"""Segments that are read at once."""

PATIENCE: Final = 30.0
"""Seconds for which one request may fail again and again. A statement may take 60."""

SAMPLED: Final = 100
"""Items of which a statement that is not run gets its columns."""

T = TypeVar("T")

Widen = Callable[[pa.RecordBatch, TableSchema, TableSchema], pa.Table]
"""Gives rows of one schema the columns of another, a join of it."""

ChooseSegments = Callable[[int, int], int]
"""How many segments a table of so many items and bytes is read in."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows with the columns of ``schema``."""

    schema: TableSchema
    batches: tuple[pa.RecordBatch, ...]


class Gathering:
    """One Scan of the dataset's table by ``source``, which is nobody else's, in ``segments``.

    What is throttled or fails is asked again, with growing pauses, until a request has failed for PATIENCE. Any thread may
    ``cancel``; all else is one thread's at a time. Methods raise QueryError.
    """

    def __init__(
        self,
        dataset: str,
        source: DynamoDBSource,
        widen: Widen,
        segments: ChooseSegments,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._dataset = dataset
        self._source = source
        self._widen = widen
        self._choose = segments
        self._most_bytes = most_bytes
        self._salt = str(uuid.uuid4())
        self._stopped = threading.Event()
        self._changed = threading.Condition()
        self._bytes = 0
        self._failure: BaseException | None = None
        self._reading = 0
        self._table: SourceTable | None = None

    def table(self) -> SourceTable:
        """What DescribeTable says; it is asked once."""
        if self._table is None:
            self._table = self._asked("table", self._source.describe)
        return self._table

    def segments(self, table: SourceTable) -> int:
        """How many segments the table is read in."""
        return self._choose(table.item_count, table.size_bytes)

    def sample(self) -> Rows:
        """The columns of some items, and no rows."""
        table = self.table()
        page = self._asked("sample", lambda: self._source.scan_page(0, 1, None, limit=SAMPLED))
        schema = table.columns if page.changes is None else table.columns.join(page.changes.schema)
        return Rows(schema, ())

    def whole(self) -> Rows:
        """Every item, under columns that hold all of them. Items that cannot be decoded are left out, as in a copy."""
        table = self.table()
        segments = self.segments(table)
        pages: list[list[tuple[TableSchema, pa.RecordBatch]]] = [[] for _ in range(segments)]
        waiting = list(range(segments))
        self._reading = min(segments, MOST_READERS)

        def read() -> None:
            try:
                while (number := self._next(waiting)) is not None:
                    self._read_segment(number, segments, pages[number])
            except BaseException as error:  # noqa: BLE001  # It is raised where it is waited for.
                self._fail(error)
            finally:
                with self._changed:
                    self._reading -= 1
                    self._changed.notify_all()

        for number in range(self._reading):
            # A request may hang for as long as the network lets it: nobody waits for these threads at the end.
            threading.Thread(target=read, name=f"headrace-scan {self._dataset} {number}", daemon=True).start()
        self._wait()
        return self._widened(table, [page for segment in pages for page in segment])

    def cancel(self) -> None:
        """Let what runs fail soon."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def _next(self, waiting: list[int]) -> int | None:
        with self._changed:
            return waiting.pop(0) if waiting and not self._stopped.is_set() else None

    def _read_segment(
        self, number: int, segments: int, pages: list[tuple[TableSchema, pa.RecordBatch]]
    ) -> None:
        cursor: str | None = None
        while True:
            page = self._page(number, segments, cursor)
            if page.changes is not None:
                pages.append((page.changes.schema, page.changes.rows))
                self._count(page.changes.rows.nbytes)
            cursor = page.cursor
            if cursor is None:
                return

    def _page(self, number: int, segments: int, cursor: str | None) -> ScanPage:
        return self._asked(f"segment {number}", lambda: self._source.scan_page(number, segments, cursor))

    def _asked(self, what: str, ask: Callable[[], T]) -> T:
        """The answer, however often it must be asked for."""
        failures = 0
        since = time.monotonic()
        while True:
            self._expect_wanted()
            try:
                return ask()
            except (Throttled, Unavailable) as error:
                failures += 1
                if time.monotonic() - since > PATIENCE:
                    raise self._unanswered(error) from error
                self._stopped.wait(delay(error, failures, f"{self._salt}/{what}"))
            except HeadraceError as error:
                raise self._unanswered(error) from error

    def _count(self, size: int) -> None:
        with self._changed:
            self._bytes += size
            if self._bytes <= self._most_bytes:
                return
        raise QueryError(
            QueryFault.NOT_READY,
            f"{self._dataset} is answered from DynamoDB until its copy is complete, and has more than "
            f"{self._most_bytes // 2**20:,} MiB of rows, the most that one statement reads there; ask again once "
            "the copy is complete",
        )

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or error
        self.cancel()

    def _wait(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._reading == 0 or self._stopped.is_set())
            failure = self._failure
        if isinstance(failure, HeadraceError):
            raise failure
        if failure is not None:
            raise InternalError(f"reading {self._dataset} from DynamoDB failed: {failure}") from failure
        self._expect_wanted()

    def _widened(self, table: SourceTable, pages: list[tuple[TableSchema, pa.RecordBatch]]) -> Rows:
        schema = table.columns
        for own, _ in pages:
            schema = schema.join(own)
        batches: list[pa.RecordBatch] = []
        while pages:
            # One at a time, so that not all of them are there twice.
            own, rows = pages.pop(0)
            batches += [rows] if own == schema else self._widen(rows, own, schema).to_batches()
        return Rows(schema, tuple(batches))

    def _expect_wanted(self) -> None:
        if self._stopped.is_set():
            raise QueryError(QueryFault.FAILED, f"reading {self._dataset} from DynamoDB was cancelled")

    def _unanswered(self, error: HeadraceError) -> QueryError:
        return QueryError(
            QueryFault.FAILED,
            f"{self._dataset} is answered from DynamoDB until its copy is complete, and DynamoDB does not answer: {error}",
        )
