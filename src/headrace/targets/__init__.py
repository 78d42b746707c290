"""What takes the records of a mapping in place of a function: another table that is kept equal."""

from headrace.targets.replica import ReplicaTarget

__all__ = ["ReplicaTarget"]
