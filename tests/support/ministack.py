"""ministack: an independent stand-in for AWS, in a virtual environment of its own because it pins botocore."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import subprocess
import sys
import venv
from pathlib import Path
from typing import Self

import urllib3

from support.deadline import eventually

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "tests" / "e2e" / "ministack.lock"


def ministack_command() -> Path:
    """The path of ministack's command, installed on first use; parallel tests wait for each other."""
    version = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    folder = ROOT / ".cache" / f"ministack-{version}"
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "ministack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            venv.create(folder, with_pip=True, clear=True)
            command = [
                folder / "bin" / "python",
                "-m",
                "pip",
                "install",
                "--quiet",
                "--require-hashes",
                "--no-deps",
            ]
            subprocess.run([*command, "-r", LOCK], check=True)
            (folder / "installed").touch()
    return folder / "bin" / "ministack"


class Ministack:
    """A running ministack on a free port."""

    def __init__(self) -> None:
        self._http = urllib3.PoolManager()

    def __enter__(self) -> Self:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        env = {**os.environ, "GATEWAY_PORT": str(port), "MINISTACK_HOST": "127.0.0.1"}
        self._process = subprocess.Popen(
            [ministack_command()], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually(self._answers, within=60, what=f"ministack on {self.url}")
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._http.clear()

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(f"ministack left with {self._process.returncode}; python is {sys.version}")
        try:
            return self._http.request("GET", self.url + "/_ministack/health", retries=False).status < 500
        except urllib3.exceptions.HTTPError:
            return False
