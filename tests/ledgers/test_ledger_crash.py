"""What was committed is there, whole, after a kill and after the loss of what the disk had not taken."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from contextlib import closing

import pytest

from headrace.ledgers import Ledgers
from support.deliveries import failure, parked, shard, work

WRITE = """
import itertools
import sys
from pathlib import Path
from headrace.ledgers import Ledgers
from support.deliveries import failure, parked, shard, work
ledger = Ledgers(Path(sys.argv[1])).of("status")
for n in itertools.count(int(sys.argv[2])):
    ledger.commit(work(shard("s1", n), shard("s2", n), failures=(failure(n),), parked=(parked(n),)))
    print(n, flush=True)
"""


def step(number):
    return work(
        shard("s1", number), shard("s2", number), failures=(failure(number),), parked=(parked(number),)
    )


def expect_whole(path) -> int:
    """The number of the last commit, of which all is there and nothing of a later one."""
    with closing(Ledgers(path)) as ledgers:
        ledger = ledgers.of("status")
        delivery = ledger.open()
        if delivery is None:
            return 0
        last = delivery.failures
        assert delivery.shards == (shard("s1", last), shard("s2", last))
        assert delivery.parked == {"a": last}
        assert ledger.parked("a", 10**6) == tuple(parked(n) for n in range(1, last + 1))
        found = itertools.chain.from_iterable(
            stored.failure.records for stored in ledger.failures(limit=10**6)
        )
        assert {int(record.sequence.text) for record in found} == set(range(1, last + 1))
        return last


@pytest.mark.parametrize("rounds", [4, pytest.param(40, marks=pytest.mark.long)])
def test_kills_lose_nothing_that_was_committed(tmp_path, rounds):
    path = tmp_path / "events.sqlite"
    last = 0
    for round_ in range(rounds):
        command = [sys.executable, "-c", WRITE, str(path), str(last + 1)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as writer:
            said = [int(writer.stdout.readline()) for _ in range(3 + 7 * round_)]
            writer.kill()
            said += [int(line) for line in writer.stdout.read().split()]
        found = expect_whole(path)
        # The kill may have come between a commit and its word.
        assert found in (said[-1], said[-1] + 1)
        last = found


def test_a_log_that_was_cut_off_anywhere_leaves_the_state_after_some_commit_and_none_that_was_synced_is_lost(
    tmp_path,
):
    path, log = tmp_path / "events.sqlite", tmp_path / "events.sqlite-wal"
    with closing(Ledgers(path)) as ledgers:
        ledger = ledgers.of("status")
        synced = []
        for number in range(1, 7):
            ledger.commit(step(number))
            synced.append(log.stat().st_size)
        kept = {file: file.read_bytes() for file in (path, log)}
    cuts = sorted({*range(0, synced[-1] + 1, 1500), *synced, *(size - 1 for size in synced)})
    for cut in cuts:
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        for file, content in kept.items():
            (folder / file.name).write_bytes(content[:cut] if file == log else content)
        assert expect_whole(folder / path.name) == sum(size <= cut for size in synced)
        shutil.rmtree(folder)
