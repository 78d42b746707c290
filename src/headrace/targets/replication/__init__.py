"""``replicate``: another table that is kept equal."""

from headrace.targets.replication.comparison import Compared, Comparison, ItemDifference
from headrace.targets.replication.target import ReplicaTarget

__all__ = ["Compared", "Comparison", "ItemDifference", "ReplicaTarget"]
