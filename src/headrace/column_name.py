"""Names of columns and of struct fields, from the attributes that they hold.

A column is named after its attribute, an unnested one after its path: ``b.x``. SQL engines take names that
differ only in case for one, know no empty name and no NUL; a column ``rowid`` would hide the number by which they find a
row, and the prefix ``headrace_`` is ours. Where an attribute's name cannot be had, it gets a checksum of its exact path:
``Id_2abd43f2``. Reserved words, dots, quotes and spaces are kept: SQL quotes them.

Of attributes that want one name, the first keeps it: those that came first in rank (keys, then declared columns),
then the shortest path (a real ``b.x`` before one unnested from ``b``), then by code point, small letters before
capital ones. So the names follow from the set of attributes alone, whatever the order in which they were seen.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

RESERVED_PREFIX: Final = "headrace_"
"""Column and table names with this prefix are Headrace's own."""

ROW_NUMBER: Final = "rowid"
"""What engines call the number of a row, in whatever case."""

Path = tuple[str, ...]
"""An attribute, and within maps the names of the members down to the value."""


def assign_names(paths: Sequence[Path], ranks: Sequence[int] | None = None) -> tuple[str, ...]:
    """The name of each of ``paths``, which differ; the lower its rank, the sooner it is served."""
    wanted = [wish(path) for path in paths]
    if len({name.lower() for name in wanted}) == len(paths) and None not in map(_kept, wanted):
        return tuple(wanted)
    order = sorted(range(len(paths)), key=lambda n: (ranks[n] if ranks else 0, *_precedence(paths[n])))
    names: dict[int, str] = {}
    taken: set[str] = set()
    for number in order:
        name = _kept(wanted[number])
        if name is None or name.lower() in taken:
            name = _checked(wanted[number], paths[number])
            while name.lower() in taken:
                name += "_"
        taken.add(name.lower())
        names[number] = name
    return tuple(names[number] for number in range(len(paths)))


def wish(path: Path) -> str:
    """The name that a path would have if it were alone."""
    return ".".join(path)


def _precedence(path: Path) -> tuple[int, Path, Path]:
    # Two paths may be one with their cases swapped: the sharp s becomes two letters.
    return len(path), tuple(part.swapcase() for part in path), path


def _kept(name: str) -> str | None:
    lower = name.lower()
    free = lower != ROW_NUMBER and not lower.startswith(RESERVED_PREFIX)
    return name if name and "\0" not in name and free else None


def _checked(name: str, path: Path) -> str:
    plain = name.replace("\0", "") or "column"
    stem = f"item_{plain}" if plain.lower().startswith(RESERVED_PREFIX) else plain
    exact = path[0] if len(path) == 1 else "".join(f"{len(part)}:{part}" for part in path)
    return f"{stem}_{zlib.crc32(exact.encode('utf-8', 'surrogatepass')):08x}"
