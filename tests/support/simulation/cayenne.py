"""A copy in Cayenne, whose upkeep is done when the seed says so, and may be where the process ends."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Collection
from pathlib import Path
from random import Random

from headrace.accelerator import ChangeSink, Target
from headrace.accelerators.cayenne.accelerator import CayenneAccelerator
from headrace.accelerators.cayenne.leaf import CayenneReading
from headrace.accelerators.cayenne.metastore import NAME
from headrace.accelerators.cayenne.pins import Pins
from headrace.accelerators.cayenne.policy import Policy
from headrace.accelerators.cayenne.table import CayenneTable
from headrace.accelerators.cayenne.transaction import CayenneTransaction
from headrace.accelerators.sqlite.tables import read_copy
from headrace.dataset import Acceleration, CayenneFiles, Engine, Mode
from headrace.errors import AcceleratorFull
from support.engines.cayenne import rows_of
from support.engines.cayenne_disk import Disk, Effect, Point, fail, parts_in, watched
from support.simulation.lives import Lives
from support.simulation.model import Broken
from support.simulation.view import View, view_of
from support.simulation.workload import TABLE

SMALL = Policy(flush_rows=4, fan=3, most_rows=40, dead_share=0.25, dead_rows=1)
"""Files are made, merged and written anew often."""

_POINTS = 40
"""Among so many points of upkeep, one before and one after each effect, chance has its choice."""


class _Gone(BaseException):
    """The process ends here."""


class _LatePins(Pins):
    """Keeps the files that a commit gave up until the next: a log that can still be cut has had none removed."""

    def __init__(self) -> None:
        super().__init__()
        self._late: list[Path] = []

    def give_up(self, files: Collection[Path]) -> None:
        self._late += files

    def about_to_commit(self) -> None:
        """The last commit is durable."""
        late, self._late = self._late, []
        super().give_up(late)

    @property
    def files(self) -> set[Path]:
        return super().files | set(self._late)


class InCayenne:
    """The real engine. A crash copies the dataset's folder as it is and goes on with the copy."""

    survives = True
    is_mended = True

    def __init__(self) -> None:
        self._lives = Lives(NAME, "-wal")
        self._sink: CayenneAccelerator | None = None
        self._left: Path | None = None

    def boot(self) -> ChangeSink:
        self._close()
        folder = self._lives.path.parent
        acceleration = Acceleration(Engine.CAYENNE, Mode.FILE, cayenne=CayenneFiles(folder, folder))
        self._sink = CayenneAccelerator(TABLE, acceleration, SMALL, background=False)
        self._watch_commits()
        return self._sink

    @property
    def is_due(self) -> bool:
        """Whether there is upkeep to do."""
        sizes = [
            (
                state.recent_rows,
                state.recent_bytes,
                len(state.files),
                sum(f.dead_rows for f in state.files.values()),
            )
            for state in self._table.copies.values()
        ]
        return any(
            SMALL.flush_is_due(rows, size) or files >= SMALL.fan or dead for rows, size, files, dead in sizes
        )

    def keep_up(self, full: Random | None) -> str | None:
        """Do all upkeep that is due; with ``full``, one effect on the disk fails. What it says then."""
        at = None if full is None else full.randrange(_POINTS // 2)

        def hook(point: Point) -> None:
            nonlocal at
            if at is None or point.done or point.effect is Effect.REMOVAL:
                return
            at -= 1
            if at < 0:
                at = None
                fail(point)

        try:
            with watched(hook):
                self._step()
        except AcceleratorFull as error:
            return str(error).replace(str(self._lives.path.parent), "")
        return None

    def crash_in_upkeep(self, random: Random) -> None:
        """The process is gone in the middle of upkeep, or just after it; for every second one the power is lost too."""
        disk = Disk(self._lives.path.parent)
        at = random.randrange(_POINTS)

        def hook(point: Point) -> None:
            nonlocal at
            disk.note(point)
            at -= 1
            if at == 0:
                raise _Gone

        def gone() -> None:
            self._left = self._lives.crash(None)
            if random.random() < 0.5:
                disk.lose_power(self._lives.path.parent, random)

        def watching(point: Point) -> None:
            if self._left is None:
                try:
                    hook(point)
                except _Gone:
                    gone()
                    raise

        try:
            with watched(watching):
                self._step()
        except _Gone:
            return
        gone()

    def crash(self, cut: Random | None) -> None:
        left, self._left = self._left or self._lives.crash(cut), None
        self._close()
        shutil.rmtree(left)

    def lose(self) -> None:
        self._close()
        shutil.rmtree(self._lives.lose())

    def view(self, target: Target) -> View | None:
        connection = None if self._sink is None else self._sink._table.metastore.reader()
        if connection is None:
            return None
        try:
            stored = read_copy(connection, target)
        except sqlite3.OperationalError:
            # Before its first opening there are no tables.
            return None
        finally:
            connection.close()
        state = self._table.copies.get(target)
        if stored is None or state is None:
            return None
        self._expect_no_orphans()
        copy = stored.decoded()
        columns = copy.schema.arrow()
        reading = CayenneReading(TABLE, state, lambda: None)
        return view_of(target, copy.checkpoint, copy.schema, rows_of(reading, columns))

    def close(self) -> None:
        self._close()
        self._lives.close()

    @property
    def _table(self) -> CayenneTable:
        assert self._sink is not None, "there is a process"
        return self._sink._table

    def _step(self) -> None:
        while self._sink is not None and self._sink.upkeep.step():
            pass

    def _watch_commits(self) -> None:
        table = self._table
        pins = table.pins = _LatePins()
        commit = table.commit

        def watched_commit(transaction: CayenneTransaction) -> None:
            pins.about_to_commit()
            self._lives.about_to_commit()
            commit(transaction)

        table.commit = watched_commit

    def _expect_no_orphans(self) -> None:
        table = self._table
        files = [part.source for state in table.copies.values() for part in state.files.values()]
        named = {path.name for file in files for path in (file.path, file.keys_path)}
        kept = {path.name for path in table.pins.files}
        found = parts_in(self._lives.path.parent)
        if not named <= found <= named | kept:
            raise Broken("agreement", f"there are {sorted(found)}, and the metastore names {sorted(named)}")

    def _close(self) -> None:
        if self._sink is not None:
            self._sink.close()
            self._sink = None
