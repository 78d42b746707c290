"""What a function's environment says, beside the Spicepod.

``HEADRACE_SPICEPOD``            the Spicepod's file or folder; a relative path starts at the package. Else that of ``LAMBDA_TASK_ROOT``
``HEADRACE_MAPPING``             names of the event source mappings and datasets to serve, with commas between; else all of the event's table
``HEADRACE_PARTIAL_RESPONSES``   ``on`` where the event source mapping has ReportBatchItemFailures; else ``off``: see ``Settings``
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.errors import ConfigError

SPICEPOD: Final = "HEADRACE_SPICEPOD"
MAPPING: Final = "HEADRACE_MAPPING"
PARTIAL_RESPONSES: Final = "HEADRACE_PARTIAL_RESPONSES"
TASK_ROOT: Final = "LAMBDA_TASK_ROOT"

_CHOICES: Final = {"on": True, "off": False}


@dataclass(frozen=True, slots=True)
class Settings:
    """``root`` is the package's folder, ``spicepod`` None for the one in it; ``names`` empty for all.

    ``partial``: failures of single records are reported. Unless the event source mapping asks for reports, Lambda ignores them
    and goes on behind the records that failed, so without ``partial`` such a failure is raised and fails the batch.
    """

    root: Path
    spicepod: Path | None = None
    names: frozenset[str] = frozenset()
    partial: bool = False


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Those of a function's environment. Raises ConfigError."""
    partial = environ.get(PARTIAL_RESPONSES, "").strip().lower() or "off"
    if partial not in _CHOICES:
        raise ConfigError(
            f"{PARTIAL_RESPONSES}: {partial!r} is neither on nor off; on belongs to an event source mapping with "
            "FunctionResponseTypes: [ReportBatchItemFailures]"
        )
    spicepod = environ.get(SPICEPOD, "").strip()
    names = (name.strip() for name in environ.get(MAPPING, "").split(","))
    return Settings(
        root=Path(environ.get(TASK_ROOT) or Path.cwd()),
        spicepod=Path(spicepod) if spicepod else None,
        names=frozenset(name for name in names if name),
        partial=_CHOICES[partial],
    )
