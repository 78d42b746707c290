"""Arrow's views: texts and binaries that lie where they were made, and need not be copied."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

VIEWS: Final = {pa.string(): pa.string_view(), pa.binary(): pa.binary_view()}
"""The type of views that holds the same values as another type."""
