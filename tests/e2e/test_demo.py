"""The first thing that a new user sees."""

import signal
import subprocess

from support.process import HEADRACE, environment


def test_the_demo_ends_by_itself_having_compared_copy_and_table(tmp_path):
    done = subprocess.run(
        [HEADRACE, "demo", "--seconds", "8"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "3 open shards" in done.stdout, "a shard was split under way"
    assert "the copy equals the table" in done.stdout.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_stops_the_demo_cleanly(tmp_path):
    with subprocess.Popen(
        [HEADRACE, "demo"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        shown = [next(line for line in demo.stdout if line.startswith("Ready"))]
        demo.send_signal(signal.SIGINT)
        shown += demo.stdout.readlines()
        assert demo.wait(60) == 0, demo.stderr.read()
    assert "the copy equals the table" in shown[-1]
