"""One dataset's rows in DuckDB: no key index, delete-then-insert, rows and checkpoint in one transaction."""
# ruff: noqa: S608 - names are quoted or ours, values are parameters

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa

from headrace.accelerator import Applied, Notes, Stored, StoredLetter, Target, Which, Work
from headrace.accelerators.disk import translated as disk_translated
from headrace.accelerators.duckdb import exporting, letters, rows
from headrace.accelerators.duckdb import tables as ddl
from headrace.accelerators.duckdb.door import (
    interrupted,
    is_broken,
    is_full,
    translate,
    translated,
    unknown,
)
from headrace.accelerators.duckdb.evolution import evolve
from headrace.accelerators.duckdb.files import attached
from headrace.accelerators.duckdb.instance import DuckDBInstance
from headrace.accelerators.duckdb.letters import DuckDBLetters
from headrace.accelerators.duckdb.lookup import DuckDBKeyReader
from headrace.accelerators.duckdb.tables import CopyRow, CopyTables
from headrace.accelerators.duckdb.upgrade import prepare
from headrace.accelerators.exports import Exports
from headrace.accelerators.letters import CopyLetters
from headrace.accelerators.lookup import live_schema, stored_key
from headrace.accelerators.merge import join_schemas, merge
from headrace.accelerators.refused import apply_the_rest
from headrace.accelerators.stored_schema import decode_schema, encode_schema
from headrace.checkpoint import Checkpoint
from headrace.durable import sync
from headrace.errors import AcceleratorError
from headrace.explanation import ItemKey, StoredKey
from headrace.schema import TableSchema
from headrace.snapshot import Exported


@dataclass(frozen=True, slots=True)
class _Before:
    """The copy that a transaction starts from: the stored one, or, made anew, an empty one.

    ``row`` is what is stored in either case; ``scan_only`` and ``noted`` are as in CopyRow. ``letters``
    are the copy's dead letters.
    """

    tables: CopyTables
    schema: TableSchema
    row: CopyRow | None
    scan_only: bool
    noted: bool
    letters: CopyLetters


