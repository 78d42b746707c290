"""The tables of one dataset inside one transaction: what PostgreSQL gives to WorkWriter."""
# ruff: noqa: S608 - names are quoted or ours, values are parameters or staged

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from headrace.accelerator import Target
from headrace.accelerators.postgres import copies, indexes, key_index
from headrace.accelerators.postgres.bulk import copy_in
from headrace.accelerators.postgres.copies import PostgresCopy
from headrace.accelerators.postgres.door import quoted
from headrace.accelerators.postgres.evolution import Table, evolve
from headrace.accelerators.postgres.layout import Layout
from headrace.accelerators.postgres.letters import PostgresLetters
from headrace.accelerators.postgres.session import Session
from headrace.accelerators.postgres.staging import KEYS, NUMBER, ROWS, Staging
from headrace.accelerators.relational import CopyRow
from headrace.accelerators.stored_schema import decode_schema
from headrace.dataset import Index
from headrace.schema import TableSchema


class PostgresTables:
    """A CopyTables: the tables of one copy."""

    def __init__(self, session: Session, staging: Staging, asked: Sequence[Index], target: Target) -> None:
        names = session.names
        self._session = session
        self._connection = session.connection
        self._staging = staging
        self._asked = asked
        self._target = target
        self._rows = names.qualified(names.rows(target))
        self._notes = names.qualified(names.notes(target))
        self._letters = PostgresLetters(session.connection, names, target)
        self._count = 0
        self._long_keys = False
        self._stored: CopyRow | None = None

    @property
    def letters(self) -> PostgresLetters:
        """The copy's dead letters."""
        return self._letters

    def stored(self) -> CopyRow | None:
        """What is stored of the copy, None where there is none."""
        copy = copies.stored(self._connection, self._session.names, self._target)
        if copy is None:
            return None
        self._count, self._long_keys, self._stored = copy.rows, copy.long_keys, copy.row
        return copy.row

    def store(self, row: CopyRow) -> None:
        """Store this in place of what is stored of the copy."""
        copy = PostgresCopy(row, self._count, self._long_keys)
        copies.store(self._connection, self._session.names, self._target, copy, self._stored)

    def create(self, schema: TableSchema) -> None:
        """Make an empty table of rows; there is none."""
        layout = Layout.of(schema)
        self._count, self._long_keys = 0, False
        self._execute(f"CREATE TABLE {self._rows} ({', '.join(layout.definitions)})")
        self._execute(key_index.creation(layout, self._rows, long_keys=False))
        indexes.keep(self._connection, layout, self._rows, self._asked)

    def drop(self, row: CopyRow) -> None:
        """Remove the stored copy: its rows, its notes and letters where ``row`` says there are any, and ``row``."""
        self._execute(f"DROP TABLE {self._rows}")
        if row.noted:
            self.drop_notes()
        if row.letters:
            self._letters.remove_all()
        copies.forget(self._connection, self._session.names, self._target)
        self._stored = None

    def evolve(self, old: TableSchema, new: TableSchema, *, noted: bool) -> None:
        """Give the tables the columns of ``new``, a join of ``old`` that differs from it."""
        names = self._session.names
        changing = [Table(names, names.rows(self._target), Layout.of(old), Layout.of(new))]
        if noted:
            keys = Layout.of(TableSchema(old.keys)), Layout.of(TableSchema(new.keys))
            changing.append(Table(names, names.notes(self._target), *keys))
        for table in changing:
            evolve(self._connection, table, long_keys=self._long_keys)
        indexes.keep(self._connection, Layout.of(new), self._rows, self._asked)

    def create_notes(self, schema: TableSchema) -> None:
        """Make an empty table of notes; there is none."""
        layout = Layout.of(schema)
        self._execute(f"CREATE TABLE {self._notes} ({', '.join(place.defined for place in layout.keys)})")
        self._execute(key_index.creation(layout, self._notes, long_keys=self._long_keys))

    def drop_notes(self) -> None:
        """Remove the table of notes."""
        self._execute(f"DROP TABLE {self._notes}")

    def replace_rows(self, schema: TableSchema, written: pa.Table, removed: pa.Table) -> None:
        """Store the rows of ``written`` in place of those of their keys, and remove those of the keys of ``removed``."""
        layout = Layout.of(schema)
        if removed.num_rows:
            self._staging.keys(layout, removed.select([place.column.name for place in layout.keys]))
            self._count -= self._delete(layout, KEYS)
        if written.num_rows:
            self._fit(layout, written)
            indexes.give_way(self._connection, layout, self._rows, written, self._asked)
            self._staging.rows(layout, written)
            self._write(layout)

    def replace_unnoted(self, schema: TableSchema, rows: pa.Table) -> int:
        """As ``replace_rows``, but leave out rows whose key is noted; how many were stored. There are notes."""
        if not rows.num_rows:
            return 0
        layout = Layout.of(schema)
        self._fit(layout, rows)
        indexes.give_way(self._connection, layout, self._rows, rows, self._asked)
        self._staging.rows(layout, rows)
        noted = self._execute(
            f"DELETE FROM {ROWS} b USING {self._notes} n WHERE {self._same(layout, 'n', 'b')}"
        )
        self._write(layout)
        return int(rows.num_rows) - noted

    def note(self, schema: TableSchema, keys: pa.Table) -> None:
        """Note keys, given by tables of the key columns, some of which may be noted already."""
        if not keys.num_rows:
            return
        layout = Layout.of(schema)
        self._fit(layout, keys)
        self._staging.keys(layout, keys)
        listed = ", ".join(place.sql for place in layout.keys)
        self._execute(
            f"INSERT INTO {self._notes} ({listed}) SELECT {listed} FROM {KEYS} b WHERE NOT EXISTS "
            f"(SELECT FROM {self._notes} n WHERE {self._same(layout, 'n', 'b')})"
        )

    def noted(self, schema: TableSchema, keys: pa.Table) -> Sequence[int]:
        """Which rows of ``keys``, a table of the key columns, are noted. There are notes."""
        layout = Layout.of(schema)
        self._staging.keys(layout, keys)
        found = self._connection.execute(
            f"SELECT {NUMBER} FROM {KEYS} b WHERE EXISTS "
            f"(SELECT FROM {self._notes} n WHERE {self._same(layout, 'n', 'b')})"
        ).fetchall()
        return [number for (number,) in found]

    def fill(self, schema: TableSchema, rows: Iterable[pa.Table], notes: Iterable[pa.Table] | None) -> None:
        """Make the tables of rows, and of notes if there are some, with these in them; there are none."""
        layout = Layout.of(schema)
        self._count, self._long_keys = 0, False
        self._execute(f"CREATE TABLE {self._rows} ({', '.join(layout.definitions)})")
        for table in rows:
            copy_in(self._connection, layout.sent(table), self._rows, layout.names)
            self._count += table.num_rows
            self._long_keys = self._long_keys or key_index.have_long(layout, table)
        if notes is not None:
            self._execute(f"CREATE TABLE {self._notes} ({', '.join(place.defined for place in layout.keys)})")
            for table in notes:
                copy_in(
                    self._connection,
                    layout.sent_keys(table),
                    self._notes,
                    [place.sql for place in layout.keys],
                )
                self._long_keys = self._long_keys or key_index.have_long(layout, table)
            self._execute(key_index.creation(layout, self._notes, long_keys=self._long_keys))
        self._execute(key_index.creation(layout, self._rows, long_keys=self._long_keys))
        self.keep_indexes(schema)

    def take_over(self, building: PostgresTables) -> None:
        """Know of the copy what is known of the building one, whose tables have become this one's."""
        self._count, self._long_keys = building._count, building._long_keys

    def keep_indexes(self, schema: TableSchema) -> None:
        """Give the table of rows the indexes that the Spicepod asks for, and no others of ours."""
        indexes.keep(self._connection, Layout.of(schema), self._rows, self._asked)

    def _write(self, layout: Layout) -> None:
        """Store the staged rows in place of those of their keys."""
        names = ", ".join(layout.names)
        # In the order of the keys: neighbours in the index are found on one page.
        source = f"SELECT {names} FROM {ROWS} ORDER BY {', '.join(place.sql for place in layout.keys)}"
        if self._long_keys or indexes.have_unique(layout, self._asked):
            # Within one statement a row could take a value that another gives up, and be refused.
            self._count -= self._delete(layout, ROWS)
            self._count += self._execute(f"INSERT INTO {self._rows} ({names}) {source}")
            return
        keys = {place.sql for place in layout.keys}
        changes = ", ".join(f"{name} = excluded.{name}" for name in layout.names if name not in keys)
        action = f"UPDATE SET {changes}" if changes else "NOTHING"
        # Only a row that has replaced none has no transaction that ended the one before it.
        found = self._connection.execute(
            f"WITH stored AS (INSERT INTO {self._rows} ({names}) {source} "
            f"ON CONFLICT ({', '.join(place.sql for place in layout.keys)}) DO {action} RETURNING xmax = 0 AS is_new) "
            "SELECT count(*) FROM stored WHERE is_new"
        ).fetchone()
        assert found is not None, "a count is always one row"
        self._count += found[0]

    def _delete(self, layout: Layout, staged: str) -> int:
        return self._execute(
            f"DELETE FROM {self._rows} t USING {staged} b WHERE {self._same(layout, 't', 'b')}"
        )

    def _same(self, layout: Layout, one: str, other: str) -> str:
        return key_index.same(layout, one, other, long_keys=self._long_keys)

    def _fit(self, layout: Layout, rows: pa.Table) -> None:
        """Prepare the tables for long keys, if there are any among these and have not been any before."""
        keys = rows.select([place.column.name for place in layout.keys])
        if self._long_keys or not key_index.have_long(layout, keys):
            return
        self._long_keys = True
        for table in (self._rows, self._notes):
            if copies.exists(self._connection, table):
                key_index.lengthened(self._connection, layout, table)

    def _execute(self, statement: str) -> int:
        return self._connection.execute(statement).rowcount


