"""Where SQL finds the datasets: one schema in one catalog, under the names that are reported and others that are taken."""

from __future__ import annotations

from typing import Final

CATALOG: Final = "headrace"
"""The one catalog."""

SCHEMA: Final = "main"
"""The one schema of datasets and views: ``headrace.main.orders`` is ``orders``."""

INFORMATION_SCHEMA: Final = "information_schema"
"""The schema of the tables that tell what there is."""

CATALOGS: Final = frozenset({CATALOG, "spice"})
"""What statements may call the catalog, in lower case."""

SCHEMAS: Final = frozenset({SCHEMA, "public"})
"""What they may call the schema of datasets and views."""
