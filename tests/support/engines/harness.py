"""One engine under test: a dataset's accelerator, its rows, and another process's view of it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pyarrow as pa

from headrace.accelerator import StoredLetter, Target, Which
from headrace.accelerators.plain import plain_rows
from headrace.change import DeadLetter

Rows = dict[tuple[Any, ...], dict[str, Any]]
"""Rows by key, as ``plain`` has them."""


class Harness(ABC):
    """``sink`` is the accelerator.

    ``survives`` says whether the copy outlives the process, ``remembers`` whether it outlives ``restart``,
    ``holds_nul`` whether texts may have NUL characters: an engine that does not hold them refuses their rows.
    """

    dataset = "orders"
    survives = False
    remembers = False
    holds_nul = True

    def __init__(self) -> None:
        self.sink = self._new_sink()

    def holding(self, value: Any) -> Any:
        """The value, at whatever depth without what the engine refuses."""
        return value if self.holds_nul else _without_nul(value)

    def live(self) -> Rows:
        """The live rows by key."""
        return self.rows_of(Target.LIVE)

    def building(self) -> Rows:
        """The rows of the copy that is being built."""
        return self.rows_of(Target.BUILDING)

    def rows_of(self, target: Target) -> Rows:
        """The rows of a copy, which must hold each key once, by key; none where there is no copy."""
        stored = self.sink.open()
        copy = stored.live if target is Target.LIVE else stored.building
        if copy is None:
            return {}
        table = self._table(target, copy.schema.arrow())
        assert table.schema == copy.schema.arrow()
        found = plain_rows(table)
        keys = [column.name for column in copy.schema.keys]
        rows = {tuple(row[key] for key in keys): row for row in found}
        assert len(rows) == len(found), "a key is there twice"
        return rows

    def letters(self, which: Which = Which.ANY) -> dict[str, StoredLetter]:
        """The letters of the live copy, by sequence number, those of the Scan by key."""
        found, after = {}, None
        while some := self.sink.letters(None, which, after):
            after = some[-1].letter.id
            found |= {_name(stored.letter): stored for stored in some}
        return found

    def restart(self) -> None:
        """Close everything and come back as a new process would."""
        self.close()
        if self.survives:
            self.sink = self._new_sink()

    def close(self) -> None:
        """Let go of the engine."""
        self.sink.close()

    @abstractmethod
    def refusing(self, value: object) -> AbstractContextManager[None]:
        """The engine refuses rows whose ``n`` is ``value``, in the words "Conversion Error: planted"."""

    @abstractmethod
    def plant(self, fault: Callable[..., Any]) -> None:
        """Call ``fault``, which raises, in place of what writes a transaction, from now on."""

    @abstractmethod
    def _new_sink(self) -> Any: ...

    def _table(self, target: Target, schema: pa.Schema) -> pa.Table:
        """The rows of a copy, which has the columns ``schema``, read without the accelerator's own help where that can be."""
        raise NotImplementedError


def _without_nul(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", "\x01")
        case list() | tuple():
            return type(value)(map(_without_nul, value))
        case dict():
            return {_without_nul(name): _without_nul(one) for name, one in value.items()}
        case _:
            return value


def _name(letter: DeadLetter) -> str:
    if letter.sequence is not None:
        return letter.sequence.text
    return str(json.loads(letter.key)["id"]["S"])
