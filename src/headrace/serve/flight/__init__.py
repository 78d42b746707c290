"""Arrow Flight SQL: statements over gRPC, rows as Arrow. ``server`` begins it, ``service`` answers the calls."""
