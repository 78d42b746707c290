"""``python -m support.mutants.hunt START SEEDS ENGINE``: runs seeds until one fails, and prints what caught it as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from support.mutants.planted import plant
from support.mutants.table import Mutant
from support.simulation.scenario import draw
from support.simulation.world import run

TESTS = Path(__file__).parents[2]


@dataclass(frozen=True)
class Catch:
    """What became of a mutant: the seed and check that caught it, None where no seed did."""

    mutant: Mutant
    seed: int | None
    check: str | None
    message: str
    seconds: float

    @property
    def caught(self) -> bool:
        """Whether a promise was seen broken; a crash of the mutant itself proves nothing."""
        return self.check is not None and self.check != "defect"


def hunt(mutant: Mutant, start: int, seeds: int) -> Catch:
    """Plant ``mutant`` and run seeds on it, in a process of its own, until one fails."""
    began = time.monotonic()
    with TemporaryDirectory(prefix="mutant-") as folder:
        path = os.pathsep.join((str(plant(mutant, Path(folder))), str(TESTS)))
        done = subprocess.run(
            [sys.executable, "-m", "support.mutants.hunt", str(start), str(seeds), mutant.engine],
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    seconds = time.monotonic() - began
    if done.returncode:
        return Catch(mutant, None, "defect", done.stderr.strip(), seconds)
    found = json.loads(done.stdout)
    return Catch(mutant, found["seed"], found["check"], found["message"], seconds)


def _first_failure(start: int, seeds: int, engine: str) -> dict[str, object]:
    for seed in range(start, start + seeds):
        outcome = run(draw(seed, engine))
        if outcome.broken is not None:
            return {"seed": seed, "check": outcome.broken, "message": outcome.message}
    return {"seed": None, "check": None, "message": f"{seeds} seeds have passed"}


if __name__ == "__main__":
    print(json.dumps(_first_failure(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
