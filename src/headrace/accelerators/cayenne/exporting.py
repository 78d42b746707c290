"""The live copy of a dataset in Cayenne as files of another folder: its metastore, and the files of rows as they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from headrace.accelerator import Target
from headrace.accelerators.cayenne.file_record import FileRecord, damage, data_path, keys_path
from headrace.accelerators.cayenne.metastore import FORMAT, NAME, Metastore
from headrace.accelerators.cayenne.transaction import CopyState
from headrace.accelerators.disk import put
from headrace.accelerators.exports import Exports, expect_format, unusable
from headrace.accelerators.sqlite.backup import backed_up, expect_live, keep_live
from headrace.accelerators.sqlite.tables import SQLiteCopy
from headrace.durable import sync
from headrace.snapshot import Exported

TABLES: Final = ("headrace_checkpoint", "headrace_metastore", "headrace_copy", "headrace_file")
"""Some of those by which a metastore is known."""


def export(
    connection: sqlite3.Connection,
    dataset: str,
    copies: Mapping[Target, CopyState],
    folder: Path,
    snapshot: str,
    exports: Exports,
) -> Exported:
    """Write the live one of ``copies`` into ``folder``; they are what the transaction of ``connection`` sees, and pinned.

    Files of rows are linked where the file system can: they never change. Raises AcceleratorError, OSError, and what
    SQLite raises.
    """
    row = expect_live(connection, dataset)
    live = copies[Target.LIVE]
    for part in live.files.values():
        for path in (part.source.path, part.source.keys_path):
            exports.expect_going()
            put(path, folder / path.name)
    with backed_up(connection, folder / NAME, exports) as copy:
        metastore = Metastore(copy)
        building = SQLiteCopy(copy, dataset, Target.BUILDING, ())
        other = building.stored()
        if other is not None:
            building.drop_beside(other)
            metastore.remove_copy(metastore.copies()[Target.BUILDING])
        checkpoint = keep_live(copy, dataset, row, snapshot)
    return Exported(
        checkpoint, live.schema, live.rows, row.letters, row.waiting, f"vortex {version('vortex-data')}"
    )


def expect_exported(connection: sqlite3.Connection, dataset: str, folder: Path) -> list[FileRecord]:
    """The files of rows of the exported copy in ``folder``, whose metastore ``connection`` reads.

    Raises SnapshotRefused where one is damaged or missing, or a newer Headrace made them; OSError.
    """
    (format_,) = connection.execute("SELECT format FROM headrace_metastore").fetchone() or (0,)
    expect_format(dataset, format_, FORMAT, FORMAT)
    metastore = Metastore(connection)
    copies = metastore.copies()
    if list(copies) != [Target.LIVE]:
        raise unusable(dataset, "its metastore names other copies than the live one")
    records = metastore.files(copies[Target.LIVE])
    for record in records:
        for path in (data_path(folder, record.number), keys_path(folder, record.number)):
            if not path.is_file():
                raise unusable(dataset, f"it has no {path.name}")
            fault = damage(path, record)
            if fault:
                raise unusable(dataset, f"{path.name} is damaged: it has {fault}")
    return records


def renumber(connection: sqlite3.Connection, beyond: int) -> None:
    """Give all files of a metastore numbers that are greater by ``beyond``."""
    for table, column in (("headrace_file", "number"), ("headrace_deletion", "file")):
        # A number is there once, at every moment.
        connection.execute(f"UPDATE {table} SET {column} = -{column}")  # noqa: S608 - ours
        connection.execute(f"UPDATE {table} SET {column} = ? - {column}", (beyond,))  # noqa: S608 - ours
    connection.execute("UPDATE headrace_metastore SET files = files + ?", (beyond,))


def place(records: list[FileRecord], folder: Path, target: Path, beyond: int) -> None:
    """Put files into ``target``, under numbers that are greater by ``beyond``; durable on return. Raises OSError."""
    for record in records:
        for named in (data_path, keys_path):
            put(named(folder, record.number), named(target, record.number + beyond))
    sync(target)
