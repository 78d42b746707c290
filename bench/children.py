"""Starting and ending the processes that take part: servers, runtimes, clients."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

BENCH = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent

_AWS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def environment() -> dict[str, str]:
    """This process's environment without its AWS settings and Headrace's, and with credentials for nothing."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SPICE_"))}
    return {**kept, **_AWS}


def start(
    *command: str, env: Mapping[str, str] | None = None, stderr: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process in this folder, with pipes for its standard input and output."""
    return subprocess.Popen(
        command,
        cwd=BENCH,
        env=env or environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
    )


def first_line(process: subprocess.Popen[bytes], containing: str) -> str:
    """The first line of its output with this text. Raises RuntimeError if the output ends before."""
    assert process.stdout is not None
    for line in process.stdout:
        if containing in (text := line.decode().strip()):
            return text
    raise RuntimeError(f"{process.args!r} ended with {process.wait()} before it said {containing!r}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and see to it."""
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def canned_server(items: int) -> Iterator[str]:
    """The canned server with a table of that many items; gives its URL."""
    server = start(sys.executable, "canned.py", "--items", str(items))
    try:
        yield first_line(server, "http://")
    finally:
        stop(server)
