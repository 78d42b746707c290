"""What a dataset's copies hold of one key, as one commit left it: the order of looking, for every engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import pyarrow as pa

from headrace.accelerator import StoredLetter, Target
from headrace.accelerators.keys import key_of_json, values_of_key
from headrace.accelerators.stored_schema import decode_schema
from headrace.explanation import ItemKey, StoredKey
from headrace.schema import TableSchema

MOST_LETTERS = 100
"""Dead letters of one key that are told."""

KeyValues = tuple[Any, ...]
"""What the key columns hold, as ``values_of_key`` gives it."""


class StoredRow(Protocol):
    """What is stored of a copy beside its rows."""

    @property
    def schema(self) -> str:
        """The schema as ``encode_schema`` writes it."""
        ...

    @property
    def noted(self) -> bool:
        """Whether there is a table of notes."""
        ...

    @property
    def letters(self) -> int:
        """The number of dead letters."""
        ...


class KeyReader(Protocol):
    """One commit of a dataset's copies. Methods raise AcceleratorError."""

    def stored(self, target: Target) -> StoredRow | None:
        """What is stored of a copy, None where there is none."""
        ...

    def row(self, target: Target, schema: TableSchema, key: KeyValues) -> pa.RecordBatch | None:
        """The key's row in a copy of this schema, of the types of ``schema.arrow()``."""
        ...

    def is_noted(self, target: Target, schema: TableSchema, key: KeyValues) -> bool:
        """Whether a key is among the notes of a copy that has some."""
        ...

    def letters(self, target: Target, form: str) -> Iterable[StoredLetter]:
        """The MOST_LETTERS newest letters of a key, which ``keys`` writes so, the newest first."""
        ...


def stored_key(reader: KeyReader, key: ItemKey) -> StoredKey:
    """The key's row in the live copy, its note in the copy that is scanned, its dead letters in both."""
    live: tuple[TableSchema | None, pa.RecordBatch | None] = (None, None)
    noted = False
    dead: list[StoredLetter] = []
    for target in Target:
        row = reader.stored(target)
        if row is None:
            continue
        schema = decode_schema(row.schema)
        form = key_of_json(key.text, schema)
        values = None if form is None else values_of_key(form, schema)
        if values is not None:
            noted = noted or (row.noted and reader.is_noted(target, schema, values))
        if target is Target.LIVE:
            live = schema, None if values is None else reader.row(target, schema, values)
        if form is not None and row.letters:
            dead += reader.letters(target, form)
    return StoredKey(*live, noted, tuple(dead))


def live_schema(reader: KeyReader) -> TableSchema | None:
    """The columns of the live copy, None where there is none."""
    row = reader.stored(Target.LIVE)
    return None if row is None else decode_schema(row.schema)
