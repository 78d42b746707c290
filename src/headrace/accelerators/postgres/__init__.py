"""PostgreSQL: an accelerator in a server, which others may read too."""

from headrace.accelerators.postgres.accelerator import PostgresAccelerator

__all__ = ["PostgresAccelerator"]
