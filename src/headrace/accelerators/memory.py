"""An accelerator of plain dictionaries: for tests, and the yardstick that real engines are held to."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from headrace.accelerator import Applied, Notes, Stored, StoredCopy, Target, Work
from headrace.accelerators.merge import evolved_columns
from headrace.change import ChangeBatch, DeadLetter
from headrace.checkpoint import Checkpoint
from headrace.errors import AcceleratorError
from headrace.schema import ColumnType, Kind, TableSchema

Key = tuple[object, ...]
Row = dict[str, object]


@dataclass(slots=True)
class _Copy:
    """One copy: rows by key, each whole; the checkpoint as text, as a file would hold it."""

    schema: TableSchema
    checkpoint: str
    rows: dict[Key, Row] = field(default_factory=dict)
    notes: set[Key] = field(default_factory=set)


class MemoryAccelerator:
    """A ChangeSink that keeps everything in dictionaries, and so survives ``close`` but no process.

    It is written to be obviously right: every change is applied by itself, in order, and all that can
    fail happens before the first mutation, so that ``apply`` either does its whole work or nothing.
    """

    def __init__(self) -> None:
        self._copies: dict[Target, _Copy] = {}
        self._dead: dict[tuple[object, ...], DeadLetter] = {}

    def open(self) -> Stored:
        """What the last ``apply`` left. Raises AcceleratorError where a checkpoint cannot be read."""
        return Stored(self._stored(Target.LIVE), self._stored(Target.BUILDING))

    def apply(self, work: Work) -> Applied:
        """Do ``work`` whole, or raise AcceleratorError and do nothing."""
        old = self._copies.get(work.target) if work.create is None else _Copy(work.create, "")
        if old is None:
            raise AcceleratorError(
                f"there is no {work.target} copy to apply to; the first work on a copy must create it"
            )
        schema = old.schema
        for batch in (*work.stream, *work.scan):
            schema = schema.join(batch.schema)
        stream = [change for batch in work.stream for change in _changes(batch, schema)]
        scanned = [change for batch in work.scan for change in _changes(batch, schema)]
        copy = _widened_copy(old, schema, work.checkpoint.encode())
        # Nothing below can fail.
        written = _put_all(copy.rows, stream)
        # A stream row is never older than the Scan's row of its key once the stream has been read on.
        shielded = copy.notes | written.keys()
        written |= _put_all(copy.rows, [change for change in scanned if change[0] not in shielded])
        if work.notes is Notes.DROP:
            copy.notes.clear()
        elif work.scanning:
            copy.notes.update(key for key, _ in stream)
        self._dead |= {(letter.shard, letter.sequence, letter.key): letter for letter in work.dead}
        self._copies[work.target] = copy
        if work.swap:
            self._copies[Target.LIVE] = self._copies.pop(work.target)
        deleted = sum(row is None for row in written.values())
        return Applied(len(written) - deleted, deleted, schema, evolved_columns(old.schema, schema))

    def check(self) -> None:
        """Dictionaries always answer."""

    def close(self) -> None:
        """Nothing to let go of: the copies stay, as a file would."""

    def rows(self) -> int:
        """The number of live rows."""
        return len(self.live_rows())

    def live_rows(self) -> dict[Key, Row]:
        """The rows that queries would see: by key, each with every column of the schema."""
        return self._rows_of(Target.LIVE)

    def building_rows(self) -> dict[Key, Row]:
        """The rows of the copy that is being built beside the live one."""
        return self._rows_of(Target.BUILDING)

    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """All dead letters, each once, oldest first."""
        return tuple(self._dead.values())

    def _rows_of(self, target: Target) -> dict[Key, Row]:
        copy = self._copies.get(target)
        if copy is None:
            return {}
        names = [column.name for column in copy.schema.columns]
        return {key: {name: row.get(name) for name in names} for key, row in copy.rows.items()}

    def _stored(self, target: Target) -> StoredCopy | None:
        copy = self._copies.get(target)
        return None if copy is None else StoredCopy(Checkpoint.decode(copy.checkpoint), copy.schema)


def _put_all(rows: dict[Key, Row], changes: list[tuple[Key, Row | None]]) -> dict[Key, Row | None]:
    """Apply ``changes`` in order; the last of each key is returned."""
    for key, row in changes:
        if row is None:
            rows.pop(key, None)
        else:
            rows[key] = row
    return dict(changes)


def _changes(batch: ChangeBatch, schema: TableSchema) -> list[tuple[Key, Row | None]]:
    """The batch's changes in order, with the columns of ``schema``; None for a deletion."""
    deleted = [False] * batch.count if batch.deleted is None else batch.deleted.to_pylist()
    return [
        (_key(row, schema), None if gone else row)
        for item, gone in zip(batch.rows.to_pylist(), deleted, strict=True)
        for row in [_widened_row(item, batch.schema, schema)]
    ]