class PostgresTransaction:
    """A RowTransaction: an open transaction on the tables of one dataset."""

    def __init__(self, session: Session, asked: Sequence[Index]) -> None:
        self._session = session
        self._staging = Staging(session)
        self._asked = asked
        self._copies = {target: PostgresTables(session, self._staging, asked, target) for target in Target}

    def copy(self, target: Target) -> PostgresTables:
        """The tables of a copy."""
        return self._copies[target]

    def keep_indexes(self) -> None:
        """Give the copies that there are the indexes that the Spicepod asks for."""
        for tables in self._copies.values():
            row = tables.stored()
            if row is not None:
                tables.keep_indexes(decode_schema(row.schema))

    def swap(self, *, noted: bool) -> None:
        """Make the building copy the live one, of which there is none any more, with its letters and notes."""
        connection, names = self._session.connection, self._session.names
        both = (names.rows, names.notes) if noted else (names.rows,)
        for called in both:
            building, live = names.qualified(called(Target.BUILDING)), quoted(called(Target.LIVE))
            connection.execute(f"ALTER TABLE {building} RENAME TO {live}")
        connection.execute(
            f"UPDATE {names.letters} SET copy = $1 WHERE dataset = $2 AND copy = $3",
            [Target.LIVE.value, names.dataset, Target.BUILDING.value],
        )
        copies.forget(connection, names, Target.BUILDING)
        self._copies[Target.LIVE].take_over(self._copies[Target.BUILDING])
