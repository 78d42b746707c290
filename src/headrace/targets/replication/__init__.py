"""``replicate``: another table that is kept equal."""

from headrace.targets.replication.comparison import ReplicaComparison
from headrace.targets.replication.target import ReplicaTarget

__all__ = ["ReplicaComparison", "ReplicaTarget"]
