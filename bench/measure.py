"""What one process used, measured by itself between two moments."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of wall clock and of CPU (user and system, all threads), and the process's peak memory in bytes.

    ``start_cpu`` is what imports and preparations took before the measured part.
    """

    wall: float
    cpu: float
    peak_rss: int
    start_cpu: float


class Stopwatch:
    """Runs from its construction on."""

    def __init__(self) -> None:
        self._cpu = cpu_seconds()
        self._wall = time.perf_counter()

    def cost(self) -> Cost:
        """What was used until now."""
        wall = time.perf_counter() - self._wall
        return Cost(wall, cpu_seconds() - self._cpu, peak_rss(), self._cpu)


def cpu_seconds() -> float:
    """CPU of this process so far, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_rss() -> int:
    """Peak resident memory of this process in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage's figure is inherited from the process that started this one; the kernel's own is not.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def rss(pid: int) -> int | None:
    """Resident memory of a process in bytes; None where it has ended or there is no /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    # A process that has ended and was not waited for holds none.
    return pages * resource.getpagesize() or None


def report(cost: Cost, **more: object) -> None:
    """Hand the result to whoever started this process: one line of JSON on standard output."""
    print(json.dumps({**asdict(cost), **more}), flush=True)
