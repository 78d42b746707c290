"""How much memory a process of its own may take."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_CONTROL_GROUPS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_RESERVED: Final = 2 * 2**30
"""For stacks of threads and what allocators set aside: addresses that are counted, and never become memory."""


def memory_of_machine() -> int:
    """Bytes of memory that this process may use: the machine's, or its control group's where that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in _CONTROL_GROUPS:
        try:
            total = min(total, int(file.read_text()))
        except (OSError, ValueError):
            # There is no such group, or it has no limit ("max").
            continue
    return total


def bound_memory() -> None:
    """Have an allocation fail that is larger than what there is; else the system would kill the process for it.

    DuckDB checks what its operators hold, but not the values that a function makes: one call can ask for 16 GiB. Where that
    fails, its statement ends with an error, and everything else goes on.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limits.
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = memory_of_machine() + _RESERVED
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
