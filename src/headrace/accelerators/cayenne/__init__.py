"""The engine Cayenne: immutable Vortex files and a SQLite metastore, read by DuckDB."""

from headrace.accelerators.cayenne.accelerator import CayenneAccelerator

__all__ = ["CayenneAccelerator"]