class DuckDBAccelerator:
    """A ChangeSink on one database of a DuckDBInstance.

    Scan rows replace rows of their key, so that a page that is applied twice changes nothing. Finding
    those rows means reading the key column, at millions of rows the larger part of a bootstrap; it is
    left out where no such row can exist. That is so when all of this holds, and only then:

    - Every row of the copy came from its Scan or has its key in the notes (``scan_only``, stored in the
      same transaction as the rows): noted keys are left out of the Scan's rows anyway.
    - This work continues the Scan exactly where the stored checkpoint, read in this transaction, left it:
      same table, stream and start; some segment has moved; and ``rows_scanned`` is the stored number
      plus the rows of this work. Rows and checkpoint commit together, so the pages of this work lie
      beyond all that are stored, and a Scan returns each key once, at one place. A work applied a second
      time, whole or joined with later pages, fails this sum and takes the careful way.
    - Within the work the merge has left one row per key.

    Should a source return a key at two places of one Scan all the same, the work that ends the Scan
    (``notes`` DROP) finds the key twice and keeps the later row.
    """

    def __init__(self, instance: DuckDBInstance, dataset: str) -> None:
        self._instance = instance
        self._dataset = dataset
        self._live = CopyTables.of(dataset, Target.LIVE)
        self._building = CopyTables.of(dataset, Target.BUILDING)
        self._schema = ("", TableSchema(()))
        self._exports = Exports(dataset)

    def open(self) -> Stored:
        """Attach the database, anew if it has failed, and read what the last commit left.

        Raises AcceleratorLocked where another process holds the file; CommitUnknown while a query still
        holds a database that must be opened anew (open again later); AcceleratorError otherwise.
        """
        stored = self._open()
        self._exports.allow()
        return stored

    def _open(self) -> Stored:
        self._instance.writer(self._dataset)
        with self._instance.lane(self._dataset) as connection, translated(f"cannot open {self._dataset}"):
            prepare(connection, self._dataset)
            stored = Stored(
                ddl.stored_copy(connection, self._live), ddl.stored_copy(connection, self._building)
            )
        self._instance.show_letters(self._dataset)
        return stored

    def apply(self, work: Work) -> Applied:
        """Do ``work`` as one transaction.

        Raises CommitUnknown if the commit itself failed or the engine gave up; AcceleratorFull and
        AcceleratorError mean that nothing was kept.
        """
        with self._instance.lane(self._dataset):
            return apply_the_rest(work, self._apply, self._attempt)

    def letters(
        self, names: tuple[str, ...] | None, which: Which, after: str | None
    ) -> tuple[StoredLetter, ...]:
        """The next letters of the live copy, in the order of their ids."""
        doing = f"cannot read the dead letters of {self._dataset}"
        with self._instance.lane(self._dataset) as connection, translated(doing):
            return letters.read(connection, names, which, after)

    def check(self) -> None:
        """Look whether the database still answers. Raises CommitUnknown where it has given up."""
        with (
            self._instance.lane(self._dataset) as connection,
            translated(f"{self._dataset} cannot be read"),
        ):
            connection.execute("SELECT 1 FROM headrace_checkpoint LIMIT 0")

    def rows(self) -> int:
        """The number of live rows, 0 where there is no live copy. Any thread may ask."""
        cursor = self._instance.cursor()
        try:
            row = cursor.execute(f"SELECT count(*) FROM {self._instance.qualified(self._dataset)}").fetchone()
        except (duckdb.CatalogException, duckdb.BinderException):
            return 0
        except duckdb.Error as error:
            raise translate(error, f"cannot count {self._dataset}") from error
        finally:
            cursor.close()
        return int(row[0]) if row else 0

    def look_up(self, key: ItemKey) -> StoredKey:
        """What is stored of one key, as one commit left it. Any thread may ask. Raises AcceleratorError."""
        with self._key_reader(f"cannot look into {self._dataset}") as reader:
            return StoredKey() if reader is None else stored_key(reader, key)

    def schema(self) -> TableSchema | None:
        """The columns of the live copy as one commit left it, None where there is none. Any thread may ask. Raises AcceleratorError."""
        with self._key_reader(f"cannot look into {self._dataset}") as reader:
            return None if reader is None else live_schema(reader)

    def export(self, folder: Path, snapshot: str) -> Exported:
        """Write the live copy as one commit left it into the empty ``folder``, as a database file without a log."""
        doing = f"cannot export {self._dataset}"
        with self._exports.running(), disk_translated(doing):
            file = folder / exporting.NAME
            with closing(self._reader(doing)) as cursor, exporting.exportable(self._dataset):
                source = exporting.current_database(cursor)
                with (
                    attached(cursor, file, f"{source}_export"),
                    self._exports.interruptible(partial(interrupted, cursor)),
                ):
                    exported = exporting.export(cursor, source, self._dataset, snapshot)
            for path in (file, folder):
                sync(path)
            return exported

    def restore(self, folder: Path) -> None:
        """Put an exported copy in place of whatever the dataset holds; ``open`` must be called next.

        A file takes the place of the dataset's, in memory its rows are copied in one transaction.
        """
        doing = f"cannot restore {self._dataset}"
        self._exports.stop()
        self._open()
        file = exporting.exported_file(folder, self._dataset)
        with closing(self._reader(doing)) as cursor, exporting.readable(self._dataset):
            own = exporting.current_database(cursor)
            coming = f"{own}_import"
            with attached(cursor, file, coming):
                row = exporting.expect_exported(cursor, self._dataset)
                if not self._instance.in_file(self._dataset):
                    with self._instance.lane(self._dataset):
                        cursor.execute(f"USE {own}.main")
                        exporting.put_in_place(cursor, coming, self._dataset, row)
        if self._instance.in_file(self._dataset):
            self._instance.replace(self._dataset, file)

    def _reader(self, doing: str) -> duckdb.DuckDBPyConnection:
        cursor = self._instance.reader(self._dataset)
        if cursor is None:
            raise AcceleratorError(f"{doing}: its database is not open; ask again soon")
        return cursor

    def close(self) -> None:
        """Let go of the database. In memory, the rows go with it."""
        self._exports.stop()
        self._instance.release(self._dataset)

    @contextmanager
    def _key_reader(self, doing: str) -> Iterator[DuckDBKeyReader | None]:
        """One commit, None where the database is not open."""
        cursor = self._instance.reader(self._dataset)
        if cursor is None:
            yield None
            return
        try:
            with translated(doing):
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                yield DuckDBKeyReader(cursor, self._dataset)
        finally:
            with suppress(duckdb.Error):
                cursor.execute("ROLLBACK")
            cursor.close()

    def _apply(self, work: Work) -> Applied:
        with self._instance.lane(self._dataset) as connection:
            with _rolled_back_on_failure(connection, f"cannot write {self._dataset}"):
                before = self._begin(connection, work)
                applied = self._write(connection, work, before)
            self._commit(connection, work.target, before.row)
            return applied

    def _attempt(self, work: Work) -> None:
        """Do ``work`` and roll it back."""
        with (
            self._instance.lane(self._dataset) as connection,
            _rolled_back_on_failure(connection, f"cannot write {self._dataset}"),
        ):
            self._write(connection, work, self._begin(connection, work))
            connection.execute("ROLLBACK")

    def _begin(self, connection: duckdb.DuckDBPyConnection, work: Work) -> _Before:
        """Start the transaction and read, inside it, what it starts from."""
        connection.execute("BEGIN TRANSACTION")
        tables = self._live if work.target is Target.LIVE else self._building
        row = ddl.read_copy(connection, work.target)
        letters_ = DuckDBLetters(connection, self._dataset, work.target)
        if work.create is not None:
            none = CopyLetters(letters_)
            return _Before(tables, work.create, row, scan_only=True, noted=False, letters=none)
        if row is None:
            raise AcceleratorError(
                f"there is no {work.target} copy to apply to; the first work on a copy must create it"
            )
        stored = CopyLetters(letters_, row.letters, row.waiting)
        return _Before(tables, self._schema_of(row), row, row.scan_only, row.noted, stored)

    def _write(self, connection: duckdb.DuckDBPyConnection, work: Work, before: _Before) -> Applied:
        """Everything between BEGIN and COMMIT, in the order that ``Work`` prescribes."""
        coming = before.letters.due(work)
        stream = (*coming.batches, *work.stream)
        tables, schema = before.tables, join_schemas(before.schema, (*stream, *work.scan))
        noting = work.scanning and work.notes is Notes.KEEP and bool(stream)
        _define(connection, work, before, schema, noting=noting)
        merged = merge(stream, work.scan, schema)
        if before.noted:
            merged = rows.without_noted(connection, merged, tables, schema)
        first = before.scan_only and (work.create is not None or _continues(work, before.row))
        rows.replace_rows(connection, merged, tables, schema, scanned_first=first)
        if noting:
            rows.note(connection, merged, tables, schema)
        if work.notes is Notes.DROP and before.scan_only:
            rows.remove_twins(connection, tables, schema)
        noted = before.noted or noting

        def among_notes(keys: pa.Table) -> list[int]:
            return rows.noted(connection, keys, tables, schema)

        tally = before.letters.file(work, coming, schema, among_notes if noted else None)
        scan_only = before.scan_only and work.notes is Notes.KEEP and (noting or not stream)
        self._finish(connection, work, before, schema, noted=noted, scan_only=scan_only)
        return Applied(merged.written.num_rows, merged.removed.num_rows, schema, tally)

    def _finish(
        self,
        connection: duckdb.DuckDBPyConnection,
        work: Work,
        before: _Before,
        schema: TableSchema,
        *,
        noted: bool,
        scan_only: bool,
    ) -> None:
        """Drop the notes, swap, and store the checkpoint."""
        if work.notes is Notes.DROP and noted:
            connection.execute(f"DROP TABLE {before.tables.notes}")
            noted = False
        target = work.target
        if work.swap and target is Target.BUILDING:
            live = ddl.read_copy(connection, Target.LIVE)
            for statement in ddl.swap(self._dataset, live, schema, building_noted=noted):
                connection.execute(statement)
            target = Target.LIVE
        text = encode_schema(schema)
        self._schema = (text, schema)
        letters_ = before.letters
        row = CopyRow(work.checkpoint.encode(), text, scan_only, noted, letters_.stored, letters_.waiting)
        ddl.write_copy(connection, self._dataset, target, row)

    def _commit(self, connection: duckdb.DuckDBPyConnection, target: Target, before: CopyRow | None) -> None:
        """Commit. Raises AcceleratorFull where it is proven that nothing was kept, else CommitUnknown."""
        try:
            connection.execute("COMMIT")
        except duckdb.Error as error:
            with suppress(duckdb.Error):
                connection.execute("ROLLBACK")
            if is_full(error) and not is_broken(error) and _still(connection, target, before):
                raise translate(error, f"cannot write {self._dataset}") from error
            raise unknown(error, f"the commit of {self._dataset} failed") from error

    def _schema_of(self, row: CopyRow) -> TableSchema:
        text, schema = self._schema
        if text != row.schema:
            schema = decode_schema(row.schema)
            self._schema = (row.schema, schema)
        return schema


