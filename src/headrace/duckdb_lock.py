"""What no DuckDB of ours may do: read files that it was not given, load extensions, follow what else is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LOCK: Final[Mapping[str, str]] = {
    # A zoned timestamp reads the same whatever the host's zone.
    "TimeZone": "'UTC'",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "disabled_optimizers": "'extension'",
    "enable_external_access": "false",
    "lock_configuration": "true",
}
"""Settings by name, values as SQL, in the order in which they are to be set: the last one locks them all."""
