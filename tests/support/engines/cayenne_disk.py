"""The disk under Cayenne: every effect on it is a point at which a test may copy it, or have it fail."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from headrace.accelerators.cayenne import data_file
from headrace.accelerators.cayenne.metastore import NAME
from headrace.accelerators.sqlite.file import SQLiteFile

LOG = f"{NAME}-wal"
PARTS = frozenset({".vortex", ".keys"})


class Effect(StrEnum):
    """What is done to the disk."""

    ROWS = "rows written"
    KEYS = "keys written"
    SYNC = "synced"
    REMOVAL = "file removed"
    COMMIT = "metastore committed"


@dataclass(frozen=True)
class Point:
    """Just before an effect, or just after it (``done``)."""

    effect: Effect
    path: Path
    done: bool


Hook = Callable[[Point], None]


@contextmanager
def watched(hook: Hook) -> Iterator[None]:
    """Call ``hook`` at each point until the block ends; what it raises before an effect, the effect raises."""

    @contextmanager
    def around(effect: Effect, path: Path) -> Iterator[None]:
        hook(Point(effect, path, done=False))
        yield
        hook(Point(effect, path, done=True))

    with _rows(around), _keys(around), _syncs(around), _removals(around), _commits(around):
        yield


_Around = Callable[[Effect, Path], AbstractContextManager[None]]


def _rows(around: _Around) -> AbstractContextManager[Any]:
    options = data_file._options

    class Options:
        def __init__(self, compression: Any) -> None:
            self._options = options(compression)

        def write(self, rows: Any, path: str) -> None:
            with around(Effect.ROWS, Path(path)):
                self._options.write(rows, path)

    return mock.patch.object(data_file, "_options", Options)


def _keys(around: _Around) -> AbstractContextManager[Any]:
    true = Path.write_bytes

    def write_bytes(path: Path, content: Any) -> int:
        if path.suffix not in PARTS:
            return true(path, content)
        with around(Effect.KEYS, path):
            return true(path, content)

    return mock.patch.object(Path, "write_bytes", write_bytes)


def _syncs(around: _Around) -> AbstractContextManager[Any]:
    true = data_file.sync

    def sync(path: Path) -> None:
        with around(Effect.SYNC, path):
            true(path)

    return mock.patch.object(data_file, "sync", sync)


def _removals(around: _Around) -> AbstractContextManager[Any]:
    true = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.suffix in PARTS and path.exists():
            with around(Effect.REMOVAL, path):
                true(path)
        else:
            true(path, missing_ok=missing_ok)

    return mock.patch.object(Path, "unlink", unlink)


def _commits(around: _Around) -> AbstractContextManager[Any]:
    true = SQLiteFile.lane

    class Connection:
        def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
            self._connection = connection
            self._path = path

        def execute(self, statement: str, *arguments: Any) -> Any:
            if statement != "COMMIT":
                return self._connection.execute(statement, *arguments)
            with around(Effect.COMMIT, self._path):
                return self._connection.execute(statement)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._connection, name)

    @contextmanager
    def lane(file: SQLiteFile) -> Iterator[Any]:
        with true(file) as connection:
            yield Connection(connection, file.path)

    return mock.patch.object(SQLiteFile, "lane", lane)


def fail(point: Point) -> None:
    """Raise what the effect raises on a full disk; what was written of a file by then is there."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    match point.effect:
        case Effect.ROWS:
            point.path.write_text("half of")
            raise RuntimeError(f"planted: {full.strerror} (os error {errno.ENOSPC})\nbacktrace")
        case Effect.KEYS:
            point.path.touch()
            raise full
        case Effect.COMMIT:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            error.sqlite_errorname = "SQLITE_FULL"
            raise error
    raise full


@dataclass
class Disk:
    """What of a dataset's folder would outlive a loss of power: all that was synced, and of the rest what chance has it.

    ``note`` is a hook. A file is durable once it was synced; its name, and that a name is gone, once the folder was.
    """

    folder: Path
    contents: set[Path] = field(default_factory=set)
    names: set[Path] = field(default_factory=set)
    removed: dict[Path, bytes] = field(default_factory=dict)
    log_before: int = 0

    def note(self, point: Point) -> None:
        match point.effect, point.done:
            case ((Effect.ROWS | Effect.KEYS), True):
                self.contents.add(point.path)
                self.names.add(point.path)
                self.removed.pop(point.path, None)
            case Effect.SYNC, True if point.path == self.folder:
                self.names.clear()
                self.removed.clear()
            case Effect.SYNC, True:
                self.contents.discard(point.path)
            case Effect.REMOVAL, False:
                self.removed[point.path] = point.path.read_bytes()
            case Effect.REMOVAL, True:
                self.contents.discard(point.path)
                self.names.discard(point.path)
            case Effect.COMMIT, False:
                log = self.folder / LOG
                self.log_before = log.stat().st_size if log.exists() else 0

    @property
    def is_unsure(self) -> bool:
        """Whether there is anything that a loss of power might take, or bring back."""
        return bool(self.contents or self.names or self.removed)

    def copy(self, target: Path, _: Random) -> None:
        """As it is, and as the next process finds it if this one is killed now."""
        target.mkdir()
        for file in self.folder.iterdir():
            if file.is_file():
                shutil.copy(file, target / file.name)

    def copy_without_power(self, target: Path, random: Random) -> None:
        """As a loss of power may leave it."""
        self.copy(target, random)
        self.lose_power(target, random)

    def lose_power(self, target: Path, random: Random) -> None:
        """Let a copy lose what was not synced when it was made, or some of it."""
        for path in sorted(self.contents | self.names):
            file = target / path.name
            whole = file.read_bytes()
            fates = ["missing", "whole"] + ["cut", "blank"] * (path in self.contents)
            match random.choice(fates):
                case "missing":
                    os.remove(file)  # noqa: PTH107  # Path.unlink is watched.
                case "cut":
                    os.truncate(file, random.randrange(len(whole)))
                case "blank":
                    _put(file, bytes(len(whole)))
        for path, content in sorted(self.removed.items()):
            if random.random() < 0.5:
                _put(target / path.name, content)

    def copy_inside_commit(self, target: Path, random: Random) -> None:
        """Just after a commit: the same with a log that ends within it, as a process killed in it may leave it."""
        self.copy(target, random)
        log = target / LOG
        if log.exists() and log.stat().st_size > self.log_before:
            os.truncate(log, random.randrange(self.log_before, log.stat().st_size))


def _put(path: Path, content: bytes) -> None:
    # Not by what is watched.
    with path.open("wb") as file:
        file.write(content)


def parts_in(folder: Path) -> set[str]:
    """The names of all files of rows and keys in a folder."""
    return {file.name for file in folder.iterdir() if file.suffix in PARTS}
