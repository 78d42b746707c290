"""One engine under test: a dataset's accelerator, its rows, and another process's view of it."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from headrace.accelerator import Stored, StoredLetter, Target, Which
from headrace.accelerators.plain import plain_rows
from headrace.change import DeadLetter

SCRATCH = Path(tempfile.mkdtemp(prefix="headrace-scratch-")).resolve()
"""Where copies are exported to and restored from; removed when this process ends."""

atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)

Rows = dict[tuple[Any, ...], dict[str, Any]]
"""Rows by key, as ``plain`` has them."""


class Harness(ABC):
    """``sink`` is the accelerator.

    ``survives`` says whether the copy outlives the process, ``remembers`` whether it outlives ``restart``,
    ``holds_nul`` whether texts may have NUL characters: an engine that does not hold them refuses their rows.
    """

    dataset = "orders"
    share = 1.0
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

    def exported(self, snapshot: str = "snap-1") -> Path:
        """The folder to which the live copy is exported now."""
        folder = new_folder()
        self.sink.export(folder, snapshot)
        return folder

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


def new_folder() -> Path:
    """An empty folder for one export."""
    return Path(tempfile.mkdtemp(dir=SCRATCH))


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


class FileHarness(Harness):
    """An engine whose copy may be in files: ``path`` is the database, None in memory.

    ``log`` is what the log's name has more than the database's; a file for the lock alone ends with ``.lock``.
    """

    log: ClassVar[str]

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.survives = self.remembers = path is not None
        super().__init__()

    @contextmanager
    @abstractmethod
    def reading(self) -> Iterator[Any]:
        """A connection of the engine's driver, on which each statement sees one commit."""

    def theirs(self, statement: str) -> list[tuple[Any, ...]]:
        """What another program's statement gives while we have let go of the file; then we come anew."""
        self.close()
        found = self._theirs(statement)
        self.sink = self._new_sink()
        return found

    @abstractmethod
    def _theirs(self, statement: str) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def fail_the_commit(self, *, happens: bool) -> None:
        """Let the next COMMIT fail, after it has happened or without."""

    def found(self) -> tuple[Stored, Rows, Rows]:
        """All that is there."""
        return self.sink.open(), self.live(), self.building()

    def lost(self, folder: Path) -> FileHarness:
        """As the next process finds the files if this one is gone now: nothing is closed."""
        assert self.path is not None, "it is in files"
        return self.at(copied(self.path, folder))

    def at(self, path: Path) -> FileHarness:
        """The same engine over another database."""
        return type(self)(path)


def copied(path: Path, folder: Path) -> Path:
    """Copy a database and all that is beside it as it is."""
    folder.mkdir()
    for file in path.parent.iterdir():
        if file.is_file():
            shutil.copy(file, folder / file.name)
    return folder / path.name


class FailingCommit:
    """A connection on which COMMIT raises ``error``, before or after it has happened."""

    def __init__(self, connection: Any, error: Exception, *, happens: bool) -> None:
        self._connection = connection
        self._error = error
        self._happens = happens

    def execute(self, statement: str, *arguments: Any) -> Any:
        if statement != "COMMIT":
            return self._connection.execute(statement, *arguments)
        self._connection.execute("COMMIT" if self._happens else "ROLLBACK")
        raise self._error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _name(letter: DeadLetter) -> str:
    if letter.sequence is not None:
        return letter.sequence.text
    return str(json.loads(letter.key)["id"]["S"])
