"""What a crash world looks at in the folder of a Cayenne dataset, which is not one file."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from headrace.accelerators.cayenne.metastore import NAME
from support.engines.cayenne_disk import parts_in

EAGER = Path(__file__).with_name("eager_cayenne")
"""In a process's PYTHONPATH, this has it make files of few rows."""


def named_in(folder: Path) -> set[str]:
    """The files of rows and keys that the last commit names. The folder is left as it is: a copy is read."""
    with TemporaryDirectory() as temporary:
        for file in folder.glob(f"{NAME}*"):
            shutil.copy(file, temporary)
        with closing(sqlite3.connect(Path(temporary, NAME))) as connection:
            (made,) = connection.execute(
                "SELECT count(*) FROM sqlite_schema WHERE name = 'headrace_file'"
            ).fetchone()
            found = connection.execute("SELECT number FROM headrace_file").fetchall() if made else []
    return {f"part-{number:08d}{suffix}" for (number,) in found for suffix in (".vortex", ".keys")}


def is_inside_upkeep(folder: Path) -> bool:
    """Whether there are files that no copy has yet, or has any more."""
    return folder.exists() and bool(parts_in(folder) - named_in(folder))


def is_whole(folder: Path) -> bool:
    """Whether all files are there that the metastore names."""
    return named_in(folder) <= parts_in(folder)