@contextmanager
def _rolled_back_on_failure(connection: duckdb.DuckDBPyConnection, doing: str) -> Iterator[None]:
    try:
        with translated(doing):
            yield
    except BaseException:
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise


def _define(
    connection: duckdb.DuckDBPyConnection, work: Work, before: _Before, schema: TableSchema, *, noting: bool
) -> None:
    """Make the copy's tables, or give them the columns of ``schema``."""
    if work.create is not None:
        for statement in (*ddl.removal(before.tables, before.row), *ddl.creation(before.tables, schema)):
            connection.execute(statement)
    else:
        evolve(connection, before.tables, before.schema, schema, noted=before.noted)
    if noting and not before.noted:
        connection.execute(ddl.notes_creation(before.tables, schema))


def _still(connection: duckdb.DuckDBPyConnection, target: Target, before: CopyRow | None) -> bool:
    """Whether the database still answers, and holds what it held."""
    try:
        return ddl.read_copy(connection, target) == before
    except (duckdb.Error, AcceleratorError):
        return False


def _continues(work: Work, row: CopyRow | None) -> bool:
    """Whether the work's Scan pages lie beyond all that are stored; see DuckDBAccelerator."""
    if row is None:
        return False
    stored, new = Checkpoint.decode(row.checkpoint), work.checkpoint
    same_scan = (stored.table_id, stored.stream_arn, stored.started_at, len(stored.segments)) == (
        new.table_id,
        new.stream_arn,
        new.started_at,
        len(new.segments),
    )
    dead = sum(letter.shard is None for letter in work.dead)
    scanned = sum(batch.count for batch in work.scan) + dead
    moved = stored.segments != new.segments
    return same_scan and moved and new.rows_scanned - stored.rows_scanned == scanned
