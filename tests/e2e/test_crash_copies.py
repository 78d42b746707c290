"""Power lost at a random instant: what the disk held then is started again, and must go on to equality."""

import os
import shutil
import time

import pytest
import urllib3

from headrace.accelerators.cayenne.metastore import NAME as METASTORE
from headrace.config import load_pod
from headrace.observe import BootstrapStarted, GapFound, Reinitialized
from headrace.runtime import Runtime
from support.crash_folder import is_whole
from support.crash_load import differences
from support.crash_world import (
    FILE_ENGINES,
    CrashWorld,
    is_inside_checkpoint,
    seed_of_this_run,
    what_is_durable,
)
from support.deadline import eventually, nothing

COPIES = 20

LOG = 2**25
"""A log that is longer may have been moved into the database in part."""

CUT = 2**16
"""Up to so many bytes are cut off the log of every second copy: writes that a disk had not yet kept."""


def take_copies(world, folder, count):
    """Copies of the live files at random instants, most of them taken of a table that is Ready."""
    taken = []
    world.start()
    world.serve()
    world.until_told("bootstrap_started")
    for number in range(count):
        if number == count // 6:
            world.gate.pace = 0.0
            world.until_ready()
        if number % 5 == 0 and not world.gate.pace:
            world.until_checkpoint()
            world.pause(0.03)
        else:
            world.pause(1.2)
        taken.append(folder / f"copy-{number:02d}")
        world.copy_alive(taken[-1])
    return taken


def cut_the_log(world, copy):
    """As if the last writes had been lost; whether there were any to lose."""
    log = world.log_in(copy)
    # In a checkpoint, engines rely on what they had the disk keep; SQLite's log then begins anew in the same file.
    if not log.exists() or is_inside_checkpoint(log) or log.stat().st_size > LOG:
        return False
    whole = log.read_bytes()
    os.truncate(log, len(whole) - world.random.randrange(min(len(whole), CUT)))
    if log.name.startswith(METASTORE) and not is_whole(log.parent):
        # Cayenne removes files only after it has had the disk keep the commit that gave them up.
        log.write_bytes(whole)
        return False
    return True


def goes_on(copy, items):
    """Start a second runtime on a copy, and wait until it holds the whole table; the seconds to Ready."""
    facts = []
    durable = what_is_durable(shutil.copytree(copy, copy.with_suffix(".read")))["orders"].live is not None
    pod = load_pod(copy, os.environ, copy)
    runtime = Runtime(pod, http=("127.0.0.1", 0), metrics=("127.0.0.1", 0), observers=[facts.append])
    http = urllib3.PoolManager()
    began_at = time.monotonic()
    try:
        runtime.start()
        eventually(lambda: runtime.statuses()[0].ready, within=60, what=f"{copy.name} is Ready")
        ready_after = time.monotonic() - began_at

        def wrong():
            answer = http.request("POST", runtime.http_url + "/v1/sql", body=b"SELECT * FROM orders")
            assert answer.status == 200, answer.data
            return differences(answer.json(), items)

        eventually(wrong, within=60, what=f"every value, in {copy.name}", every=0.1, holds=nothing)
    finally:
        http.clear()
        runtime.stop()
    for kind in (BootstrapStarted, GapFound, Reinitialized):
        # The first copy may be older than the first commit.
        expected = 1 if kind is BootstrapStarted and not durable else 0
        assert len([fact for fact in facts if isinstance(fact, kind)]) == expected, copy.name
    return ready_after


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", FILE_ENGINES)
def test_what_a_disk_held_at_any_instant_goes_on_to_equality(tmp_path, engine, record_property, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    world = CrashWorld(tmp_path, seed_of_this_run(), engine=engine)
    with world.running():
        copies = take_copies(world, tmp_path, COPIES)
        world.until_equal()
        world.finish()
        (table,) = world.load.tables
        items = table.items()
        cut = sum(cut_the_log(world, copy) for copy in copies[::2])
        seconds = sorted(goes_on(copy, items) for copy in copies)
    assert cut > 0
    record_property(
        "told",
        f"{len(copies)} copies, {cut} of them with a log cut short, Ready after "
        f"{seconds[len(seconds) // 2]:.1f} s, at most {seconds[-1]:.1f} s; {world.report()}",
    )
