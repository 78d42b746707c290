"""SQLite: an accelerator that keeps a dataset's rows in a file of their own, found by key."""

from headrace.accelerators.sqlite.accelerator import SQLiteAccelerator
from headrace.accelerators.sqlite.leaf import SQLiteLeaf

__all__ = ["SQLiteAccelerator", "SQLiteLeaf"]
