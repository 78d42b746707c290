"""Rows of a target in a DynamoDB table."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Final, Self

import msgspec

from headrace.attribute import BrokenValue, Image
from headrace.errors import HeadraceError, RequestRejected, TableUnusable, Unavailable
from headrace.refusal import Place
from headrace.row_table import Row, RowKey, RowTable
from headrace.table_shape import identity_of, keys_of
from headrace.target import OutputTable
from headrace.target_context import TargetContext
from headrace.targets.batch_writes import BatchWrites
from headrace.targets.item_size import MOST_BYTES, is_too_large, item_size
from headrace.targets.single_puts import SinglePuts
from headrace.targets.table import Patience, Table
from headrace.wire import Transport

WRITERS: Final = 16
"""Requests that are under way at once, whoever writes."""

PATIENCE: Final = 10.0
"""Seconds that one request waits between its tries without getting on, before no more is tried."""


class TableRows(RowTable):
    """The rows of ``output``, whose key is ``key``, over ``transport``. Any thread may call.

    ``once``: a row that is there is left as it is, and none can be deleted.

    ``source`` asks the table ``read`` that the target reads, which must be another one: to write there would be without end.
    The table is described before the first write or read, and again once something was wrong with it; so is the one that is read,
    where it has the same name. ``salt`` spreads waits;
    ``pause`` waits so many seconds.
    """

    def __init__(
        self,
        output: OutputTable,
        key: RowKey,
        transport: Transport,
        *,
        source: Transport,
        read: str,
        access: Place | None = None,
        salt: str,
        once: bool = False,
        writers: int = WRITERS,
        patience: float = PATIENCE,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        waiting = Patience(patience, salt, pause or self._pause)
        place = Place(output.access.region, output.access.endpoint_url)
        self._table = Table(transport, output.name, place, waiting)
        self._source = Table(source, read, access or Place(), waiting)
        self._key = key
        self._closing = threading.Event()
        self._workers = ThreadPoolExecutor(writers, thread_name_prefix=f"headrace-rows {output.name}")
        self._writes = (SinglePuts if once else BatchWrites)(self._table, self._workers)
        self._describing = threading.Lock()
        self._is_described = False

    @classmethod
    def of(
        cls,
        context: TargetContext,
        output: OutputTable,
        key: RowKey,
        *,
        once: bool = False,
        pause: Callable[[float], None] | None = None,
    ) -> Self:
        """Those of a mapping's target."""
        return cls(
            output,
            key,
            context.reach(output.access, output.name),
            source=context.source,
            read=context.table,
            access=Place(context.access.region, context.access.endpoint_url),
            salt=context.mapping,
            once=once,
            pause=pause,
        )

    def __str__(self) -> str:
        return str(self._table)

    def write(self, rows: Sequence[Row]) -> list[HeadraceError | None]:
        """See ``RowTable``. What the table refuses is RequestRejected.

        Raises the SourceErrors; TableUnusable where its key is another one, or it is the table that is read.
        """
        self._expect_described()
        outcomes: list[HeadraceError | None] = [_too_large(row) for row in rows]
        fitting = [row for row, error in zip(rows, outcomes, strict=True) if error is None]
        try:
            written = iter(self._writes.write(fitting))
        except (CancelledError, RuntimeError) as error:
            if self._closing.is_set():
                raise self._stopped() from error
            raise
        outcomes = [next(written) if error is None else error for error in outcomes]
        for outcome in outcomes:
            if outcome is not None and not isinstance(outcome, RequestRejected):
                self._look_again(outcome)
                raise outcome
        return outcomes

    def identity(self) -> str:
        """See ``RowTable``. Raises the SourceErrors."""
        self._expect_described()
        return identity_of(self._table.describe())

    def rows(self) -> Iterator[Sequence[Image]]:
        """See ``RowTable``: a consistent Scan, page by page. Raises the SourceErrors."""
        self._expect_described()
        try:
            yield from self._table.scan(0, 1)
        except TableUnusable as error:
            self._look_again(error)
            raise

    def close(self) -> None:
        """See ``RowTable``; requests under way are waited for, and no more are made."""
        self._closing.set()
        self._workers.shutdown(wait=True, cancel_futures=True)

    def _expect_described(self) -> None:
        with self._describing:
            if self._closing.is_set():
                raise self._stopped()
            if not self._is_described:
                self._describe()
                self._is_described = True

    def _describe(self) -> None:
        create = self._create_command()
        described = self._table.describe(f"check its name, region and account, or create it: {create}")
        found = keys_of(described)
        if found != self._key:
            raise TableUnusable(
                f"the key of {self._table} is {_told(found)}, and must be {_told(self._key)}; name another table, or create "
                f"one: {create}"
            )
        if self._table.name != self._source.name:
            return
        read = self._source.describe()
        if described.get("TableArn") == read.get("TableArn") and identity_of(described) == identity_of(read):
            raise TableUnusable(
                f"{self._table} is the table that is read: what is written there would come again without end; name another one"
            )

    def _create_command(self) -> str:
        types = " ".join(f"AttributeName={name},AttributeType={tag}" for name, tag in self._key)
        schema = " ".join(
            f"AttributeName={name},KeyType={role}"
            for (name, _), role in zip(self._key, ("HASH", "RANGE"), strict=False)
        )
        return (
            f"`aws dynamodb create-table --table-name {self._table.name}{self._table.options} --attribute-definitions {types} "
            f"--key-schema {schema} --billing-mode PAY_PER_REQUEST`"
        )

    def _look_again(self, error: HeadraceError) -> None:
        """To describe a table anew tells best what is wrong with it."""
        if isinstance(error, TableUnusable):
            self._is_described = False

    def _pause(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise self._stopped()

    def _stopped(self) -> Unavailable:
        return Unavailable(f"writes to {self._table} are being stopped")


def _too_large(row: Row) -> RequestRejected | None:
    try:
        if row.item is None or not is_too_large(row.item):
            return None
        size = item_size(row.item)
    except (BrokenValue, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return RequestRejected(f"the row is no item: {error}", "ValidationException")
    return RequestRejected(
        f"the row has {size:,} bytes, and an item of DynamoDB at most {MOST_BYTES:,}", "ValidationException"
    )


def _told(keys: RowKey) -> str:
    return " and ".join(f"{name} ({tag})" for name, tag in keys)
