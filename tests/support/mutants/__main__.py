"""Plants every mutant in turn and prints what caught it; exit status 1 if one survives."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from support.mutants.hunt import Catch, hunt
from support.mutants.table import MUTANTS

SEEDS = 3000
"""Seeds after which a mutant has survived; most are caught by the first hundred."""


def main() -> int:
    """Exit status 0 if every mutant was caught."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--only", default="", help="only mutants whose name holds this text")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many seeds at most")
    parser.add_argument("--jobs", type=int, default=2, help="how many mutants at once")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if options.only in mutant.name]
    if not chosen:
        names = "\n  ".join(mutant.name for mutant in MUTANTS)
        parser.error(f"no mutant is called {options.only!r}; there are:\n  {names}")
    survivors = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for catch in pool.map(lambda mutant: hunt(mutant, options.start, options.seeds), chosen):
            survivors += not catch.caught
            print(_line(catch), flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutants caught")
    return 1 if survivors else 0


def _line(catch: Catch) -> str:
    name = f"{catch.mutant.name:<62}"
    if not catch.caught:
        return f"{name} SURVIVES ({catch.seconds:.0f} s): {catch.message}"
    return f"{name} seed {catch.seed:>5}  {catch.check:<12} {catch.seconds:6.1f} s"


if __name__ == "__main__":
    sys.exit(main())
