"""Names that PostgreSQL can have, for tables and columns of any name.

PostgreSQL cuts names at 63 bytes without an error, and does not let a column be called as one of its own. Such a name
is shortened and gets a checksum of the whole: ``a_very_long_na..._1b2c3d4e``.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.accelerator import DEAD_LETTERS, Target
from headrace.accelerators.postgres.door import quoted

MOST_BYTES = 63
"""NAMEDATALEN - 1: https://www.postgresql.org/docs/current/limits.html."""

_SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "oid"})
"""https://www.postgresql.org/docs/current/ddl-system-columns.html, and the one of versions before 12."""


@dataclass(frozen=True, slots=True)
class Names:
    """The tables of one dataset in one schema, which other datasets' may be in too."""

    schema: str
    dataset: str

    def rows(self, target: Target) -> str:
        """A copy's rows: of the live one a table of the dataset's name."""
        return bounded(self.dataset if target is Target.LIVE else f"headrace_building_{self.dataset}")

    def notes(self, target: Target) -> str:
        """A copy's notes."""
        return bounded(f"headrace_notes_{target}_{self.dataset}")

    @property
    def checkpoint(self) -> str:
        """What is stored of all copies of all datasets, as SQL writes it."""
        return self.qualified("headrace_checkpoint")

    @property
    def letters(self) -> str:
        """The dead letters of all datasets, as SQL writes it."""
        return self.qualified(DEAD_LETTERS)

    @property
    def versions(self) -> str:
        """The versions of rows that were pushed, of all datasets, as SQL writes it."""
        return self.qualified("headrace_version")

    def qualified(self, table: str) -> str:
        """A table of the schema as SQL writes it."""
        return f"{quoted(self.schema)}.{quoted(table)}"


def bounded(name: str) -> str:
    """The name, or what stands for it where it is too long."""
    return name if len(name.encode()) <= MOST_BYTES else _checked(name)


def column_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names of columns which are called ``names``, all different; the same for the same columns in any order."""
    taken = {name for name in names if _is_possible(name)}
    if len(taken) == len(names):
        return tuple(names)
    found = {name: name for name in taken}
    for name in sorted(set(names) - taken):
        candidate = _checked(name)
        while candidate in taken:
            candidate = _checked(candidate + "_")
        taken.add(candidate)
        found[name] = candidate
    return tuple(found[name] for name in names)


def _is_possible(name: str) -> bool:
    return len(name.encode()) <= MOST_BYTES and name not in _SYSTEM_COLUMNS


def _checked(name: str) -> str:
    end = f"_{zlib.crc32(name.encode()):08x}"
    stem = name.encode()[: MOST_BYTES - len(end)].decode(errors="ignore")
    return stem + end
