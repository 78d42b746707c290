"""The engine Cayenne: immutable Vortex files and a SQLite metastore, read by DuckDB."""
