"""The engine Cayenne: immutable Vortex files and a SQLite metastore."""
