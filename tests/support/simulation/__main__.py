"""Runs seeds one after another, on several processes, until one fails; then makes it small and prints it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial

from support.simulation.scenario import ENGINES, draw
from support.simulation.shrink import replay_line, shrink, story
from support.simulation.table import Tally
from support.simulation.world import Outcome, run

_AHEAD = 8
_PROGRESS_SECONDS = 5.0


def main() -> int:
    """Exit status 0 if every seed passed, 1 if one failed, 130 after Ctrl-C."""
    options = _parse()
    tally, began = Tally(), time.monotonic()
    failed: Outcome | None = None
    interrupted = False
    try:
        for outcome in _outcomes(options):
            tally.add(outcome)
            if options.trace:
                _say(f"seed {outcome.scenario.seed}: {outcome.trace}")
            if outcome.broken is not None:
                failed = outcome
                break
            _progress(options, tally, began)
    except KeyboardInterrupt:
        interrupted = True
    seconds = time.monotonic() - began
    _say("\n".join(tally.lines()))
    _say(f"{tally.seeds.total()} seeds in {seconds:.1f} s")
    if failed is not None:
        _say(f"\nseed {failed.scenario.seed} fails: {failed.message}\n{replay_line(failed.scenario)}")
        _say("making it small ...")
        _say("\n".join(story(shrink(failed))))
        return 1
    if interrupted:
        _say("interrupted")
        return 130
    return 1 if tally.missing() and not options.without else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m support.simulation", description=__doc__)
    parser.add_argument("--start", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds (1000)")
    parser.add_argument("--engine", choices=ENGINES, default="memory", help="where the copy is (memory)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one a core)")
    parser.add_argument("--without", default="", help="kinds of trouble to leave out, with commas between")
    parser.add_argument("--items", type=int, help="how many items there are, in place of what the seed says")
    parser.add_argument("--writes", type=int, help="how many writes a round has, likewise")
    parser.add_argument("--rounds", type=int, help="how many rounds there are, likewise")
    parser.add_argument("--trace", action="store_true", help="print each seed's trace hash")
    return parser.parse_args()


def _one(seed: int, options: argparse.Namespace) -> Outcome:
    without = frozenset(kind.strip() for kind in options.without.split(",") if kind.strip())
    scenario = draw(
        seed,
        options.engine,
        without=without,
        items=options.items,
        writes=options.writes,
        rounds=options.rounds,
    )
    return run(scenario)


def _outcomes(options: argparse.Namespace) -> Iterator[Outcome]:
    """The outcomes in the order of the seeds, whichever process is done first."""
    seeds = iter(range(options.start, options.start + options.seeds))
    one = partial(_one, options=options)
    if options.jobs <= 1:
        yield from map(one, seeds)
        return
    with ProcessPoolExecutor(options.jobs, initializer=_ignore_interrupts) as pool:
        waiting: list[Future[Outcome]] = []
        try:
            for seed in seeds:
                waiting.append(pool.submit(one, seed))
                if len(waiting) >= options.jobs * _AHEAD:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


_told_at = 0.0


def _progress(options: argparse.Namespace, tally: Tally, began: float) -> None:
    global _told_at  # noqa: PLW0603  # One line of progress for one process.
    now = time.monotonic()
    if now - max(_told_at, began) >= _PROGRESS_SECONDS:
        _told_at = now
        done = tally.seeds.total()
        _say(f"{done} of {options.seeds} seeds, {done / (now - began):.1f} a second")


if __name__ == "__main__":
    sys.exit(main())
