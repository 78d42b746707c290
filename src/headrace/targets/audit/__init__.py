"""``audit``: what happened to each item, a row for each record of the stream."""

from headrace.targets.audit.target import AuditTarget

__all__ = ["AuditTarget"]
