"""Stand-ins for JSON that is left undecoded."""

from __future__ import annotations

from typing import Final

import msgspec

ABSENT: Final = msgspec.Raw()
"""Stands where no raw value came: msgspec does not decode ``Raw | None``."""
