"""What engines share that find a row by its primary key: the order of one transaction, and of looking a key up.

Such an engine gives a ``RowTransaction``, of which every method is one small step; ``WorkWriter`` takes the steps.
"""

from headrace.accelerators.relational.copy_row import CopyRow
from headrace.accelerators.relational.transaction import CopyTables, RowTransaction
from headrace.accelerators.relational.writer import WorkWriter

__all__ = ["CopyRow", "CopyTables", "RowTransaction", "WorkWriter"]
