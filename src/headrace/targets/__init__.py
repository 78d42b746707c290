"""What takes the records of a mapping in place of a function: another table that is kept equal."""

from headrace.targets.comparison import Compared, Comparison, ItemDifference
from headrace.targets.replica import ReplicaTarget
from headrace.targets.table import Patience, Table

__all__ = ["Compared", "Comparison", "ItemDifference", "Patience", "ReplicaTarget", "Table"]
