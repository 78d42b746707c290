"""A dataset whose rows a target writes, in any accelerator: opened, kept open, and told of as datasets are."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import pyarrow as pa

from headrace.accelerator import ChangeSink, StoredCopy, Work
from headrace.accelerator import Target as CopyOf
from headrace.accelerators.engines import Engines
from headrace.accelerators.plain import plain_rows, text
from headrace.accelerators.versioned import VersionedCopy
from headrace.attribute import Image
from headrace.backoff import delay
from headrace.change import ChangeBatch
from headrace.checkpoint import Checkpoint, SegmentState
from headrace.column_type import Kind
from headrace.dataset import Dataset
from headrace.dynamodb.decode import Decoder
from headrace.errors import AcceleratorError, ConfigError, HeadraceError, RowRefused, Unavailable
from headrace.observe import ColumnsKnown, Observer, StatusChanged
from headrace.query.statement import Statement
from headrace.row_table import Row, RowKey, RowTable
from headrace.schema import Column, TableSchema
from headrace.status import State
from headrace.type_name import type_name
from headrace.versions import Versions

_SHARD: Final = "rows"


class KeptRows(RowTable):
    """The rows of ``dataset``, in ``sink``. ``read`` gives all that queries see; ``observe`` is told how the dataset is.

    It is opened by a thread of its own, and again after each failure; ``salt`` spreads the tries. ``clock`` gives epoch seconds.
    """

    def __init__(
        self,
        dataset: Dataset,
        sink: ChangeSink,
        read: Callable[[], Iterator[pa.RecordBatch]],
        observe: Observer,
        salt: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._dataset = dataset
        self._sink = sink
        self._read = read
        self._observe = observe
        self._salt = f"{salt}/{dataset.name}"
        self._clock = clock
        self._lock = threading.Lock()
        self._key: RowKey = ()
        self._checkpoint: Checkpoint | None = None
        self._decoder = Decoder(TableSchema(()), dataset.mapping)
        self._schema: TableSchema | None = None
        self._numbers = itertools.count(1)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._open, name=f"headrace-rows {dataset.name}", daemon=True)

    def keyed(self, key: RowKey) -> RowTable:
        """The rows, found by ``key``; said once, before ``start``."""
        self._key = key
        return self

    def start(self) -> None:
        """Open it as soon as may be; returns at once. A dataset whose target has said no key is told to be in error."""
        if self._key:
            self._thread.start()
        else:
            self._tell(State.ERROR, f"the target of {self._dataset.fed_by} writes no rows")

    def close(self) -> None:
        """See ``RowTable``. What writes it has been stopped before; the engine itself closes the sink."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def identity(self) -> str:
        """See ``RowTable``."""
        with self._lock:
            return self._opened().stream_arn

    def write(self, rows: Sequence[Row]) -> Sequence[HeadraceError | None]:
        """See ``RowTable``."""
        if not rows:
            return []
        with self._lock:
            return self._written(list(rows))

    def rows(self) -> Iterator[Sequence[Image]]:
        """See ``RowTable``. What is nested comes as its JSON, in a text."""
        with self._lock:
            self._opened()
            schema = self._decoder.schema if self._schema is None else self._schema
        for batch in self._read():
            # SQL's own types may be coarser or finer: of times, say.
            rows = pa.Table.from_batches([batch]).select(schema.arrow().names).cast(schema.arrow())
            yield [_image(row, schema.columns) for row in plain_rows(rows)]

    def _written(self, rows: list[Row]) -> list[HeadraceError | None]:
        checkpoint = self._opened()
        page = self._decoder.records_page(
            _body(rows, self._clock(), self._numbers), shard=_SHARD, at=self._clock()
        )
        failed: list[HeadraceError | None] = [None] * len(rows)
        for letter in page.dead:
            failed[letter.place] = RowRefused(f"{self._dataset.name}: {letter.reason}")
        if page.changes is None:
            return failed
        try:
            # Without its page a row that the engine refuses is no dead letter: whoever wrote it is told.
            batch = ChangeBatch(
                page.changes.schema,
                page.changes.rows,
                page.changes.deleted,
                page.changes.wire_bytes,
                page.changes.origins,
            )
            applied = self._sink.apply(Work(CopyOf.LIVE, checkpoint, stream=(batch,), at=self._clock()))
        except RowRefused as error:
            return self._apart(rows, failed, error)
        except AcceleratorError:
            self._checkpoint = None
            raise
        self._learn(applied.schema)
        return failed

    def _apart(
        self, rows: list[Row], failed: list[HeadraceError | None], error: RowRefused
    ) -> list[HeadraceError | None]:
        """One of them is refused: find which."""
        good = [index for index, wrong in enumerate(failed) if wrong is None]
        if len(good) == 1:
            failed[good[0]] = error
            return failed
        half = len(good) // 2
        for part in (good[:half], good[half:]):
            for index, wrong in zip(part, self._written([rows[index] for index in part]), strict=True):
                failed[index] = wrong
        return failed

    def _opened(self) -> Checkpoint:
        """What the dataset is known by. Raises AcceleratorError, and Unavailable where it is being stopped."""
        if self._stopping.is_set():
            raise Unavailable(f"dataset {self._dataset.name} is being closed")
        if self._checkpoint is None:
            stored = self._sink.open()
            self._checkpoint = self._made() if stored.live is None else self._known(stored.live)
            self._tell(State.READY, None)
        return self._checkpoint

    def _made(self) -> Checkpoint:
        schema = TableSchema.of_keys(self._key)
        checkpoint = Checkpoint(
            table_id=self._dataset.source,
            stream_arn=str(uuid.uuid4()),
            started_at=self._clock(),
            segments=(SegmentState(done=True),),
            shards=(),
            scan_ended_at=self._clock(),
            was_ready=True,
            reading=self._dataset.mapping.fingerprint,
        )
        self._sink.apply(Work(CopyOf.BUILDING, checkpoint, create=schema, swap=True, at=self._clock()))
        self._learn(schema)
        return checkpoint

    def _known(self, copy: StoredCopy) -> Checkpoint:
        keys = [column.attribute for column in copy.schema.keys]
        found = copy.checkpoint
        if found.table_id != self._dataset.source or keys != [name for name, _ in self._key]:
            raise ConfigError(
                f"dataset {self._dataset.name}: its place holds rows of {found.table_id or 'a table'} "
                f"with the key {', '.join(keys)}; give it another, or remove what is there"
            )
        if found.reading != self._dataset.mapping.fingerprint:
            raise ConfigError(
                f"dataset {self._dataset.name}: its rows were written under other columns; remove what is there, or "
                "write the columns as they were"
            )
        self._learn(copy.schema)
        return found

    def _learn(self, schema: TableSchema) -> None:
        self._decoder.learn(schema)
        if schema != self._schema:
            self._schema = schema
            self._tell_columns(schema)

    def _open(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                with self._lock:
                    self._opened()
            except HeadraceError as error:
                failures += 1
                if not self._stopping.is_set():
                    self._tell(State.ERROR, str(error))
                self._stopping.wait(delay(error, failures, self._salt))
            else:
                return

    def _tell(self, state: State, reason: str | None) -> None:
        ready = state is State.READY
        self._observe(
            StatusChanged(
                self._dataset.name, state, ready=ready, live=ready, fresh=ready, lag=None, reason=reason
            )
        )

    def _tell_columns(self, schema: TableSchema) -> None:
        named = tuple((column.name, type_name(column.type)) for column in schema.columns)
        attributes = tuple(column.attribute for column in schema.columns if len(column.path) == 1)
        self._observe(ColumnsKnown(self._dataset.name, named, attributes))


class KeptDatasets:
    """Those of ``datasets`` whose rows targets write, each in the engine that ``engines`` has for it.

    ``query`` gives a statement as a checked one; ``observe`` is told how they are; changes are counted in ``versions``.
    """

    def __init__(
        self,
        datasets: Sequence[Dataset],
        engines: Engines,
        query: Callable[[str], Statement],
        observe: Observer,
        versions: Versions,
        salt: str,
    ) -> None:
        self._query = query
        self._fed_by = {dataset.name: dataset.fed_by for dataset in datasets}
        self._rows = {
            dataset.fed_by: KeptRows(
                dataset,
                VersionedCopy(engines.sink(dataset.name), dataset.name, versions),
                partial(self._read, dataset.name),
                observe,
                salt,
            )
            for dataset in datasets
        }

    def __contains__(self, name: object) -> bool:
        return name in self._fed_by

    def why(self, name: str) -> str:
        """Why such a dataset has no stream, refreshes, snapshots or dead letters of its own."""
        return (
            f"{name} is written by the target of {self._fed_by[name]}: it is no copy of a table; ask for the event source "
            "mapping instead"
        )

    def of(self, mapping: str) -> Callable[[RowKey], RowTable] | None:
        """Opens the dataset that is read from ``mapping``; None where there is none."""
        rows = self._rows.get(mapping)
        return None if rows is None else rows.keyed

    def start(self) -> None:
        """Open them as soon as may be."""
        for rows in self._rows.values():
            rows.start()

    def stop(self) -> None:
        """Let go of them. Safe to call twice."""
        for rows in self._rows.values():
            rows.close()

    def _read(self, name: str) -> Iterator[pa.RecordBatch]:
        with self._query(f'SELECT * FROM "{name}"') as statement:  # noqa: S608 - a name that SQL takes
            statement.run()
            yield from statement.batches()


def _body(rows: Sequence[Row], now: float, numbers: Iterator[int]) -> bytes:
    """The rows as records of a stream, which is what engines take."""
    return msgspec.json.encode({"Records": [_record(row, now, next(numbers)) for row in rows]})


def _record(row: Row, now: float, number: int) -> dict[str, Any]:
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": int(now),
        "Keys": row.key,
        "SequenceNumber": f"{number:021d}",
        "StreamViewType": "NEW_IMAGE",
    }
    if row.item is not None:
        change["NewImage"] = row.item
    return {"eventName": "REMOVE" if row.item is None else "MODIFY", "dynamodb": change}


def _image(row: dict[str, Any], columns: Sequence[Column]) -> Image:
    found: dict[str, Any] = {}
    for column in columns:
        value = row[column.name]
        if value is None:
            continue
        if column.type.kind is Kind.BOOL:
            found[column.attribute] = {"BOOL": value}
        else:
            tag = {Kind.NUMBER: "N", Kind.BINARY: "B"}.get(column.type.kind, "S")
            found[column.attribute] = {tag: text(value, column.type)}
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in found.items()}