def _key(row: Row, schema: TableSchema) -> Key:
    key = tuple(row[column.name] for column in schema.keys)
    if None in key:
        names = ", ".join(column.name for column in schema.keys)
        raise AcceleratorError(f"a change has no value in a key column ({names}); items always have one")
    return key


def _widened_copy(old: _Copy, schema: TableSchema, checkpoint: str) -> _Copy:
    """``old`` under a schema that holds it; where nothing widens, its rows and notes themselves."""
    if old.schema == schema:
        return _Copy(schema, checkpoint, old.rows, old.notes)
    rows = [_widened_row(row, old.schema, schema) for row in old.rows.values()]
    notes = {_widened_key(key, old.schema, schema) for key in old.notes}
    return _Copy(schema, checkpoint, {_key(row, schema): row for row in rows}, notes)


def _widened_row(row: Row, old: TableSchema, new: TableSchema) -> Row:
    """``row`` under the names and types of ``new``, which holds every column of ``old``."""
    if old == new:
        return row
    wide: Row = {}
    for column in old.columns:
        target = new.column(column.attribute)
        if target is None:
            raise AcceleratorError(f"column {column.name} has no place in the joined schema")
        wide[target.name] = widened(row.get(column.name), column.type, target.type)
    return wide


def _widened_key(key: Key, old: TableSchema, new: TableSchema) -> Key:
    return tuple(
        widened(value, was.type, now.type) for value, was, now in zip(key, old.keys, new.keys, strict=True)
    )


def widened(value: object, source: ColumnType, target: ColumnType) -> object:
    """``value`` of type ``source`` as type ``target``, a join of it; nothing of it is lost.

    Numbers become text as DynamoDB writes them: digits, without exponent, without a fraction where
    there is none. Binary becomes base64, a list a JSON array of its elements' texts, a boolean ``true`` or ``false``.
    """
    if value is None or source == target:
        return value
    if source.many and target.many:
        convert = _element(source.kind, target.kind)
        return [None if one is None else convert(one) for one in _items(value)]
    if source.many:
        return "[" + ",".join(_json(one, source.kind) for one in _items(value)) + "]"
    return _element(source.kind, target.kind)(value)


def _items(value: object) -> list[object]:
    if not isinstance(value, list):
        raise AcceleratorError(f"a value of a list column is no list but {type(value).__name__}")
    return value


def _element(source: Kind, target: Kind) -> Callable[[object], object]:
    if target is Kind.TEXT:
        return lambda value: _text(value, source)
    if target is Kind.FLOAT:
        return lambda value: float(str(value))
    return lambda value: value


def _text(value: object, kind: Kind) -> str:
    match kind:
        case Kind.BOOL:
            return "true" if value else "false"
        case Kind.FLOAT:
            plain = format(Decimal(repr(value)), "f")
            return plain.rstrip("0").rstrip(".") if "." in plain else plain
        case Kind.BINARY:
            return base64.b64encode(value if isinstance(value, bytes) else b"").decode()
        case _:
            return str(value)


def _json(value: object, kind: Kind) -> str:
    if value is None:
        return "null"
    return msgspec.json.encode(_text(value, kind)).decode()
