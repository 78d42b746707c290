"""The order in which columns of a table get other names, where engines take names that differ in capitals for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headrace.schema import TableSchema

ASIDE: Final = "headrace_aside_"
"""What names that nothing keeps begin with."""


def renamings(old: TableSchema, new: TableSchema) -> Iterator[tuple[str, str]]:
    """Steps from the names of ``old`` to those of ``new``, which has all its paths: a name, and the next one."""
    names = {column.path: column.name for column in new.columns}
    changing = [
        (column.name, names[column.path]) for column in old.columns if column.name != names[column.path]
    ]
    # Aside first: one may want a name that another still has, or its own in other letters.
    for number, (before, _) in enumerate(changing):
        yield before, f"{ASIDE}{number}"
    for number, (_, after) in enumerate(changing):
        yield f"{ASIDE}{number}", after
